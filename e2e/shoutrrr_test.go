package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What no type here knows is reached through the library, from a process of its own, where the operator allows it: and nowhere does
// its URL stand. Beside it there is no second organization.
func TestShoutrrr(t *testing.T) {
	t.Parallel()
	c := &canaries{t: t, all: map[string]string{}}
	s := start(t, moreEnv("FROGUP_SINGLE_TENANT=true", "FROGUP_SHOUTRRR=true"))
	key, password := c.hatch("device key"), c.hatch("password in the URL")
	got := make(chan string, 100)
	bark := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var push struct {
			Body      string `json:"body"`
			DeviceKey string `json:"device_key"`
		}
		if err := json.NewDecoder(r.Body).Decode(&push); err != nil || r.Method != http.MethodPost || r.URL.Path != "/push" || push.DeviceKey != key {
			t.Errorf("%s %s: %+v, %v", r.Method, r.URL.Path, push, err)
		}
		got <- push.Body
		fmt.Fprintf(w, `{"code": 200, "message": "success for %s", "timestamp": 1700000000}`, push.DeviceKey)
	}))
	defer bark.Close()
	message := func(words string) {
		t.Helper()
		select {
		case body := <-got:
			if !strings.Contains(body, words) {
				t.Errorf("came %q, want %q", body, words)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing came that says %q", words)
		}
	}

	const path = "/api/uptime/notification-channels"
	host := strings.TrimPrefix(bark.URL, "http://")
	channel := obj{"type": "shoutrrr", "name": "phone", "config": obj{"url": "bark://:" + key + "@" + host + "/?scheme=http"}}
	made := s.do("POST", path, channel)
	c.sing("the answer", made.body)
	id := want[struct{ ID int }](s, 201, made).ID
	list := s.do("GET", path, nil)
	c.sing("the list", list.body)
	if types := want[struct{ Types []string }](s, 200, list).Types; !strings.Contains(strings.Join(types, " "), "pushover shoutrrr slack") {
		t.Errorf("types are %v", types)
	}
	tried := want[struct {
		Success    bool
		StatusCode int `json:"status_code"`
		Error      *string
	}](s, 200, s.do("POST", fmt.Sprintf("%s/%d/test", path, id), nil))
	if !tried.Success || tried.StatusCode != 200 {
		t.Errorf("the test: %+v", tried)
	}
	message("Test message")

	monitor := s.create(tcpMonitor("127.0.0.1", refusing(t), obj{"name": "frog api", "retry_interval_seconds": 1}))
	s.statusIs(monitor, "down", 15*time.Second)
	message("frog api is down")
	eventually(t, 10*time.Second, "the delivery with what was answered", func() error {
		all := want[struct {
			Deliveries []struct{ ID, State string }
		}](s, 200, s.do("GET", "/api/uptime/deliveries", nil)).Deliveries
		if len(all) != 1 || all[0].State != "delivered" {
			return fmt.Errorf("they are %+v", all)
		}
		attempts := s.do("GET", "/api/uptime/deliveries/"+all[0].ID+"/attempts", nil)
		c.sing("the attempts", attempts.body)
		if !strings.Contains(string(attempts.body), "success for ***") {
			return fmt.Errorf("attempts: %s", attempts.body)
		}
		return nil
	})

	for url, says := range map[string]string{
		"smtp://frog:" + password + "@127.0.0.1:25/?from=a@b.c&to=d@e.f": "config.url\",\"message\":\"must not begin with \\\"smtp\\\": it connects by itself",
		"nosuch://" + password + "@127.0.0.1/":                           "no service is called so",
	} {
		refused := s.do("POST", path, obj{"type": "shoutrrr", "name": "mail", "config": obj{"url": url}})
		c.sing("a refusal", refused.body)
		if refused.status != 400 || !strings.Contains(strings.ReplaceAll(string(refused.body), `": "`, `":"`), says) {
			t.Errorf("%d %s, want %s", refused.status, refused.body, says)
		}
	}
	closed := want[struct{ ID int }](s, 201, s.do("POST", path, obj{
		"type": "shoutrrr", "name": "metadata", "config": obj{"url": "generic+http://169.254.169.254/" + password},
	})).ID
	denied := s.do("POST", fmt.Sprintf("%s/%d/test", path, closed), nil)
	c.sing("a denied test", denied.body)
	if !strings.Contains(string(denied.body), "not allowed here") {
		t.Errorf("%s", denied.body)
	}

	cookie := s.login()
	second := s.do("POST", "/api/organizations", obj{"name": "Toads"}, bySession(cookie)...)
	if second.status != 412 || !strings.Contains(string(second.body), "single organization") {
		t.Errorf("a second organization: %d %s", second.status, second.body)
	}
	c.sing("output", []byte(s.output()))
	s.form.dump(s)
	s.stop()
	c.files(s.dir)
	c.sing("output", []byte(s.output()))
}

// Without the operator's word the type is not there.
func TestShoutrrrIsOff(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := s.do("POST", "/api/uptime/notification-channels", obj{"type": "shoutrrr", "name": "phone", "config": obj{"url": "bark://:key123@api.day.app"}})
	if r.status != 400 || !strings.Contains(string(r.body), "shoutrrr is off in this installation") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if types := want[struct{ Types []string }](s, 200, s.do("GET", "/api/uptime/notification-channels", nil)).Types; len(types) == 0 || strings.Contains(strings.Join(types, " "), "shoutrrr") {
		t.Errorf("types are %v", types)
	}
}
