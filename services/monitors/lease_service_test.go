package monitors_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

const testTTL = 10 * time.Second

// centre is the service in a bubble, called directly.
type centre struct {
	t       *testing.T
	store   monitors.Store
	service *monitors.Service
	ctx     context.Context // until the test ends
	all     sync.WaitGroup
}

// inBubble runs a test with a service whose Run runs.
func inBubble(t *testing.T, test func(t *testing.T, c *centre), change ...func(*monitors.Deps)) {
	dir := memory(t)
	if _, err := template(); err != nil {
		t.Fatal(err)
	}
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	bubbletest.Test(t, func(t *testing.T) {
		c := &centre{t: t, store: openTemplate(t, dir)}
		deps := monitors.Deps{Store: c.store, Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: []byte("k"), LeaseTTL: testTTL}
		for _, f := range change {
			f(&deps)
		}
		var err error
		if c.service, err = monitors.New(deps); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		c.ctx = ctx
		c.all.Go(func() { _ = c.service.Run(ctx) })
		defer c.all.Wait()
		defer stop()
		test(t, c)
	})
}

// link is a prober's stream, whose messages are kept in words.
type link struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelFunc
	done   chan error

	mu    sync.Mutex
	heard []*monitorsv1.WatchAssignmentsResponse
}

func (l *link) Context() context.Context { return l.ctx }

func (l *link) Send(r *monitorsv1.WatchAssignmentsResponse) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.GetHeartbeat() == nil {
		l.heard = append(l.heard, r)
	}
	return l.ctx.Err()
}

// words are the messages since the last call.
func (l *link) words() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, r := range l.heard {
		switch s := r.GetStep().(type) {
		case *monitorsv1.WatchAssignmentsResponse_Lease:
			out = append(out, fmt.Sprintf("lease %d", s.Lease.GetEpoch()))
		case *monitorsv1.WatchAssignmentsResponse_Assigned:
			a := s.Assigned
			out = append(out, fmt.Sprintf("assigned %d/%d%s", a.GetSpec().GetMonitorId(), a.GetEpoch(), from(" from ", a.GetAccountFrom())))
		case *monitorsv1.WatchAssignmentsResponse_Removal:
			release := ""
			if s.Removal.GetRelease() {
				release = " release"
			}
			out = append(out, fmt.Sprintf("removal %d/%d%s%s", s.Removal.GetMonitorId(), s.Removal.GetEpoch(), release, from(" until ", s.Removal.GetUntil())))
		default:
			out = append(out, describe(r))
		}
	}
	l.heard = nil
	return strings.Join(out, ", ")
}

func from(word string, t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return word + t.AsTime().Format("04:05.000")
}

func (c *centre) open(id, session string, change ...func(*monitorsv1.WatchAssignmentsRequest)) *link {
	ctx, cancel := context.WithCancel(proberContext(c.ctx, id, "eu"))
	l := &link{ctx: ctx, cancel: cancel, done: make(chan error, 1)}
	req := &monitorsv1.WatchAssignmentsRequest{ProberId: id, Region: "eu", Session: session, Durable: true}
	for _, f := range change {
		f(req)
	}
	c.all.Go(func() { l.done <- c.service.WatchAssignments(req, l) })
	synctest.Wait()
	return l
}

func (c *centre) renew(id, session string, change ...func(*monitorsv1.RenewLeaseRequest)) (*monitorsv1.Lease, error) {
	req := &monitorsv1.RenewLeaseRequest{ProberId: id, Session: session}
	for _, f := range change {
		f(req)
	}
	resp, err := c.service.RenewLease(proberContext(context.Background(), id, "eu"), req)
	return resp.GetLease(), err
}

// keep renews sessions for a while, two times in a time to live.
func (c *centre) keep(d time.Duration, probers ...string) {
	c.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(testTTL / 2) {
		for _, p := range probers {
			if _, err := c.renew(p, "s"); err != nil {
				c.t.Fatalf("%v: renew %s: %v", time.Now(), p, err)
			}
		}
	}
}

func (c *centre) monitor() uint32 {
	c.t.Helper()
	m := storetest.Example("org")
	m.Config.Regions, m.Config.ExternalID, m.Sealed = []string{"eu"}, "", nil
	m.Config.HTTP.Headers, m.Config.HTTP.Auth, m.Config.HTTP.Proxy = nil, monitors.Auth{Type: monitors.AuthNone}, nil
	return c.put(m)
}

func (c *centre) put(m monitors.Monitor) (id uint32) {
	c.t.Helper()
	if err := c.store.Write(context.Background(), func(tx monitors.Tx) (err error) {
		if m.ID == 0 {
			id, err = tx.Insert(context.Background(), m)
			return err
		}
		return tx.Update(context.Background(), m)
	}); err != nil {
		c.t.Fatal(err)
	}
	c.service.Changed()
	synctest.Wait()
	return id
}

func (l *link) want(t *testing.T, what, want string) {
	t.Helper()
	if got := l.words(); got != want {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

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
		time.Sleep(10 * testTTL) // it goes on by itself
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
			if time.Sleep(time.Second); time.Since(silent) > 2*testTTL {
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
		time.Sleep(5 * time.Second)
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
		time.Sleep(time.Second)
		if _, err := c.renew("b", "s", leaving, func(r *monitorsv1.RenewLeaseRequest) { r.HeardEpoch = 10 }); err != nil {
			t.Fatal(err)
		}
		a.want(t, "back, as never run", fmt.Sprintf("assigned %d/12 from %s", id, until))
		b = c.open("b", "t")
		id, epoch = asked(t, a)
		b.words()
		at := time.Now().UTC().Truncate(time.Millisecond)
		time.Sleep(time.Second)
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
		time.Sleep(2 * testTTL)
		second.want(t, "when it is over", "lease 2, complete")
		third := c.open("p", "u", func(r *monitorsv1.WatchAssignmentsRequest) { r.PreviousSession = "t" })
		third.want(t, "with a proof", "lease 3, complete")
	})
}

// TestFrozenStore lets nothing be read or written for long: nobody is over because of it, then or afterwards.
func TestFrozenStore(t *testing.T) {
	for name, freezes := range map[string]func(*freezer){
		"nothing can be read or written": func(f *freezer) { f.reads, f.writes = true, true },
		"nothing can be written":         func(f *freezer) { f.writes = true },
	} {
		t.Run(name, func(t *testing.T) {
			frozen := &freezer{thaw: nil}
			inBubble(t, func(t *testing.T, c *centre) {
				c.open("a", "s")
				c.open("b", "s")
				c.keep(testTTL, "a", "b")
				time.Sleep(testTTL / 3) // they were about to renew
				frozen.mu.Lock()
				freezes(frozen)
				frozen.thaw = make(chan struct{})
				frozen.mu.Unlock()
				time.Sleep(30 * testTTL)
				frozen.mu.Lock()
				frozen.reads, frozen.writes = false, false
				close(frozen.thaw)
				frozen.mu.Unlock()
				time.Sleep(testTTL / 2) // they had given up, and try again
				c.keep(2*testTTL, "a", "b")
				all, err := c.store.Sessions(t.Context())
				if err != nil || len(all) != 2 || !all[0].Live() || !all[1].Live() {
					t.Errorf("sessions %+v, %v", all, err)
				}
				if n := frozen.ended; n > 0 {
					t.Errorf("%d sessions were ended", n)
				}
			}, func(d *monitors.Deps) {
				frozen.Store = d.Store
				d.Store = frozen
			})
		})
	}
}

// freezer is a store that stands still at times.
type freezer struct {
	monitors.Store
	mu            sync.Mutex
	reads, writes bool
	thaw          chan struct{}
	ended         int
}

func (f *freezer) wait(ctx context.Context, write bool) error {
	f.mu.Lock()
	frozen, thaw := f.reads && !write || f.writes && write, f.thaw
	f.mu.Unlock()
	if !frozen {
		return nil
	}
	select {
	case <-thaw:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *freezer) Sessions(ctx context.Context) ([]monitors.Session, error) {
	if err := f.wait(ctx, false); err != nil {
		return nil, err
	}
	return f.Store.Sessions(ctx)
}

func (f *freezer) Probe(ctx context.Context) error {
	if err := f.wait(ctx, true); err != nil {
		return err
	}
	return f.Store.Probe(ctx)
}

func (f *freezer) EndSession(ctx context.Context, e monitors.Ending) (bool, error) {
	if err := f.wait(ctx, true); err != nil {
		return false, err
	}
	ended, err := f.Store.EndSession(ctx, e)
	f.mu.Lock()
	defer f.mu.Unlock()
	if ended {
		f.ended++
	}
	return ended, err
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

// TestFleetIsShown lists probers and regions with what they hold and how they are.
func TestFleetIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s", func(r *monitorsv1.WatchAssignmentsRequest) {
			r.Capacity, r.Capabilities = 100, []string{"http", "ipv6"}
		})
		c.monitor()
		c.monitor()
		report := &monitorsv1.ProberReport{SpoolResults: 5, Faults: []*monitorsv1.ObserverFault{{ErrorType: "no_ipv6", Message: "There is no IPv6."}}}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = report }); err != nil {
			t.Fatal(err)
		}
		show := func() (*monitorsv1.Prober, *monitorsv1.Region) {
			t.Helper()
			ctx := identity.NewContext(t.Context(), identity.Principal{})
			ps, err := c.service.ListProbers(ctx, &monitorsv1.ListProbersRequest{})
			if err != nil {
				t.Fatal(err)
			}
			rs, err := c.service.ListRegions(ctx, &monitorsv1.ListRegionsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return ps.GetProbers()[0], rs.GetRegions()[0]
		}
		p, r := show()
		if p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_IMPAIRED || p.GetMonitors() != 2 || p.GetCapacity() != 100 || len(p.GetCapabilities()) != 2 ||
			p.GetReport().GetSpoolResults() != 5 || p.GetReport().GetAt() == nil || !p.GetConnected() {
			t.Errorf("prober %v", p)
		}
		if r.GetCode() != "eu" || !r.GetIsHealthy() || r.GetProbers() != 1 || r.GetMonitors() != 2 || r.GetUnplacedMonitors() != 0 {
			t.Errorf("region %v", r)
		}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{} }); err != nil {
			t.Fatal(err)
		}
		if p, _ := show(); p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_HEALTHY {
			t.Errorf("prober %v", p)
		}
		time.Sleep(2 * testTTL)
		p, r = show()
		if p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_OFFLINE || r.GetProbers() != 0 || r.GetIsHealthy() || r.GetUnplacedMonitors() != 2 {
			t.Errorf("silent: %v, %v", p, r)
		}
	})
}

// notices is alerts, which may be away.
type notices struct {
	alertsv1.NoticesServiceServer
	mu   sync.Mutex
	away bool
	open map[string]string
	kind map[string]alertsv1.NoticeKind // of those that were open
	n    int
}

func (n *notices) Invoke(_ context.Context, _ string, args, reply any, _ ...grpc.CallOption) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n++
	if n.away {
		return fault.Unavailable("away")
	}
	switch r := args.(type) {
	case *alertsv1.RaiseNoticeRequest:
		n.open[r.GetKey()] = r.GetMessage()
		if n.kind != nil {
			n.kind[r.GetKey()] = r.GetKind()
		}
	case *alertsv1.ClearNoticeRequest:
		delete(n.open, r.GetKey())
	}
	_ = reply.(*emptypb.Empty)
	return nil
}

func (n *notices) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

func (n *notices) keys() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, k := range []string{"prober/a/offline", "prober/a/fault", "prober/a/overload", "region/eu/unplaced"} {
		if n.open[k] != "" {
			out = append(out, k)
		}
	}
	return fmt.Sprint(len(n.open), out)
}

func (n *notices) set(away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = away
}

// TestOperatorIsTold raises notices about probers and monitors without any, until alerts has taken them, and clears them.
func TestOperatorIsTold(t *testing.T) {
	alerts := &notices{open: map[string]string{"prober/a/offline": "from before a restart"}, away: true}
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s")
		c.monitor()
		c.keep(testTTL, "a")
		alerts.set(false)
		c.keep(testTTL, "a")
		if got := alerts.keys(); got != "0 []" {
			t.Errorf("healthy: %s", got)
		}
		told := alerts.n
		c.keep(5*testTTL, "a")
		if alerts.n != told {
			t.Errorf("%d calls though nothing happens", alerts.n-told)
		}
		faults := []*monitorsv1.ObserverFault{{ErrorType: "permission", Message: "ICMP is not permitted: set net.ipv4.ping_group_range."}}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{Faults: faults} }); err != nil {
			t.Fatal(err)
		}
		c.keep(testTTL, "a")
		if got := alerts.keys(); got != "1 [prober/a/fault]" || !strings.Contains(alerts.open["prober/a/fault"], "ping_group_range") {
			t.Errorf("trouble: %s %v", got, alerts.open)
		}
		alerts.set(true)
		time.Sleep(2 * testTTL)
		alerts.set(false)
		time.Sleep(testTTL / 2)
		if got := alerts.keys(); got != "2 [prober/a/offline prober/a/fault]" {
			t.Errorf("silent: %s", got)
		}
		time.Sleep(3 * testTTL)
		if got := alerts.keys(); got != "3 [prober/a/offline prober/a/fault region/eu/unplaced]" {
			t.Errorf("silent for long: %s", got)
		}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{} }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(testTTL / 2)
		if got := alerts.keys(); got != "0 []" {
			t.Errorf("back: %s", got)
		}
		if _, err := c.renew("a", "s", leaving); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * testTTL)
		if got := alerts.keys(); got != "1 [region/eu/unplaced]" {
			t.Errorf("left: %s", got)
		}
	}, func(d *monitors.Deps) { d.Alerts = alerts })
}

// Want of capacity has a notice of its own, one for each prober, whatever else the prober reports.
func TestOperatorIsToldOfOverload(t *testing.T) {
	alerts := &notices{open: map[string]string{}, kind: map[string]alertsv1.NoticeKind{}}
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s")
		c.monitor()
		report := func(faults ...*monitorsv1.ObserverFault) string {
			t.Helper()
			if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{Faults: faults} }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(testTTL / 2)
			return alerts.keys()
		}
		missed := &monitorsv1.ObserverFault{ErrorType: "overload", Message: "60 of 600 slots of the last minute were missed."}
		disk := &monitorsv1.ObserverFault{ErrorType: "internal_error", Message: "Results cannot be kept on disk."}
		if got := report(); got != "0 []" {
			t.Errorf("healthy: %s", got)
		}
		if got := report(missed); got != "1 [prober/a/overload]" || alerts.kind["prober/a/overload"] != alertsv1.NoticeKind_NOTICE_KIND_OVERLOAD {
			t.Errorf("slots are missed: %s %v", got, alerts.kind)
		}
		if got := report(disk, missed); got != "2 [prober/a/fault prober/a/overload]" ||
			!strings.Contains(alerts.open["prober/a/fault"], "on disk") || strings.Contains(alerts.open["prober/a/fault"], "missed") {
			t.Errorf("and the disk fails: %s %v", got, alerts.open)
		}
		if got := report(disk); got != "1 [prober/a/fault]" {
			t.Errorf("capacity is enough: %s", got)
		}
		if got := report(); got != "0 []" {
			t.Errorf("all is well: %s", got)
		}
	}, func(d *monitors.Deps) { d.Alerts = alerts })
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
