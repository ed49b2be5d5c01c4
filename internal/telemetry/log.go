package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/requestid"
)

// Format is how log records are written.
type Format string

// The formats.
const (
	FormatAuto Format = ""     // text on a terminal, else JSON
	FormatJSON Format = "json" // one object per line
	FormatText Format = "text" // for eyes
)

// LogOptions adjust NewLogger.
type LogOptions struct {
	Level  slog.Leveler // nil means Info
	Format Format
	Color  *bool // of text; nil means if w is a terminal
}

// NewLogger writes to w. Every record carries the trace_id, span_id and request_id of its context; what stands under a name
// that secret.Sensitive knows, credentials and queries in URLs, and every secret.String are "***".
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	terminal := isTerminal(w)
	color := terminal
	if o.Color != nil {
		color = *o.Color
	}
	var h slog.Handler
	if o.Format == FormatText || o.Format == FormatAuto && terminal {
		h = newConsole(w, o.Level, color)
	} else {
		h = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: redact})
	}
	return slog.New(contextHandler{h})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// contextHandler adds what the context knows.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	if id := requestid.FromContext(ctx); id != "" && !has(r, "request_id") {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}
