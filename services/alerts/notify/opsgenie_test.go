package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"
)

var opsgenieTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"base_url": base, "api_key": canary}
	},
	check:  checkOpsgenie,
	accept: reply{202, nil, `{"result":"Request will be processed","took":0.302,"requestId":"43a29c5c-3dbf-4fa4-9c26-f4f71023e120"}`},
	limits: []limit{
		{reply{429, map[string]string{"X-RateLimit-State": "THROTTLED", "X-RateLimit-Reason": "ACCOUNT", "X-RateLimit-Period-In-Sec": "60"}, `{"message":"You are making too many requests!"}`}, time.Minute},
		{reply{429, map[string]string{"Retry-After": "4", "X-RateLimit-Period-In-Sec": "60"}, ""}, 4 * time.Second},
	},
	refuse: []reply{
		{422, nil, `{"message":"Request body is not processable. Please check the errors.","errors":{"message":"Message can not be empty.","alias":"too long"},"took":0.1}`},
		{402, nil, `{"message":"plan"}`}, {403, nil, `{"message":"You are not authorized","code":40301}`},
	},
	words: "Please check the errors. alias: too long message: Message can not be empty.",
}

// checkOpsgenie is the reference of Create Alert and Close Alert.
func checkOpsgenie(r *http.Request, body []byte) error {
	if r.Header.Get("Authorization") != "GenieKey "+canary {
		return errors.New("no key")
	}
	if r.URL.EscapedPath() == "/v2/alerts/"+sampleParcel().Words.Thread+"/close" {
		var c opsgenieClosing
		err := json.Unmarshal(body, &c)
		if r.Method != http.MethodPost || r.URL.RawQuery != "identifierType=alias" || c.Note == "" || utf8.RuneCountInString(c.Note) > 25000 || c.Source == "" || len(c.Source) > 100 {
			return fmt.Errorf("%s %s %.200s", r.Method, r.URL, body)
		}
		return err
	}
	if err := posts(r, "/v2/alerts", "application/json"); err != nil {
		return err
	}
	var a opsgenieAlert
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	if a.Message == "" || utf8.RuneCountInString(a.Message) > 130 || utf8.RuneCountInString(a.Description) > 15000 || a.Alias != sampleParcel().Words.Thread || len(a.Source) > 100 {
		return fmt.Errorf("alert %.200s", body)
	}
	all := 0
	for name, value := range a.Details {
		all += utf8.RuneCountInString(name + value)
	}
	if all > 8000 || len(a.Priority) != 2 || a.Priority < "P1" || a.Priority > "P5" {
		return fmt.Errorf("%d characters of details, priority %q", all, a.Priority)
	}
	return nil
}

func TestOpsgenieActions(t *testing.T) {
	for _, tt := range []struct {
		action         Action
		severity       Severity
		path, priority string
	}{
		{Trigger, Critical, "/v2/alerts", "P1"},
		{Trigger, High, "/v2/alerts", "P2"},
		{Trigger, Medium, "/v2/alerts", "P3"},
		{Trigger, Low, "/v2/alerts", "P4"},
		{Info, Informational, "/v2/alerts", "P5"},
		{Trigger, "unheard of", "/v2/alerts", "P5"},
		{Resolve, Critical, "/v2/alerts/frogup-mzxw6ytboi/close", ""},
	} {
		p := sampleParcel()
		p.Words.Action, p.Words.Severity = tt.action, tt.severity
		r, body := requestOf(t, "opsgenie", opsgenieTrial.settings, p)
		var a opsgenieAlert
		if err := json.Unmarshal(body, &a); err != nil || r.URL.Path != tt.path || a.Priority != tt.priority {
			t.Errorf("%s %s: %s %s, %v", tt.action, tt.severity, r.URL.Path, body, err)
		}
	}
	// Jira Service Management has the same interface below a path.
	under := func(base string) map[string]any {
		return map[string]any{"base_url": base + "/jsm/ops/integration", "api_key": "k"}
	}
	if r, _ := requestOf(t, "opsgenie", under, sampleParcel()); r.URL.Path != "/jsm/ops/integration/v2/alerts" {
		t.Errorf("path %s", r.URL.Path)
	}
}
