package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// through is a sender that reports o, and keeps what it was to send.
func through(o ShoutrrrOutcome, err error, got *ShoutrrrJob) ShoutrrrSender {
	return func(_ context.Context, job ShoutrrrJob) (ShoutrrrOutcome, error) {
		if got != nil {
			*got = job
		}
		return o, err
	}
}

const shoutrrrURL = "generic://frog:" + canary + "@receiver.example/path/T0KEN-aaaaaa-bbbbbb?key=v4lue%2Fwith+sp%C3%A4ce&@Authorization=Bearer+" + canary + "#fragm3nt"

// A service that the guard cannot hold, or that there is not, is refused with the field, the scheme and the rule.
func TestShoutrrrSchemes(t *testing.T) {
	for text, says := range map[string]string{
		"bark://:key@api.day.app": "", "generic+https://receiver.example/x": "", "BARK://:key@api.day.app": "", "pagerduty:///key": "",
		"zulip://bot%40example.com:key@chat.example.com?stream=ops": "",
		"smtp://user:password@mail.example.com/":                    `must not begin with "smtp": it connects by itself, past the egress policy; use the type email`,
		"SMTP://user:password@mail.example.com/":                    `must not begin with "smtp"`,
		"smtp+generic://user:password@mail.example.com/":            `must not begin with "smtp"`,
		"ntfy://:password@ntfy.sh/topic":                            "use the type ntfy",
		"gotify://gotify.example.com/token":                         "use the type gotify",
		"mattermost://mattermost.example.com/token":                 "use the type mattermost",
		"logger://":                 "it sends nothing",
		"xmpp://user@example.com":   `"xmpp": no service is called so; those that may be used are bark, discord,`,
		"https://receiver.example/": `"https": no service is called so`,
		"bark":                      "must be a URL", "bark:key": "must be a URL", canary: "must be a URL", "://" + canary: "must be a URL",
		"bark://:k%zz" + canary + "@api.day.app": "must be a URL",
	} {
		_, _, bad := All[KindShoutrrr].Merge(Settings{}, map[string]any{"url": text})
		switch {
		case says == "" && len(bad) > 0:
			t.Errorf("%s: %v", text, bad)
		case says != "" && (len(bad) != 1 || bad[0].Name != "url" || !strings.Contains(bad[0].Message, says) || strings.Contains(bad[0].Message, canary)):
			t.Errorf("%s: %v, want %q", text, bad, says)
		}
	}
	// One that was stored when it was allowed is refused before it is sent.
	old := shoutrrrForm.split(values{"url": "smtp://user:" + canary + "@mail.example.com/"})
	r := Shoutrrr(through(ShoutrrrOutcome{Taken: true, Status: 200}, nil, nil)).Send(t.Context(), nil, old, sampleParcel())
	if r.OK || !r.Refused || strings.Contains(r.Error, canary) {
		t.Errorf("%+v", r)
	}
}

// The URL is written and not read; without a sender nothing is sent.
func TestShoutrrrIsWriteOnly(t *testing.T) {
	n := All[KindShoutrrr]
	set := merged(t, KindShoutrrr, map[string]any{"url": shoutrrrURL})
	shown := string(encode(n.Show(set.Public)))
	if strings.Contains(string(set.Public), canary) || shown != `{"url":"***"}` {
		t.Errorf("public half %s, shown %s", set.Public, shown)
	}
	again, _, bad := n.Merge(set, object(t, shown))
	if len(bad) > 0 || string(again.Secret) != string(set.Secret) {
		t.Errorf("given back: %v", bad)
	}
	if r := n.Send(t.Context(), nil, set, sampleParcel()); r.OK || !r.Refused || !strings.Contains(r.Error, "the setting shoutrrr is off") {
		t.Errorf("without a sender: %+v", r)
	}
	for what, s := range map[string]Settings{
		"damaged": {Public: json.RawMessage(`{`), Secret: json.RawMessage(`{`)}, "empty": {Public: json.RawMessage(`{}`), Secret: json.RawMessage(`{}`)},
	} {
		r := Shoutrrr(through(ShoutrrrOutcome{Taken: true, Status: 200}, nil, nil)).Send(t.Context(), nil, s, sampleParcel())
		if r.OK || !r.Refused || r.Error == "" {
			t.Errorf("%s settings: %+v", what, r)
		}
	}
}

// What the library says is believed when it is bad, and when the answer says the same.
func TestShoutrrrOutcomes(t *testing.T) {
	set := merged(t, KindShoutrrr, map[string]any{"url": shoutrrrURL})
	for name, tt := range map[string]struct {
		outcome ShoutrrrOutcome
		err     error
		want    Result
		words   string
	}{
		"taken":                {ShoutrrrOutcome{Taken: true, Status: 204}, nil, Result{OK: true, StatusCode: 204}, ""},
		"taken, it says":       {ShoutrrrOutcome{Taken: true, Status: 403}, nil, Result{StatusCode: 403, Refused: true}, "403 Forbidden"},
		"taken by nobody":      {ShoutrrrOutcome{Taken: true}, nil, Result{}, "nothing was sent"},
		"taken, without way":   {ShoutrrrOutcome{Taken: true, Fault: "no way"}, nil, Result{}, "no way"},
		"not taken, it says":   {ShoutrrrOutcome{Status: 200, Said: "code 9499"}, nil, Result{StatusCode: 200}, "but did not take the message: code 9499"},
		"unfit":                {ShoutrrrOutcome{ForGood: true, Said: "no path"}, nil, Result{Refused: true}, "nothing was sent: no path"},
		"not sent":             {ShoutrrrOutcome{Said: "message too long"}, nil, Result{}, "message too long"},
		"refused":              {ShoutrrrOutcome{Status: 404, Said: "gone"}, nil, Result{StatusCode: 404, Refused: true}, "404 Not Found: gone"},
		"busy":                 {ShoutrrrOutcome{Status: 429, RetryAfter: "9"}, nil, Result{StatusCode: 429, RetryAfter: 9 * time.Second}, "429"},
		"broken":               {ShoutrrrOutcome{Status: 503, RetryAfter: "x"}, nil, Result{StatusCode: 503}, "503"},
		"denied":               {ShoutrrrOutcome{Fault: "not allowed here", ForGood: true}, nil, Result{Refused: true}, "not allowed here"},
		"late after an answer": {ShoutrrrOutcome{Status: 200, Fault: "not in time"}, nil, Result{StatusCode: 200}, "not in time"},
		"nobody knows":         {ShoutrrrOutcome{Taken: true, Status: 200}, errors.New("it crashed"), Result{}, "it crashed"},
	} {
		got := Shoutrrr(through(tt.outcome, tt.err, nil)).Send(t.Context(), nil, set, sampleParcel())
		if got.OK != tt.want.OK || got.Refused != tt.want.Refused || got.StatusCode != tt.want.StatusCode || got.RetryAfter != tt.want.RetryAfter {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		if !strings.Contains(got.Error, tt.words) || got.OK != (got.Error == "") {
			t.Errorf("%s: error %q, want %q", name, got.Error, tt.words)
		}
	}
}

// A hostile library, or receiver, says all that it was told, in all forms; none of it is left.
func TestShoutrrrTellsNoSecret(t *testing.T) {
	for _, address := range []string{
		shoutrrrURL, "pushbullet://" + canary + canary[:15], "slack://hook:AAAAAAAAA-BBBBBBBBB-" + canary + "@webhook", "telegram://110201543:" + canary + "@telegram/?chats=@ops",
		"pushover://:" + canary + "@us3rk3y0000", "wecom://" + canary, "generic+https://receiver.example/" + canary + "/" + url.QueryEscape(canary+"/ä b"),
		"join://Token:" + canary + "@join?devices=d3v1ce00",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		told := []string{
			address, u.Opaque + u.Host, strings.TrimSuffix(u.Redacted(), "x"), password, u.Path, u.EscapedPath(), u.RawQuery, u.Fragment, canary, url.QueryEscape(canary),
			`Post "https://receiver.example/` + strings.ReplaceAll(canary, "-", "/") + `": dial`,
			base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password)),
		}
		for _, values := range u.Query() {
			told = append(told, values...)
		}
		quoted := encode(told)
		for _, said := range []string{strings.Join(told, " "), strings.Join(told, ""), string(quoted), fmt.Sprintf("%q", told)} {
			got := Shoutrrr(through(ShoutrrrOutcome{Status: 400, Said: said, Body: []byte(said)}, nil, nil)).
				Send(t.Context(), nil, merged(t, KindShoutrrr, map[string]any{"url": address}), sampleParcel())
			for _, leak := range append(leaks(canary, password), "canary", base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))) {
				if leak != "" && leak != "Og==" && strings.Contains(got.Error+got.Response, leak) {
					t.Errorf("%s: %q is told: %q, %q", address, leak, got.Error, got.Response)
				}
			}
			if !strings.Contains(got.Error, "400 Bad Request") {
				t.Errorf("%s: %q", address, got.Error)
			}
		}
	}
}

// What is sent is short, mentions nobody, and has its link whole.
func TestShoutrrrMessage(t *testing.T) {
	set := merged(t, KindShoutrrr, map[string]any{"url": shoutrrrURL})
	for what, p := range map[string]Parcel{"sample": sampleParcel(), "huge": hugeParcel()} {
		var job ShoutrrrJob
		Shoutrrr(through(ShoutrrrOutcome{Taken: true, Status: 200}, nil, &job)).Send(t.Context(), nil, set, p)
		text, link, _ := strings.Cut(job.Message, "\n"+p.Words.Link)
		if job.URL != shoutrrrURL || link != "" || !strings.HasSuffix(job.Message, p.Words.Link) {
			t.Errorf("%s: %+v", what, job)
		}
		if units(text) > shoutrrrText || !utf8.ValidString(text) || strings.Contains(text, "@everyone") || strings.Contains(text, "<!channel>") {
			t.Errorf("%s: %d: %s", what, units(text), text)
		}
	}
	bare := sampleWords()
	bare.Text, bare.Link = "", ""
	if got, want := shoutrrrMessage(bare), "api <\u200B!channel> & *co* is down"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
