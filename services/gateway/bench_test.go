package gateway_test

import (
	"log/slog"
	"testing"

	"github.com/frogstats/uptime/services/gateway"
)

// BenchmarkList reads a page of 100 monitors over HTTP with an API key: the whole way through the edge, gRPC in memory, a
// service that has its answer ready, and back.
func BenchmarkList(b *testing.B) {
	e := start(b, func(c *gateway.Config) { c.Log = slog.New(slog.DiscardHandler) })
	for id := range uint32(100) {
		e.monitors = append(e.monitors, someMonitor(id+1))
	}
	b.ReportAllocs()
	for b.Loop() {
		got := e.ask(b, viewerKey, "GET /api/uptime/monitors?page_size=100\nAccept-Encoding: identity")
		if got.status != 200 {
			b.Fatal(got.body)
		}
		b.SetBytes(int64(len(got.body)))
	}
}
