package alerts_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"pgregory.net/rapid"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/alerts"
)

// More than the limit of a minute waits, and is neither lost nor out of order nor given up, though it takes days.
func TestPaceOverDays(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		messages := inEarnest(3*60, 26*60)
		fails := true
		d := deliver(t, nil, nil)
		d.answer = func(_ context.Context, _ alerts.Claim, n int) alerts.Result {
			if n > messages-60 && fails { // what waited longest fails once, when it is older than a day
				fails = false
				return broken500
			}
			return ok
		}
		to := d.paced(0, 1)
		var batch []alerts.Message
		for i := range messages {
			batch = append(batch, d.message(fmt.Sprint("m", i), alerts.TypeDegraded, to, uint32(i%7)+1))
		}
		d.put(batch...)
		pass(time.Duration(messages)*time.Minute + time.Hour)
		next, last := map[uint32]int{}, -time.Hour
		for i, a := range d.attempts() {
			if i > 0 && a.at-last < time.Minute {
				t.Fatalf("attempt %d came %s after the one before", i, a.at-last)
			}
			last = a.at
			monitor := d.claims[i].MonitorID
			var n int
			if _, err := fmt.Sscanf(a.id, "m%d", &n); err != nil || n < next[monitor] {
				t.Fatalf("%s came after m%d", a.id, next[monitor])
			}
			next[monitor] = n
		}
		if fails {
			t.Error("nothing failed")
		}
		if n := d.countOf(alerts.DeliveryDelivered); n != messages {
			t.Errorf("%d of %d were delivered", n, messages)
		}
	})
}

func (d *delivery) countOf(state alerts.DeliveryState) int {
	d.t.Helper()
	_, n, err := d.store.Deliveries(d.t.Context(), alerts.DeliveryFilter{
		Organization: orgA, States: []alerts.DeliveryState{state}, Window: alerts.Window{Limit: 1},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// Whatever comes when: at most the few and the digests of each window are sent, a calm channel hears at once, nothing waits
// longer than two windows, and everything is sent once.
func TestPaceProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 60).Draw(rt, "window")) * time.Second
		p := alerts.Pace{Window: window, List: rapid.IntRange(2, 50).Draw(rt, "list")}
		gaps := rapid.SliceOfN(rapid.IntRange(0, 20_000), 1, 300).Draw(rt, "gaps")
		start := time.Unix(1e9, 0)
		var arrivals []time.Time
		at := start
		for _, ms := range gaps {
			at = at.Add(time.Duration(ms/rapid.SampledFrom([]int{1, 100, 20_000}).Draw(rt, "rush")) * time.Millisecond)
			arrivals = append(arrivals, at)
		}
		var b alerts.Burst
		var singles []time.Time
		held := map[int]time.Time{}
		next, sent, last := 0, 0, time.Time{}
		var waiting []int
		for clock := start; sent < len(arrivals); clock = clock.Add(time.Millisecond * 250) {
			if clock.After(at.Add(3 * window)) {
				rt.Fatalf("%d of %d were sent", sent, len(arrivals))
			}
			for next < len(arrivals) && !arrivals[next].After(clock) {
				waiting = append(waiting, next)
				next++
			}
			for {
				var due []int
				for _, i := range waiting {
					if !held[i].After(clock) {
						due = append(due, i)
					}
				}
				if len(due) == 0 {
					break
				}
				q := alerts.Queue{First: uint64(due[0] + 1), Fresh: len(due), Since: arrivals[due[0]]}
				calm := last.IsZero() || arrivals[due[0]].Sub(last) > 2*window
				var plan alerts.Plan
				b, plan = p.Next(b, q, clock)
				n := plan.Merge
				if plan.Send != 0 {
					n = 1
					singles = append(singles, clock)
				}
				if n == 0 {
					if calm {
						rt.Fatalf("a calm channel waits: %+v", plan)
					}
					if plan.Hold.IsZero() || plan.Hold.Sub(clock) > window {
						rt.Fatalf("held by %+v at %s", plan, clock)
					}
					for _, i := range due {
						held[i] = plan.Hold
					}
					continue
				}
				for _, i := range due[:n] {
					if clock.Sub(arrivals[i]) > 2*window+time.Second {
						rt.Fatalf("message %d waited for %s, the window is %s", i, clock.Sub(arrivals[i]), window)
					}
				}
				waiting = remove(waiting, due[:n])
				sent, last = sent+n, clock
			}
		}
		for i := 4; i < len(singles); i++ { // three of a window, and the rest of a flush
			if singles[i].Sub(singles[i-4]) < window/2 && window > time.Second {
				rt.Fatalf("five messages came by themselves within %s of a window of %s", singles[i].Sub(singles[i-4]), window)
			}
		}
	})
}

func remove(from, what []int) (out []int) {
	gone := map[int]bool{}
	for _, i := range what {
		gone[i] = true
	}
	for _, i := range from {
		if !gone[i] {
			out = append(out, i)
		}
	}
	return out
}

// The pace of a channel is what was asked for, or what stands in its place, and is refused outside of its limits.
func TestPaceOfAChannel(t *testing.T) {
	w := newWorld(t)
	const config = `"config": {"url": "https://example.com/"}`
	create := func(more string) (*alertsv1.Channel, error) {
		return w.channels.CreateChannel(admin(t), &alertsv1.CreateChannelRequest{
			Channel: channelBody(t, `{"type": "webhook", "name": "ops", `+config+more+`}`),
		})
	}
	want := func(c *alertsv1.Channel, err error, window, most int32) {
		t.Helper()
		if err != nil || c.DigestWindowSeconds == nil || c.GetDigestWindowSeconds() != window || c.GetMaxMessagesPerMinute() != most {
			t.Errorf("channel = %v, %v, want %d s and %d", c, err, window, most)
		}
	}
	c, err := create("")
	want(c, err, 30, 30)
	c, err = create(`, "digest_window_seconds": 0, "max_messages_per_minute": 600`)
	want(c, err, 0, 600)
	update := func(text string, paths ...string) (*alertsv1.Channel, error) {
		return w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: c.GetId(), Channel: channelBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
	}
	got, err := update(`{"name": "other"}`, "name")
	want(got, err, 0, 600)
	got, err = update(`{"digest_window_seconds": 3600}`, "digest_window_seconds")
	want(got, err, 3600, 600)
	got, err = update(`{}`, "digest_window_seconds", "max_messages_per_minute")
	want(got, err, 30, 30)
	for _, more := range []string{
		`, "digest_window_seconds": -1`, `, "digest_window_seconds": 3601`, `, "max_messages_per_minute": 0`, `, "max_messages_per_minute": 601`,
	} {
		if _, err := create(more); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", more, err)
		}
	}
}
