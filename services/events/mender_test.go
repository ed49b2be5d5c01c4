package events_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/events"
)

// oneEyed is a real result store that takes results, and while it is told to, reads none of single monitors: not at all, or as if
// those from a slot on were not there yet.
type oneEyed struct {
	events.ResultStore
	blind atomic.Bool
	from  atomic.Int64 // Unix milliseconds; 0: all are there
}

func (o *oneEyed) Replay(ctx context.Context, id uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	if o.blind.Load() {
		return fault.Unavailable("").Wrap(errAway)
	}
	return o.ResultStore.Replay(ctx, id, after, func(r *events.Result) error {
		if from := o.from.Load(); from != 0 && r.ScheduledAt.UnixMilli() >= from {
			return nil
		}
		return fn(r)
	})
}

// lineless is a real state store that knows of no intervals while it is told to.
type lineless struct {
	events.StateStore
	empty atomic.Bool
}

func (*lineless) Exclusive() bool { return true }

func (l *lineless) Transitions(ctx context.Context, q events.TransitionQuery) ([]events.Transition, error) {
	if l.empty.Load() {
		return nil, nil
	}
	return l.StateStore.Transitions(ctx, q)
}

// TestMendingDoesNotEndForATroubleThatDoes has the results of an outage of two minutes come in late, and the stores in trouble for
// two hours, with a restart of the service in the middle. The prober is told at once that it need not keep them: they are stored,
// and so is what they change. A trouble that ends delays mending and no more; one that would come again with every try ends it,
// and is counted.
func TestMendingDoesNotEndForATroubleThatDoes(t *testing.T) {
	tests := map[string]struct {
		trouble func(h *oneEyed, s *lineless, live time.Time, on bool)
		mended  bool // when it is over
		aside   int64
	}{
		"the history does not answer": {
			func(h *oneEyed, _ *lineless, _ time.Time, on bool) { h.blind.Store(on) }, true, 0,
		},
		"what was judged is not stored": {func(h *oneEyed, _ *lineless, live time.Time, on bool) {
			h.from.Store(0)
			if on {
				h.from.Store(live.UnixMilli())
			}
		}, true, 0},
		"there is nothing to derive it from": {
			func(_ *oneEyed, s *lineless, _ time.Time, on bool) { s.empty.Store(on) }, false, 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubbletest.Test(t, func(t *testing.T) {
				start := time.Now().UTC()
				at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
				pass := func(d time.Duration) {
					time.Sleep(d) //nolint:forbidigo // the bubble's clock, not ours
					synctest.Wait()
				}
				e := entry(7, "o1")
				e.CreatedAt, e.UpdatedAt = timestamppb.New(start), timestamppb.New(start)
				history, states := &oneEyed{}, &lineless{}
				cat := &catalogue{entries: []*monitorsv1.CatalogEntry{e}}
				between := func(d *events.Deps) {
					history.ResultStore, states.StateStore = d.Results, d.State
					d.Results, d.State = history, states
				}
				r := run(t, dir, cat, between)
				p := r.prober()
				p.send(result(7, "o1", start, ok))
				p.sync()
				p.close()
				pass(5 * time.Minute)

				p = r.proberFrom(10)
				p.seq = 9
				p.send(result(7, "o1", at(5), ok))
				p.await(func(ack *eventsv1.RecordResponse) bool { return ack.GetStoredSeq() == p.seq })
				tt.trouble(history, states, at(5), true)
				p.seq = 5
				p.send(result(7, "o1", at(1), ok), result(7, "o1", at(2), fail), result(7, "o1", at(3), fail), result(7, "o1", at(4), ok))
				sent := time.Now()
				p.await(func(ack *eventsv1.RecordResponse) bool { return ack.GetBackfilledSeq() == 9 })
				if took := time.Since(sent); took > 5*time.Second {
					t.Errorf("acknowledged after %v: the prober has to keep it for so long", took)
				}
				p.close()
				pass(time.Hour)
				unmended := r.service.Unmended()
				r.stop()
				r = run(t, dir, cat, between)
				pass(time.Hour)
				tt.trouble(history, states, at(5), false)
				pass(time.Minute)
				end := at(5).Format(time.RFC3339)
				u, err := eventsv1.NewEventsServiceClient(r.conn).GetUptime(as("o1"), &eventsv1.GetUptimeRequest{MonitorId: 7, EndDate: &end})
				if err != nil || (u.GetDownSeconds() == 120) != tt.mended {
					t.Errorf("%v seconds down, mended should be %v; %v", u.GetDownSeconds(), tt.mended, err)
				}
				if n := unmended + r.service.Unmended(); n != tt.aside {
					t.Errorf("%d timelines were left as they are, want %d", n, tt.aside)
				}
				if n := r.service.Mending(); n != 0 {
					t.Errorf("%d timelines are owed in the end", n)
				}
				r.stop()
			})
		})
	}
}
