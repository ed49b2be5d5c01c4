package alerts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// restart stops the service and starts it anew over the same file.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
	w.run()
}

// Being away repeats nothing and loses nothing.
func TestRestart(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7, 8)
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown))
	w.settled()
	w.restart()
	w.events.add(checked(7, 2, failure, 3))
	w.settled()
	if diff := cmp.Diff([]string{"monitor.down 7"}, r.types(t)); diff != "" {
		t.Errorf("still down after a restart (-want +got):\n%s", diff)
	}
	w.stop()
	w.events.add(goes(7, 5, stateDown, stateUp), goes(8, 6, stateUp, stateDown))
	w.restart()
	w.settled()
	w.stop()
	want := []string{"monitor.down 7", "monitor.down 8", "monitor.recovered 7"}
	if diff := cmp.Diff(want, r.types(t), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("changed while away (-want +got):\n%s", diff)
	}
}

// An events service that sends everything again, whatever it is asked for, changes nothing.
func TestFeedThatRepeatsItself(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7)
	w.run()
	all := []*eventsv1.FeedEntry{
		goes(7, 1, stateUp, stateDown), checked(7, 2, failure, 3), goes(7, 3, stateDown, stateUp), goes(7, 4, stateUp, stateDown),
	}
	w.events.add(all...)
	w.settled()
	w.events.change(func() { w.events.stubborn = true })
	for n := range len(all) + 1 {
		w.restart()
		w.events.change(func() { w.events.entries = append(w.events.entries, all[:n]...) })
		w.events.add(checked(7, 5, success, 0))
		w.settled()
	}
	w.stop()
	if diff := cmp.Diff([]string{"monitor.down 7", "monitor.recovered 7", "monitor.down 7"}, r.types(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{})
	if err != nil || got.GetPagination().GetTotal() != 2 {
		t.Errorf("incidents = %v, %v", got, err)
	}
}

// When the feed was pruned past the cursor, the states are read instead: what changed is told once, what did not is not.
func TestTruncatedFeed(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7, 8, 9, 10)
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown), goes(8, 2, stateUp, stateDown))
	w.settled()
	w.stop()
	kind := "headers_timeout"
	w.events.change(func() {
		w.events.head, w.events.pruned = 100, 100
		w.events.statuses = map[uint32]*eventsv1.MonitorStatus{
			7:  {MonitorId: 7, CurrentStatus: stateUp, Since: feedAt(50)},
			8:  {MonitorId: 8, CurrentStatus: stateDown, Since: feedAt(2), ConsecutiveFailures: 60},
			9:  {MonitorId: 9, CurrentStatus: stateDown, Since: feedAt(40), LastErrorType: &kind, Regions: []*eventsv1.RegionStatus{{Region: "us", Status: stateDown}}},
			10: {MonitorId: 10, CurrentStatus: stateUnknown, Since: feedAt(41)},
		}
	})
	w.restart()
	w.settled()
	w.restart()
	w.events.add(goes(10, 60, stateUnknown, stateDown))
	w.settled()
	w.stop()
	want := []string{"monitor.down 7", "monitor.down 8", "monitor.recovered 7", "monitor.down 9", "monitor.down 10"}
	if diff := cmp.Diff(want, r.types(t), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{MonitorId: proto.Uint32(9)})
	if err != nil || len(got.GetIncidents()) != 1 {
		t.Fatalf("incidents = %v, %v", got, err)
	}
	if i := got.GetIncidents()[0]; !i.GetStartTime().AsTime().Equal(feedBase.Add(40*time.Second)) || i.GetLastErrorType() != kind || !cmp.Equal(i.GetAffectedRegions(), []string{"us"}) {
		t.Errorf("incident = %v", i)
	}
}

// An outage that began and ended while nobody followed the feed, and whose observations are gone, is told with its own times,
// once; so is the rule that its transitions show to be broken.
func TestAwayLongerThanObservationsAreKept(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7, 8)
	w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + r.url + `"}, "conditions": {"consecutive_failures": 2}}`)
	w.run()
	w.events.add(checked(7, 1, success, 0), checked(8, 1, success, 0))
	w.settled()
	w.stop()
	up := goes(7, 400, stateDown, stateUp)
	up.GetTransition().ConsecutiveFailures, up.GetTransition().ErrorType, up.GetTransition().ErrorMessage = 0, nil, nil
	w.events.add(
		checked(7, 100, failure, 1), checked(7, 110, failure, 2), goes(7, 110, stateUp, stateDown), checked(7, 120, failure, 3),
		up, checked(7, 400, success, 0), goes(8, 500, stateUp, stateDown), checked(8, 510, failure, 3),
	)
	w.events.change(func() { w.events.forgot = w.events.head })
	w.restart()
	w.events.add(checked(7, 7300, success, 0))
	w.settled()
	w.restart()
	w.events.add(checked(7, 7310, success, 0))
	w.settled()
	w.stop()
	want := []string{"monitor.down 7", "monitor.recovered 7", "alert.triggered 7", "alert.resolved 7", "monitor.down 8"}
	if diff := cmp.Diff(want, r.types(t), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{MonitorId: proto.Uint32(7)})
	if err != nil || len(got.GetIncidents()) != 1 {
		t.Fatalf("incidents = %v, %v", got, err)
	}
	i := got.GetIncidents()[0]
	if !i.GetStartTime().AsTime().Equal(feedBase.Add(110*time.Second)) || !i.GetEndTime().AsTime().Equal(feedBase.Add(400*time.Second)) {
		t.Errorf("incident from %v to %v", i.GetStartTime().AsTime(), i.GetEndTime().AsTime())
	}
	w.events.mu.Lock()
	defer w.events.mu.Unlock()
	if len(w.events.asked) != 0 {
		t.Errorf("states of %v were read instead of the transitions", w.events.asked)
	}
}

// A feed whose numbers begin anew, because its store was lost, is followed from there.
func TestFeedThatBeganAnew(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7)
	w.run()
	for i := range 10 {
		w.events.add(checked(7, i, success, 0))
	}
	w.settled()
	w.stop()
	w.events.change(func() {
		w.events.entries, w.events.head = nil, 0
		w.events.statuses[7] = &eventsv1.MonitorStatus{MonitorId: 7, CurrentStatus: stateUp, Since: feedAt(1)}
	})
	w.events.add(checked(7, 20, success, 0))
	w.restart()
	eventually(t, "the new cursor", func() bool {
		p, err := w.store.Progress(t.Context())
		return err == nil && p.Seq == 1
	})
	w.events.add(goes(7, 30, stateUp, stateDown))
	w.settled()
	w.stop()
	if diff := cmp.Diff([]string{"monitor.down 7"}, r.types(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}
