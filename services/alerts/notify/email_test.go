package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/egress"
)

// userBob are the settings of somebody who has to log in.
var userBob = map[string]any{"username": "bob@example.com", "password": canary}

func checkBob(user, password string) error {
	if user != "bob@example.com" || password != canary {
		return fmt.Errorf("user %q", user)
	}
	return nil
}

// A message arrives, secured as it was asked for, whichever way the server has people log in.
func TestEmailArrives(t *testing.T) {
	for name, tt := range map[string]struct {
		ways          []string
		tlsFirst, tls bool
		security      string
		secured       bool
	}{
		"STARTTLS":                     {nil, false, true, "", true},
		"STARTTLS, PLAIN":              {[]string{"LOGIN", "PLAIN"}, false, true, "starttls", true},
		"STARTTLS, LOGIN":              {[]string{"LOGIN"}, false, true, "starttls", true},
		"STARTTLS, CRAM-MD5":           {[]string{"CRAM-MD5"}, false, true, "starttls", true},
		"TLS, PLAIN":                   {[]string{"PLAIN"}, true, false, "tls", true},
		"TLS":                          {nil, true, false, "tls", true},
		"opportunistic with STARTTLS":  {nil, false, true, "opportunistic", true},
		"opportunistic, there is none": {nil, false, false, "opportunistic", false},
		"none, though there is one":    {nil, false, true, "none", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := &postOffice{ways: tt.ways, auth: checkBob}
			o.open(t, tt.tlsFirst, tt.tls)
			more := map[string]any{"security": tt.security}
			if tt.ways != nil {
				maps.Copy(more, userBob)
			}
			if tt.security == "opportunistic" {
				o.roots = nil // its certificate is nobody's
			}
			r := o.mailing(t, more, sampleParcel())
			if diff := cmp.Diff(Result{OK: true, StatusCode: 250}, r); diff != "" {
				t.Fatalf("result (-want +got):\n%s", diff)
			}
			got := o.taken()
			if len(got) != 1 {
				t.Fatalf("%d messages came", len(got))
			}
			e := got[0]
			if e.from != "alerts@example.com" || !slices.Equal(e.to, []string{"ops@example.com", "desk@example.org"}) || e.hello != "example.com" {
				t.Errorf("from %s to %q, greeted as %s", e.from, e.to, e.hello)
			}
			if e.secured != tt.secured || (e.user != "") != (tt.ways != nil) {
				t.Errorf("secured %t, user %q", e.secured, e.user)
			}
			if err := checkLetter(e.body, sampleParcel()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEmailIsNotSentInTheClear(t *testing.T) {
	o := &postOffice{}
	o.open(t, false, false)
	if r := o.mailing(t, nil, sampleParcel()); r.OK || r.Refused || r.Error != "the mail server offers no STARTTLS" {
		t.Errorf("%+v", r)
	}
	stranger := &postOffice{ways: []string{"PLAIN"}}
	stranger.open(t, false, true)
	stranger.roots = nil
	if r := stranger.mailing(t, userBob, sampleParcel()); r.OK || r.Refused || r.Error != "the receiver's certificate is not valid" {
		t.Errorf("%+v", r)
	}
	keyless := &postOffice{}
	keyless.open(t, false, true)
	if r := keyless.mailing(t, userBob, sampleParcel()); r.OK || r.Refused || r.Error != errNoLogin.Error() {
		t.Errorf("%+v", r)
	}
	for _, o := range []*postOffice{o, stranger, keyless} {
		if len(o.taken()) > 0 {
			t.Error("something was sent")
		}
	}
}

// What a server refuses with 5xx is given up, what it refuses with 4xx is not.
func TestEmailReplies(t *testing.T) {
	reply := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 7, 1}, Message: "not now, " + canary}
	}
	for name, tt := range map[string]struct {
		office *postOffice
		want   Result
	}{
		"sender, for good":     {&postOffice{mail: func(string) error { return reply(550) }}, Result{StatusCode: 550, Refused: true, Error: "the mail server answered 550 5.7.1 not now, ***"}},
		"sender, for now":      {&postOffice{mail: func(string) error { return reply(451) }}, Result{StatusCode: 451, Error: "the mail server answered 451 4.7.1 not now, ***"}},
		"too many connections": {&postOffice{mail: func(string) error { return reply(421) }}, Result{StatusCode: 421, Error: "the mail server answered 421 4.7.1 not now, ***"}},
		"everybody, for good":  {&postOffice{rcpt: func(string) error { return reply(550) }}, Result{StatusCode: 550, Refused: true, Error: "the mail server answered 550 5.7.1 not now, ***"}},
		"everybody, for now":   {&postOffice{rcpt: func(string) error { return reply(450) }}, Result{StatusCode: 450, Error: "the mail server answered 450 4.7.1 not now, ***"}},
		"closing":              {&postOffice{rcpt: func(string) error { return reply(421) }}, Result{StatusCode: 421, Error: "the mail server answered 421 4.7.1 not now, ***"}},
		"one for good, one for now": {&postOffice{rcpt: func(to string) error {
			return reply(map[string]int{"ops@example.com": 550, "desk@example.org": 452}[to])
		}}, Result{StatusCode: 452, Error: "the mail server answered 452 4.7.1 not now, ***"}},
		"content, for good": {&postOffice{data: func() error { return reply(554) }}, Result{StatusCode: 554, Refused: true, Error: "the mail server answered 554 5.7.1 not now, ***"}},
		"content, for now":  {&postOffice{data: func() error { return reply(452) }}, Result{StatusCode: 452, Error: "the mail server answered 452 4.7.1 not now, ***"}},
		"password":          {&postOffice{auth: func(_, _ string) error { return reply(535) }}, Result{StatusCode: 535, Refused: true, Error: "the mail server did not accept the user name and password (535)"}},
		"login, for now":    {&postOffice{auth: func(_, _ string) error { return reply(454) }}, Result{StatusCode: 454, Error: "the mail server did not accept the user name and password (454)"}},
		"one of two gets it": {&postOffice{rcpt: func(to string) error {
			if to == "ops@example.com" {
				return reply(550)
			}
			return nil
		}}, Result{OK: true, StatusCode: 250, Error: "the mail server took it for others, but not for ops@example.com (550 5.7.1 not now, ***)"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.office.ways = []string{"PLAIN"}
			tt.office.open(t, false, true)
			if diff := cmp.Diff(tt.want, tt.office.mailing(t, userBob, sampleParcel())); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if got := tt.office.taken(); (len(got) == 1) != tt.want.OK {
				t.Errorf("%d messages were taken", len(got))
			}
		})
	}
}

// Whatever is at the other end, the attempt ends, and says why in our own words.
func TestEmailFaults(t *testing.T) {
	greeted, helloed := "220 mx ESMTP\r\n", "250 mx\r\n"
	upTo := func(answers ...string) map[string]any { return scripted(t, answers...) }
	taken := upTo(greeted, helloed, "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 queued\r\n")
	for name, tt := range map[string]struct {
		settings map[string]any
		more     map[string]any
		want     Result
	}{
		"accepts and says nothing":      {upTo(), nil, Result{Error: "the receiver did not answer in time"}},
		"silent after the greeting":     {upTo(greeted), nil, Result{Error: "the receiver did not answer in time"}},
		"silent after the message":      {upTo(greeted, helloed, "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"), nil, Result{Error: "the receiver did not answer in time"}},
		"silent before TLS":             {upTo(), map[string]any{"security": "tls"}, Result{Error: "the receiver did not answer in time"}},
		"took it, says no goodbye":      {taken, nil, Result{OK: true, StatusCode: 250}},
		"an HTTP server":                {plainServer(t), nil, Result{Error: "the receiver did not answer in time"}},
		"something else":                {settingsFor(t, listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "+OK POP3 ready\r\n") })), nil, Result{Error: "the receiver does not speak SMTP, or not with this security"}},
		"no end":                        {settingsFor(t, listen(t, endless)), nil, Result{Error: "the receiver does not speak SMTP, or not with this security"}},
		"no TLS where it was to be":     {upTo(greeted), map[string]any{"security": "tls"}, Result{Error: "the receiver does not speak SMTP, or not with this security"}},
		"cuts":                          {settingsFor(t, listen(t, func(net.Conn) {})), nil, Result{Error: "the receiver cut the connection"}},
		"does not serve us":             {upTo("554 5.3.2 no service here\r\n"), nil, Result{StatusCode: 554, Refused: true, Error: "the mail server answered 554 5.3.2 no service here"}},
		"busy":                          {upTo("421-4.3.2 busy,\r\n421 4.3.2 come back\r\n"), nil, Result{StatusCode: 421, Error: "the mail server answered 421 4.3.2 busy, 4.3.2 come back"}},
		"nobody there":                  {settingsFor(t, "smtp://"+closedPort(t)), nil, Result{Error: "the receiver refused the connection"}},
		"an address that is not for us": {settingsFor(t, "smtp://169.254.169.254:25"), nil, Result{Refused: true, Error: "the receiver's address is not allowed here (cloud metadata)"}},
		"no such name":                  {settingsFor(t, "smtp://no-such-name.invalid:25"), nil, Result{Error: "the receiver's name does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			got := mailer{}.send(ctx, guarded(t), merged(t, "email", with(with(tt.settings, map[string]any{"security": "none"}), tt.more)), sampleParcel())
			if name == "no such name" && got.Error == "the receiver's name could not be looked up" {
				t.Skip("there is no resolver here")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func endless(c net.Conn) {
	for line := "220-" + strings.Repeat("x", 4096) + "\r\n"; ; {
		if _, err := io.WriteString(c, line); err != nil {
			return
		}
	}
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestEmailNeedsTheGuard(t *testing.T) {
	set := merged(t, "email", settingsFor(t, "smtp://127.0.0.1:25"))
	for name, client := range map[string]*http.Client{
		"default": {}, "own dialer missing": {Transport: &http.Transport{}}, "other transport": {Transport: http.NewFileTransport(http.Dir("."))},
	} {
		if r := (mailer{}).send(t.Context(), client, set, sampleParcel()); r.OK || !r.Refused || r.Error != errUnguarded.Error() {
			t.Errorf("%s: %+v", name, r)
		}
	}
	strict := (&egress.Policy{}).HTTPClient(egress.HTTPOptions{})
	if r := (mailer{}).send(t.Context(), strict, set, sampleParcel()); r.OK || !r.Refused || !strings.Contains(r.Error, "not allowed here") {
		t.Errorf("loopback: %+v", r)
	}
}

// The password is written and not read, and no server gets it told to anybody.
func TestEmailPassword(t *testing.T) {
	set := merged(t, "email", with(settingsFor(t, "smtp://mx.example.com:2525"), userBob))
	shown, err := json.Marshal(email.Show(set.Public))
	if err != nil || strings.Contains(string(set.Public)+string(shown), canary) || !strings.Contains(string(set.Secret), canary) {
		t.Errorf("public half %s, shown %s, %v", set.Public, shown, err)
	}
	again, _, bad := email.Merge(set, object(t, string(shown)))
	if len(bad) > 0 || string(again.Public) != string(set.Public) || string(again.Secret) != string(set.Secret) {
		t.Errorf("a read given back changed something: %s, %v", again.Public, bad)
	}
	for _, elsewhere := range []map[string]any{{"host": "mx.thief.example"}, {"port": 2526.0}, {"port": 465.0, "security": "tls"}} {
		if _, _, bad := email.Merge(set, elsewhere); len(bad) == 0 {
			t.Errorf("%v: the password went along", elsewhere)
		}
	}
	told := []string{
		canary, base64.StdEncoding.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte("\x00bob@example.com\x00" + canary)),
	}
	for _, stage := range []string{"auth", "mail", "rcpt"} {
		for _, form := range told {
			o := &postOffice{ways: []string{"PLAIN"}}
			fail := errors.New(strings.Repeat("x", maxReason-20) + form) // so that it ends beyond the cut
			switch stage {
			case "auth":
				o.auth = func(_, _ string) error { return fail }
			case "mail":
				o.mail = func(string) error { return fail }
			default:
				o.rcpt = func(string) error { return fail }
			}
			o.open(t, false, true)
			r := o.mailing(t, userBob, sampleParcel())
			if r.OK || r.Error == "" || strings.Contains(r.Error, form[:6]) {
				t.Errorf("%s: %+v", stage, r)
			}
		}
	}
}

func TestEmailSettings(t *testing.T) {
	good := settingsFor(t, "smtp://mx.example.com:587")
	for name, tt := range map[string]struct {
		blame string
		more  map[string]any
	}{
		"no host":                  {"host", map[string]any{"host": nil}},
		"a host with a port":       {"host", map[string]any{"host": "mx.example.com:25"}},
		"a URL":                    {"host", map[string]any{"host": "smtp://mx"}},
		"no port":                  {"port", map[string]any{"port": 70000}},
		"unheard of":               {"security", map[string]any{"security": "ssl"}},
		"TLS at 587":               {"security", map[string]any{"security": "tls"}},
		"STARTTLS at 465":          {"security", map[string]any{"port": 465}},
		"user alone":               {"username", map[string]any{"username": "bob"}},
		"password alone":           {"username", map[string]any{"password": "x"}},
		"password in the clear":    {"security", map[string]any{"username": "bob", "password": "x", "security": "none"}},
		"password perhaps clear":   {"security", map[string]any{"username": "bob", "password": "x", "security": "opportunistic"}},
		"nobody":                   {"to", map[string]any{"to": []any{}}},
		"no address":               {"to", map[string]any{"to": []any{"ops@example.com", "ops"}}},
		"two in one":               {"to", map[string]any{"to": []any{"a@example.com, b@example.com"}}},
		"injection":                {"to", map[string]any{"to": []any{"a@example.com\r\nBcc: b@example.com"}}},
		"a quoted one":             {"to", map[string]any{"to": []any{`"a> RCPT"@example.com`}}},
		"a sender beyond ASCII":    {"from", map[string]any{"from": "bücher@example.com"}},
		"a sender without address": {"from", map[string]any{"from": "Alerts"}},
	} {
		raw, err := json.Marshal(with(good, tt.more))
		if err != nil {
			t.Fatal(err)
		}
		_, _, bad := email.Merge(Settings{}, object(t, string(raw)))
		if len(bad) != 1 || bad[0].Name != tt.blame {
			t.Errorf("%s: %v", name, bad)
		}
	}
	for _, more := range []map[string]any{
		{"host": "::1"}, {"host": "192.0.2.1", "security": "none"}, {"port": 465, "security": "tls"}, {"port": nil}, {"port": 2525, "security": "tls"}, {"from": "a+b@example.com"},
	} {
		merged(t, "email", with(good, more))
	}
	for _, s := range []Settings{
		{Public: json.RawMessage(`{`), Secret: json.RawMessage(`{`)}, {Public: json.RawMessage(`{}`), Secret: json.RawMessage(`{}`)},
		{Public: json.RawMessage(`{"values":{"host":"h","from":"x","to":["a@b"]}}`), Secret: json.RawMessage(`{}`)},
	} {
		if r := email.Send(t.Context(), guarded(t), s, sampleParcel()); r.OK || !r.Refused {
			t.Errorf("%s: %+v", s.Public, r)
		}
	}
}
