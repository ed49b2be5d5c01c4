package shoutrrr

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// receiver is a real service as its documentation describes it.
type receiver struct {
	url    func(host string) string // of the library
	secure bool                     // whether it is served over TLS
	path   string
	header map[string]string
	body   func(body []byte) error
	status int    // of an answer that takes the message
	answer string // the same
	denial string // the body of a refusal, with %s for what the service says
}

// fields is the check of a JSON object: exactly these fields.
func fields(want map[string]any) func([]byte) error {
	return func(body []byte) error {
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			return err
		}
		for name, value := range got {
			if s, isText := value.(string); isText && s == "" {
				delete(got, name) // the service takes an empty setting for one that is not there
			}
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return nil
	}
}

const said = "api is down\nhttps://uptime.example.com/incidents/3"

var receivers = map[string]receiver{
	// Bark's API V2: POST /push, a JSON object with device_key and body; code 200 within the answer is success.
	"bark": {
		url:  func(host string) string { return "bark://:" + secret + "@" + host + "/?scheme=http&group=frog" },
		path: "/push", header: map[string]string{"Content-Type": "application/json"},
		body:   fields(map[string]any{"device_key": secret, "body": said, "group": "frog", "badge": float64(0)}),
		status: 200, answer: `{"code": 200, "message": "success", "timestamp": 1700000000}`,
		denial: `{"code": 400, "message": "%s"}`,
	},
	// signal-cli-rest-api: POST /v2/send, the sender's number and a list of recipients; 201 with a timestamp.
	"signal": {
		url: func(host string) string {
			return "signal://frog:" + secret + "@" + host + "/+4915100000001/+4915100000002/group.Zm9v?disabletls=yes"
		},
		path: "/v2/send", header: map[string]string{"Content-Type": "application/json", "Authorization": "Basic ZnJvZzpzM2NyM3RjYW5hcnkwODE1"},
		body: fields(map[string]any{
			"message": said, "number": "+4915100000001", "recipients": []any{"+4915100000002", "group.Zm9v"},
		}),
		status: 201, answer: `{"timestamp": "1700000000000"}`,
		denial: `{"error": "%s"}`,
	},
	// Rocket.Chat's incoming webhooks: POST /hooks/<id>/<token>, a JSON object with text, over TLS.
	"rocketchat": {
		url:    func(host string) string { return "rocketchat://frog@" + host + "/5c0ffee/" + secret + "/ops" },
		secure: true, path: "/hooks/5c0ffee/" + secret, header: map[string]string{"Content-Type": "application/json"},
		body:   fields(map[string]any{"text": said, "username": "frog", "channel": "#ops"}),
		status: 200, answer: `{"success": true}`,
		denial: `{"success": false, "error": "%s"}`,
	},
	// The library's own webhook, with a header and a field of one's own.
	"generic": {
		url: func(host string) string {
			return "generic+http://" + host + "/in/here?template=json&messagekey=text&@X-Token=" + secret + "&$from=frog&keep=1"
		},
		path: "/in/here?keep=1", header: map[string]string{"Content-Type": "application/json", "X-Token": secret},
		body:   fields(map[string]any{"text": said, "from": "frog"}),
		status: 204, denial: "%s",
	},
}

// stand puts a receiver up and returns a sender that trusts it, and the URL.
func (rc receiver) stand(t *testing.T, handle http.HandlerFunc) (send notify.Notifier, url string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(handle)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	env := map[string]string{}
	if rc.secure {
		srv.StartTLS()
		authority := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		env["SSL_CERT_FILE"] = authority
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return notify.Shoutrrr(actorIn(t, "send", env, "private").Send), rc.url(srv.Listener.Addr().String())
}

// settings are those of a target with this URL.
func settings(t *testing.T, url string) notify.Settings {
	t.Helper()
	s, _, bad := notify.All[notify.KindShoutrrr].Merge(notify.Settings{}, map[string]any{"url": url})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	return s
}

var parcel = notify.Parcel{ID: "msg_1", Words: notify.Words{Title: "api is down", Link: "https://uptime.example.com/incidents/3"}}

// Each message comes as the documentation of the receiver has it.
func TestReceivers(t *testing.T) {
	for name, rc := range receivers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan error, 4)
			n, url := rc.stand(t, func(w http.ResponseWriter, r *http.Request) {
				got <- rc.check(r)
				w.WriteHeader(rc.status)
				_, _ = io.WriteString(w, rc.answer)
			})
			r := n.Send(t.Context(), nil, settings(t, url), parcel)
			if !r.OK || r.Error != "" || r.StatusCode != rc.status || r.Response != rc.answer {
				t.Errorf("result = %+v", r)
			}
			if err := <-got; err != nil {
				t.Error(err)
			}
			if len(got) > 0 {
				t.Error("it came twice")
			}
		})
	}
}

func (rc receiver) check(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	for name, value := range rc.header {
		if r.Header.Get(name) != value {
			return fmt.Errorf("header %s: %q, want %q", name, r.Header.Get(name), value)
		}
	}
	if r.Method != http.MethodPost || r.URL.String() != rc.path {
		return fmt.Errorf("%s %s, want POST %s", r.Method, r.URL, rc.path)
	}
	return rc.body(body)
}

// What a receiver answers is read as that of any other type, and what it says back holds no secret, however it words it.
func TestRefusals(t *testing.T) {
	for name, rc := range receivers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for status, want := range map[int]notify.Result{
				401: {StatusCode: 401, Refused: true},
				302: {StatusCode: 302, Refused: true},
				500: {StatusCode: 500},
				429: {StatusCode: 429, RetryAfter: 7 * time.Second},
			} {
				n, url := rc.stand(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", "7")
					w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
					w.WriteHeader(status)
					fmt.Fprintf(w, rc.denial, "echo "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+secret)
				})
				r := n.Send(t.Context(), nil, settings(t, url), parcel)
				if r.OK || r.Refused != want.Refused || r.StatusCode != want.StatusCode || r.RetryAfter != want.RetryAfter || r.Error == "" {
					t.Errorf("%d: %+v", status, r)
				}
				if !strings.Contains(r.Response, "echo") {
					t.Errorf("%d: the answer is not kept: %+v", status, r)
				}
				for _, leak := range []string{secret, "ZnJvZzpzM2NyM3RjYW5hcnkwODE1"} {
					if strings.Contains(r.Error+r.Response, leak) {
						t.Errorf("%d: %q is told: %+v", status, leak, r)
					}
				}
			}
		})
	}
}

// A receiver that answers 200 and says in the answer that it has not taken the message has not.
func TestTheAnswerIsRead(t *testing.T) {
	rc := receivers["bark"]
	n, url := rc.stand(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, rc.denial, "no such device "+secret) })
	r := n.Send(t.Context(), nil, settings(t, url), parcel)
	if r.OK || r.Refused || r.StatusCode != 200 || !strings.Contains(r.Error, "no such device") || strings.Contains(r.Error, secret) {
		t.Errorf("%+v", r)
	}
}
