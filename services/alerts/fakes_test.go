package alerts_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// fakeEvents is the contract of the events service, from memory.
type fakeEvents struct {
	eventsv1.UnimplementedFeedServiceServer
	eventsv1.UnimplementedStatusServiceServer
	eventsv1.UnimplementedReplayServiceServer

	replay   func(context.Context, *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error)
	mu       sync.Mutex
	entries  []*eventsv1.FeedEntry
	head     uint64
	pruned   uint64 // entries up to this one are gone, transitions too
	forgot   uint64 // observations up to this one are gone
	stubborn bool   // sends everything, whatever it is asked for
	silent   bool   // sends nothing at all
	reads    int    // streams that were opened
	asked    []uint32
	statuses map[uint32]*eventsv1.MonitorStatus
	broken   error // what BatchGetStatuses answers
	changed  chan struct{}
}

func newFakeEvents() *fakeEvents {
	return &fakeEvents{statuses: map[uint32]*eventsv1.MonitorStatus{}, changed: make(chan struct{})}
}

func (f *fakeEvents) register(r grpc.ServiceRegistrar) {
	eventsv1.RegisterFeedServiceServer(r, f)
	eventsv1.RegisterStatusServiceServer(r, f)
	eventsv1.RegisterReplayServiceServer(r, f)
}

// change runs fn under the lock and wakes the streams.
func (f *fakeEvents) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
	close(f.changed)
	f.changed = make(chan struct{})
}

// add appends entries and gives them their numbers.
func (f *fakeEvents) add(entries ...*eventsv1.FeedEntry) {
	f.change(func() {
		for _, e := range entries {
			f.head++
			e.Seq = f.head
			f.entries = append(f.entries, e)
		}
	})
}

// last is the number of the newest entry.
func (f *fakeEvents) last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head
}

func (f *fakeEvents) ReadFeed(in *eventsv1.ReadFeedRequest, stream grpc.ServerStreamingServer[eventsv1.ReadFeedResponse]) error {
	f.mu.Lock()
	f.reads++
	silent := f.silent
	f.mu.Unlock()
	if silent {
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	for after, sent := in.GetAfterSeq(), 0; ; {
		f.mu.Lock()
		resp := &eventsv1.ReadFeedResponse{HeadSeq: f.head, Truncated: after < f.pruned}
		for _, e := range f.entries[min(sent, len(f.entries)):] { // fewer than before: the feed began anew
			gone := e.GetSeq() <= f.pruned || e.GetObservation() != nil && e.GetSeq() <= f.forgot
			if (e.GetSeq() > after || f.stubborn) && !gone {
				resp.Entries = append(resp.Entries, e)
			}
		}
		sent = len(f.entries)
		changed := f.changed
		f.mu.Unlock()
		if err := stream.Send(resp); err != nil {
			return err
		}
		after = max(after, resp.GetHeadSeq())
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (f *fakeEvents) BatchGetStatuses(_ context.Context, in *eventsv1.BatchGetStatusesRequest) (*eventsv1.BatchGetStatusesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, in.GetMonitorIds()...)
	if f.broken != nil {
		return nil, f.broken
	}
	out := &eventsv1.BatchGetStatusesResponse{}
	for _, id := range in.GetMonitorIds() {
		if s, ok := f.statuses[id]; ok {
			out.Statuses = append(out.Statuses, s)
		}
	}
	return out, nil
}

// fakeMonitors is the contract of the monitors service, from memory.
type fakeMonitors struct {
	monitorsv1.UnimplementedCatalogServiceServer
	monitorsv1.UnimplementedMonitorsServiceServer

	mu      sync.Mutex
	entries map[uint32]*monitorsv1.CatalogEntry
	hidden  map[uint32]string // monitors that the catalog has not brought yet, with their organization
	opened  func()            // called when a stream is opened, before its snapshot
	steps   []*monitorsv1.WatchCatalogResponse
	changed chan struct{}

	maintenance fakeMaintenance

	asked []*monitorsv1.RecheckMonitorRequest
	check func(id uint32) error // what comes of a wish for a check; nil: this version knows none
}

// RecheckMonitor is a wish for a check.
func (f *fakeMonitors) RecheckMonitor(ctx context.Context, in *monitorsv1.RecheckMonitorRequest) (*monitorsv1.RecheckMonitorResponse, error) {
	f.mu.Lock()
	check := f.check
	if f.asked = append(f.asked, in); check == nil {
		f.mu.Unlock()
		return f.UnimplementedCatalogServiceServer.RecheckMonitor(ctx, in)
	}
	f.mu.Unlock()
	return &monitorsv1.RecheckMonitorResponse{}, check(in.GetMonitorId())
}

func newFakeMonitors() *fakeMonitors {
	return &fakeMonitors{entries: map[uint32]*monitorsv1.CatalogEntry{}, hidden: map[uint32]string{}, changed: make(chan struct{})}
}

func (f *fakeMonitors) register(r grpc.ServiceRegistrar) {
	monitorsv1.RegisterCatalogServiceServer(r, f)
	monitorsv1.RegisterMonitorsServiceServer(r, f)
	monitorsv1.RegisterMaintenanceServiceServer(r, &f.maintenance)
}

func (f *fakeMonitors) step(s *monitorsv1.WatchCatalogResponse) {
	f.steps = append(f.steps, s)
	close(f.changed)
	f.changed = make(chan struct{})
}

// put adds a monitor.
func (f *fakeMonitors) put(id uint32, organization string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &monitorsv1.CatalogEntry{
		MonitorId: id, OrganizationId: organization, Name: fmt.Sprint("monitor ", id), MonitorUrl: fmt.Sprintf("https://m%d.example/", id),
		Enabled: true, Regions: []string{"eu", "us"},
	}
	f.entries[id] = e
	f.step(&monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: e}})
}

// remove deletes a monitor.
func (f *fakeMonitors) remove(id uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.entries, id)
	f.step(&monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_RemovedMonitorId{RemovedMonitorId: id}})
}

func (f *fakeMonitors) WatchCatalog(_ *monitorsv1.WatchCatalogRequest, stream grpc.ServerStreamingServer[monitorsv1.WatchCatalogResponse]) error {
	f.mu.Lock()
	if f.opened != nil {
		f.opened()
	}
	var send []*monitorsv1.WatchCatalogResponse
	for _, e := range f.entries {
		send = append(send, &monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: e}})
	}
	send = append(send, &monitorsv1.WatchCatalogResponse{
		Step: &monitorsv1.WatchCatalogResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}},
	})
	done := len(f.steps)
	for {
		changed := f.changed
		f.mu.Unlock()
		for _, s := range send {
			if err := stream.Send(s); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
		f.mu.Lock()
		send = f.steps[done:len(f.steps):len(f.steps)]
		done = len(f.steps)
	}
}

func (f *fakeMonitors) GetMonitor(ctx context.Context, in *monitorsv1.GetMonitorRequest) (*monitorsv1.Monitor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, _ := identity.FromContext(ctx)
	organization, ok := f.hidden[in.GetId()]
	if !ok || organization != p.OrganizationID {
		return nil, fault.NotFound("monitor not found")
	}
	name := "hidden"
	return &monitorsv1.Monitor{Id: in.GetId(), OrganizationId: organization, Name: &name}, nil
}

var feedBase = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)

func feedAt(seconds int) *timestamppb.Timestamp {
	return timestamppb.New(feedBase.Add(time.Duration(seconds) * time.Second))
}

func goes(monitor uint32, seconds int, from, to eventsv1.CurrentStatus) *eventsv1.FeedEntry {
	kind, text := "connection_refused", "refused"
	return &eventsv1.FeedEntry{
		OrganizationId: orgA, MonitorId: monitor, At: feedAt(seconds),
		What: &eventsv1.FeedEntry_Transition{Transition: &eventsv1.Transition{
			From: from, To: to, Since: feedAt(seconds), Regions: []string{"eu"}, ErrorType: &kind, ErrorMessage: &text, ConsecutiveFailures: 2,
		}},
	}
}

func checked(monitor uint32, seconds int, outcome checkv1.ResultStatus, streak uint32) *eventsv1.FeedEntry {
	o := &eventsv1.Observation{Region: "eu", Status: outcome, ConsecutiveFailures: streak, CurrentStatus: stateUp}
	if outcome == checkv1.ResultStatus_RESULT_STATUS_SUCCESS {
		o.Successes, o.MaxResponseTimeUs = 1, 1500
	}
	return &eventsv1.FeedEntry{
		OrganizationId: orgA, MonitorId: monitor, At: feedAt(seconds), What: &eventsv1.FeedEntry_Observation{Observation: o},
	}
}

const (
	stateUp      = eventsv1.CurrentStatus_CURRENT_STATUS_UP
	stateDown    = eventsv1.CurrentStatus_CURRENT_STATUS_DOWN
	statePaused  = eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED
	stateUnknown = eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN
)
