package nettest_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/frogstats/uptime/services/prober/nettest"
)

var digestParam = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

// digestGate checks answers to its challenge by its own reckoning.
type digestGate struct {
	algorithm string
	new       func() hash.Hash
	extra     string
	stale     bool // the first answer is to a nonce that has become too old
	requests  atomic.Int32
}

func (g *digestGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := g.requests.Add(1)
	nonce := fmt.Sprintf("nonce-%d", n)
	ask := func(stale bool) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="the realm", nonce="%s", algorithm=%s, opaque="op", stale=%v%s`, nonce, g.algorithm, stale, g.extra))
		http.SetCookie(w, &http.Cookie{Name: "asked", Value: "yes", Path: "/"})
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, strings.Repeat("no ", 10_000))
	}
	proof := r.Header.Get("Authorization")
	if proof == "" {
		ask(false)
		return
	}
	if g.stale && n == 2 {
		ask(true)
		return
	}
	p := map[string]string{}
	for _, m := range digestParam.FindAllStringSubmatch(strings.TrimPrefix(proof, "Digest "), -1) {
		p[m[1]] = m[2]
	}
	sum := func(parts ...string) string {
		h := g.new()
		_, _ = io.WriteString(h, strings.Join(parts, ":"))
		return hex.EncodeToString(h.Sum(nil))
	}
	body, _ := io.ReadAll(r.Body)
	secret := sum("user", "the realm", "canary")
	if strings.HasSuffix(g.algorithm, "-sess") {
		secret = sum(secret, p["nonce"], p["cnonce"])
	}
	request := sum(r.Method, r.RequestURI)
	if p["qop"] == "auth-int" {
		request = sum(r.Method, r.RequestURI, sum(string(body)))
	}
	want := sum(secret, p["nonce"], p["nc"], p["cnonce"], p["qop"], request)
	if p["qop"] == "" {
		want = sum(secret, p["nonce"], request)
	}
	if p["response"] != want || p["opaque"] != "op" || r.Header.Get("Cookie") != "asked=yes" {
		ask(false)
		return
	}
	_, _ = io.WriteString(w, "welcome "+string(body))
}

func TestDigest(t *testing.T) {
	for _, gate := range []*digestGate{
		{algorithm: "MD5", new: md5.New, extra: `, qop="auth"`},
		{algorithm: "MD5", new: md5.New},
		{algorithm: "MD5-sess", new: md5.New, extra: `, qop="auth,auth-int"`},
		{algorithm: "SHA-256", new: sha256.New, extra: `, qop="auth"`},
		{algorithm: "SHA-256-sess", new: sha256.New, extra: `, qop="auth"`},
		{algorithm: "SHA-256", new: sha256.New, extra: `, qop="auth-int"`},
		{algorithm: "SHA-256", new: sha256.New, extra: `, qop="auth"`, stale: true},
	} {
		plain, secure, test := startBoth(t, gate.ServeHTTP)
		for _, base := range []string{plain, secure} {
			gate.requests.Store(0)
			r, err := execute(t, test, base+"/a?b=c", nettest.HTTPConfig{
				Method: "POST", Body: "with a body", Auth: nettest.Auth{Type: nettest.AuthDigest, Username: "user", Password: "canary"},
			})
			want := int32(2)
			if gate.stale {
				want = 3
			}
			if err != nil || string(r.Body) != "welcome with a body" || gate.requests.Load() != want || len(r.Warnings) > 0 {
				t.Errorf("%s%s: %v, %q, %d requests, %v", gate.algorithm, gate.extra, err, r.Body, gate.requests.Load(), r.Warnings)
			}
		}
	}
}

func TestDigestRefused(t *testing.T) {
	gate := &digestGate{algorithm: "MD5", new: md5.New, extra: `, qop="auth"`}
	s := startHTTP(t, gate.ServeHTTP)
	for _, tt := range []struct {
		name     string
		password string
		extra    string
		requests int32
		warning  string
	}{
		{"wrong password", "wrong canary", `, qop="auth"`, 2, ""},
		{"unknown qop", "canary", `, qop="magic"`, 1, "quality of protection"},
	} {
		gate.requests.Store(0)
		gate.extra = tt.extra
		r, err := execute(t, &nettest.HTTPTest{}, s.URL, nettest.HTTPConfig{
			Auth: nettest.Auth{Type: nettest.AuthDigest, Username: "user", Password: tt.password},
		})
		if !errors.Is(err, nettest.ErrValidationFailed) || r.StatusCode != 401 || gate.requests.Load() != tt.requests {
			t.Errorf("%s: %v, %d, %d requests", tt.name, err, r.StatusCode, gate.requests.Load())
		}
		if text := strings.Join(r.Warnings, "; "); !strings.Contains(text, tt.warning) || (text == "") != (tt.warning == "") {
			t.Errorf("%s: warnings %q", tt.name, text)
		}
		if strings.Contains(fmt.Sprintf("%+v %v", r, err), "canary") {
			t.Errorf("%s: the password shows in %+v", tt.name, r)
		}
	}
	// A server that finds every nonce stale is not asked for ever.
	var requests atomic.Int32
	endless := startHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm=a, nonce=n%d, stale=true`, requests.Add(1)))
		w.WriteHeader(http.StatusUnauthorized)
	})
	r, err := execute(t, &nettest.HTTPTest{}, endless.URL, nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthDigest, Username: "u"}})
	if r.StatusCode != 401 || requests.Load() != 3 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
}

// TestDigestStaysAtHome follows redirects: at home the answer is sent at once,
// abroad never.
func TestDigestStaysAtHome(t *testing.T) {
	var abroad, atHome atomic.Int32
	other := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		abroad.Add(1)
		if r.Header.Get("Authorization") != "" {
			t.Error("the answer left its origin")
		}
		w.Header().Set("WWW-Authenticate", `Digest realm="the realm", nonce="n", qop="auth"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	gate := &digestGate{algorithm: "MD5", new: md5.New, extra: `, qop="auth"`}
	s := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			gate.ServeHTTP(w, r)
			return
		}
		atHome.Add(1)
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusFound)
			return
		}
		if !strings.Contains(r.Header.Get("Authorization"), "nc=00000002") {
			t.Errorf("second use: %s", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	})
	r, err := execute(t, &nettest.HTTPTest{}, s.URL+"/", nettest.HTTPConfig{
		FollowRedirects: true, Auth: nettest.Auth{Type: nettest.AuthDigest, Username: "user", Password: "canary"},
	})
	if r.StatusCode != 401 || gate.requests.Load() != 1 || atHome.Load() != 2 || abroad.Load() != 1 {
		t.Errorf("%v, %d, asked %d, home %d, abroad %d", err, r.StatusCode, gate.requests.Load(), atHome.Load(), abroad.Load())
	}
}
