package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

var gotifyTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"base_url": base + "/push", "token": canary}
	},
	check:  checkGotify,
	accept: reply{200, nil, `{"id":25,"appid":5,"message":"…","title":"…","priority":2,"date":"2018-02-27T19:36:10.5045044+01:00"}`},
	limits: []limit{{reply{429, map[string]string{"Retry-After": "3"}, ""}, 3 * time.Second}}, // of what stands in front of it
	refuse: []reply{
		{401, nil, `{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token or user credentials to access this api"}`},
		{400, nil, `{"error":"Bad Request","errorCode":400,"errorDescription":"Field 'message' is required"}`},
	},
	words: "you need to provide a valid access token",
}

type gotifySent struct {
	Title    string
	Message  string
	Priority int
	Extras   struct {
		Display struct {
			ContentType string `json:"contentType"`
		} `json:"client::display"`
		Notification *struct {
			Click struct{ URL string }
		} `json:"client::notification"`
	}
}

// checkGotify is the reference of creating a message.
func checkGotify(r *http.Request, body []byte) error {
	if err := posts(r, "/push/message", "application/json"); err != nil {
		return err
	}
	var m gotifySent
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if r.Header.Get("X-Gotify-Key") != canary || m.Title == "" || m.Message == "" || units(m.Message) > gotifyMessage || m.Priority < 0 || m.Priority > 10 || m.Extras.Display.ContentType != "text/plain" {
		return fmt.Errorf("%v %.200s", r.Header, body)
	}
	return nil
}

func TestGotifyPriorities(t *testing.T) {
	for _, tt := range []struct {
		action   Action
		severity Severity
		test     bool
		want     int
	}{
		{Trigger, Critical, false, 10}, {Trigger, High, false, 8}, {Trigger, Medium, false, 5}, {Trigger, Low, false, 3},
		{Info, Informational, false, 1}, {Info, Informational, true, 5}, {Resolve, Critical, false, 5}, {Trigger, "unheard of", false, 5},
	} {
		p := sampleParcel()
		p.Words.Action, p.Words.Severity, p.Words.Test = tt.action, tt.severity, tt.test
		_, body := requestOf(t, "gotify", gotifyTrial.settings, p)
		var m gotifySent
		if err := json.Unmarshal(body, &m); err != nil || m.Priority != tt.want || m.Extras.Notification == nil || m.Extras.Notification.Click.URL != p.Words.Link {
			t.Errorf("%s %s: %s, %v", tt.action, tt.severity, body, err)
		}
	}
	refusedSettings(t, "gotify", map[string]map[string]any{"base_url": {"token": "x"}, "token": {"base_url": "https://e/", "token": "two words"}})
}
