package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// canaries are secrets that must not be found anywhere, by the field that they were put into.
type canaries struct {
	t   testing.TB
	all map[string]string
}

// hatch makes a secret for a field.
func (c *canaries) hatch(field string) string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return c.add(field, "canary"+hex.EncodeToString(b[:]))
}

func (c *canaries) add(field, secret string) string {
	c.all[field] = secret
	return secret
}

// sing looks for every secret in what was found at where, plain and in the encodings that
// a careless program would have left it in.
func (c *canaries) sing(where string, haystack []byte) {
	c.t.Helper()
	lower := bytes.ToLower(haystack)
	for field, secret := range c.all {
		for form, text := range map[string]string{
			"plain": secret, "base64": base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64 without padding": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
			"hex":                    hex.EncodeToString([]byte(secret)), "escaped": strings.ReplaceAll(secret, "+", "%2B"),
		} {
			if bytes.Contains(haystack, []byte(text)) || form == "hex" && bytes.Contains(lower, []byte(text)) {
				c.t.Errorf("%s: the secret of %s stands there (%s)", where, field, form)
			}
		}
	}
}

// webhookSecret is one in the form that webhooks want.
func (c *canaries) webhookSecret(field string) string {
	key := []byte(c.hatch(field + " (key)"))
	secret := base64.StdEncoding.EncodeToString(key)
	c.add(field, secret)
	return "whsec_" + secret
}

// No credential, in whichever field it came, is ever found again: in no answer, in no
// output, in no file, in no trace or metric that is exported.
func TestCredentialsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	c := &canaries{t: t, all: map[string]string{}}
	otlp := newCollector(t)
	s := start(t, withArgs("--log-level", "debug", "--otlp-endpoint", otlp.url), withEnv(
		"FROGUP_ADMIN_EMAIL="+adminEmail, "FROGUP_ADMIN_PASSWORD="+c.hatch("admin password"), "FROGUP_ADMIN_API_KEY="+adminKey,
	))
	c.add("admin key", adminKey)
	r := s.do("POST", "/api/auth/login", obj{"email": adminEmail, "password": c.all["admin password"]}, "Authorization", "")
	cookie := sessionOf(t, r)
	c.add("session cookie", cookie.Value)
	c.sing("POST /api/auth/login", r.body)

	k, target := newSink(t), newSite(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	ask := func(method, path string, body any) reply {
		t.Helper()
		r := s.do(method, path, body)
		if r.status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
		}
		c.sing(method+" "+path, r.body)
		return r
	}
	secret := c.webhookSecret("channel secret")
	k.trust("ops", secret)
	channel := want[struct{ ID int }](s, 201, ask("POST", "/api/uptime/notification-channels", obj{
		"type": "webhook", "name": "ops", "config": obj{"url": k.url("ops"), "secret": secret, "headers": obj{"Authorization": c.hatch("channel header")}},
	})).ID
	monitors := c.monitors(target, refusing(t))
	var ids []int
	for _, m := range monitors {
		id := want[struct{ ID int }](s, 201, ask("POST", "/api/uptime/monitors", m)).ID
		ids = append(ids, id)
		// The answer of a read, sent back, keeps the secrets that it does not show.
		read := want[obj](s, 200, ask("GET", fmt.Sprintf("/api/uptime/monitors/%d", id), nil))
		ask("PUT", fmt.Sprintf("/api/uptime/monitors/%d", id), obj{"name": "renamed", "http_config": read["http_config"]})
		ask("POST", "/api/uptime/monitors/test", obj{"monitor_type": "http", "http_config": m["http_config"]})
		// A refusal does not quote what was refused.
		broken := s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", id), obj{"http_config": m["http_config"], "interval_seconds": 0})
		c.sing("a refused PATCH", broken.body)
	}
	secret = c.webhookSecret("alert secret")
	k.trust("rule", secret)
	rule := want[struct{ ID int }](s, 201, ask("POST", fmt.Sprintf("/api/uptime/monitors/%d/alerts", ids[0]), obj{
		"alert_type": "webhook", "conditions": obj{"consecutive_failures": 1},
		"alert_config": obj{"url": k.url("rule"), "secret": secret, "headers": obj{"X-Api-Key": c.hatch("alert header")}},
	})).ID
	ask("POST", fmt.Sprintf("/api/uptime/monitors/%d/alerts/%d/test", ids[0], rule), nil)
	ask("POST", fmt.Sprintf("/api/uptime/notification-channels/%d/test", channel), nil)
	made := want[struct{ Key string }](s, 201, s.do("POST", "/api/organizations/api-keys", obj{"name": "spare", "role": "viewer"}))
	c.add("API key", made.Key)
	if parts := strings.Split(made.Key, "_"); len(parts) == 4 {
		c.add("API key without its name", parts[2])
	}
	ask("POST", "/api/organizations/members", obj{"email": "eve@example.com", "role": "viewer", "password": c.hatch("member password")})
	enrolled := want[struct{ Token string }](s, 200, s.do("POST", "/api/uptime/probers", obj{"region": "eu"})) // tells it, once
	c.add("token to join with", enrolled.Token)
	c.add("token to join with, without its kind", strings.TrimPrefix(enrolled.Token, "upt_join_"))
	s.do("GET", "/api/uptime/monitors", nil, "Authorization", "Bearer "+made.Key)
	s.do("GET", "/api/uptime/monitors", nil, "Authorization", "Bearer "+c.hatch("wrong key"))
	s.do("POST", "/api/auth/login", obj{"email": adminEmail, "password": c.hatch("wrong password")}, "Authorization", "")
	s.do("GET", "/setup?token="+c.hatch("token in a link"), nil, "Authorization", "")
	for _, id := range ids {
		s.statusIs(id, "down", 20*time.Second)
	}
	k.wait(t, "ops", "monitor.down", 10*time.Second)
	k.wait(t, "rule", "alert.triggered", 10*time.Second)
	for _, d := range k.got(func(delivery) bool { return true }) {
		c.sing("webhook "+d.notice.Type, encode(t, d.notice))
	}

	c.crawl(s, ids)
	c.sing("output", []byte(s.output()))
	s.form.dump(s)
	c.files(s.dir) // while it runs: the WAL too
	s.stop()       // flushes what is to be exported
	c.files(s.dir)
	c.sing("output", []byte(s.output()))
	for _, method := range []string{traceExport, metricExport} {
		sent := otlp.exported(method)
		if !bytes.Contains(sent, []byte("frogup")) {
			t.Errorf("%s: %d bytes were exported, and nothing names the service", method, len(sent))
		}
		c.sing(method, sent)
	}
	document, err := os.ReadFile(openapiFile)
	if err != nil {
		t.Fatal(err)
	}
	c.sing("OpenAPI", document)
	if got := len(c.all); got < 20 {
		t.Errorf("only %d canaries flew", got)
	}
}

// monitors are http monitors with a canary in each field that takes a credential; the
// half that is not answered leads to messages about connections.
func (c *canaries) monitors(target *site, refused int) []obj {
	var out []obj
	for name, url := range map[string]string{"answered": target.url(), "refused": fmt.Sprintf("http://127.0.0.1:%d/", refused)} {
		password := c.hatch(name + " basic password")
		c.add(name+" basic header", base64.StdEncoding.EncodeToString([]byte("somebody:"+password)))
		for kind, credentials := range map[string]obj{
			"basic":         {"username": "somebody", "password": password},
			"bearer":        {"token": c.hatch(name + " bearer token")},
			"api_key":       {"key": "X-Key", "value": c.hatch(name + " api key value")},
			"custom_header": {"header_name": "X-Custom", "header_value": c.hatch(name + " custom header value")},
		} {
			out = append(out, obj{
				"name": name + " " + kind, "monitor_type": "http", "interval_seconds": 1, "retry_interval_seconds": 1,
				"http_config": obj{"url": url, "timeout_ms": 1000, "auth": obj{"type": kind, "credentials": credentials}, "headers": obj{
					"Cookie": "id=" + c.hatch(name+" "+kind+" cookie"), "X-Auth-Token": c.hatch(name + " " + kind + " token header"),
				}},
			})
		}
	}
	return out
}

var inBraces = regexp.MustCompile(`\{[a-z_]+\}`)

// crawl reads every GET of OpenAPI for everything that there is.
func (c *canaries) crawl(s *server, monitors []int) {
	c.t.Helper()
	read := 0
	for name := range openapi(s.t.(*testing.T)) {
		path, isGet := strings.CutPrefix(name, "GET ")
		if !isGet || path == "/api/uptime/stream" {
			continue
		}
		objects := []int{1, 2}
		if strings.Contains(path, "/monitors/{") {
			objects = monitors
		}
		for _, id := range objects {
			at := inBraces.ReplaceAllString(path, fmt.Sprint(id))
			r := s.do("GET", at, nil)
			c.sing("GET "+at, r.body)
			for key, values := range r.header {
				c.sing("header "+key+" of "+at, []byte(strings.Join(values, ",")))
			}
			if r.status == 200 {
				read++
			}
			if at == path {
				break
			}
		}
	}
	if read < 40 {
		c.t.Errorf("the crawl read %d answers only", read)
	}
}

// files looks through every byte of the data folder.
func (c *canaries) files(dir string) {
	c.t.Helper()
	read := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			c.t.Errorf("%s can be read by others: %v", path, info.Mode())
		}
		raw, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a WAL that was just folded in
		}
		c.sing(path, raw)
		read += len(raw)
		return err
	})
	if err != nil || read < 10_000 {
		c.t.Errorf("read %d bytes of %s: %v", read, dir, err)
	}
}
