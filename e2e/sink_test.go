package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// notice is the body of a webhook message, as far as scenarios look at it.
type notice struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		Monitor struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
			URL  string `json:"url"`
		} `json:"monitor"`
		Incident *struct {
			ID        int        `json:"id"`
			Status    string     `json:"status"`
			StartTime time.Time  `json:"start_time"`
			EndTime   *time.Time `json:"end_time"`
		} `json:"incident"`
		Alert *struct {
			ID          int       `json:"id"`
			HistoryID   int       `json:"history_id"`
			TriggeredAt time.Time `json:"triggered_at"`
		} `json:"alert"`
		Status     string   `json:"status"`
		Supersedes []string `json:"supersedes"`
		Messages   []notice `json:"messages"` // of a digest
		Group      *struct {
			ID      int    `json:"id"`
			Name    string `json:"name"`
			Failing []struct {
				Name string `json:"name"`
			} `json:"failing"`
		} `json:"group"`
		Dependents *struct {
			Total    int `json:"total"`
			Monitors []struct {
				ID int `json:"id"`
			} `json:"monitors"`
		} `json:"dependents"`
	} `json:"data"`
}

// cause is what a message is about: whatever else it says, there is one message for it.
func (n notice) cause() string {
	switch {
	case n.Data.Alert != nil:
		return fmt.Sprintf("%s alert %d at %s", n.Type, n.Data.Alert.ID, n.Data.Alert.TriggeredAt.Format(time.RFC3339Nano))
	case n.Data.Group != nil:
		return fmt.Sprintf("%s group %d at %s", n.Type, n.Data.Group.ID, n.Timestamp.Format(time.RFC3339Nano))
	case n.Data.Incident != nil:
		return fmt.Sprintf("%s monitor %d since %s", n.Type, n.Data.Monitor.ID, n.Data.Incident.StartTime.Format(time.RFC3339Nano))
	}
	return fmt.Sprintf("%s monitor %d at %s", n.Type, n.Data.Monitor.ID, n.Timestamp.Format(time.RFC3339Nano))
}

// delivery is one attempt that reached the sink.
type delivery struct {
	to       string // last part of the path
	id       string // webhook-id
	at       time.Time
	answered int
	header   http.Header
	notice   notice
}

// sink receives webhooks. It records every attempt, also those that it refuses.
type sink struct {
	server *httptest.Server

	mu       sync.Mutex
	secrets  map[string]string // by receiver; none means that signatures are not looked at
	attempts []delivery
	wrong    []error
	answer   func(d delivery) int
}

func newSink(t testing.TB) *sink { return newSinkOn(t, localListener) }

// newSinkOn listens with listen, such as in a namespace.
func newSinkOn(t testing.TB, listen listener) *sink {
	t.Helper()
	k := &sink{secrets: map[string]string{}, answer: func(delivery) int { return http.StatusOK }}
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: k}}
	k.server.Start()
	t.Cleanup(func() {
		k.server.CloseClientConnections()
		k.server.Close()
		for _, err := range k.failures() {
			t.Errorf("webhook: %v", err)
		}
	})
	return k
}

// url is where the receiver called name listens.
func (k *sink) url(name string) string { return k.server.URL + "/" + name }

// trust makes the sink check the receiver's signatures.
func (k *sink) trust(name, secret string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secrets[name] = secret
}

// reply changes what the sink answers. The function is called without the lock held and
// may block to be slow.
func (k *sink) reply(f func(d delivery) int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answer = f
}

func (k *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	d := delivery{to: strings.TrimPrefix(r.URL.Path, "/"), id: r.Header.Get("Webhook-Id"), at: time.Now(), header: r.Header}
	k.mu.Lock()
	secret, answer := k.secrets[d.to], k.answer
	k.mu.Unlock()
	if err := json.Unmarshal(body, &d.notice); err != nil {
		k.fail(fmt.Errorf("body %q: %w", body, err))
	}
	if d.notice.ID != d.id {
		k.fail(fmt.Errorf("message %s came with webhook-id %s", d.notice.ID, d.id))
	}
	if secret != "" {
		if err := verifyWebhook(secret, r.Header, body, d.at); err != nil {
			k.fail(fmt.Errorf("message %s: %w", d.id, err))
		}
	}
	d.answered = answer(d)
	k.mu.Lock()
	k.attempts = append(k.attempts, d)
	for _, n := range d.notice.Data.Messages { // a program handles them one after the other
		k.attempts = append(k.attempts, delivery{to: d.to, id: n.ID, at: d.at, answered: d.answered, header: d.header, notice: n})
	}
	k.mu.Unlock()
	w.WriteHeader(d.answered)
}

func (k *sink) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrong = append(k.wrong, err)
}

func (k *sink) failures() []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wrong
}

// got returns all attempts so far that answer keep, oldest first.
func (k *sink) got(keep func(d delivery) bool) []delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []delivery
	for _, d := range k.attempts {
		if keep(d) {
			out = append(out, d)
		}
	}
	return out
}

// wait returns the first accepted message of a type to a receiver.
func (k *sink) wait(t testing.TB, to, kind string, limit time.Duration) delivery {
	t.Helper()
	var found delivery
	eventually(t, limit, kind+" to "+to, func() error {
		all := k.got(func(d delivery) bool { return d.to == to && d.notice.Type == kind && d.answered < 300 })
		if len(all) == 0 {
			return errors.New("it did not come")
		}
		found = all[0]
		return nil
	})
	return found
}

// verifyWebhook checks a message as the Standard Webhooks specification tells receivers
// to, with nothing of the product's own.
func verifyWebhook(secret string, h http.Header, body []byte, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("webhook-timestamp: %w", err)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
		return fmt.Errorf("webhook-timestamp is %v old", age)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	want := mac.Sum(nil)
	for _, signature := range strings.Fields(h.Get("webhook-signature")) {
		version, text, _ := strings.Cut(signature, ",")
		got, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("no signature of %q fits", h.Get("webhook-signature"))
}

// channel makes a webhook channel of the organization that announces to the sink's
// receiver called name, signed with a secret that the sink then checks.
func (s *server) channel(k *sink, name string, events ...string) int {
	s.t.Helper()
	return s.channelOf(k, name, obj{"digest_window_seconds": 0, "max_messages_per_minute": 600}, events...) // each message by itself
}

// channelOf is channel with more fields.
func (s *server) channelOf(k *sink, name string, body obj, events ...string) int {
	s.t.Helper()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	k.trust(name, secret)
	body["type"], body["name"], body["config"] = "webhook", name, obj{"url": k.url(name), "secret": secret}
	if len(events) > 0 {
		body["trigger_events"] = events
	}
	return want[struct{ ID int }](s, 201, s.do("POST", "/api/uptime/notification-channels", body)).ID
}

// alert makes a webhook rule of a monitor.
func (s *server) alert(monitor int, k *sink, name string, conditions obj) int {
	s.t.Helper()
	made := want[struct {
		ID     int
		Config struct{ Secret string } `json:"alert_config"`
	}](s, 201, s.do("POST", fmt.Sprintf("/api/uptime/monitors/%d/alerts", monitor), obj{
		"alert_type": "webhook", "alert_config": obj{"url": k.url(name)}, "conditions": conditions,
	}))
	if made.Config.Secret == "" {
		s.t.Errorf("the answer that creates a rule does not show the secret that was made for it")
	}
	k.trust(name, made.Config.Secret)
	return made.ID
}
