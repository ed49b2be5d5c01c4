package alerts_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
)

// A channel of another type than webhook, from its creation to a message that arrives: its secret is nowhere but at the
// receiver, and the message links to the incident.
func TestChannelOfAnotherType(t *testing.T) {
	const canary = "canaryT0001XYZ"
	w := newWorld(t)
	w.know(7)
	got := make(chan string, 10)
	code := http.StatusForbidden
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/services/T1/B1/"+canary {
			t.Errorf("%s, %v", r.URL.Path, err)
		}
		rw.WriteHeader(code)
		_, _ = io.WriteString(rw, "action_prohibited")
		code = http.StatusOK
		got <- string(body)
	}))
	defer srv.Close()
	c := w.createChannel(`{"type": "slack", "name": "ops", "config": {"url": "` + srv.URL + `/services/T1/B1/` + canary + `"}}`)
	if shown := c.GetConfig().AsMap(); len(shown) != 1 || shown["url"] != "***" {
		t.Errorf("config = %v", shown)
	}
	again, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t, `{"name": "ops 2", "config": {"url": "***"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	test, err := w.channels.TestChannel(admin(t), &alertsv1.TestChannelRequest{Id: c.GetId()})
	if err != nil || test.GetSuccess() || !strings.Contains(test.GetError(), "action_prohibited") {
		t.Fatalf("test = %v, %v", test, err)
	}
	<-got
	_, err = w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t, `{"config": {"webhook": "x"}}`)})
	if err == nil || !strings.Contains(protojson.Format(status.Convert(err).Proto()), "config.webhook") {
		t.Errorf("an unknown setting: %v", err)
	}
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown))
	var message struct{ Text string }
	if err := json.Unmarshal([]byte(<-got), &message); err != nil || !strings.Contains(message.Text, "is down") {
		t.Errorf("message = %q, %v", message.Text, err)
	}
	deliveries, err := w.alerts.ListDeliveries(editor(t), &alertsv1.ListDeliveriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	for what, text := range map[string]string{
		"an answer": protojson.Format(c) + protojson.Format(again) + protojson.Format(test) + protojson.Format(deliveries), "the log": w.logs.String(),
	} {
		if strings.Contains(text, canary) {
			t.Errorf("the URL is in %s", what)
		}
	}
	files, err := filepath.Glob(w.path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if raw, err := os.ReadFile(name); err != nil || strings.Contains(string(raw), canary) {
			t.Errorf("the URL is in %s, %v", filepath.Base(name), err)
		}
	}
}
