package alerts_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
	"github.com/frogstats/uptime/services/alerts"
)

// Every figure of a delivery moves with what it counts, and each attempt is a span.
func TestAttemptsAreObserved(t *testing.T) {
	tel, spans := telemetrytest.New(t), tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	bubbletest.Test(t, func(t *testing.T) {
		is := func(want float64, name string, labels ...string) {
			t.Helper()
			if got := tel.Sum(t, name, labels...); got != want {
				t.Errorf("%s%v is %v, want %v", name, labels, got, want)
			}
		}
		traced := true
		d := deliver(t, nil, func(ctx context.Context, _ alerts.Claim, n int) alerts.Result {
			traced = traced && trace.SpanFromContext(ctx).IsRecording()
			is(1, "frogup_notifications_sending")
			switch n {
			case 1:
				pass(2 * time.Second)
				return alerts.Result{Error: "the receiver answered 500 canary", StatusCode: 500}
			case 2:
				return alerts.Result{OK: true, StatusCode: 200}
			}
			return alerts.Result{Refused: true, StatusCode: 410, Error: "gone canary"}
		})
		d.stop()
		if err := d.courier.Observe(tp, tel.MeterProvider()); err != nil {
			t.Fatal(err)
		}
		d.start()
		to := d.channel()
		d.put(d.message("one", "down", to, 1))
		pass(time.Hour)
		synctest.Wait()
		d.put(d.message("two", "down", to, 1))
		pass(24 * time.Hour)
		synctest.Wait()

		is(0, "frogup_notifications_sending")
		is(5, "frogup_notifications_wait_seconds_count")
		is(1, "frogup_notifications_attempts_total", `result="delivered"`)
		is(1, "frogup_notifications_attempts_total", `result="failed"`)
		is(3, "frogup_notifications_attempts_total", `result="refused"`)
		is(1, "frogup_notifications_dead_total")
		is(1, "frogup_notifications_delay_seconds_count")
		is(2, "frogup_notifications_attempt_duration_seconds_sum", `result="failed"`)
		is(1, "frogup_notifications_attempt_duration_seconds_count", `result="delivered"`)
		if !traced {
			t.Error("an attempt does not know its span")
		}
	})
	got := map[string]int{}
	for _, s := range spans.Ended() {
		if s.Name() != "deliver notification" || s.SpanKind() != trace.SpanKindClient {
			t.Errorf("span %q of kind %v", s.Name(), s.SpanKind())
		}
		if s.Status().Code == codes.Error {
			got[s.Status().Description]++
		} else {
			got["ok"]++
		}
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "canary") {
				t.Errorf("%s tells %s", a.Key, a.Value.String())
			}
		}
	}
	if len(spans.Ended()) != 5 || got["ok"] != 1 || got["failed"] != 1 || got["refused"] != 3 {
		t.Errorf("spans %v, want one delivered, one failed and three refused", got)
	}
}
