package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
)

func TestRecordsNameTheirServiceOnce(t *testing.T) {
	var out bytes.Buffer
	process := ofService(slog.New(slog.NewJSONHandler(&out, nil)), "serve")
	room := ofService(process, "monitors")
	for want, log := range map[string]func(){
		`"service":"serve"`:                func() { process.Info("x", "a", 1) },
		`"service":"monitors"`:             func() { room.Info("x", "a", 1) },
		`"service":"rpc"`:                  func() { room.With("b", 2, "service", "rpc").Info("x", "a", 1) },
		`"service":"record"`:               func() { room.Info("x", "service", "record") },
		`"service":"monitors","g":{"a":1}`: func() { room.WithGroup("").WithGroup("g").Info("x", "a", 1) },
	} {
		out.Reset()
		log()
		if text := out.String(); strings.Count(text, `"service"`) != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: want %s, once", text, want)
		}
	}
}

// Otherwise nothing of a handler changes.
func TestServiceHandlerIsAHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return ofService(slog.New(slog.NewJSONHandler(&out, nil)), "x").Handler()
	}, func(t *testing.T) map[string]any {
		record := map[string]any{}
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		return record
	})
}
