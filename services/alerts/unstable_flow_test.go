package alerts_test

import (
	"testing"
	"time"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/alerts"
)

// A monitor flaps for an hour, once a minute; in the middle of it this service starts anew. Then it is quiet, and is told to be steady.
func TestFlappingForAnHour(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.flapping = alerts.Flapping{Changes: 5, Within: 15 * time.Minute}
		w.open()
		c := site(t, w, w)
		want := []string{"7 monitor.down", "7 monitor.recovered", "7 monitor.down", "7 monitor.recovered", "7 monitor.unstable"}
		for i := range 60 {
			w.events.add(turns(7, i%2 == 0))
			w.events.add(sees(1)) // nobody waits for its router
			pass(time.Minute)
			if i == 2 || i == 30 { // before it is known to be unstable, and while it is
				w.stop()
				w.open()
				w.service.SendThrough(c.take)
				w.run()
				pass(time.Second)
			}
		}
		c.wantAll(t, want...)
		pass(13 * time.Minute)
		c.wantAll(t, want...)
		if open := incidentsOf(t, w, "open"); len(open) != 1 || open[0].GetUnstable().GetChanges() != 60 || open[0].GetUnstable().GetUntil() != nil || open[0].GetUpSince() == nil {
			t.Errorf("open is %v", open)
		}
		pass(2 * time.Minute)
		c.wantAll(t, append(want, "7 monitor.stable")...)
		all := incidentsOf(t, w, "all") // the newest first
		if len(all) != 3 || len(incidentsOf(t, w, "open")) != 0 {
			t.Fatalf("%d incidents, want two outages and then one: %v", len(all), all)
		}
		if one := all[0]; one.ResolvedBy != nil || !one.GetEndTime().AsTime().Equal(one.GetUpSince().AsTime()) || one.GetUnstable().GetUntil() == nil ||
			one.GetEndTime().AsTime().Sub(one.GetStartTime().AsTime()).Round(time.Minute) != 55*time.Minute || one.GetFailureCount() < 28 {
			t.Errorf("it ended as %v", one)
		}
		if all[1].GetUnstable() != nil || all[2].GetUnstable() != nil {
			t.Errorf("unstable before it was found to be: %v", all[1:])
		}
		kinds := map[alertsv1.TimelineKind]int{}
		timeline, err := w.incidents.GetIncidentTimeline(editor(t), &alertsv1.GetIncidentTimelineRequest{Id: all[0].GetId()})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range timeline.GetEntries() {
			kinds[e.GetKind()]++
		}
		for kind, n := range map[alertsv1.TimelineKind]int{
			alertsv1.TimelineKind_TIMELINE_KIND_CONFIRMED_DOWN: 1, alertsv1.TimelineKind_TIMELINE_KIND_UNSTABLE_BEGAN: 1, alertsv1.TimelineKind_TIMELINE_KIND_UNSTABLE_ENDED: 1,
			alertsv1.TimelineKind_TIMELINE_KIND_CAME_UP: 28, alertsv1.TimelineKind_TIMELINE_KIND_WENT_DOWN: 27, alertsv1.TimelineKind_TIMELINE_KIND_RECOVERED: 1,
			alertsv1.TimelineKind_TIMELINE_KIND_MESSAGE_DELIVERED: 2,
		} {
			if kinds[kind] != n {
				t.Errorf("%d of %s in the timeline, want %d", kinds[kind], kind, n)
			}
		}
		w.stop()
	})
}

// incidentsOf are those of monitor 7.
func incidentsOf(t *testing.T, w *world, status string) []*alertsv1.Incident {
	t.Helper()
	id := uint32(7)
	resp, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{Status: &status, MonitorId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetIncidents()
}

func TestFlappingThatIsNone(t *testing.T) {
	w := newWorld(t)
	for _, f := range []alerts.Flapping{{Changes: 2, Within: time.Minute}, {Changes: 5}, {Changes: -1, Within: time.Minute}} {
		if _, err := alerts.New(alerts.Deps{
			Store: w.store, Log: w.log(), Secrets: w.box, PageKey: []byte("k"), Events: w.conn, Monitors: w.conn, Flapping: f,
		}); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}
