package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/requestid"
	"github.com/frogstats/uptime/internal/secret"
)

const canary = "canary-7f3a"

func TestNoSecretReachesTheLog(t *testing.T) {
	u, err := url.Parse("https://user:" + canary + "@example.com/path?token=" + canary + "#" + canary)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + canary}, "X-Api-Key": {canary}, "Accept": {"text/html"}}
	type request struct {
		Name     string
		Password secret.String
		inner    secret.String
	}
	log := func(l *slog.Logger) {
		l.Info("hello",
			"password", canary, "api_key", canary, "authorization", "Basic "+canary, "session_token", canary, "token", 7,
			"secret", secret.New(canary), "request", request{"visible", secret.New(canary), secret.New(canary)},
			"headers", header, "map", map[string]string{"cookie": canary}, "lists", map[string][]string{"set-cookie": {canary}},
			"url", u.String(), "target_url", u.String(), "parsed", u, "value", *u, "nil", (*url.URL)(nil), "broken_url", "http://[::1"+canary,
			"auth", slog.GroupValue(slog.String("credentials", canary), slog.Bool("has_credentials", true)), "cookies", []string{canary},
		)
		l.With("client_secret", canary, "kept", "yes").WithGroup("group").With("passphrase", canary).Warn("again", "private_key", []byte(canary))
	}
	for _, format := range []Format{FormatJSON, FormatText} {
		var out bytes.Buffer
		log(NewLogger(&out, LogOptions{Format: format}))
		if i := strings.Index(out.String(), canary); i >= 0 {
			t.Errorf("%s: leaked: …%s", format, out.String()[max(0, i-80):i+len(canary)])
		}
		for _, kept := range []string{"hello", "visible", "text/html", "https://example.com/path?***", "yes", "has_credentials"} {
			if !strings.Contains(out.String(), kept) {
				t.Errorf("%s: %q is missing from %s", format, kept, &out)
			}
		}
	}
}

func TestRecordsCarryTheirContext(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := requestid.NewContext(trace.ContextWithSpanContext(context.Background(), span), "req-1")
	var out bytes.Buffer
	l := NewLogger(&out, LogOptions{}) // not a terminal, so JSON
	l.With("service", "x").InfoContext(ctx, "hello")
	l.InfoContext(ctx, "hello", "request_id", "own")
	l.Info("hello")

	var records []map[string]any
	for d := json.NewDecoder(&out); d.More(); {
		var r map[string]any
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	if r := records[0]; r["trace_id"] != span.TraceID().String() || r["span_id"] != span.SpanID().String() || r["request_id"] != "req-1" || r["service"] != "x" {
		t.Errorf("record %v", r)
	}
	if r := records[1]; r["request_id"] != "own" {
		t.Errorf("record %v", r)
	}
	if r := records[2]; r["trace_id"] != nil || r["request_id"] != nil {
		t.Errorf("record without context %v", r)
	}
}

func TestLevel(t *testing.T) {
	for _, format := range []Format{FormatJSON, FormatText} {
		var level slog.LevelVar
		var out bytes.Buffer
		l := NewLogger(&out, LogOptions{Format: format, Level: &level})
		l.Debug("quiet")
		level.Set(slog.LevelDebug)
		l.Debug("loud")
		if s := out.String(); strings.Contains(s, "quiet") || !strings.Contains(s, "loud") {
			t.Errorf("%s: %s", format, s)
		}
	}
}

// TestConsoleKeepsTheContractOfHandlers runs the standard library's checks; they want to read the output back.
func TestConsoleKeepsTheContractOfHandlers(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newConsole(&out, slog.LevelInfo, false)
	}, func(t *testing.T) map[string]any {
		return readConsole(t, out.String())
	})
}

// readConsole parses "15:04:05.000 INFO  message  a.b=c", with or without the time.
func readConsole(t *testing.T, line string) map[string]any {
	t.Helper()
	before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "INFO  ")
	if !ok {
		t.Fatalf("no level in %q", line)
	}
	out := map[string]any{slog.LevelKey: "INFO"}
	if before != "" {
		out[slog.TimeKey] = strings.TrimSpace(before)
	}
	fields := strings.Split(after, "  ")
	out[slog.MessageKey] = fields[0]
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		groups := strings.Split(key, ".")
		at := out
		for _, g := range groups[:len(groups)-1] {
			if at[g] == nil {
				at[g] = map[string]any{}
			}
			at = at[g].(map[string]any)
		}
		at[groups[len(groups)-1]] = value
	}
	return out
}

func TestConsoleLine(t *testing.T) {
	var out bytes.Buffer
	on, off := true, false
	at := time.Date(2026, 1, 2, 15, 4, 5, 6e6, time.UTC)
	line := func(color *bool, level slog.Level, msg string, attrs ...slog.Attr) string {
		out.Reset()
		r := slog.NewRecord(at, level, msg, 0)
		r.AddAttrs(attrs...)
		if err := NewLogger(&out, LogOptions{Format: FormatText, Color: color, Level: slog.LevelDebug}).Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	attrs := []slog.Attr{slog.String("a", "b c"), slog.Any("error", errors.New("x: y")), slog.Int("n", 3), slog.String("empty", "")}
	if got, want := line(&off, slog.LevelInfo, "hello there", attrs...), "15:04:05.006 INFO  hello there  a=\"b c\"  error=\"x: y\"  n=3  empty=\"\"\n"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	if got := line(nil, slog.LevelWarn, "no terminal"); strings.Contains(got, "\x1b") {
		t.Errorf("colour on no terminal: %q", got)
	}
	for level, color := range map[slog.Level]string{slog.LevelDebug: cyan, slog.LevelInfo: green, slog.LevelWarn: yellow, slog.LevelError: red} {
		if got := line(&on, level, "x"); !strings.Contains(got, color+level.String()) {
			t.Errorf("level %v: %q", level, got)
		}
	}
	evil := "x\x1b[2Jy\nz"
	if got := line(&off, slog.LevelInfo, evil, slog.String("k", evil)); strings.ContainsAny(strings.TrimSuffix(got, "\n"), "\x1b\n") {
		t.Errorf("control characters went through: %q", got)
	}
}
