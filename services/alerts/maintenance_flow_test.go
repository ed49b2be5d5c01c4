package alerts_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// fakeMaintenance is the contract of the monitors service about windows, from memory.
type fakeMaintenance struct {
	monitorsv1.UnimplementedMaintenanceServiceServer

	mu       sync.Mutex
	versions []*monitorsv1.MaintenanceVersion
	changed  chan struct{}
}

// put adds versions, in place of those that have their numbers.
func (f *fakeMaintenance) put(versions ...*monitorsv1.MaintenanceVersion) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions = append(f.versions, versions...)
	if f.changed != nil {
		close(f.changed)
	}
	f.changed = nil
}

func (f *fakeMaintenance) WatchMaintenance(_ *monitorsv1.WatchMaintenanceRequest, stream grpc.ServerStreamingServer[monitorsv1.WatchMaintenanceResponse]) error {
	for sent, first := 0, true; ; first = false {
		f.mu.Lock()
		send := f.versions[sent:len(f.versions):len(f.versions)]
		if sent = len(f.versions); f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		var steps []*monitorsv1.WatchMaintenanceResponse
		for _, v := range send {
			steps = append(steps, &monitorsv1.WatchMaintenanceResponse{Step: &monitorsv1.WatchMaintenanceResponse_Upserted{Upserted: v}})
		}
		if first {
			steps = append(steps, &monitorsv1.WatchMaintenanceResponse{
				Step: &monitorsv1.WatchMaintenanceResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}},
			})
		}
		for _, s := range steps {
			if err := stream.Send(s); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func version(from, until time.Time) *monitorsv1.MaintenanceVersion {
	return &monitorsv1.MaintenanceVersion{
		WindowId: 1, Version: 1, OrganizationId: orgA, MonitorIds: []uint32{7}, ValidFrom: timestamppb.New(from.Add(-time.Hour)),
		StartsAt: timestamppb.New(from), EndsAt: timestamppb.New(until),
	}
}

// happens is a transition of monitor 7 at a time.
func happens(at time.Time, down bool) *eventsv1.FeedEntry {
	from, to := stateDown, stateUp
	if down {
		from, to = stateUp, stateDown
	}
	e := goes(7, 0, from, to)
	e.At, e.GetTransition().Since = timestamppb.New(at), timestamppb.New(at)
	return e
}

// toldBy are the types of the messages that arrived.
func toldBy(hook *receiver) string {
	var out []string
	for _, m := range hook.all() {
		for _, kind := range []string{"monitor.down", "monitor.recovered"} {
			if strings.Contains(string(m.body), fmt.Sprintf("%q:%q", "type", kind)) {
				out = append(out, kind)
			}
		}
	}
	return strings.Join(out, " ")
}

func (w *world) marked(want bool) {
	w.t.Helper()
	eventually(w.t, "the incident", func() bool {
		resp, err := w.incidents.ListIncidents(editor(w.t), &alertsv1.ListIncidentsRequest{})
		if err != nil {
			w.t.Fatal(err)
		}
		return len(resp.GetIncidents()) > 0 && resp.GetIncidents()[0].GetMaintenance() == want
	})
}

// A window that is deleted while a monitor is down: it is announced then.
func TestMaintenanceThatIsDeleted(t *testing.T) {
	w, hook, _ := hooked(t)
	w.know(7)
	now := time.Now().UTC().Truncate(time.Millisecond)
	v := version(now.Add(-time.Minute), now.Add(time.Hour))
	w.monitors.maintenance.put(v)
	w.run()
	w.events.add(happens(now.Add(-10*time.Second), true))
	w.marked(true)
	if got := toldBy(hook); got != "" {
		t.Fatalf("in maintenance %q was told", got)
	}
	ended := version(now.Add(-time.Minute), now.Add(time.Hour))
	ended.ValidUntil = timestamppb.New(time.Now())
	w.monitors.maintenance.put(ended)
	eventually(t, "the outage", func() bool { return toldBy(hook) == "monitor.down" })
	w.events.add(happens(time.Now(), false))
	eventually(t, "the recovery", func() bool { return toldBy(hook) == "monitor.down monitor.recovered" })
}

// This service is away while a window ends. What it then reads of the feed says how things were; nothing that was over by the end is
// told, and what is told is what is so.
func TestAwayWhileMaintenanceEnds(t *testing.T) {
	w, hook, _ := hooked(t)
	w.know(7)
	now := time.Now().UTC().Truncate(time.Millisecond)
	w.monitors.maintenance.put(version(now.Add(-time.Hour), now.Add(-time.Minute)))
	w.run()
	w.events.add(happens(now.Add(-30*time.Minute), true))
	w.marked(true)
	w.stop()
	w.events.add(happens(now.Add(-20*time.Minute), false), happens(now.Add(-10*time.Minute), true), happens(now.Add(-2*time.Minute), false))
	w.open()
	w.run()
	w.events.add(happens(now.Add(-time.Second), true))
	eventually(t, "the outage after maintenance", func() bool { return toldBy(hook) != "" })
	if got := toldBy(hook); got != "monitor.down" {
		t.Errorf("told %q", got)
	}
	w.marked(false)
}
