package app

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/mtls"
)

// member makes an identity that has joined.
func member(t testing.TB, folder string) *joinIdentity {
	t.Helper()
	i, err := newIdentity(folder, "https://example.com", "token")
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	a, err := mtls.NewAuthority("a", until)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.Certify(i.key.Public(), "p1", nil, time.Now(), until)
	if err != nil {
		t.Fatal(err)
	}
	i, err = i.with(i.key, i.Key, &monitorsv1.ProberCertificate{
		ProberId: "p1", Region: "eu", Certificate: der, Authority: a.Certificate().Raw, ExpiresAt: timestamppb.New(until),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestIdentityIsKept(t *testing.T) {
	folder := t.TempDir()
	if i, err := readIdentity(folder); i != nil || err != nil || hasIdentity(folder) || hasIdentity("") {
		t.Errorf("in an empty folder: %+v, %v", i, err)
	}
	want := member(t, folder)
	got, err := readIdentity(folder)
	if err != nil || !hasIdentity(folder) || !got.joined() || got.ProberID != "p1" || got.Region != "eu" || !got.key.Equal(want.key) {
		t.Fatalf("read back %+v, %v", got, err)
	}
	info, err := os.Stat(filepath.Join(folder, identityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(filepath.Join(folder, identityFile))
	if err != nil || strings.Contains(string(text), `"token"`) {
		t.Errorf("the token is kept: %s, %v", text, err)
	}
}

// A certificate of another key is not taken for one's own.
func TestIdentityOfAnotherKey(t *testing.T) {
	one, other := member(t, t.TempDir()), member(t, t.TempDir())
	if _, err := one.with(one.key, one.Key, &monitorsv1.ProberCertificate{Certificate: other.Certificate}, time.Now()); err == nil {
		t.Error("took another's certificate")
	}
	mixed := *one
	mixed.Certificate = other.Certificate
	text, err := json.Marshal(mixed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseIdentity(text); err == nil {
		t.Error("read a certificate of another key")
	}
}

func FuzzParseIdentity(f *testing.F) {
	text, err := json.Marshal(member(f, f.TempDir()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"key":"AA=="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		i, err := parseIdentity(text)
		if err == nil && (i.key == nil || i.joined() && (i.ProberID == "" || i.Region == "" || i.URL == "")) {
			t.Errorf("accepted %+v", i)
		}
	})
}

func TestParseJoinURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.com": "https://example.com", "https://example.com/": "https://example.com", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"https://[::1]:8443": "https://[::1]:8443",
		"":                   "", "example.com": "", "ftp://example.com": "", "https://": "", "https://me@example.com": "", "https://example.com/x": "",
		"https://example.com?x": "", "https://example.com#x": "", "https://exa mple.com": "",
	} {
		got, err := parseJoinURL(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q is %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		to   string
		want string
	}{
		"none":            {nil, "https://example.com", ""},
		"https":           {map[string]string{"HTTPS_PROXY": "http://proxy:3128"}, "https://example.com", "http://proxy:3128"},
		"in lower case":   {map[string]string{"https_proxy": "http://proxy:3128"}, "https://example.com", "http://proxy:3128"},
		"of another kind": {map[string]string{"HTTP_PROXY": "http://proxy:3128"}, "https://example.com", ""},
		"excepted":        {map[string]string{"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".com"}, "https://example.com", ""},
		"this machine":    {map[string]string{"HTTPS_PROXY": "http://proxy:3128"}, "https://127.0.0.1", ""},
	} {
		p := Process{Env: func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }}
		to, err := url.Parse(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.proxyFromEnv()(to)
		if text := ""; err != nil || got != nil && got.String() != tt.want || got == nil && tt.want != text {
			t.Errorf("%s: %v, %v; want %q", name, got, err, tt.want)
		}
	}
}

// A certificate is renewed once half of its time is over, and looked at every hour at least.
func TestWhenCertificatesAreRenewed(t *testing.T) {
	now := time.Now()
	i := &joinIdentity{IssuedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour)}
	c := &joinConn{}
	c.identity.Store(i)
	m := newMembership(c, "", nil)
	for after, want := range map[time.Duration]time.Duration{
		0: time.Hour, 14*24*time.Hour + 23*time.Hour: time.Hour, 15*24*time.Hour - time.Minute: time.Minute, 15 * 24 * time.Hour: 0, 29 * 24 * time.Hour: 0,
	} {
		if got := m.wait(now.Add(after)); got != want {
			t.Errorf("after %s it waits for %s, want %s", after, got, want)
		}
	}
}
