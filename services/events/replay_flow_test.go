package events_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

// replayFeed reads a whole replay.
func (r *running) replayFeed(req *eventsv1.ReplayFeedRequest) (entries []*eventsv1.FeedEntry, samples int, end *eventsv1.ReplaySummary, err error) {
	r.t.Helper()
	stream, err := eventsv1.NewReplayServiceClient(r.conn).ReplayFeed(rpctest.AsService(r.t.Context()), req)
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return entries, samples, end, nil
		}
		if err != nil {
			return nil, 0, nil, err
		}
		entries, samples, end = append(entries, resp.GetEntries()...), samples+len(resp.GetSamples()), resp.GetSummary()
	}
}

// The stored history, replayed, says what the feed said.
func TestReplayFeed(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1"), entry(8, "o2")}})
	p := r.prober()
	const n = 1203 // more than one response
	start := t0.Add(-n * 10 * time.Millisecond)
	for i := range n {
		outcome := fail
		if i%100 < 10 {
			outcome = ok
		}
		p.send(result(7, "o1", start.Add(time.Duration(i)*10*time.Millisecond), outcome))
	}
	p.sync()
	stream, err := eventsv1.NewFeedServiceClient(r.conn).ReadFeed(rpctest.AsService(t.Context()), &eventsv1.ReadFeedRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var want []*eventsv1.FeedEntry
	for head := uint64(1); uint64(len(want)) < head; {
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		head = resp.GetHeadSeq()
		for _, e := range resp.GetEntries() {
			e.Seq, e.OrganizationId, e.MonitorId = 0, "", 0
			if tr := e.GetTransition(); tr != nil {
				tr.TransitionSeq = 0
			}
			if o := e.GetObservation(); o != nil {
				o.ScheduledAt, o.NextScheduledAt = nil, nil
			}
			want = append(want, e)
		}
	}
	req := &eventsv1.ReplayFeedRequest{
		OrganizationId: "o1", MonitorId: 7, Start: timestamppb.New(t0.Add(-time.Hour)), End: timestamppb.New(t0), SampleUptime: true,
	}
	got, samples, end, err := r.replayFeed(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got {
		if tr := e.GetTransition(); tr != nil {
			tr.TransitionSeq = 0
		}
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the feed, the replay (-want +got):\n%s", diff)
	}
	if end.GetChecks() != n || !end.GetFirstCheck().AsTime().Equal(start) || samples == 0 || end.GetUnknownStretches() != 1 {
		t.Errorf("%d samples, %v", samples, end)
	}

	for name, tt := range map[string]struct {
		change func(*eventsv1.ReplayFeedRequest)
		want   codes.Code
	}{
		"another's monitor":  {func(q *eventsv1.ReplayFeedRequest) { q.MonitorId = 8 }, codes.NotFound},
		"no such monitor":    {func(q *eventsv1.ReplayFeedRequest) { q.MonitorId = 9 }, codes.NotFound},
		"backwards":          {func(q *eventsv1.ReplayFeedRequest) { q.End = timestamppb.New(t0.Add(-2 * time.Hour)) }, codes.InvalidArgument},
		"too long":           {func(q *eventsv1.ReplayFeedRequest) { q.Start = timestamppb.New(t0.AddDate(0, 0, -92)) }, codes.InvalidArgument},
		"without a start":    {func(q *eventsv1.ReplayFeedRequest) { q.Start = nil }, codes.InvalidArgument},
		"confirming nothing": {func(q *eventsv1.ReplayFeedRequest) { q.ConfirmDown = proto.Uint32(0) }, codes.InvalidArgument},
	} {
		bad := proto.CloneOf(req)
		tt.change(bad)
		if _, _, _, err := r.replayFeed(bad); status.Code(err) != tt.want {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	ahead := proto.CloneOf(req)
	ahead.Start, ahead.End = timestamppb.New(time.Now().Add(time.Hour)), timestamppb.New(time.Now().Add(2*time.Hour))
	if got, _, end, err := r.replayFeed(ahead); err != nil || len(got) != 0 || end == nil {
		t.Errorf("of the future: %v, %v, %v", got, end, err)
	}
}

// A replay says first when there was maintenance: in windows that there are and in those that are supposed, as one.
func TestReplayFeedInMaintenance(t *testing.T) {
	e := entry(7, "o1")
	cat := &catalogue{entries: []*monitorsv1.CatalogEntry{e}, windows: make(chan *monitorsv1.MaintenanceVersion)}
	r := run(t, t.TempDir(), cat)
	from := t0.Add(-time.Hour)
	minute := func(n int) *timestamppb.Timestamp { return timestamppb.New(from.Add(time.Duration(n) * time.Minute)) }
	req := &eventsv1.ReplayFeedRequest{
		OrganizationId: "o1", MonitorId: 7, Start: minute(0), End: minute(60), Quorum: proto.String("any"),
		Windows: []*eventsv1.ReplayWindow{{StartsAt: minute(14), EndsAt: minute(20)}, {StartsAt: minute(0), Rrule: "FREQ=DAILY;COUNT=1", DurationSeconds: 120}},
	}
	if _, _, _, err := r.replayFeed(req); status.Code(err) != codes.Unavailable {
		t.Errorf("before the windows are known: %v", err)
	}
	for i, w := range []*monitorsv1.MaintenanceVersion{
		{MonitorIds: []uint32{7}, StartsAt: minute(-10), EndsAt: minute(-5)}, // over before the range
		{MonitorIds: []uint32{7}, StartsAt: minute(10), EndsAt: minute(15)},
		{MonitorIds: []uint32{8}, StartsAt: minute(30), EndsAt: minute(40)}, // another's
	} {
		w.WindowId, w.Version, w.OrganizationId, w.ValidFrom = uint32(i+1), 1, "o1", timestamppb.New(from.Add(-24*time.Hour))
		cat.windows <- w
	}
	cat.windows <- nil
	ask := func(req *eventsv1.ReplayFeedRequest) *eventsv1.ReplayFeedResponse {
		t.Helper()
		stream, err := eventsv1.NewReplayServiceClient(r.conn).ReplayFeed(rpctest.AsService(t.Context()), req)
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	stretch := func(from, to int) *eventsv1.ReplayStretch {
		return &eventsv1.ReplayStretch{Start: minute(from), End: minute(to)}
	}
	want := &eventsv1.ReplayFeedResponse{Maintenance: []*eventsv1.ReplayStretch{stretch(0, 2), stretch(10, 20)}}
	if diff := cmp.Diff(want, ask(req), protocmp.Transform()); diff != "" {
		t.Errorf("first response (-want +got):\n%s", diff)
	}
	plain := proto.CloneOf(req)
	plain.Windows = nil
	want.Maintenance = []*eventsv1.ReplayStretch{stretch(10, 15)}
	if diff := cmp.Diff(want, ask(plain), protocmp.Transform()); diff != "" {
		t.Errorf("first response without supposed windows (-want +got):\n%s", diff)
	}
	for name, change := range map[string]func(*eventsv1.ReplayFeedRequest){
		"a window without an end": func(q *eventsv1.ReplayFeedRequest) { q.Windows[0].EndsAt = nil },
		"no such rule":            func(q *eventsv1.ReplayFeedRequest) { q.Windows[1].Rrule = "FREQ=SOMETIMES" },
		"no such quorum":          func(q *eventsv1.ReplayFeedRequest) { q.Quorum = proto.String("most") },
	} {
		bad := proto.CloneOf(req)
		change(bad)
		if _, _, _, err := r.replayFeed(bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
