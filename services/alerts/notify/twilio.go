package notify

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/frogstats/uptime/internal/fault"
)

// twilioBody is how long a text message is at most, in characters. Twilio takes 1600, in up to 24 parts that are paid for one by
// one, and advises no more than this.
const twilioBody = 320

// twilioSMS is a telephone number, reached through an account at Twilio.
var twilioSMS = provider{
	form: form{name: "twilio_sms", fields: []field{
		{name: "account_sid", required: true, check: matches(regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`), "AC and 32 hexadecimal digits")},
		{name: "api_key_sid", check: matches(regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`), "SK and 32 hexadecimal digits")},
		{name: "auth_token", required: true, secret: true, check: checkKey}, // of the account, or the secret of the API key
		{name: "to", required: true, check: matches(regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`), "a number such as +4930123456")},
		{name: "from", check: matches(regexp.MustCompile(`^(\+?[0-9]{3,15}|[A-Za-z0-9 ]{1,11})$`), "a number such as +4930123456, a short code, or a name of at most 11 letters and digits")},
		{name: "messaging_service_sid", check: matches(regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`), "MG and 32 hexadecimal digits")},
		baseURL("https://api.twilio.com"),
	}, check: twilioCheck},
	request: twilioRequest,
	judge:   twilioJudge,
}

func twilioCheck(v values) []fault.Field {
	if (v.text("from") == "") == (v.text("messaging_service_sid") == "") {
		return []fault.Field{{Name: "from", Message: "or messaging_service_sid is required, and not both"}}
	}
	return nil
}

func twilioRequest(v values, p Parcel) (call, error) {
	account, user := v.text("account_sid"), v.text("api_key_sid")
	if user == "" {
		user = account
	}
	f := url.Values{
		"To": {v.text("to")}, "Body": {twilioText(p.Words)},
		"SmartEncoded": {"true"}, // one character that is not in the alphabet of text messages would halve what a part holds
	}
	if service := v.text("messaging_service_sid"); service != "" {
		f.Set("MessagingServiceSid", service)
	} else {
		f.Set("From", v.text("from"))
	}
	c := formCall(v.at("/2010-04-01/Accounts/"+account+"/Messages.json"), f)
	return c.with("Authorization", basic(user, v.text("auth_token"))), nil
}

// twilioText is the title, as much of the text as there is room for, and the whole of the link, or none of it.
func twilioText(w Words) string {
	link := ""
	if w.Link != "" && units(w.Link) <= twilioBody/2 {
		link = "\n" + w.Link
	}
	text := w.Title
	if w.Text != "" {
		text += "\n" + w.Text
	}
	return fit(text, twilioBody-units(link), inUnits) + link
}

// twilioQueueFull is the code of a refusal that passes: the number has more waiting than it can send.
const twilioQueueFull = 21611

func twilioJudge(a answer) Result {
	var said struct {
		Code    int
		Message string
	}
	a.into(&said)
	r := judgeStatus(a)
	if said.Code == twilioQueueFull && a.status >= http.StatusBadRequest {
		r.Refused = false
	}
	if said.Message != "" {
		r = r.because("code " + strconv.Itoa(said.Code) + ", " + said.Message)
	}
	return r
}
