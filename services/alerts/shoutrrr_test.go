package alerts_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/services/alerts/notify"
)

const phone = `{"type": "shoutrrr", "name": "phone", "config": {"url": "bark://:canary-secret-0815@api.day.app"}}`

// The type is there if the operator has switched it on, and only then.
func TestShoutrrrHasToBeSwitchedOn(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	types := func() []string {
		t.Helper()
		list, err := w.channels.ListChannels(admin(t), &alertsv1.ListChannelsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return list.GetTypes()
	}
	off := func(what string, err error) {
		t.Helper()
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(explained(err), "shoutrrr is off in this installation") {
			t.Errorf("%s: %v", what, explained(err))
		}
	}
	again := func() { // as after a start with another setting
		t.Helper()
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		w.open()
	}
	_, err := w.channels.CreateChannel(admin(t), &alertsv1.CreateChannelRequest{Channel: channelBody(t, phone)})
	off("a channel", err)
	_, err = w.alerts.CreateAlert(editor(t), &alertsv1.CreateAlertRequest{MonitorId: 7, Alert: alertBody(t,
		`{"alert_type": "shoutrrr", "alert_config": {"url": "bark://:key@api.day.app"}, "conditions": {"consecutive_failures": 1}}`)})
	off("a rule", err)
	if got := types(); !slices.Contains(got, "webhook") || slices.Contains(got, "shoutrrr") {
		t.Errorf("types are %v", got)
	}

	var jobs []notify.ShoutrrrJob
	w.shoutrrr = func(_ context.Context, job notify.ShoutrrrJob) (notify.ShoutrrrOutcome, error) {
		jobs = append(jobs, job)
		return notify.ShoutrrrOutcome{Taken: true, Status: 200}, nil
	}
	again()
	c := w.createChannel(phone)
	if got := c.GetConfig().AsMap()["url"]; got != "***" {
		t.Errorf("the URL is shown: %v", got)
	}
	if got := types(); !slices.Contains(got, "shoutrrr") {
		t.Errorf("types are %v", got)
	}
	sent, err := w.channels.TestChannel(admin(t), &alertsv1.TestChannelRequest{Id: c.GetId()})
	if err != nil || !sent.GetSuccess() || len(jobs) != 1 || jobs[0].URL != "bark://:canary-secret-0815@api.day.app" || jobs[0].Message == "" {
		t.Errorf("%v, %v, %+v", sent, err, jobs)
	}

	// Switched off again, the channel can be renamed, disabled and deleted; it is not sent to, and takes no new URL.
	w.shoutrrr = nil
	again()
	sent, err = w.channels.TestChannel(admin(t), &alertsv1.TestChannelRequest{Id: c.GetId()})
	if err != nil || sent.GetSuccess() || !strings.Contains(sent.GetError(), "the setting shoutrrr is off") || len(jobs) != 1 {
		t.Errorf("%v, %v", sent, err)
	}
	_, err = w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t, `{"config": {"url": "bark://:other@api.day.app"}}`)})
	off("a new URL", err)
	if _, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t, `{"name": "old", "enabled": false}`)}); err != nil {
		t.Errorf("disable: %v", err)
	}
	if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: c.GetId()}); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// explained is an error with what it says of single fields.
func explained(err error) string {
	var b strings.Builder
	b.WriteString(err.Error())
	for _, d := range status.Convert(err).Details() {
		if m, ok := d.(interface{ String() string }); ok {
			b.WriteString(" " + m.String())
		}
	}
	return b.String()
}
