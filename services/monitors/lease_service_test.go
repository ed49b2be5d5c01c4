package monitors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/monitors"
)

func TestLeaseOfASoleProber(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("q", "first").cancel() // makes the region
		if _, err := c.renew("q", "first", leaving); err != nil {
			t.Fatal(err)
		}
		a := c.open("p", "s")
		id := c.monitor()
		a.want(t, "opened", fmt.Sprintf("lease 2, complete, assigned %d/3", id))
		lease, err := c.renew("p", "s")
		if err != nil || !lease.GetSole() || lease.GetTtlMs() != 10000 || lease.GetEpoch() != 2 || !lease.GetValidUntil().AsTime().Equal(time.Now().Add(testTTL)) {
			t.Fatalf("lease %v, %v", lease, err)
		}
		pass(10 * testTTL) // it goes on by itself
		if lease, err = c.renew("p", "s"); err != nil || !lease.GetSole() {
			t.Fatalf("back: %v, %v", lease, err)
		}
		a.want(t, "back", "")
		c.open("r", "s")
		if lease, err = c.renew("p", "s"); err != nil || lease.GetSole() {
			t.Errorf("with another: %v, %v", lease, err)
		}
	})
}

func leaving(r *monitorsv1.RenewLeaseRequest) { r.Leaving, r.LeftAt = true, timestamppb.Now() }

// TestHandOver moves a monitor between live probers: asked, confirmed, given, without a gap.
func TestHandOver(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "s")
		var ids []uint32
		for range 8 {
			ids = append(ids, c.monitor())
		}
		a.words()
		b := c.open("b", "s")
		asked := a.words()
		b.want(t, "before anything is released", "lease 10, complete")
		if !strings.HasPrefix(asked, "removal ") || strings.Count(asked, "release") == len(ids) {
			t.Fatalf("asked %q", asked)
		}
		var id uint32
		var epoch uint64
		if _, err := fmt.Sscanf(asked, "removal %d/%d release", &id, &epoch); err != nil {
			t.Fatal(err)
		}
		c.keep(4*testTTL, "a", "b") // it may not be taken
		b.want(t, "while it is not confirmed", "")
		until := time.Now().Add(-50 * time.Millisecond).UTC().Truncate(time.Millisecond)
		released := func(r *monitorsv1.RenewLeaseRequest) {
			r.Released = []*monitorsv1.Released{{MonitorId: id, Epoch: epoch, Until: timestamppb.New(until)}}
		}
		for range 2 { // the answer may get lost
			if _, err := c.renew("a", "s", released); err != nil {
				t.Fatal(err)
			}
		}
		b.want(t, "confirmed", fmt.Sprintf("assigned %d/11 from %s", id, until.Format("04:05.000")))
		a.want(t, "confirmed", "")
	})
}

// TestTakeOver lets a prober fall silent; another gets what it held, and it is told when it is back.
func TestTakeOver(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a, b := c.open("a", "s"), c.open("b", "s")
		id := c.monitor()
		holder, other, one, two := "a", "b", a, b
		if strings.Contains(b.words(), "assigned") {
			holder, other, one, two = "b", "a", b, a
		}
		lease, err := c.renew(holder, "s")
		if err != nil || lease.GetSole() {
			t.Fatalf("lease %v, %v", lease, err)
		}
		a.words()
		silent := time.Now()
		for two.words() == "" {
			if pass(time.Second); time.Since(silent) > 2*testTTL {
				t.Fatal("not taken over in time")
			}
			if _, err := c.renew(other, "s"); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(silent) < testTTL {
			t.Errorf("taken over after %v, within the lease", time.Since(silent))
		}
		if _, err := c.renew(holder, "s"); !errors.Is(err, monitors.ErrSessionEnded) {
			t.Fatalf("renewed: %v", err)
		}
		pass(5 * time.Second)
		if err := <-one.done; !errors.Is(err, monitors.ErrSessionEnded) {
			t.Errorf("its stream ends with %v", err)
		}
		if _, err := c.renew(other, "s"); err != nil {
			t.Fatal(err)
		}
		again := c.open(holder, "t", func(r *monitorsv1.WatchAssignmentsRequest) { r.PreviousSession = "s" })
		until := lease.GetValidUntil().AsTime().Format("04:05.000")
		if got := again.words(); !strings.HasPrefix(got, "lease ") || !strings.Contains(got, fmt.Sprintf("assigned %d/3, removal %d/3 until %s, complete", id, id, until)) {
			t.Errorf("back: %q, want until %s", got, until)
		}
	})
}

// TestTakeOverOfWhatWasNeverHeard takes a monitor from one who was given it and died: it is told what it is, and from where to
// account for it, for it may never have heard.
func TestTakeOverOfWhatWasNeverHeard(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "s")
		for range 8 {
			c.monitor()
		}
		a.words()
		b := c.open("b", "s")
		id, epoch := asked(t, a)
		b.words()
		until := c.release("a", id, epoch)
		b.want(t, "given", fmt.Sprintf("assigned %d/11 from %s", id, until))
		lease, err := c.renew("b", "s")
		if err != nil {
			t.Fatal(err)
		}
		c.keep(2*testTTL, "a")
		again := c.open("b", "t", func(r *monitorsv1.WatchAssignmentsRequest) { r.PreviousSession = "s" })
		want := fmt.Sprintf("assigned %d/11 from %s, removal %d/11 until %s, complete", id, until, id, lease.GetValidUntil().AsTime().Format("04:05.000"))
		for range 2 { // what was sent may not have come
			if got := again.words(); !strings.Contains(got, want) {
				t.Errorf("back: %q, want %s", got, want)
			}
			again.cancel()
			again = c.open("b", "t")
		}
		if _, err := c.renew("b", "t", func(r *monitorsv1.RenewLeaseRequest) { r.HeardEpoch = 1000 }); err != nil {
			t.Fatal(err)
		}
		again.cancel()
		if got := c.open("b", "t").words(); strings.Contains(got, "until") {
			t.Errorf("once it has heard: %q", got)
		}
		ms, err := c.store.MonitorsByID(t.Context(), []uint32{id})
		if err != nil {
			t.Fatal(err)
		}
		ms[0].Config.Enabled = false // it has no slots any more
		c.put(ms[0])
		third := c.open("b", "u", func(r *monitorsv1.WatchAssignmentsRequest) { r.PreviousSession = "t" })
		if got := third.words(); strings.Contains(got, "assigned") || !strings.Contains(got, fmt.Sprintf("removal %d/11 until", id)) {
			t.Errorf("back, when the monitor is disabled: %q", got)
		}
	})
}

// TestLeaveWithWhatIsNotSaidYet lets a prober go with a monitor that it has given up, which is another's from the moment that
// it gave it up; and with one that it was given and has not heard of, which is another's from where its account was to begin.
func TestLeaveWithWhatIsNotSaidYet(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "s")
		for range 8 {
			c.monitor()
		}
		a.words()
		b := c.open("b", "s")
		id, epoch := asked(t, a)
		b.words()
		until := c.release("a", id, epoch)
		b.want(t, "given", fmt.Sprintf("assigned %d/11 from %s", id, until))
		pass(time.Second)
		if _, err := c.renew("b", "s", leaving, func(r *monitorsv1.RenewLeaseRequest) { r.HeardEpoch = 10 }); err != nil {
			t.Fatal(err)
		}
		a.want(t, "back, as never run", fmt.Sprintf("assigned %d/12 from %s", id, until))
		b = c.open("b", "t")
		id, epoch = asked(t, a)
		b.words()
		at := time.Now().UTC().Truncate(time.Millisecond)
		pass(time.Second)
		if _, err := c.renew("a", "s", leaving, func(r *monitorsv1.RenewLeaseRequest) {
			r.Released = []*monitorsv1.Released{{MonitorId: id, Epoch: epoch, Until: timestamppb.New(at)}}
		}); err != nil {
			t.Fatal(err)
		}
		if got, want := b.words(), fmt.Sprintf("assigned %d/14 from %s", id, at.Format("04:05.000")); !strings.Contains(got, want) {
			t.Errorf("with the leave: %q, want %s", got, want)
		}
	})
}

// asked is the first monitor that a prober is asked to give up.
func asked(t *testing.T, a *link) (id uint32, epoch uint64) {
	t.Helper()
	words := a.words()
	if _, err := fmt.Sscanf(words, "removal %d/%d release", &id, &epoch); err != nil {
		t.Fatalf("asked %q, %v", words, err)
	}
	return id, epoch
}

// release gives a monitor up now, and says when that was.
func (c *centre) release(prober string, id uint32, epoch uint64) (until string) {
	c.t.Helper()
	at := time.Now().UTC().Truncate(time.Millisecond)
	if _, err := c.renew(prober, "s", func(r *monitorsv1.RenewLeaseRequest) {
		r.Released = []*monitorsv1.Released{{MonitorId: id, Epoch: epoch, Until: timestamppb.New(at)}}
	}); err != nil {
		c.t.Fatal(err)
	}
	return at.Format("04:05.000")
}

// TestSecondProcessWaits opens a session while another process of the same name lives.
func TestSecondProcessWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("p", "s")
		second := c.open("p", "t")
		c.keep(3*testTTL, "p")
		second.want(t, "while the first lives", "")
		pass(2 * testTTL)
		second.want(t, "when it is over", "lease 2, complete")
		third := c.open("p", "u", func(r *monitorsv1.WatchAssignmentsRequest) { r.PreviousSession = "t" })
		third.want(t, "with a proof", "lease 3, complete")
	})
}

// TestOnlyWhoCan places a monitor with a prober that can check it, and with nobody if there is none.
func TestOnlyWhoCan(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		can := func(what ...string) func(*monitorsv1.WatchAssignmentsRequest) {
			return func(r *monitorsv1.WatchAssignmentsRequest) { r.Capabilities = what }
		}
		a := c.open("a", "s", can("http", "ipv4"))
		id := c.monitor() // wants IPv6
		a.want(t, "without IPv6", "lease 1, complete")
		b := c.open("b", "s", can("tcp", "ipv6"))
		b.want(t, "without HTTP", "lease 2, complete")
		d := c.open("d", "s", can("http", "ipv4", "ipv6"))
		if got := d.words(); !strings.HasPrefix(got, fmt.Sprintf("lease 3, assigned %d/4", id)) {
			t.Errorf("with both: %q", got)
		}
	})
}

// TestEnabledAgain ends an assignment with its monitor's being disabled, and begins another.
func TestEnabledAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "s")
		id := c.monitor()
		a.want(t, "created", fmt.Sprintf("lease 1, complete, assigned %d/2", id))
		m, err := c.store.Monitor(t.Context(), "org", id)
		if err != nil {
			t.Fatal(err)
		}
		m.Config.Enabled = false
		c.put(m)
		a.want(t, "disabled", fmt.Sprintf("removal %d/2", id))
		m.Config.Enabled = true
		c.put(m)
		a.want(t, "enabled", fmt.Sprintf("assigned %d/3", id))
		m.Config.Regions = []string{"us"}
		c.put(m)
		a.want(t, "elsewhere", fmt.Sprintf("removal %d/3", id))
	})
}

func TestProbersSpeakForThemselves(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s")
		ctx := proberContext(t.Context(), "b", "eu")
		_, err := c.service.RenewLease(ctx, &monitorsv1.RenewLeaseRequest{ProberId: "a", Session: "s"})
		if !fault.Is(err, fault.KindDenied) {
			t.Errorf("renewed for another: %v", err)
		}
		for _, req := range []*monitorsv1.WatchAssignmentsRequest{{ProberId: "a", Region: "eu"}, {ProberId: "b", Region: "us"}} {
			if err := c.service.WatchAssignments(req, &link{ctx: ctx}); !fault.Is(err, fault.KindDenied) {
				t.Errorf("%v: %v", req, err)
			}
		}
	})
}

func TestSessionEndedOnTheWire(t *testing.T) {
	h := newHouse(t)
	_, err := h.assignments.RenewLease(asService(t), &monitorsv1.RenewLeaseRequest{ProberId: "p", Session: "s"})
	wantCode(t, "renew without a session", err, codes.Aborted)
	if got := reasonOf(err); got != "SESSION_ENDED" {
		t.Errorf("reason %q", got)
	}
}

func asService(t *testing.T) context.Context { return rpctest.AsService(t.Context()) }

func reasonOf(err error) string { return fault.FromStatus(status.Convert(err)).Reason }
