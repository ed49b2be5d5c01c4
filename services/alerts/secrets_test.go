package alerts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/services/alerts"
)

// A secret, or a header's value, is nowhere but in the receiver's hands: not in an answer, the log, the audit rows, the
// database file or its side files.
func TestCanaries(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	r := newReceiver(t)
	r.answer(func(n int) int { return []int{500, 404, 204}[min(n-1, 2)] })
	const headerCanary = "canary-header-4711"
	const secretCanary = "whsec_Y2FuYXJ5LXNlY3JldC0wODE1LWNhbmFyeS1zZWNyZXQ="
	config := `{"url": "` + r.url + `", "secret": "` + secretCanary + `", "headers": {"X-Token": "` + headerCanary + `"}}`
	var answers strings.Builder
	note := func(m proto.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		answers.WriteString(protojson.Format(m))
	}
	a := w.createAlert(`{"alert_type": "webhook", "alert_config": ` + config + `, "conditions": {"consecutive_failures": 1}}`)
	c := w.createChannel(`{"type": "webhook", "name": "ops", "config": ` + config + `}`)
	note(a, nil)
	note(c, nil)
	note(w.alerts.UpdateAlert(editor(t), &alertsv1.UpdateAlertRequest{MonitorId: 7, AlertId: a.GetId(), Alert: alertBody(t, `{"alert_config": `+config+`}`)}))
	note(w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t, `{"config": `+config+`}`)}))
	_, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t,
		`{"config": {"secret": "`+secretCanary+`!", "headers": {"X Token": "`+headerCanary+`"}}}`)})
	answers.WriteString(protojson.Format(status.Convert(err).Proto()))
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown))
	note(w.alerts.TestAlert(editor(t), &alertsv1.TestAlertRequest{MonitorId: 7, AlertId: a.GetId()}))
	note(w.channels.TestChannel(admin(t), &alertsv1.TestChannelRequest{Id: c.GetId()}))
	eventually(t, "four attempts", func() bool { return len(r.all()) >= 4 })
	note(w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7}))
	note(w.channels.ListChannels(admin(t), &alertsv1.ListChannelsRequest{}))
	list, err := w.alerts.ListDeliveries(editor(t), &alertsv1.ListDeliveriesRequest{})
	note(list, err)
	for _, d := range list.GetDeliveries() {
		eventually(t, "an attempt at "+d.GetId(), func() bool {
			log, err := w.alerts.ListDeliveryAttempts(editor(t), &alertsv1.ListDeliveryAttemptsRequest{Id: d.GetId()})
			note(log, err)
			return len(log.GetAttempts()) > 0
		})
	}
	note(w.alerts.ListAlertHistory(editor(t), &alertsv1.ListAlertHistoryRequest{}))
	note(w.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{}))
	if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	w.stop()
	for _, canary := range []string{headerCanary, secretCanary, strings.TrimPrefix(secretCanary, "whsec_"), "canary-secret-0815"} {
		for where, text := range map[string]string{"an answer": answers.String(), "the log": w.logs.String()} {
			if strings.Contains(text, canary) {
				t.Errorf("%s is in %s", canary, where)
			}
		}
		files, err := filepath.Glob(w.path + "*")
		if err != nil || len(files) == 0 {
			t.Fatalf("database files = %v, %v", files, err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), canary) {
				t.Errorf("%s is in %s", canary, filepath.Base(name))
			}
		}
	}
	for i, m := range r.all() {
		if m.header.Get("X-Token") != headerCanary {
			t.Errorf("message %d came without its header", i)
		}
	}
}

// Settings that were sealed for one place do not open in another, so rows that somebody swapped send nothing.
func TestSwappedConfigurations(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	r := newReceiver(t)
	a := w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + r.url + `"}, "conditions": {"consecutive_failures": 1}}`)
	rule, err := w.store.Rule(t.Context(), orgA, 7, a.GetId())
	if err != nil {
		t.Fatal(err)
	}
	b := w.createAlert(plainAlert)
	if err := w.swap(b.GetId(), rule.Config); err != nil {
		t.Fatal(err)
	}
	got, err := w.alerts.TestAlert(editor(t), &alertsv1.TestAlertRequest{MonitorId: 7, AlertId: b.GetId()})
	if err != nil || got.GetSuccess() || got.GetError() == "" || len(r.all()) != 0 {
		t.Errorf("test = %v, %v; the receiver got %d messages", got, err, len(r.all()))
	}
	// The way out: everything is entered again.
	_, err = w.alerts.UpdateAlert(editor(t), &alertsv1.UpdateAlertRequest{
		MonitorId: 7, AlertId: b.GetId(), Alert: alertBody(t, `{"alert_config": {"url": "`+r.url+`"}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = w.alerts.TestAlert(editor(t), &alertsv1.TestAlertRequest{MonitorId: 7, AlertId: b.GetId()}); err != nil || !got.GetSuccess() {
		t.Errorf("test = %v, %v", got, err)
	}
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	a := w.createAlert(plainAlert)
	if _, err := w.alerts.UpdateAlert(editor(t), &alertsv1.UpdateAlertRequest{MonitorId: 7, AlertId: a.GetId(), Alert: alertBody(t, `{"enabled": false}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.alerts.DeleteAlert(editor(t), &alertsv1.DeleteAlertRequest{MonitorId: 7, AlertId: a.GetId()}); err != nil {
		t.Fatal(err)
	}
	w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://e/"}}`)
	got, err := w.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range got.GetEntries() {
		actions = append(actions, e.GetAction())
		if e.GetActorName() != "user@example.com" || e.GetActorKind() != "user" || e.GetIp() != "192.0.2.1" || e.GetObjectId() == "" || e.GetRequestId() == "" {
			t.Errorf("entry = %v", e)
		}
	}
	if diff := cmp.Diff([]string{"channel.create", "alert.delete", "alert.update", "alert.create"}, actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	change := got.GetEntries()[2]
	if change.GetBefore().GetStructValue().AsMap()["enabled"] != true || change.GetAfter().GetStructValue().AsMap()["enabled"] == true {
		t.Errorf("change = %v", change)
	}
	older, err := w.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{Before: got.GetEntries()[3].GetAt(), Limit: 5})
	if err != nil || len(older.GetEntries()) != 0 {
		t.Errorf("older = %v, %v", older, err)
	}
	theirs, err := w.audit.ListAuditEntries(stranger(t), &auditv1.ListAuditEntriesRequest{})
	if err != nil || len(theirs.GetEntries()) != 0 {
		t.Errorf("another organization sees %v, %v", theirs, err)
	}
}

func TestNewNeedsEverything(t *testing.T) {
	if _, err := alerts.New(alerts.Deps{}); err == nil {
		t.Error("a service was made of nothing")
	}
}
