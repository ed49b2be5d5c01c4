package alerts_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
)

func TestSeverityAndConditionsRoundTrip(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	plain := w.createAlert(rule(`"consecutive_failures": 1`))
	if plain.GetSeverity() != alertsv1.Severity_SEVERITY_HIGH {
		t.Errorf("of a rule that does not say: %v", plain.GetSeverity())
	}
	made := w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "https://example.com/hook"}, "severity": "SEVERITY_LOW",
		"conditions": {"certificate_days_left": 14, "degraded_regions": 2, "no_data_seconds": 600}}`)
	list, err := w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*alertsv1.Alert{made, list.GetAlerts()[1]} {
		c := a.GetConditions()
		if a.GetSeverity() != alertsv1.Severity_SEVERITY_LOW || c.GetCertificateDaysLeft() != 14 || c.GetDegradedRegions() != 2 || c.GetNoDataSeconds() != 600 ||
			c.ConsecutiveFailures != nil {
			t.Errorf("it reads %v", a)
		}
	}
	low := alertsv1.Severity_SEVERITY_CRITICAL
	up, err := w.alerts.UpdateAlert(editor(t), &alertsv1.UpdateAlertRequest{MonitorId: 7, AlertId: made.GetId(), Alert: &alertsv1.Alert{Severity: &low}})
	if err != nil || up.GetSeverity() != low || up.GetConditions().GetNoDataSeconds() != 600 {
		t.Errorf("changed: %v, %v", up, err)
	}
	_, err = w.alerts.CreateAlert(editor(t), &alertsv1.CreateAlertRequest{MonitorId: 7, Alert: &alertsv1.Alert{
		AlertType: proto.String("webhook"), Conditions: &alertsv1.Conditions{NoDataSeconds: proto.Int32(2592001)},
	}})
	wantCode(t, err, codes.InvalidArgument)
}

// Nothing is announced while nothing is known; the rule triggers all the same, and its message is sent.
func TestSilenceTriggers(t *testing.T) {
	w := newWorld(t)
	hook := newReceiver(t)
	w.know(7)
	w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + hook.url + `"}, "severity": "SEVERITY_INFO", "conditions": {"no_data_seconds": 1}}`)
	w.run()
	since := timestamppb.New(time.Now().UTC().Truncate(time.Millisecond))
	e := goes(7, 0, stateUp, stateUnknown)
	e.At, e.GetTransition().Since = since, since
	w.events.add(e)
	var got []*alertsv1.AlertHistoryEntry
	eventually(t, "the trigger", func() bool {
		rows, err := w.alerts.ListAlertHistory(editor(t), &alertsv1.ListAlertHistoryRequest{})
		if err != nil {
			t.Fatal(err)
		}
		got = rows.GetHistory()
		return len(got) > 0
	})
	data := got[0].GetAlertData().AsMap()
	if !got[0].GetTriggeredAt().AsTime().Equal(since.AsTime().Add(time.Second)) || data["condition"] != "no_data_seconds" || data["severity"] != "info" {
		t.Errorf("triggered %v: %v", got[0].GetTriggeredAt().AsTime(), data)
	}
	eventually(t, "the message", func() bool { return len(hook.all()) == 1 })
	back := goes(7, 0, stateUnknown, stateUp)
	back.At = timestamppb.New(since.AsTime().Add(5 * time.Second))
	w.events.add(back)
	eventually(t, "the message of the end", func() bool { return len(hook.all()) == 2 })
}
