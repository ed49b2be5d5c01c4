package alerts_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/alerts"
)

// told is a message as a receiver reads it.
type told struct {
	Type string
	ID   string
	Data struct {
		Monitor struct {
			ID   uint32
			Name string
		}
		Incident *struct {
			ID        uint32
			StartTime string  `json:"start_time"`
			EndTime   *string `json:"end_time"`
		}
		Alert *struct {
			ID   uint32
			Data struct{ Condition string }
		}
		Status    string
		DelayedMS int64 `json:"delayed_ms"`
	}
}

func (r *receiver) told(t *testing.T) []told {
	t.Helper()
	var out []told
	for _, m := range r.all() {
		var one told
		if err := json.Unmarshal(m.body, &one); err != nil {
			t.Fatal(err)
		}
		if m.header.Get("webhook-id") != one.ID {
			t.Errorf("message %s came with the id %s", one.ID, m.header.Get("webhook-id"))
		}
		out = append(out, one)
	}
	return out
}

// types are the messages with the monitor, such as "monitor.down 7".
func (r *receiver) types(t *testing.T) (out []string) {
	t.Helper()
	for _, m := range r.told(t) {
		out = append(out, fmt.Sprint(m.Type, " ", m.Data.Monitor.ID))
	}
	return out
}

// settled waits until the whole feed was evaluated and no message is left to send.
func (w *world) settled() {
	w.t.Helper()
	eventually(w.t, "the end of the feed", func() bool {
		p, err := w.store.Progress(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		w.events.mu.Lock()
		defer w.events.mu.Unlock()
		return p.Seq >= w.events.head
	})
	eventually(w.t, "an empty outbox", func() bool {
		_, total, err := w.store.Deliveries(w.t.Context(), alerts.DeliveryFilter{
			Organization: orgA, States: []alerts.DeliveryState{alerts.DeliveryPending}, Window: alerts.Window{Limit: 1},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		return total == 0
	})
}

// hooked is a world with a channel that announces everything to a receiver.
func hooked(t *testing.T) (*world, *receiver, *alertsv1.Channel) {
	t.Helper()
	w, r := newWorld(t), newReceiver(t)
	c := w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "` + r.url + `"},
		"trigger_events": ["TRIGGER_EVENT_DOWN", "TRIGGER_EVENT_RECOVERY", "TRIGGER_EVENT_DEGRADED"]}`)
	return w, r, c
}

const success, failure = checkv1.ResultStatus_RESULT_STATUS_SUCCESS, checkv1.ResultStatus_RESULT_STATUS_FAILURE

// From the feed to a receiver that verifies what it gets.
func TestWholeWay(t *testing.T) {
	w, r, c := hooked(t)
	w.know(7)
	a := w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + r.url + `"}, "conditions": {"consecutive_failures": 3}}`)
	w.run()
	w.events.add(
		checked(7, 0, success, 0), checked(7, 1, failure, 1), goes(7, 2, stateUp, stateDown), checked(7, 2, failure, 2),
		checked(7, 3, failure, 3),
	)
	w.settled()
	list, err := w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7})
	if err != nil || !list.GetAlerts()[0].GetTriggered() {
		t.Errorf("alerts = %v, %v", list, err)
	}
	up := goes(7, 9, stateDown, stateUp)
	up.GetTransition().ConsecutiveFailures = 0
	w.events.add(up, checked(7, 9, success, 0))
	w.settled()
	w.stop()
	got := map[string]told{}
	for _, m := range r.told(t) {
		got[m.Type] = m
		if m.Data.Monitor.Name != "monitor 7" {
			t.Errorf("%s names the monitor %q", m.Type, m.Data.Monitor.Name)
		}
	}
	if len(r.all()) != 4 || len(got) != 4 {
		t.Fatalf("messages = %v", r.types(t))
	}
	if m := got["monitor.recovered"]; m.Data.Incident == nil || m.Data.Incident.StartTime != "2031-01-01T00:00:02.000Z" || m.Data.Incident.EndTime == nil {
		t.Errorf("recovery = %+v", m.Data.Incident)
	}
	if m := got["alert.triggered"]; m.Data.Alert == nil || m.Data.Alert.ID != a.GetId() || m.Data.Alert.Data.Condition != "consecutive_failures" {
		t.Errorf("trigger = %+v", m.Data.Alert)
	}
	secrets := map[bool]string{true: a.GetAlertConfig().AsMap()["secret"].(string), false: c.GetConfig().AsMap()["secret"].(string)}
	for _, m := range r.all() {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secrets[strings.Contains(string(m.body), `"alert.`)], "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", m.header.Get("webhook-id"), m.header.Get("webhook-timestamp"), m.body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); m.header.Get("webhook-signature") != want {
			t.Errorf("signature of %s does not hold", m.body)
		}
	}
	hist, err := w.alerts.ListAlertHistory(editor(t), &alertsv1.ListAlertHistoryRequest{MonitorId: proto.Uint32(7)})
	if err != nil || len(hist.GetHistory()) != 1 {
		t.Fatalf("history = %v, %v", hist, err)
	}
	h := hist.GetHistory()[0]
	if !h.GetTriggeredAt().AsTime().Equal(feedBase.Add(3*time.Second)) || !h.GetResolvedAt().AsTime().Equal(feedBase.Add(9*time.Second)) || h.GetAlertData().AsMap()["value"] != 3.0 {
		t.Errorf("history = %v", h)
	}
	log, err := w.alerts.ListDeliveries(editor(t), &alertsv1.ListDeliveriesRequest{})
	if err != nil || log.GetPagination().GetTotal() != 4 {
		t.Fatalf("deliveries = %v, %v", log, err)
	}
	for _, d := range log.GetDeliveries() {
		if d.GetState() != alertsv1.DeliveryState_DELIVERY_STATE_DELIVERED || d.GetAttempts() != 1 || d.GetLastStatusCode() != 204 ||
			(d.AlertId == nil) == (d.ChannelId == nil) || d.GetDeliveredAt() == nil || d.NextAttemptAt != nil || d.LastError != nil {
			t.Errorf("delivery = %v", d)
		}
	}
}

func TestUptimeRule(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.know(7, 8)
	w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + r.url + `"}, "conditions": {"uptime_percentage_threshold": 99}}`)
	w.events.broken = fault.Unavailable("")
	w.run()
	asked := func(n int) func() bool {
		return func() bool {
			w.events.mu.Lock()
			defer w.events.mu.Unlock()
			return len(w.events.asked) >= n
		}
	}
	w.events.add(checked(7, 1, success, 0), checked(8, 1, success, 0)) // 8 has no rule about uptime: nobody asks
	eventually(t, "the first question", asked(1))
	w.events.change(func() {
		w.events.broken = nil
		w.events.statuses[7] = &eventsv1.MonitorStatus{MonitorId: 7, CurrentStatus: stateUp} // no data: nothing is made of it
	})
	w.restart() // which forgets when it last failed
	w.events.add(checked(7, 2, success, 0))
	eventually(t, "the second question", asked(2))
	w.settled()
	uptime := func(percent float64) {
		w.events.change(func() {
			w.events.statuses[7] = &eventsv1.MonitorStatus{MonitorId: 7, CurrentStatus: stateUp, UptimePercentage_24H: &percent}
		})
	}
	uptime(98.5)
	w.events.add(checked(7, 3, success, 0)) // within a minute of the last question
	w.settled()
	w.restart()
	w.events.add(checked(7, 4, success, 0))
	eventually(t, "a message", func() bool { return len(r.all()) > 0 })
	uptime(99)
	w.restart()
	w.events.add(checked(7, 5, success, 0))
	eventually(t, "another message", func() bool { return len(r.all()) > 1 })
	w.stop()
	if diff := cmp.Diff([]string{"alert.triggered 7", "alert.resolved 7"}, r.types(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint32{7, 7, 7, 7}, w.events.asked); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}
	if got := r.told(t)[0].Data.Alert.Data.Condition; got != "uptime_percentage_threshold" {
		t.Errorf("condition = %s", got)
	}
}

// The outage of a monitor that is deleted or paused ends without a word, whether the deletion is seen as it happens or later.
func TestDeletedAndPaused(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7, 8, 9)
	w.run()
	for id := uint32(7); id <= 9; id++ {
		w.events.add(goes(id, 1, stateUp, stateDown))
	}
	w.settled()
	resolved := func(n uint32) func() bool {
		return func() bool {
			got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{Status: proto.String("resolved")})
			return err == nil && got.GetPagination().GetTotal() == n
		}
	}
	w.monitors.remove(7)
	eventually(t, "the end of the incident", resolved(1))
	w.events.add(goes(8, 5, stateDown, statePaused), goes(7, 6, stateDown, stateUp))
	w.settled()
	w.stop()
	w.monitors.remove(9)
	w.restart()
	eventually(t, "the end of the incidents", resolved(3))
	w.stop()
	if diff := cmp.Diff([]string{"monitor.down 7", "monitor.down 8", "monitor.down 9"}, r.types(t), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range got.GetIncidents() {
		if i.GetResolvedBy() != "system" || i.GetEndTime() == nil {
			t.Errorf("incident = %v", i)
		}
	}
	_, err = w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7})
	wantCode(t, err, codes.NotFound)
	if _, err = w.alerts.ListAlertHistory(editor(t), &alertsv1.ListAlertHistoryRequest{MonitorId: proto.Uint32(7)}); err != nil {
		t.Errorf("history of a deleted monitor: %v", err)
	}
}

func TestIncidentHandling(t *testing.T) {
	w, r, _ := hooked(t)
	w.know(7)
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown))
	w.settled()
	list, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{Status: proto.String("open")})
	if err != nil || len(list.GetIncidents()) != 1 {
		t.Fatalf("incidents = %v, %v", list, err)
	}
	id := list.GetIncidents()[0].GetId()
	for range 2 {
		got, err := w.incidents.AcknowledgeIncident(editor(t), &alertsv1.AcknowledgeIncidentRequest{Id: id})
		if err != nil || got.GetStatus() != alertsv1.IncidentStatus_INCIDENT_STATUS_ACKNOWLEDGED || got.GetAcknowledgedBy() != "user@example.com" {
			t.Fatalf("incident = %v, %v", got, err)
		}
	}
	got, err := w.incidents.ResolveIncident(editor(t), &alertsv1.ResolveIncidentRequest{Id: id})
	if err != nil || got.GetStatus() != alertsv1.IncidentStatus_INCIDENT_STATUS_RESOLVED || got.GetResolvedBy() != "user@example.com" {
		t.Fatalf("incident = %v, %v", got, err)
	}
	_, err = w.incidents.ResolveIncident(editor(t), &alertsv1.ResolveIncidentRequest{Id: id})
	wantCode(t, err, codes.FailedPrecondition)
	_, err = w.incidents.AcknowledgeIncident(editor(t), &alertsv1.AcknowledgeIncidentRequest{Id: id})
	wantCode(t, err, codes.FailedPrecondition)
	_, err = w.incidents.GetIncident(stranger(t), &alertsv1.GetIncidentRequest{Id: id})
	wantCode(t, err, codes.NotFound)
	_, err = w.incidents.ResolveIncident(stranger(t), &alertsv1.ResolveIncidentRequest{Id: id})
	wantCode(t, err, codes.NotFound)
	w.events.add(goes(7, 2, stateDown, stateUnknown), goes(7, 3, stateUnknown, stateDown), goes(7, 4, stateDown, stateUp), goes(7, 5, stateUp, stateDown))
	w.settled()
	w.stop()
	if diff := cmp.Diff([]string{"monitor.down 7", "monitor.recovered 7", "monitor.down 7"}, r.types(t)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if got, err = w.incidents.GetIncident(editor(t), &alertsv1.GetIncidentRequest{Id: id}); err != nil || got.GetResolvedBy() != "user@example.com" {
		t.Errorf("incident = %v, %v", got, err)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	w.run()
	for i := range 7 {
		w.events.add(goes(7, 10*i, stateUp, stateDown), goes(7, 10*i+5, stateDown, stateUp))
	}
	w.settled()
	w.stop()
	var ids []uint32
	var token *string
	for {
		got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{Limit: proto.Int32(3), PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		if p := got.GetPagination(); p.GetTotal() != 7 || p.GetLimit() != 3 || p.GetOffset() != 0 {
			t.Errorf("pagination = %v", p)
		}
		for _, i := range got.GetIncidents() {
			ids = append(ids, i.GetId())
		}
		if token = got.GetPagination().NextPageToken; token == nil {
			break
		}
		_, err = w.incidents.ListIncidents(stranger(t), &alertsv1.ListIncidentsRequest{PageToken: token})
		if diff := cmp.Diff([]string{"page_token"}, fields(t, err)); diff != "" {
			t.Error(diff)
		}
		_, err = w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{PageToken: token, Offset: proto.Int32(1)})
		if diff := cmp.Diff([]string{"offset"}, fields(t, err)); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]uint32{7, 6, 5, 4, 3, 2, 1}, ids); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	got, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{Limit: proto.Int32(3), Offset: proto.Int32(5)})
	if err != nil || len(got.GetIncidents()) != 2 || got.GetIncidents()[0].GetId() != 2 || got.GetPagination().NextPageToken != nil {
		t.Errorf("offset: %v, %v", got, err)
	}
	theirs, err := w.incidents.ListIncidents(stranger(t), &alertsv1.ListIncidentsRequest{})
	if err != nil || theirs.GetPagination().GetTotal() != 0 {
		t.Errorf("another organization sees %v, %v", theirs, err)
	}
}
