package alerts_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

func percentile(of float64, above, window int32) *alertsv1.Conditions {
	return &alertsv1.Conditions{ResponseTimePercentile: &alertsv1.ResponseTimePercentile{Percentile: of, ThresholdMs: above, WindowSeconds: window}}
}

// took is a check that found monitor 7 working, in so many milliseconds.
func took(at time.Time, ms float64) *eventsv1.FeedEntry {
	e := sees(7)
	e.At = timestamppb.New(at)
	e.GetObservation().MaxResponseTimeUs = ms * 1000
	return e
}

// A rule about a percentile triggers and resolves, remembers over a restart, and says in a backtest what it did live.
func TestPercentileFlow(t *testing.T) {
	w, hook := newWorld(t), newReceiver(t)
	w.know(7)
	made := w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + hook.url + `"},
		"conditions": {"response_time_percentile": {"percentile": 90, "threshold_ms": 500, "window_seconds": 60}}}`)
	list, err := w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*alertsv1.Alert{made, list.GetAlerts()[0]} {
		if p := a.GetConditions().GetResponseTimePercentile(); p.GetPercentile() != 90 || p.GetThresholdMs() != 500 || p.GetWindowSeconds() != 60 {
			t.Errorf("it reads %v", a)
		}
	}
	for _, bad := range []*alertsv1.Conditions{percentile(49, 500, 60), percentile(100, 500, 60), percentile(95, 0, 60), percentile(95, 500, 59), percentile(95, 500, 86401)} {
		_, err := w.backtests().Backtest(editor(t), backtestOf(bad))
		wantCode(t, err, codes.InvalidArgument)
	}
	var entries []*eventsv1.FeedEntry
	for i, ms := range []float64{900, 900, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100} {
		entries = append(entries, took(pastDay.Add(time.Duration(6*i)*time.Second), ms))
	}
	w.run()
	w.events.add(entries[:9]...)
	eventually(t, "nine checks", func() bool { p, err := w.store.Progress(t.Context()); return err == nil && p.Seq == 9 })
	if n := len(hook.all()); n != 0 {
		t.Fatalf("%d messages after nine checks", n)
	}
	w.stop()
	w.open()
	w.run()
	w.events.add(entries[9])
	eventually(t, "the message", func() bool { return len(hook.all()) == 1 })
	w.events.add(entries[10:]...)
	eventually(t, "the message of the end", func() bool { return len(hook.all()) == 2 })
	var body struct {
		Data struct {
			Alert struct {
				Data struct {
					Condition, Severity string
					Percentile, Value   float64
					WindowSeconds       int `json:"window_seconds"`
				}
			}
		}
	}
	if err := json.Unmarshal(hook.all()[0].body, &body); err != nil {
		t.Fatal(err)
	}
	if d := body.Data.Alert.Data; d.Condition != "response_time_percentile" || d.Percentile != 90 || d.WindowSeconds != 60 || d.Value < 900 || d.Value > 918 {
		t.Errorf("data %+v", d)
	}
	history, err := w.alerts.ListAlertHistory(editor(t), &alertsv1.ListAlertHistoryRequest{})
	if err != nil || len(history.GetHistory()) != 1 {
		t.Fatalf("history %v, %v", history, err)
	}
	w.events.replay = func(context.Context, *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
		return []*eventsv1.ReplayFeedResponse{{Entries: entries, Summary: pastSummary}}, nil
	}
	tested, err := w.backtests().Backtest(editor(t), backtestOf(percentile(90, 500, 60)))
	if err != nil {
		t.Fatal(err)
	}
	f := tested.GetProposed().GetFirings()
	if live := history.GetHistory()[0]; len(f) != 1 || !f[0].GetTriggeredAt().AsTime().Equal(live.GetTriggeredAt().AsTime()) ||
		!f[0].GetResolvedAt().AsTime().Equal(live.GetResolvedAt().AsTime()) || live.GetResolvedAt() == nil {
		t.Errorf("live %v, in the backtest %v", live, f)
	}
	if same := tested.GetPresent()[0].GetDifference(); same.GetAdded() != 0 || same.GetDropped() != 0 || same.GetTriggeredSeconds() != 0 {
		t.Errorf("differs from itself by %v", same)
	}
}
