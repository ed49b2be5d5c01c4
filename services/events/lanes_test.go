package events_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/events"
)

// TestCutOff has a prober cut off for two hours in which its target fails and recovers, and compares with a twin that never
// was: the uptime of both is the same to the second in the end, though this service was restarted between; nobody hears of an
// outage that is over.
func TestCutOff(t *testing.T) {
	for name, lanes := range map[string]bool{"a prober of two lanes": true, "an old prober": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubbletest.Test(t, func(t *testing.T) { cutOff(t, dir, lanes) })
		})
	}
}

func cutOff(t *testing.T, dir string, lanes bool) {
	c := &cut{t: t, dir: dir, lanes: lanes, start: time.Now().UTC().Truncate(time.Second), cat: &catalogue{}}
	for _, id := range []uint32{1, 2} { // 1 is cut off, 2 is not
		e := entry(id, "o1")
		e.CreatedAt, e.UpdatedAt = timestamppb.New(c.start), timestamppb.New(c.start)
		c.cat.entries = append(c.cat.entries, e)
	}
	c.r = run(t, dir, c.cat)
	c.away()
	head := feedHead(t, c.r)
	c.back()
	c.restarted()
	c.r.mended()
	c.wantTwins()
	for _, e := range transitionsAfter(t, c.r, head) {
		if e.GetMonitorId() == 1 && e.GetTransition().GetTo() == down {
			t.Errorf("announced what is over: %v", e)
		}
	}
	s := c.r.status(1)
	if want := c.minute(60); s.GetCurrentStatus() != up || !s.GetSince().AsTime().Equal(want) {
		t.Errorf("%v since %v, want up since %v", s.GetCurrentStatus(), s.GetSince().AsTime(), want)
	}
	c.near.close()
	c.far.close()
	c.r.stop()
}

// cut is a prober that is cut off, far, beside one that is not.
type cut struct {
	t         *testing.T
	dir       string
	lanes     bool
	start     time.Time
	cat       *catalogue
	r         *running
	near, far *prober
	kept      []*checkv1.CheckResult // what far could not send
	live      uint64                 // number of its first result after that
}

func (c *cut) minute(i int) time.Time { return c.start.Add(time.Duration(i) * time.Minute) }

// check waits for a minute, and is what both see in it.
func (c *cut) check(i int) (one, two *checkv1.CheckResult) {
	time.Sleep(time.Until(c.minute(i).Add(time.Second))) //nolint:forbidigo // the bubble's clock, not ours
	s := ok
	if i >= 30 && i < 60 {
		s = fail
	}
	return result(1, "o1", c.minute(i), s), result(2, "o1", c.minute(i), s)
}

// away is the time until far is back.
func (c *cut) away() {
	c.near = c.r.proberFrom(1)
	c.far = c.r.prober()
	if c.lanes {
		c.far = c.r.proberFrom(1)
	}
	for i := range 10 {
		one, two := c.check(i)
		c.near.send(two)
		c.far.send(one)
	}
	c.far.sync()
	c.far.close()
	for i := 10; i < 130; i++ {
		one, two := c.check(i)
		c.near.send(two)
		c.kept = append(c.kept, one)
	}
	c.live = c.far.seq + uint64(len(c.kept)) + 1
}

// back sends the first half of what was kept; an old prober has to send the rest before what it sees now.
func (c *cut) back() {
	if c.lanes {
		c.far = c.r.proberFrom(c.live)
		c.far.seq = c.live - 1
	} else {
		c.far = c.r.prober()
		c.far.seq = c.live - 1 - uint64(len(c.kept))
	}
	one, two := c.check(130)
	c.near.send(two)
	sent, rest := c.kept[:len(c.kept)/2], c.kept[len(c.kept)/2:]
	if c.lanes {
		c.far.send(one)
		c.far.seq = c.live - 1 - uint64(len(c.kept))
		c.far.send(sent...)
		c.far.await(func(ack *eventsv1.RecordResponse) bool {
			return ack.GetBackfilledSeq() == c.live-1-uint64(len(rest)) && ack.GetStoredSeq() == c.live
		})
		c.kept = rest
	} else {
		c.far.send(sent...)
		c.far.sync()
		c.kept = append(rest, one)
	}
	c.near.sync()
	c.near.close()
	c.far.close()
	c.r.stop()
}

// restarted sends the rest to a service that was restarted.
func (c *cut) restarted() {
	c.r = run(c.t, c.dir, c.cat)
	c.near, c.far = c.r.proberFrom(1), c.r.prober()
	if c.lanes {
		c.far = c.r.proberFrom(c.live)
		c.far.seq = c.live - 1 - uint64(len(c.kept))
		c.far.send(c.kept...)
		c.far.await(func(ack *eventsv1.RecordResponse) bool { return ack.GetBackfilledSeq() == c.live-1 })
	} else {
		c.far.send(c.kept...)
		c.far.sync()
	}
	one, two := c.check(131)
	c.near.send(two)
	c.far.seq = c.live
	c.far.send(one)
	c.near.sync()
	if !c.lanes {
		c.far.sync()
	} else {
		c.far.await(func(ack *eventsv1.RecordResponse) bool { return ack.GetStoredSeq() == c.far.seq })
	}
}

// wantTwins wants both monitors to have been down for half an hour, with all checks there, and to look the same.
func (c *cut) wantTwins() {
	client := eventsv1.NewEventsServiceClient(c.r.conn)
	end := c.minute(131).Format(time.RFC3339)
	var lines [2]string
	for i, id := range []uint32{1, 2} {
		u, err := client.GetUptime(as("o1"), &eventsv1.GetUptimeRequest{MonitorId: id, EndDate: &end})
		if err != nil {
			c.t.Fatal(err)
		}
		if u.GetDownSeconds() != 30*60 || u.GetCoveragePercentage() < 99 {
			c.t.Errorf("monitor %d: %s", id, line(u))
		}
		lines[i] = line(u)
		buckets, err := client.ListBuckets(as("o1"), &eventsv1.ListBucketsRequest{MonitorId: id, Bucket: eventsv1.Bucket_BUCKET_DAY.Enum()})
		if err != nil {
			c.t.Fatal(err)
		}
		total := uint32(0)
		for _, b := range buckets.GetBuckets() {
			total += b.GetTotalChecks()
		}
		if total != 132 {
			c.t.Errorf("monitor %d: %d checks, want 132", id, total)
		}
	}
	if lines[0] != lines[1] {
		c.t.Errorf("cut off: %s\nnot:     %s", lines[0], lines[1])
	}
}

// await reads acknowledgements until one will do.
func (p *prober) await(enough func(*eventsv1.RecordResponse) bool) {
	p.t.Helper()
	for {
		ack, err := p.stream.Recv()
		if err != nil {
			p.t.Fatal(err)
		}
		if enough(ack) {
			return
		}
	}
}

// TestBatchOfTwoLanes is refused.
func TestBatchOfTwoLanes(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	p := r.proberFrom(2)
	p.send(result(7, "o1", t0, ok), result(7, "o1", t0.Add(time.Second), ok))
	if _, err := p.stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v, want InvalidArgument", err)
	}
}

// TestProbersSpeakForThemselves has a prober say that it is another, or elsewhere.
func TestProbersSpeakForThemselves(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1"), entry(8, "o1")}})
	p := r.prober()
	p.send(result(7, "o1", t0, ok), result(8, "o1", t0, ok))
	p.sync()
	as := func(kind identity.Kind, name, region string) context.Context {
		return identity.NewContext(t.Context(), identity.Principal{Kind: kind, Name: name, Region: region})
	}
	client := eventsv1.NewRecorderServiceClient(r.conn)
	for _, tt := range []struct {
		name          string
		ctx           context.Context
		stream, slots bool
	}{
		{"itself", as(identity.KindProber, "p", "local"), true, true},
		{"another of its region", as(identity.KindProber, "q", "local"), false, true},
		{"of another region", as(identity.KindProber, "p", "mars"), false, false},
		{"a service", as(identity.KindService, "prober", ""), true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client.ListLastSlots(tt.ctx, &eventsv1.ListLastSlotsRequest{Region: "local"})
			if (status.Code(err) == codes.PermissionDenied) == tt.slots {
				t.Errorf("last slots: %v", err)
			}
			ctx, cancel := context.WithCancel(tt.ctx)
			defer cancel()
			stream, err := client.Record(ctx)
			if err != nil {
				t.Fatal(err)
			}
			one := &prober{t: t, r: r, stream: stream}
			if err := stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: &eventsv1.RecordHello{ProberId: "p", Region: "local"}}}); err != nil {
				t.Fatal(err)
			}
			one.send(result(7, "o1", t0, ok))
			if _, err = stream.Recv(); (status.Code(err) == codes.PermissionDenied) == tt.stream {
				t.Errorf("stream: %v", err)
			}
		})
	}
	some, err := client.ListLastSlots(as(identity.KindProber, "p", "local"), &eventsv1.ListLastSlotsRequest{Region: "local", MonitorIds: []uint32{8, 9}})
	if err != nil || len(some.GetSlots()) != 1 || some.GetSlots()[0].GetMonitorId() != 8 {
		t.Errorf("of two that were asked for: %v, %v", some, err)
	}
	three := result(8, "o1", t0.Add(30*time.Second), checkv1.ResultStatus_RESULT_STATUS_MISSED)
	three.MissedCount, three.NextScheduledAt = 3, timestamppb.New(t0.Add(60*time.Second))
	p.send(result(8, "o1", t0.Add(10*time.Second), ok), result(8, "o1", t0.Add(20*time.Second), ok), three)
	p.sync()
	const before = time.Millisecond // a missed row covers all before the slot that follows it
	for until, want := range map[time.Duration]time.Duration{
		19 * time.Second: 10 * time.Second, 20 * time.Second: 20 * time.Second, 25 * time.Second: 20 * time.Second,
		30 * time.Second: 30 * time.Second, 55 * time.Second: 55 * time.Second, 70 * time.Second: 60*time.Second - before,
	} {
		got, err := client.ListLastSlots(as(identity.KindProber, "p", "local"), &eventsv1.ListLastSlotsRequest{
			Region: "local", MonitorIds: []uint32{8, 9}, Until: timestamppb.New(t0.Add(until)),
		})
		if err != nil || len(got.GetSlots()) != 1 || !got.GetSlots()[0].GetScheduledAt().AsTime().Equal(t0.Add(want)) {
			t.Errorf("the last slot up to %v: %v, %v", until, got, err)
		}
	}
	if _, err := client.ListLastSlots(as(identity.KindProber, "p", "local"), &eventsv1.ListLastSlotsRequest{Region: "local", Until: timestamppb.New(t0)}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("last slots up to a moment, of all monitors: %v", err)
	}
}

// TestFencedResultsAreEvidence has a prober whose lease is over go on.
func TestFencedResultsAreEvidence(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	p := r.prober()
	with := func(epoch uint64, sec int, s checkv1.ResultStatus) *checkv1.CheckResult {
		x := result(7, "o1", t0.Add(time.Duration(sec)*time.Second), s)
		x.Epoch = epoch
		return x
	}
	p.send(with(9, 0, ok), with(5, 1, fail), with(5, 2, fail), with(5, 3, fail))
	p.sync()
	if s := r.status(7); s.GetCurrentStatus() != up || len(s.GetRecentChecks()) != 4 {
		t.Errorf("%v with %d results", s.GetCurrentStatus(), len(s.GetRecentChecks()))
	}
	p.close()
	r.stop()
	r = run(t, r.dir, r.cat)
	p = r.prober()
	p.send(with(5, 4, fail), with(5, 5, fail))
	p.sync()
	if s := r.status(7); s.GetCurrentStatus() != up {
		t.Errorf("after a start: %v", s.GetCurrentStatus())
	}
	list, err := r.results.List(t.Context(), events.ResultQuery{MonitorID: 7, Limit: 10})
	if err != nil || len(list) != 6 || list[0].Epoch != 5 || list[5].Epoch != 9 {
		t.Errorf("%d results, %v", len(list), err)
	}
}
