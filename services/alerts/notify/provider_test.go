package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/fault"
)

// trial is how a provider is put to the test: settings that lead to a receiver on loopback, and what the real receiver would say.
// Every type of All that speaks HTTP has one.
type trial struct {
	settings func(base string) map[string]any // secrets hold canary, in every form in which they might leak
	// check looks at a request as the documentation of the provider describes it, and returns what is wrong with it.
	check  func(r *http.Request, body []byte) error
	accept reply
	limits []limit            // how it says that it has had enough
	refuse []reply            // refusals for good, as the provider words them; {400, 401, 404 without words} are tried in any case
	words  string             // what of the first refusal's words has to be in the error; "" for nothing
	setup  func(t *testing.T) // may be nil
}

// reply is what a receiver answers.
type reply struct {
	status int
	header map[string]string
	body   string
}

// limit is a reply and when it asks to be left alone until.
type limit struct {
	reply
	after time.Duration
}

const canary = "s3cr3t-canary-0815"

// trials are by type.
var trials = map[string]trial{
	"discord":     discordTrial,
	"google_chat": googleChatTrial,
	"matrix":      matrixTrial,
	"mattermost":  mattermostTrial,
	"msteams":     teamsTrial,
	"telegram":    telegramTrial,
	"gotify":      gotifyTrial,
	"ntfy":        ntfyTrial,
	"opsgenie":    opsgenieTrial,
	"pagerduty":   pagerdutyTrial,
	"pushover":    pushoverTrial,
	"slack":       slackTrial,
	"twilio_sms":  twilioTrial,
	"webhook":     webhookTrial,
}

var webhookTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"url": base + "/hook", "secret": goodSecret, "headers": map[string]any{"X-Token": canary}}
	},
	check: func(r *http.Request, body []byte) error {
		if r.Header.Get("Webhook-Id") != sampleParcel().ID || r.Header.Get("X-Token") != canary || !json.Valid(body) {
			return fmt.Errorf("%v %s", r.Header, body)
		}
		return nil
	},
	accept: reply{status: 204},
	limits: []limit{{reply{429, map[string]string{"Retry-After": "7"}, ""}, 7 * time.Second}},
}

// sampleParcel is a message in which everything is set, and nothing is harmless.
func sampleParcel() Parcel {
	return Parcel{
		ID: "msg_mzxw6ytboi", At: someTime,
		Body: []byte(`{"type":"monitor.down","id":"msg_mzxw6ytboi","timestamp":"2031-05-06T07:08:09.000Z","data":{"organization_id":"org",` +
			`"monitor":{"id":7,"name":"api <!channel> & *co*","url":"https://api.example.com/?a=1&b=<2>"},` +
			`"incident":{"id":3,"status":"active","start_time":"2031-05-06T07:07:09.000Z","end_time":null,"affected_regions":["eu"],` +
			`"failure_count":2,"last_error_type":"connection_refused","last_error":"refused"},"status":"down","previous_status":"up",` +
			`"error_type":"connection_refused","error_message":"refused","regions":["eu","us"],` +
			`"occurred_at":"2031-05-06T07:08:09.000Z","delayed_ms":5}}`),
		Words: sampleWords(),
	}
}

func sampleWords() Words {
	return Words{
		Type: "monitor.down", Title: "api <!channel> & *co* is down",
		Text:  "https://api.example.com/?a=1&b=<2>: down (regions: eu, us).\nSince 2031-05-06T07:07:09Z (for 1 min).\nWhy: <b>\"refused\"</b> & @everyone [x](https://evil.example).",
		Facts: []Fact{{"Monitor", "api <!channel> & *co*"}, {"Since", "2031-05-06T07:07:09Z"}, {"Reason", "<b>\"refused\"</b> & @everyone"}},
		Link:  "https://uptime.example.com/incidents/3", Action: Trigger, Severity: Critical, Thread: "frogup-mzxw6ytboi",
	}
}

// hugeParcel is one whose texts are far beyond every limit, in characters of all widths.
func hugeParcel() Parcel {
	p := sampleParcel()
	long := strings.Repeat("aß€𝄞<&>\"'\\*_@", 5000)
	p.Words.Title, p.Words.Text, p.Words.Facts = long, long, nil
	for range 60 {
		p.Words.Facts = append(p.Words.Facts, Fact{long, long})
	}
	return p
}

// stand is a receiver on loopback; it returns its base URL.
func stand(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	return srv.URL
}

func guarded(t *testing.T) *http.Client {
	t.Helper()
	client := (&egress.Policy{Mode: egress.Private}).HTTPClient(egress.HTTPOptions{})
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// merged are settings that have to be right.
func merged(t *testing.T, name string, given map[string]any) Settings {
	t.Helper()
	raw, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	s, _, bad := All[name].Merge(Settings{}, object(t, string(raw))) // as they come over the wire
	if len(bad) > 0 {
		t.Fatalf("%s: %v", name, bad)
	}
	return s
}

// eachType runs fn for every type, which must have a trial.
func eachType(t *testing.T, fn func(t *testing.T, name string, tr trial)) {
	for _, name := range slices.Sorted(maps.Keys(All)) {
		if name == "email" || name == KindShoutrrr {
			continue // they speak no HTTP here; email_test.go, shoutrrr_test.go and cmd/frogup/shoutrrr put the same to the test
		}
		tr, ok := trials[name]
		if !ok {
			t.Errorf("%s has no trial", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			if tr.setup != nil {
				tr.setup(t)
			}
			fn(t, name, tr)
		})
	}
}

// The request is what the provider's documentation asks for, whatever the message holds.
func TestRequests(t *testing.T) {
	eachType(t, func(t *testing.T, name string, tr trial) {
		got := make(chan error, 1)
		base := stand(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = tr.check(r, body)
			}
			got <- err
			tr.accept.write(w)
		})
		set := merged(t, name, tr.settings(base))
		bare, test := sampleParcel(), sampleParcel()
		bare.Words.Facts, bare.Words.Link, bare.Words.Text = nil, "", ""
		bare.Words.Action = Resolve
		test.Words.Test, test.Words.Action, test.Words.Severity = true, Info, Informational
		for what, p := range map[string]Parcel{"sample": sampleParcel(), "huge": hugeParcel(), "bare": bare, "test": test} {
			r := All[name].Send(t.Context(), guarded(t), set, p)
			if !r.OK || r.Error != "" || r.StatusCode != tr.accept.status {
				t.Errorf("%s: result = %+v", what, r)
			}
			select {
			case err := <-got:
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			default:
				t.Errorf("%s: nothing came", what)
			}
		}
	})
}

func (r reply) write(w http.ResponseWriter) {
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.body)
}

func (tr trial) against(t *testing.T, name string, r reply) Result {
	t.Helper()
	base := stand(t, func(w http.ResponseWriter, _ *http.Request) { r.write(w) })
	return All[name].Send(t.Context(), guarded(t), merged(t, name, tr.settings(base)), sampleParcel())
}

// What the provider refuses for good is given up, what may pass is not, and it is left alone for as long as it asks.
func TestAnswers(t *testing.T) {
	eachType(t, func(t *testing.T, name string, tr trial) {
		refusals := slices.Clone(tr.refuse)
		for _, status := range []int{400, 401, 404, 302} {
			refusals = append(refusals, reply{status: status})
		}
		for i, refusal := range refusals {
			got := tr.against(t, name, refusal)
			if got.OK || !got.Refused || got.StatusCode != refusal.status || got.RetryAfter != 0 {
				t.Errorf("%+v: %+v", refusal, got)
			}
			if i == 0 && !strings.Contains(got.Error, tr.words) {
				t.Errorf("%+v: error %q does not say %q", refusal, got.Error, tr.words)
			}
		}
		for _, l := range tr.limits {
			if got := tr.against(t, name, l.reply); got.OK || got.Refused || got.RetryAfter != l.after {
				t.Errorf("%+v: %+v", l, got)
			}
		}
		for _, status := range []int{429, 500, 502, 503, 408} {
			if got := tr.against(t, name, reply{status: status}); got.OK || got.Refused || got.RetryAfter != 0 || got.Error == "" {
				t.Errorf("%d: %+v", status, got)
			}
		}
	})
}

// No failure tells a secret, not even when the receiver sends it back.
func TestNoSecretInErrors(t *testing.T) {
	eachType(t, func(t *testing.T, name string, tr trial) {
		var echo bytes.Buffer
		base := stand(t, func(w http.ResponseWriter, r *http.Request) {
			echo.Reset()
			fmt.Fprintf(&echo, "%s %s %s", r.URL, r.URL.Path, r.URL.Query())
			_ = r.Header.Write(&echo)
			said := echo.String() + canary
			quoted, _ := json.Marshal(said)
			w.Header().Set("Location", said)
			w.WriteHeader(http.StatusBadRequest)
			// In each field in which any of the providers words its refusals.
			fmt.Fprintf(w, `{"ok":false,"message":%[1]s,"description":%[1]s,"errcode":"M_UNKNOWN","error":%[1]s,"errors":[%[1]s],"status":"invalid","errorDescription":%[1]s}`, quoted)
		})
		nested := stand(t, func(w http.ResponseWriter, r *http.Request) {
			quoted, _ := json.Marshal(r.URL.String() + canary)
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"error":{"code":"x","message":%[1]s},"errors":{"a":[%[1]s]}}`, quoted)
		})
		bare := stand(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, canary)
		})
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		tlsOnly := httptest.NewUnstartedServer(http.NotFoundHandler())
		tlsOnly.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		tlsOnly.StartTLS()
		defer tlsOnly.Close()
		babble := listen(t, func(c net.Conn) { _, _ = c.Write([]byte(canary + "\r\n\r\n")) })
		for what, base := range map[string]string{
			"echo": base, "nested": nested, "bare": bare, "closed": closed.URL, "certificate": tlsOnly.URL, "babble": strings.TrimSuffix(babble, "/"),
			"no such name": "http://no-such-name.invalid", "denied": "http://169.254.169.254",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			got := All[name].Send(ctx, guarded(t), merged(t, name, tr.settings(base)), sampleParcel())
			cancel()
			if got.OK || got.Error == "" {
				t.Errorf("%s: %+v", what, got)
			}
			for _, leak := range leaks(canary, goodSecret) {
				if strings.Contains(got.Error, leak) {
					t.Errorf("%s: the error tells %q: %s", what, leak, got.Error)
				}
			}
		}
	})
}

func leaks(secrets ...string) (out []string) {
	for _, s := range secrets {
		out = append(out, s, url.QueryEscape(s), strings.TrimPrefix(s, "whsec_"))
	}
	return out
}

// Secrets are written and not read: not in what is shown, and a read given back keeps them.
func TestSecretsAreWriteOnly(t *testing.T) {
	eachType(t, func(t *testing.T, name string, tr trial) {
		set := merged(t, name, tr.settings("https://receiver.example"))
		if !strings.Contains(string(set.Secret), canary) {
			t.Fatal("the trial has no secret")
		}
		shown, err := json.Marshal(All[name].Show(set.Public))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(set.Public), canary) || strings.Contains(string(shown), canary) || !strings.Contains(string(shown), hiddenValue) {
			t.Errorf("public half %s, shown %s", set.Public, shown)
		}
		again, made, bad := All[name].Merge(set, object(t, string(shown)))
		if len(bad) > 0 || made != nil || !bytes.Equal(again.Public, set.Public) || !bytes.Equal(again.Secret, set.Secret) {
			t.Errorf("a read given back changed something: %s %s, %v", again.Public, made, bad)
		}
		if _, _, bad := All[name].Merge(Settings{}, map[string]any{"Nonsense": 1}); !slices.ContainsFunc(bad, func(f fault.Field) bool {
			return f.Name == "Nonsense" && strings.Contains(f.Message, "known are: ")
		}) {
			t.Errorf("an unknown setting: %v", bad)
		}
		for what, s := range map[string]Settings{
			"damaged": {Public: json.RawMessage(`{`), Secret: json.RawMessage(`{`)}, "empty": {Public: json.RawMessage(`{}`), Secret: json.RawMessage(`{}`)},
		} {
			if r := All[name].Send(t.Context(), guarded(t), s, sampleParcel()); r.OK || !r.Refused || r.Error == "" {
				t.Errorf("%s settings: %+v", what, r)
			}
		}
	})
}
