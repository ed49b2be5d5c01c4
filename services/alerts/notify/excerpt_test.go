package notify

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/frogstats/uptime/internal/egress"
)

// echo answers with what it was sent, headers and all, between a beginning and an end.
func echo(t *testing.T, before, after string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, before+" "+r.URL.String()+" ")
		_ = r.Header.Write(w)
		_, _ = io.WriteString(w, after)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func sendTo(t *testing.T, n Notifier, given map[string]any) Result {
	t.Helper()
	set, _, bad := n.Merge(Settings{}, given)
	if bad != nil {
		t.Fatal(bad)
	}
	policy := egress.Policy{Mode: egress.Private}
	client := policy.HTTPClient(egress.HTTPOptions{})
	defer client.CloseIdleConnections()
	return n.Send(context.Background(), client, set, Parcel{ID: "msg_1", Body: []byte(`{}`), Words: Words{Title: "x", Thread: "frogup-x"}})
}

// What a receiver repeats of its secrets does not come into the log of attempts.
func TestExcerptHoldsNoSecrets(t *testing.T) {
	const token = `canary/4711"+<x>&y`
	for name, send := range map[string]func(url string) Result{
		"webhook": func(url string) Result {
			return sendTo(t, All["webhook"], map[string]any{
				"url": url, "secret": "whsec_Y2FuYXJ5LXNlY3JldC0wODE1LWNhbmFyeS1zZWNyZXQ=",
				"headers": map[string]any{"X-Token": token, "Authorization": "Bearer canary-bearer"},
			})
		},
		"slack": func(url string) Result {
			return sendTo(t, All["slack"], map[string]any{"url": url + "/services/canary01/canary02"})
		},
		"gotify": func(url string) Result {
			return sendTo(t, All["gotify"], map[string]any{"base_url": url, "token": "canary-token"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := send(echo(t, `{"token":"canary\/4711\"+<x>&y","html":"canary/4711&#34;+&lt;x&gt;&amp;y"}`, "the end"))
			if name != "webhook" {
				r = send(echo(t, "said:", "the end"))
			}
			if !strings.HasPrefix(r.Response, "said:") && name != "webhook" || !strings.HasSuffix(r.Response, "the end") {
				t.Errorf("excerpt = %q", r.Response)
			}
			if strings.Contains(r.Response, "canary") || strings.Contains(r.Response, "Y2FuYXJ5") || !strings.Contains(r.Response, hiddenValue) {
				t.Errorf("excerpt = %q", r.Response)
			}
			if strings.Contains(r.Response, "v1,") {
				t.Errorf("the signature is in %q", r.Response)
			}
		})
	}
}

func TestExcerptIsBounded(t *testing.T) {
	secret := strings.Repeat("s", maxHeaderValue)
	redact := func(text string) string { return without(text, []string{secret}) }
	for _, tt := range []struct {
		name, body string
		more       bool
	}{
		{"long", strings.Repeat("é", 4000), false},
		{"broken", "\xff\x00\x1b[31m" + strings.Repeat("\xff", 3000), false},
		{"a secret that was cut at the end of what was read", strings.Repeat(secret, 3) + secret[:maxHeaderValue-1], true},
		{"short, cut", "abc", true},
	} {
		got := excerpt([]byte(tt.body), tt.more, redact)
		if len(got) > MaxExcerpt || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b") {
			t.Errorf("%s: %d bytes: %q", tt.name, len(got), got)
		}
		if strings.Contains(got, "sss") {
			t.Errorf("%s: half a secret: %q", tt.name, got)
		}
	}
	if got := excerpt([]byte(" {\n\t\"a\": 1}\n"), false, redact); got != "{\n\t\"a\": 1}" {
		t.Errorf("excerpt = %q", got)
	}
}

func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("hello secret-0815 there"), true)
	f.Add([]byte("\xffsecret-\x000815"), false)
	f.Fuzz(func(t *testing.T, body []byte, more bool) {
		got := excerpt(body, more, func(text string) string { return without(text, []string{"secret-0815"}) })
		if len(got) > MaxExcerpt || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	})
}
