package alerts_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/fault"
)

func TestChannelRoundTrip(t *testing.T) {
	w := newWorld(t)
	w.know(7, 8)
	w.monitors.hidden[9] = orgA
	c := w.createChannel(`{"type": "webhook", "name": " ops ", "config": {"url": "https://example.com/"}}`)
	if c.GetName() != "ops" || c.GetMonitorIds() != nil || len(c.GetTriggerEvents()) != 2 || !c.GetEnabled() || c.GetConfig().AsMap()["secret"] == nil {
		t.Errorf("channel = %v", c)
	}
	update := func(text string, mask ...string) *alertsv1.Channel {
		t.Helper()
		got, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: c.GetId(), Channel: channelBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := update(`{"monitor_ids": [9, 7, 7], "trigger_events": ["TRIGGER_EVENT_DEGRADED"], "enabled": false}`)
	want, err := structpb.NewList([]any{7, 9})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(want, got.GetMonitorIds()) || len(got.GetTriggerEvents()) != 1 || got.GetEnabled() || got.GetConfig().AsMap()["secret"] != nil {
		t.Errorf("channel = %v", got)
	}
	got = update(`{}`, "monitor_ids", "trigger_events", "enabled")
	if got.GetMonitorIds() != nil || len(got.GetTriggerEvents()) != 2 || !got.GetEnabled() {
		t.Errorf("channel = %v", got)
	}
	list, err := w.channels.ListChannels(admin(t), &alertsv1.ListChannelsRequest{})
	if err != nil || len(list.GetChannels()) != 1 || !proto.Equal(got, list.GetChannels()[0]) {
		t.Errorf("channels = %v, %v", list, err)
	}
	for _, tt := range []struct {
		text string
		mask []string
		want []string
	}{
		{`{"monitor_ids": []}`, nil, []string{"monitor_ids"}},
		{`{"monitor_ids": [7, 1.5, "8", -1, 0, 4294967296]}`, nil, []string{"monitor_ids[1]", "monitor_ids[2]", "monitor_ids[3]", "monitor_ids[4]", "monitor_ids[5]"}},
		{`{"monitor_ids": [7, 100, 8, 101]}`, nil, []string{"monitor_ids[1]", "monitor_ids[3]"}},
		{`{"name": " "}`, nil, []string{"name"}},
		{`{}`, []string{"name", "type"}, []string{"name", "type"}},
		{`{"config": {"url": "x"}}`, nil, []string{"config.url"}},
	} {
		_, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{
			Id: c.GetId(), Channel: channelBody(t, tt.text), UpdateMask: &fieldmaskpb.FieldMask{Paths: tt.mask},
		})
		if diff := cmp.Diff(tt.want, fields(t, err)); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", tt.text, diff)
		}
	}
	_, err = w.channels.UpdateChannel(stranger(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: &alertsv1.Channel{}})
	wantCode(t, err, codes.NotFound)
	_, err = w.channels.TestChannel(stranger(t), &alertsv1.TestChannelRequest{Id: c.GetId()})
	wantCode(t, err, codes.NotFound)
	_, err = w.channels.DeleteChannel(stranger(t), &alertsv1.DeleteChannelRequest{Id: c.GetId()})
	wantCode(t, err, codes.NotFound)
	if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: c.GetId()}); err != nil {
		t.Error(err)
	}
}

func TestTestMessages(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	r := newReceiver(t)
	r.answer(func(n int) int { return []int{204, 500, 204}[min(n-1, 2)] })
	a := w.createAlert(`{"alert_type": "webhook", "alert_config": {"url": "` + r.url + `"}, "conditions": {"consecutive_failures": 3}}`)
	c := w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "` + r.url + `"}}`)
	got, err := w.alerts.TestAlert(editor(t), &alertsv1.TestAlertRequest{MonitorId: 7, AlertId: a.GetId()})
	if err != nil || !got.GetSuccess() || got.GetStatusCode() != 204 || got.Error != nil {
		t.Errorf("test = %v, %v", got, err)
	}
	got, err = w.channels.TestChannel(admin(t), &alertsv1.TestChannelRequest{Id: c.GetId()})
	if err != nil || got.GetSuccess() || got.GetStatusCode() != 500 || got.GetError() == "" {
		t.Errorf("test = %v, %v", got, err)
	}
	var sent struct {
		Type string
		ID   string
		Data struct {
			Test    bool
			Monitor struct{ ID uint32 }
		}
	}
	if err := json.Unmarshal(r.all()[0].body, &sent); err != nil {
		t.Fatal(err)
	}
	if sent.Type != "test" || !sent.Data.Test || sent.Data.Monitor.ID != 7 || r.all()[0].header.Get("webhook-id") != sent.ID {
		t.Errorf("message = %s", r.all()[0].body)
	}
	limited := codes.OK
	for range 5 {
		if _, err = w.channels.TestChannel(admin(t), &alertsv1.TestChannelRequest{Id: 999}); status.Code(err) != codes.NotFound {
			t.Errorf("test of no channel: %v", err) // and it does not count
		}
	}
	for range 4 {
		if _, err = w.alerts.TestAlert(editor(t), &alertsv1.TestAlertRequest{MonitorId: 7, AlertId: a.GetId()}); err != nil {
			limited = status.Code(err)
			if fault.FromStatus(status.Convert(err)).RetryAfter <= 0 {
				t.Error("the limit does not say when to come back")
			}
		}
	}
	if limited != codes.ResourceExhausted {
		t.Errorf("the sixth test in a row: %s", limited)
	}
}
