package notify

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"
)

var pushoverTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"base_url": base, "token": canary, "user": "u" + canary, "device": "phone", "emergency": true}
	},
	check:  checkPushover,
	accept: reply{200, map[string]string{"X-Limit-App-Remaining": "7496"}, `{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}`},
	limits: []limit{
		{reply{429, map[string]string{"X-Limit-App-Limit": "10000", "X-Limit-App-Remaining": "0", "X-Limit-App-Reset": "4102444800"}, `{"errors":["application is over its quota"],"status":0}`}, maxAfterSeconds * time.Second},
		{reply{429, map[string]string{"X-Limit-App-Reset": "1393653600"}, ""}, 0}, // it is over already
		{reply{429, map[string]string{"X-Limit-App-Reset": "soon"}, ""}, 0},
	},
	refuse: []reply{{400, nil, `{"user":"invalid","errors":["user identifier is invalid"],"status":0,"request":"5042853c"}`}},
	words:  "user identifier is invalid",
}

// checkPushover is the reference of the Message API.
func checkPushover(r *http.Request, body []byte) error {
	if err := posts(r, "/1/messages.json", "application/x-www-form-urlencoded"); err != nil {
		return err
	}
	f, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	for name, limit := range map[string]int{"title": 250, "message": 1024, "url": 512, "url_title": 100} {
		if n := utf8.RuneCountInString(f.Get(name)); n > limit {
			return fmt.Errorf("%d characters of %s", n, name)
		}
	}
	if f.Get("token") != canary || f.Get("user") != "u"+canary || f.Get("message") == "" || f.Get("title") == "" || f.Get("device") != "phone" || f.Get("timestamp") != unixSeconds(someTime) {
		return fmt.Errorf("form %.200v", f)
	}
	retry, _ := strconv.Atoi(f.Get("retry"))
	expire, _ := strconv.Atoi(f.Get("expire"))
	if f.Get("priority") == "2" && (retry < 30 || expire < 1 || expire > 10800) {
		return fmt.Errorf("retry %d, expire %d", retry, expire)
	}
	return nil
}

func TestPushoverPriorities(t *testing.T) {
	for _, tt := range []struct {
		action          Action
		severity        Severity
		test, emergency bool
		priority, retry string
	}{
		{Trigger, Critical, false, false, "1", ""},
		{Trigger, Critical, false, true, "2", "60"},
		{Resolve, Critical, false, true, "0", ""},
		{Trigger, High, false, true, "0", ""},
		{Trigger, Medium, false, false, "0", ""},
		{Trigger, Low, false, true, "-1", ""},
		{Info, Informational, false, false, "-1", ""},
		{Info, Informational, true, true, "0", ""},
	} {
		p := sampleParcel()
		p.Words.Action, p.Words.Severity, p.Words.Test = tt.action, tt.severity, tt.test
		_, body := requestOf(t, "pushover", func(base string) map[string]any {
			return map[string]any{"base_url": base, "token": "t", "user": "u", "emergency": tt.emergency}
		}, p)
		f, err := url.ParseQuery(string(body))
		if err != nil || f.Get("priority") != tt.priority || f.Get("retry") != tt.retry || f.Get("url") != p.Words.Link {
			t.Errorf("%+v: %v, %v", tt, f, err)
		}
	}
	refusedSettings(t, "pushover", map[string]map[string]any{
		"retry":  {"token": "t", "user": "u", "retry": 10},
		"expire": {"token": "t", "user": "u", "emergency": true, "retry": 600, "expire": 60},
		"user":   {"token": "t"},
	})
}

func TestPushoverQuota(t *testing.T) {
	a := answer{status: http.StatusTooManyRequests, header: http.Header{}, at: time.Unix(1393650000, 0)}
	a.header.Set("X-Limit-App-Reset", "1393653600")
	if r := pushoverJudge(a); r.RetryAfter != time.Hour || r.Refused {
		t.Errorf("%+v", r)
	}
}
