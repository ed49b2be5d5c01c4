package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/alerts"
)

// A receiver answers 500, then asks to be left alone, then does not answer, and then recovers: the message arrives, at the
// times that the schedule says, always under one id.
func TestRetrySchedule(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, nil, func(ctx context.Context, _ alerts.Claim, n int) alerts.Result {
			switch n {
			case 1, 2:
				return broken500
			case 3:
				return alerts.Result{StatusCode: 429, RetryAfter: 5 * time.Minute, Error: "429"}
			case 4:
				<-ctx.Done()
				return alerts.Result{Error: "timeout"}
			}
			return ok
		})
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(2 * time.Hour)
		seen := d.attempts()
		pauses := []time.Duration{0, 5 * time.Second, 30 * time.Second, 5 * time.Minute, 10*time.Minute + 10*time.Second}
		if len(seen) != len(pauses) {
			t.Fatalf("attempts = %v, want %d", seen, len(pauses))
		}
		last := time.Duration(0)
		for i, a := range seen {
			// A fifth of jitter either way; what the receiver asked for is never cut short.
			least, most := pauses[i]*8/10, pauses[i]*12/10+time.Second
			if i == 3 {
				least = pauses[i]
			}
			if got := a.at - last; got < least || got > most {
				t.Errorf("attempt %d came after %s, want %s to %s", i+1, got, least, most)
			}
			if a.id != "m" {
				t.Errorf("attempt %d has the id %s", i+1, a.id)
			}
			last = a.at
		}
		if s := d.state("m"); s.State != alerts.DeliveryDelivered || s.Attempts != 5 || s.LastError != "" {
			t.Errorf("delivery = %+v", s)
		}
	})
}

// The monitor is down and up again while the receiver is out of order: once it works, it gets one message with both times.
func TestCombinedMessage(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var works time.Time
		d := deliver(t, nil, func(context.Context, alerts.Claim, int) alerts.Result {
			if time.Now().Before(works) {
				return broken500
			}
			return ok
		})
		works = d.began.Add(20 * time.Minute)
		to := d.channel()
		d.put(d.message("down", alerts.TypeDown, to, 7))
		pass(3 * time.Minute)
		d.put(d.message("up", alerts.TypeRecovered, to, 7))
		pass(2 * time.Hour)
		var accepted []string
		for i, a := range d.attempts() {
			if a.at >= 20*time.Minute {
				accepted = append(accepted, a.id)
				if diff := cmp.Diff([]string{"down"}, d.claims[i].Content.Supersedes); diff != "" {
					t.Error(diff)
				}
			}
		}
		if diff := cmp.Diff([]string{"up"}, accepted); diff != "" {
			t.Errorf("accepted (-want +got):\n%s", diff)
		}
		if s := d.state("down"); s.State != alerts.DeliverySuperseded {
			t.Errorf("delivery = %+v", s)
		}
	})
}

func TestDeadAfterADay(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, nil, always(broken500))
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(26 * time.Hour)
		seen := d.attempts()
		if last := seen[len(seen)-1].at; last < 24*time.Hour || last > 24*time.Hour+time.Second {
			t.Errorf("the last attempt was after %s", last)
		}
		if s := d.state("m"); s.State != alerts.DeliveryDead || s.Attempts != len(seen) || s.LastStatusCode != 500 {
			t.Errorf("delivery = %+v", s)
		}
	})
}

func TestRefusedThreeTimes(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, nil, always(alerts.Result{StatusCode: 410, Refused: true, Error: "gone"}))
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(time.Hour)
		if s := d.state("m"); s.State != alerts.DeliveryDead || s.Attempts != 3 {
			t.Errorf("delivery = %+v", s)
		}
	})
}

// A message that was waiting when the service was away for days is tried at least once.
func TestLateIsTriedOnce(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, nil, always(ok))
		d.stop()
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(72 * time.Hour)
		d.start()
		if diff := cmp.Diff([]string{"m"}, d.ids()); diff != "" {
			t.Error(diff)
		}
	})
}

// One receiver that takes its ten seconds for every message delays no other, and no more than 16 are sent to at once.
func TestSlowReceiversDelayNobody(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var a, b alerts.Target // all but b are slow
		d := deliver(t, nil, func(ctx context.Context, c alerts.Claim, _ int) alerts.Result {
			if c.Target == b {
				return ok
			}
			<-ctx.Done()
			return alerts.Result{Error: "timeout"}
		})
		a, b = d.channel(), d.channel()
		for i := range uint32(30) {
			d.put(d.message(fmt.Sprint("a", i), alerts.TypeDown, a, i+1))
		}
		for i := range uint32(30) {
			d.put(d.message(fmt.Sprint("b", i), alerts.TypeDown, b, i+1))
		}
		synctest.Wait()
		for i := range 30 {
			if s := d.state(fmt.Sprint("b", i)); s.State != alerts.DeliveryDelivered || !s.DeliveredAt.Equal(s.CreatedAt) {
				t.Errorf("b%d = %s after %s", i, s.State, s.DeliveredAt.Sub(s.CreatedAt))
			}
		}
		for range 40 {
			c := d.channel()
			d.put(d.message(fmt.Sprint("c", c.ID), alerts.TypeDown, c, 1))
		}
		pass(time.Minute)
		synctest.Wait()
		if d.most != 16 {
			t.Errorf("%d attempts at the same time, want 16", d.most)
		}
	})
}

func TestOrder(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, nil, func(_ context.Context, c alerts.Claim, n int) alerts.Result {
			if n <= 2 {
				return broken500
			}
			return ok
		})
		to := d.channel()
		var want []string
		for i := range 5 {
			m := d.message(fmt.Sprint("m", i), alerts.TypeDegraded, to, 7)
			want = append(want, m.ID)
			d.put(m)
		}
		pass(time.Hour)
		if got := d.ids(); !cmp.Equal(want, got[2:]) || got[0] != "m0" || got[1] != "m0" {
			t.Errorf("attempts = %v", got)
		}
	})
}

// amnesiac fails to record attempts, as if the process died between the answer and the mark.
type amnesiac struct {
	alerts.Store
	fails int
}

func (a *amnesiac) Settle(ctx context.Context, c alerts.Claim, at alerts.Attempt, v alerts.Verdict) error {
	if a.fails > 0 {
		a.fails--
		return errors.New("the disk is gone")
	}
	return a.Store.Settle(ctx, c, at, v)
}

func TestCrashBetweenClaimAndMark(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, func(s alerts.Store) alerts.Store { return &amnesiac{Store: s, fails: 1} }, always(ok))
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(10 * time.Minute)
		if diff := cmp.Diff([]string{"m", "m"}, d.ids()); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if again := d.attempts()[1].at; again > 2*time.Minute {
			t.Errorf("sent again after %s", again)
		}
		if s := d.state("m"); s.State != alerts.DeliveryDelivered || s.Attempts != 1 {
			t.Errorf("delivery = %+v", s)
		}
	})
}

// Stopping lets an attempt finish for a while, and then gives the message back as if it had not been tried.
func TestStop(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		takes := 3 * time.Second
		d := deliver(t, nil, func(ctx context.Context, _ alerts.Claim, _ int) alerts.Result {
			select {
			case <-time.After(takes):
				return ok
			case <-ctx.Done():
				return alerts.Result{Error: "timeout"}
			}
		})
		to := d.channel()
		d.put(d.message("quick", alerts.TypeDown, to, 7))
		synctest.Wait()
		d.stop()
		if s := d.state("quick"); s.State != alerts.DeliveryDelivered {
			t.Errorf("an attempt that would have finished was cut off: %+v", s)
		}
		d.start()
		takes = 9 * time.Second
		d.put(d.message("long", alerts.TypeDown, to, 8))
		synctest.Wait()
		began := time.Now()
		d.stop()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("stopping took %s", took)
		}
		if s := d.state("long"); s.State != alerts.DeliveryPending || s.Attempts != 0 {
			t.Errorf("delivery = %+v", s)
		}
		d.start()
		pass(10 * time.Second)
		if s := d.state("long"); s.State != alerts.DeliveryDelivered {
			t.Errorf("delivery = %+v", s)
		}
	})
}

// A store that fails for a while stops nothing for good.
func TestStoreThatFails(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		sick := &sickOutbox{}
		d := deliver(t, func(s alerts.Store) alerts.Store {
			sick.Store = s
			return sick
		}, always(ok))
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(time.Minute)
		if diff := cmp.Diff([]string{"m"}, d.ids()); diff != "" {
			t.Error(diff)
		}
	})
}

type sickOutbox struct {
	alerts.Store
	looks int
}

func (s *sickOutbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerts.Claim, time.Time, error) {
	if s.looks++; s.looks < 5 {
		return nil, time.Time{}, errors.New("the disk is busy")
	}
	return s.Store.Claim(ctx, now, lease, limit)
}
