package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"
)

var pagerdutyTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"base_url": base + "/", "routing_key": canary}
	},
	check:  checkPagerduty,
	accept: reply{202, nil, `{"status":"success","message":"Event processed","dedup_key":"frogup-mzxw6ytboi"}`},
	limits: []limit{
		{reply{429, nil, `{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly.","errors":["Enhance Your Calm."]}`}, 0},
		{reply{429, map[string]string{"Retry-After": "21"}, ""}, 21 * time.Second},
	},
	refuse: []reply{
		{400, nil, `{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is invalid"]}`},
		{413, nil, ""},
	},
	words: "Event object is invalid 'routing_key' is invalid",
}

// checkPagerduty is the reference of the Events API v2: which fields an alert event has to have, and their limits.
func checkPagerduty(r *http.Request, body []byte) error {
	if err := posts(r, "/v2/enqueue", "application/json"); err != nil {
		return err
	}
	var e pagerdutyEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	if e.RoutingKey != canary || e.Action != "trigger" && e.Action != "resolve" || e.DedupKey != sampleParcel().Words.Thread || len(e.DedupKey) > 255 || e.Client == "" {
		return fmt.Errorf("event %.200s", body)
	}
	p := e.Payload
	if p == nil || p.Summary == "" || utf8.RuneCountInString(p.Summary) > 1024 || p.Source == "" || p.Class == "" || len(body) > 512<<10 {
		return fmt.Errorf("payload of %d bytes %.200s", len(body), body)
	}
	switch p.Severity {
	case "critical", "error", "warning", "info":
	default:
		return fmt.Errorf("severity %q", p.Severity)
	}
	for _, l := range e.Links {
		if l.HREF == "" || l.Text == "" {
			return fmt.Errorf("link %+v", l)
		}
	}
	_, err := time.Parse(time.RFC3339, p.Timestamp)
	return err
}

func TestPagerdutyActions(t *testing.T) {
	for _, tt := range []struct {
		action         Action
		severity       Severity
		test           bool
		scheduled      bool
		path           string
		event, urgency string
	}{
		{Trigger, Critical, false, false, "/v2/enqueue", "trigger", "critical"},
		{Trigger, High, false, false, "/v2/enqueue", "trigger", "error"},
		{Trigger, Medium, false, false, "/v2/enqueue", "trigger", "warning"},
		{Trigger, "unheard of", false, false, "/v2/enqueue", "trigger", "info"},
		{Resolve, Critical, false, false, "/v2/enqueue", "resolve", "critical"},
		{Info, Informational, true, false, "/v2/enqueue", "trigger", "info"}, // somebody waits to see it
		{Info, Informational, false, false, "/v2/change/enqueue", "", ""},    // nobody is to be woken up
		{Info, Informational, true, true, "/v2/change/enqueue", "", ""},      // a test that nobody waits for
	} {
		p := sampleParcel()
		p.Words.Action, p.Words.Severity, p.Words.Test, p.Words.Scheduled = tt.action, tt.severity, tt.test, tt.scheduled
		r, body := requestOf(t, "pagerduty", pagerdutyTrial.settings, p)
		var e pagerdutyEvent
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatal(err)
		}
		if r.URL.Path != tt.path || e.Action != tt.event || e.Payload.Severity != tt.urgency || e.Payload.Details["Reason"] == "" {
			t.Errorf("%s %s: %s %s", tt.action, tt.severity, r.URL.Path, body)
		}
	}
}

// requestOf is what a type sends; the receiver answers 202.
func requestOf(t *testing.T, name string, settings func(base string) map[string]any, p Parcel) (*http.Request, []byte) {
	t.Helper()
	type seen struct {
		r    *http.Request
		body []byte
	}
	got := make(chan seen, 1)
	base := stand(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- seen{r, body}
		w.WriteHeader(http.StatusAccepted)
	})
	if r := All[name].Send(t.Context(), guarded(t), merged(t, name, settings(base)), p); !r.OK {
		t.Fatalf("%s: %+v", name, r)
	}
	s := <-got
	return s.r, s.body
}
