package alerts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/services/alerts"
)

func (w *world) timeline(incident uint32) *alertsv1.IncidentTimeline {
	w.t.Helper()
	got, err := w.incidents.GetIncidentTimeline(viewer(w.t), &alertsv1.GetIncidentTimelineRequest{Id: incident})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// kinds are the entries, such as "message_delivered monitor.down", in their order.
func kinds(tl *alertsv1.IncidentTimeline) (out []string) {
	for _, e := range tl.GetEntries() {
		kind := strings.ToLower(strings.TrimPrefix(e.GetKind().String(), "TIMELINE_KIND_"))
		out = append(out, strings.TrimSpace(kind+" "+e.GetMessageType()))
	}
	return out
}

// Everything that happens in the course of an outage is told, in its order, once.
func TestTimeline(t *testing.T) {
	w, r, ch := hooked(t)
	w.know(7)
	rule := w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + r.url + `"}, "conditions": {"consecutive_failures": 3}}`)
	w.run()
	started := goes(7, 10, stateUp, stateDown)
	started.GetTransition().Since = feedAt(1)
	w.events.add(goes(7, 0, stateUnknown, stateUp), started, checked(7, 20, failure, 3))
	w.settled()
	const incident = 1
	if _, err := w.incidents.AcknowledgeIncident(editor(t), &alertsv1.AcknowledgeIncidentRequest{Id: incident, Note: proto.String("mine")}); err != nil {
		t.Fatal(err)
	}
	if open := w.timeline(incident); open.LastedSeconds != nil {
		t.Errorf("an open incident lasted %v", open.GetLastedSeconds())
	}
	w.events.add(goes(7, 61, stateDown, stateUp), checked(7, 62, success, 0))
	w.settled()
	tl := w.timeline(incident)
	if tl.GetIncidentId() != incident || tl.GetLastedSeconds() != 60 || tl.GetTruncated() {
		t.Errorf("timeline %v", tl)
	}
	for i, e := range tl.GetEntries()[1:] {
		if e.GetAt().AsTime().Before(tl.GetEntries()[i].GetAt().AsTime()) {
			t.Errorf("%v comes after %v", e, tl.GetEntries()[i])
		}
	}
	// The checks of this feed are years ahead of the clock by which people and the courier work.
	got := kinds(tl)
	counts := map[string]int{}
	for _, k := range got {
		counts[k]++
	}
	want := map[string]int{
		"acknowledged": 1, "note": 1, "first_failure": 1, "confirmed_down": 1, "alert_triggered": 1, "alert_resolved": 1, "recovered": 1,
		"message_queued monitor.down": 1, "message_delivered monitor.down": 1, "message_queued alert.triggered": 1, "message_delivered alert.triggered": 1,
		"message_queued monitor.recovered": 1, "message_delivered monitor.recovered": 1,
	}
	delete(counts, "region_down") // of the observation, which says nothing of regions
	delete(counts, "region_up")
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("kinds (-want +got):\n%s\n%v", diff, got)
	}
	of := map[string]*alertsv1.TimelineEntry{}
	for i, e := range tl.GetEntries() {
		of[got[i]] = e
	}
	facts(t, of, ch.GetId(), rule.GetId())
	_, err := w.incidents.GetIncidentTimeline(stranger(t), &alertsv1.GetIncidentTimelineRequest{Id: incident})
	wantCode(t, err, codes.NotFound)
	_, err = w.incidents.GetIncidentTimeline(viewer(t), &alertsv1.GetIncidentTimelineRequest{Id: 99})
	wantCode(t, err, codes.NotFound)
}

// facts checks what the entries have to tell.
func facts(t *testing.T, of map[string]*alertsv1.TimelineEntry, channel, rule uint32) {
	t.Helper()
	const user, system = alertsv1.TimelineActor_TIMELINE_ACTOR_USER, alertsv1.TimelineActor_TIMELINE_ACTOR_SYSTEM
	seconds := func(e *alertsv1.TimelineEntry) int { return int(e.GetAt().AsTime().Sub(feedBase).Seconds()) }
	if e := of["first_failure"]; seconds(e) != 1 || e.GetActor() != system || e.ActorName != nil {
		t.Errorf("first failure: %v", e)
	}
	if e := of["confirmed_down"]; seconds(e) != 10 || fmt.Sprint(e.GetRegions()) != "[eu]" || e.GetErrorType() != "connection_refused" || e.GetError() != "refused" || e.GetFailures() != 2 {
		t.Errorf("confirmed: %v", e)
	}
	if e := of["acknowledged"]; e.GetActor() != user || e.GetActorName() != "user@example.com" {
		t.Errorf("acknowledged: %v", e)
	}
	if e := of["note"]; e.GetActor() != user || e.GetText() != "mine" || e.GetNoteId() == 0 {
		t.Errorf("note: %v", e)
	}
	if e := of["alert_triggered"]; seconds(e) != 20 || e.GetAlertId() != rule || e.GetCondition() != "consecutive_failures" || e.GetValue() != 3 || e.GetThreshold() != 3 || e.GetTargetType() != "webhook" {
		t.Errorf("triggered: %v", e)
	}
	if e := of["recovered"]; seconds(e) != 61 || e.GetLastedSeconds() != 60 || e.GetConfirmedAt() == nil {
		t.Errorf("recovered: %v", e)
	}
	e := of["message_delivered monitor.down"]
	if e.GetChannelId() != channel || e.GetTargetName() != "ops" || e.GetTargetType() != "webhook" || e.GetAttempts() != 1 || e.GetStatusCode() != 204 || e.GetDeliveryId() == "" ||
		e.GetDeliveryState() != alertsv1.DeliveryState_DELIVERY_STATE_DELIVERED || e.AlertId != nil || e.Error != nil {
		t.Errorf("delivered: %v", e)
	}
	if e := of["message_delivered alert.triggered"]; e.GetAlertId() != rule || e.ChannelId != nil || e.GetTargetType() != "webhook" || e.TargetName != nil {
		t.Errorf("delivered to a rule's target: %v", e)
	}
}

// A message that does not arrive says so, with what went wrong; names of what was deleted are not there.
func TestTimelineOfFailingMessages(t *testing.T) {
	w, r, ch := hooked(t)
	r.answer(func(int) int { return 410 })
	w.know(7)
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown))
	eventually(t, "a failed attempt", func() bool { return len(r.all()) > 0 })
	var failed *alertsv1.TimelineEntry
	eventually(t, "its entry", func() bool {
		for _, e := range w.timeline(1).GetEntries() {
			if e.GetKind() == alertsv1.TimelineKind_TIMELINE_KIND_MESSAGE_FAILED {
				failed = e
			}
		}
		return failed != nil
	})
	if failed.GetError() == "" || failed.GetStatusCode() != 410 || failed.GetAttempts() == 0 || failed.GetTargetName() != "ops" {
		t.Errorf("failed: %v", failed)
	}
	if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: ch.GetId()}); err != nil {
		t.Fatal(err)
	}
	for _, e := range w.timeline(1).GetEntries() {
		if e.ChannelId != nil && (e.TargetName != nil || e.TargetType != nil || e.GetDeliveryState() != alertsv1.DeliveryState_DELIVERY_STATE_DEAD) {
			t.Errorf("of a deleted channel: %v", e)
		}
	}
}

// Resolved by hand while the monitor is down; and by nobody, because it was paused.
func TestTimelineEnds(t *testing.T) {
	w, _, incident := outage(t)
	if _, err := w.incidents.ResolveIncident(editor(t), &alertsv1.ResolveIncidentRequest{Id: incident}); err != nil {
		t.Fatal(err)
	}
	w.events.add(goes(7, 30, stateDown, stateUp), goes(7, 40, stateUp, stateDown), goes(7, 50, stateDown, statePaused))
	w.settled()
	has := func(id uint32, kind alertsv1.TimelineKind) *alertsv1.TimelineEntry {
		for _, e := range w.timeline(id).GetEntries() {
			if e.GetKind() == kind {
				return e
			}
		}
		return nil
	}
	resolved, recovered := has(incident, alertsv1.TimelineKind_TIMELINE_KIND_RESOLVED), has(incident, alertsv1.TimelineKind_TIMELINE_KIND_RECOVERED)
	if resolved.GetActorName() != "user@example.com" || !recovered.GetAt().AsTime().Equal(feedBase.Add(30*time.Second)) {
		t.Errorf("resolved %v, recovered %v", resolved, recovered)
	}
	closed := has(incident+1, alertsv1.TimelineKind_TIMELINE_KIND_CLOSED)
	if closed.GetLastedSeconds() != 10 || closed.GetActor() != alertsv1.TimelineActor_TIMELINE_ACTOR_SYSTEM || has(incident+1, alertsv1.TimelineKind_TIMELINE_KIND_RECOVERED) != nil {
		t.Errorf("closed %v", closed)
	}
}

// A monitor behind another that is down: the timeline names that one, as it is called now.
func TestTimelineOfADependant(t *testing.T) {
	w := newWorld(t)
	w.monitors.putBehind(1)
	w.monitors.putBehind(2, 1)
	w.run()
	eventually(t, "the catalog", func() bool { m, err := w.store.Monitor(t.Context(), 2); return err == nil && len(m.DependsOn) == 1 })
	w.events.add(goes(1, 1, stateUp, stateDown), goes(2, 2, stateUp, stateDown))
	w.settled()
	var held *alertsv1.TimelineEntry
	for _, e := range w.timeline(2).GetEntries() {
		if e.GetKind() == alertsv1.TimelineKind_TIMELINE_KIND_HELD {
			held = e
		}
	}
	if held.GetMonitorId() != 1 || held.GetMonitorName() != "host-01" {
		t.Errorf("held: %v", held)
	}
}

// An incident of before there were steps tells what its row says, and no more.
func TestTimelineWithoutSteps(t *testing.T) {
	at := func(n int) time.Time { return feedBase.Add(time.Duration(n) * time.Second) }
	c := alerts.Chronicle{Incident: alerts.Incident{ID: 1, StartTime: at(0), EndTime: at(9), ResolvedAt: at(10), Status: alerts.IncidentResolved, Settled: true}}
	var got []alerts.MomentKind
	for _, m := range c.Timeline() {
		got = append(got, m.Kind)
	}
	if diff := cmp.Diff([]alerts.MomentKind{alerts.MomentFirstFailure, alerts.MomentRecovered}, got); diff != "" {
		t.Error(diff)
	}
}
