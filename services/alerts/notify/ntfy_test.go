package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

var ntfyTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"base_url": base, "topic": "alerts", "token": canary}
	},
	check: func(r *http.Request, body []byte) error {
		if r.Header.Get("Authorization") != "Bearer "+canary {
			return errors.New("no token")
		}
		return checkNtfy(r, body)
	},
	accept: reply{200, nil, `{"id":"hwQ2YpKdmg","time":1635528741,"event":"message","topic":"alerts","message":"…"}`},
	limits: []limit{
		{reply{429, nil, `{"code":42901,"http":429,"error":"limit reached: too many requests","link":"https://ntfy.sh/docs/publish/#limitations"}`}, 0},
		{reply{429, map[string]string{"Retry-After": "5"}, ""}, 5 * time.Second}, // of what stands in front of it
	},
	refuse: []reply{
		{403, nil, `{"code":40301,"http":403,"error":"forbidden","link":"https://ntfy.sh/docs/publish/#authentication"}`},
		{400, nil, `{"code":40024,"http":400,"error":"invalid request: request body must be valid JSON"}`},
	},
	words: "forbidden",
}

var ntfyTopic = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)

// checkNtfy is the reference of publishing as JSON.
func checkNtfy(r *http.Request, body []byte) error {
	if err := posts(r, "/", "application/json"); err != nil {
		return err
	}
	var m ntfyPublication
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if !ntfyTopic.MatchString(m.Topic) || m.Title == "" || strings.Contains(m.Title, "\n") || m.Message == "" || len(m.Message) > 4096 {
		return fmt.Errorf("%d bytes of message, %.200s", len(m.Message), body)
	}
	if m.Priority < 1 || m.Priority > 5 || len(m.Tags) != 1 || strings.Contains(m.Tags[0], ",") {
		return fmt.Errorf("priority %d, tags %q", m.Priority, m.Tags)
	}
	return nil
}

func TestNtfyPriorities(t *testing.T) {
	for _, tt := range []struct {
		action   Action
		severity Severity
		test     bool
		priority int
		tag      string
	}{
		{Trigger, Critical, false, 5, "red_circle"},
		{Trigger, High, false, 4, "orange_circle"},
		{Trigger, Medium, false, 3, "yellow_circle"},
		{Trigger, Low, false, 2, "large_blue_circle"},
		{Info, Informational, false, 1, "white_circle"},
		{Info, Informational, true, 3, "white_circle"},
		{Resolve, Critical, false, 3, "green_circle"},
	} {
		p := sampleParcel()
		p.Words.Action, p.Words.Severity, p.Words.Test = tt.action, tt.severity, tt.test
		_, body := requestOf(t, "ntfy", ntfyTrial.settings, p)
		var m ntfyPublication
		if err := json.Unmarshal(body, &m); err != nil || m.Priority != tt.priority || m.Tags[0] != tt.tag || m.Click != p.Words.Link {
			t.Errorf("%s %s: %s, %v", tt.action, tt.severity, body, err)
		}
	}
}

func TestNtfyAuthorization(t *testing.T) {
	for want, more := range map[string]map[string]any{
		"":                   {},
		"Basic Ym9iOnBhOnNz": {"username": "bob", "password": "pa:ss"},
		"Bearer tk_1":        {"token": "tk_1"},
	} {
		r, body := requestOf(t, "ntfy", func(base string) map[string]any {
			more["base_url"], more["topic"] = base, "alerts"
			return more
		}, sampleParcel())
		if got := r.Header.Get("Authorization"); got != want {
			t.Errorf("authorization %q, want %q", got, want)
		}
		if err := checkNtfy(r, body); err != nil {
			t.Error(err)
		}
	}
	refusedSettings(t, "ntfy", map[string]map[string]any{
		"topic":    {"topic": "a/b"},
		"username": {"topic": "a", "username": "bob"},
		"token":    {"topic": "a", "username": "bob", "password": "x", "token": "tk"},
		"base_url": {"topic": "a", "base_url": "https://ntfy.example/?x=1"},
	})
}

// refusedSettings are not taken, and the field that is named is the one to blame.
func refusedSettings(t *testing.T, name string, all map[string]map[string]any) {
	t.Helper()
	for blame, given := range all {
		raw, err := json.Marshal(given)
		if err != nil {
			t.Fatal(err)
		}
		_, _, bad := All[name].Merge(Settings{}, object(t, string(raw)))
		if len(bad) != 1 || bad[0].Name != blame || bad[0].Message == "" {
			t.Errorf("%s: %v: %v", name, given, bad)
		}
	}
}

// A new address is not given the secrets of the old one.
func TestBaseURLCarriesNoSecrets(t *testing.T) {
	for name, settings := range map[string]func(string) map[string]any{
		"pagerduty": pagerdutyTrial.settings, "opsgenie": opsgenieTrial.settings, "ntfy": ntfyTrial.settings, "gotify": gotifyTrial.settings,
		"pushover": pushoverTrial.settings, "twilio_sms": twilioTrial.settings,
	} {
		old := merged(t, name, settings("https://receiver.example"))
		if _, _, bad := All[name].Merge(old, map[string]any{"base_url": "https://thief.example"}); len(bad) == 0 {
			t.Errorf("%s: the secrets went along", name)
		}
		if _, _, bad := All[name].Merge(old, settings("https://another.example")); len(bad) > 0 {
			t.Errorf("%s: %v", name, bad)
		}
	}
}
