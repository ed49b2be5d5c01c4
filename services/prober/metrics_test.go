package prober

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
)

// Every figure of the engine moves with what it counts.
func TestEngineMetrics(t *testing.T) {
	tel := telemetrytest.New(t)
	bubbletest.Test(t, func(t *testing.T) {
		b := startWatched(t, Config{}, tel.MeterProvider(), newTracer(nil, -1), func(id uint32) (time.Duration, checkv1.ResultStatus) {
			if id == 2 {
				return 1500 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_FAILURE // and so it misses every other slot
			}
			return 5 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		for id := range uint32(2) {
			a := assignment(id+1, 1)
			a.ConfirmDown = 1
			b.assign(a, nil, false)
		}
		pass(time.Minute)
		synctest.Wait()
		var running int64
		for _, s := range b.shards {
			s.mu.Lock()
			for _, e := range s.entries {
				running += int64(e.running)
			}
			s.mu.Unlock()
		}
		want := b.stats()
		for _, figure := range []struct {
			series string
			labels []string
			want   uint64
		}{
			{"frogup_prober_due_slots_total", nil, want.Started + want.Missed},
			{"frogup_prober_results_total", nil, want.Finished},
			{"frogup_prober_missed_slots_total", []string{`reason="overlap"`}, want.Missed},
			{"frogup_prober_missed_slots_total", nil, want.Missed},
			{"frogup_prober_lateness_seconds_count", nil, want.Started},
			{"frogup_prober_check_duration_seconds_count", []string{`type="tcp"`}, want.Finished},
			{"frogup_prober_checks_in_flight", nil, uint64(running)},
			{"frogup_prober_monitors", nil, 2},
			{"frogup_prober_outbox_results", nil, uint64(b.box.Pending())},
			{"frogup_prober_outbox_size_bytes", nil, uint64(b.box.Bytes())},
		} {
			if got := tel.Sum(t, figure.series, figure.labels...); got != float64(figure.want) {
				t.Errorf("%s%v is %v, want %d", figure.series, figure.labels, got, figure.want)
			}
		}
		if want.Missed == 0 || want.Finished < 80 {
			t.Errorf("%+v: nothing to see", want)
		}
		if got := tel.Sum(t, "frogup_prober_check_duration_seconds_bucket", `status="failure"`, `le="2.5"`) - tel.Sum(t, "frogup_prober_check_duration_seconds_bucket", `status="failure"`, `le="1"`); got < 20 {
			t.Errorf("%v failures of 1.5 s", got)
		}
		if age := tel.Sum(t, "frogup_prober_outbox_age_seconds"); age < 55 || age > 65 {
			t.Errorf("the oldest result is %v s old, want a minute", age)
		}
		b.box.Ack(b.box.next)
		if tel.Sum(t, "frogup_prober_outbox_results") != 0 || tel.Sum(t, "frogup_prober_outbox_age_seconds") != 0 || tel.Sum(t, "frogup_prober_outbox_size_bytes") != 0 {
			t.Error("the empty outbox is not empty")
		}
		b.stopAndRead(t)
	})
	if body := tel.Scrape(t); strings.Contains(body, "monitor_id") {
		t.Error("there is a series per monitor")
	}
}

func TestOutboxKnowsItsSize(t *testing.T) {
	o := NewMemoryOutbox(1000, 1<<30)
	want := 0
	for range 1000 {
		r := tracedResult()
		put(t, o, r, "")
		want += proto.Size(r)
	}
	if got := o.Bytes(); got != int64(want) {
		t.Errorf("%d bytes of equal results, want %d", got, want)
	}
	put(t, o, tracedResult(), "")
	if o.Dropped() != 1 {
		t.Errorf("%d dropped", o.Dropped())
	}
}
