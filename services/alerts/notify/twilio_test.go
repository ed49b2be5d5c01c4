package notify

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const (
	testAccount = "AC0123456789abcdef0123456789abcdef"
	testKey     = "SK0123456789abcdef0123456789abcdef"
	testService = "MG0123456789abcdef0123456789abcdef"
)

var twilioTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"base_url": base, "account_sid": testAccount, "auth_token": canary, "to": "+4930123456", "from": "+15005550006"}
	},
	check:  checkTwilio,
	accept: reply{201, nil, `{"sid":"SM0123456789abcdef0123456789abcdef","status":"queued","error_code":null,"error_message":null}`},
	limits: []limit{
		{reply{429, nil, `{"code":20429,"message":"Too many requests","more_info":"https://www.twilio.com/docs/errors/20429","status":429}`}, 0},
		{reply{429, map[string]string{"Retry-After": "2"}, ""}, 2 * time.Second},
		{reply{400, nil, `{"code":21611,"message":"This 'From' number has exceeded the maximum number of queued messages","status":400}`}, 0},
	},
	refuse: []reply{
		{400, nil, `{"code":21211,"message":"The 'To' number +4930123456 is not a valid phone number.","more_info":"https://www.twilio.com/docs/errors/21211","status":400}`},
		{400, nil, `{"code":21610,"message":"Attempt to send to unsubscribed recipient","status":400}`},
		{401, nil, `{"code":20003,"message":"Authenticate","more_info":"https://www.twilio.com/docs/errors/20003","status":401}`},
	},
	words: "code 21211, The 'To' number +4930123456 is not a valid phone number.",
}

var dialable = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)

// checkTwilio is the reference of creating a Message.
func checkTwilio(r *http.Request, body []byte) error {
	if err := posts(r, "/2010-04-01/Accounts/"+testAccount+"/Messages.json", "application/x-www-form-urlencoded"); err != nil {
		return err
	}
	f, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	text := f.Get("Body")
	if user, password, ok := r.BasicAuth(); !ok || user != testAccount || password != canary {
		return fmt.Errorf("authorization of %q", user)
	}
	if !dialable.MatchString(f.Get("To")) || !dialable.MatchString(f.Get("From")) || f.Has("MessagingServiceSid") || text == "" || units(text) > 320 || !utf8.ValidString(text) {
		return fmt.Errorf("form %.200v", f)
	}
	return nil
}

func TestTwilioSenders(t *testing.T) {
	r, body := requestOf(t, "twilio_sms", func(base string) map[string]any {
		return map[string]any{
			"base_url": base, "account_sid": testAccount, "api_key_sid": testKey, "auth_token": "x", "to": "+4930123456", "messaging_service_sid": testService,
		}
	}, sampleParcel())
	f, err := url.ParseQuery(string(body))
	if user, _, ok := r.BasicAuth(); err != nil || !ok || user != testKey || f.Get("MessagingServiceSid") != testService || f.Has("From") {
		t.Errorf("user %q, form %v, %v", user, f, err)
	}
	given := func(name string, value any) map[string]any {
		g := twilioTrial.settings("https://e")
		if g[name] = value; value == nil {
			delete(g, name)
		}
		return g
	}
	refusedSettings(t, "twilio_sms", map[string]map[string]any{
		"from": given("from", nil), "to": given("to", "030 123456"), "account_sid": given("account_sid", "AC1/../x"), "api_key_sid": given("api_key_sid", testAccount),
	})
	refusedSettings(t, "twilio_sms", map[string]map[string]any{"from": given("messaging_service_sid", testService)})
	refusedSettings(t, "twilio_sms", map[string]map[string]any{"from": given("from", "+49 30")})
}

func TestTwilioText(t *testing.T) {
	w := sampleWords()
	if got := twilioText(w); !strings.HasPrefix(got, w.Title+"\n") || !strings.HasSuffix(got, "\n"+w.Link) || units(got) > 320 {
		t.Errorf("%q", got)
	}
	w.Text = strings.Repeat("ä𝄞", 500)
	if got := twilioText(w); !strings.HasSuffix(got, ellipsis+"\n"+w.Link) || units(got) > 320 || units(got) < 318 {
		t.Errorf("%d: %q", units(got), got)
	}
	w.Link = "https://e/" + strings.Repeat("x", 200)
	if got := twilioText(w); strings.Contains(got, "https://e/") || units(got) > 320 {
		t.Errorf("%q", got)
	}
}
