package prober

import (
	"context"
	"net"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/telemetry"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
)

// Checks are on time with every one of them traced and a collector that refuses, or takes the connection and never answers:
// what cannot be exported is dropped, and counted. A span that waited for the collector would wait ten seconds.
func TestACollectorInTroubleDelaysNoCheck(t *testing.T) {
	for name, accepts := range map[string]bool{"refuses": false, "never answers": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() // the backlog takes the connections, and nobody answers them
			if !accepts {
				_ = l.Close()
			}
			tel, err := telemetry.New(t.Context(), telemetry.Config{Service: "prober", Endpoint: "http://" + l.Addr().String()})
			if err != nil {
				t.Fatal(err)
			}
			const monitors, rounds = 2000, 3
			ran := make(chan struct{}, monitors*(rounds+10))
			b := startWatched(t, Config{}, tel.MeterProvider(), newTracer(tel.TracerProvider(), 1), func(uint32) (time.Duration, checkv1.ResultStatus) {
				ran <- struct{}{}
				return time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
			})
			began := time.Now()
			for id := range uint32(monitors) {
				b.assign(assignment(id+1, 1), &lastSlot{at: began}, false)
			}
			for range monitors * rounds {
				<-ran
			}
			if took := time.Since(began); took > (rounds+6)*time.Second {
				t.Errorf("%d rounds of one a second took %v", rounds, took)
			}
			read := telemetrytest.Metrics{Telemetry: tel}
			if late := read.Sum(t, "frogup_prober_lateness_seconds_sum") / read.Sum(t, "frogup_prober_lateness_seconds_count"); late > 0.5 {
				t.Errorf("checks were %v s late on average", late)
			}
			if lost := read.Sum(t, "frogup_telemetry_spans_total", `result="dropped"`); lost == 0 {
				t.Error("no span was dropped: this test has not tested anything")
			}
			b.stopAndRead(t)
			began = time.Now()
			if err := tel.Shutdown(context.Background()); err == nil {
				t.Error("the shutdown lost spans and says nothing")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the shutdown took %v", took)
			}
		})
	}
}
