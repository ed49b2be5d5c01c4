package nettest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
)

func TestSecurityFacts(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	hsts := func(value string, more ...nettest.HeaderField) []nettest.HeaderField {
		return append([]nettest.HeaderField{{"Strict-Transport-Security", value}}, more...)
	}
	for _, tt := range []struct {
		name    string
		url     string
		headers []nettest.HeaderField
		want    nettest.SecurityFacts
	}{
		{"nothing", "https://a/", nil, nettest.SecurityFacts{}},
		{"all", "https://a/", []nettest.HeaderField{
			{"strict-transport-security", "max-age=31536000; includeSubDomains; preload"}, {"X-Frame-Options", "deny"},
			{"X-Content-Type-Options", "nosniff"}, {"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"},
			{"Content-Security-Policy-Report-Only", "x"}, {"Referrer-Policy", "no-referrer, strict-origin-when-cross-origin"},
			{"Cache-Control", "no-store"}, {"cache-control", "private"}, {"Server", "frog/1"},
		}, nettest.SecurityFacts{
			HSTS: &nettest.HSTS{MaxAge: 365 * 24 * time.Hour, IncludeSubDomains: true, Preload: true}, FrameOptions: "DENY", NoSniff: true,
			CSP: true, CSPReportOnly: true, FrameAncestors: true, ReferrerPolicy: "strict-origin-when-cross-origin",
			CacheControl: "no-store, private", Server: "frog/1",
		}},
		{"over plain HTTP", "http://a/", hsts("max-age=1"), nettest.SecurityFacts{}},
		{"quoted", "https://a/", hsts(`MAX-AGE="60" ;`), nettest.SecurityFacts{HSTS: &nettest.HSTS{MaxAge: time.Minute}}},
		{"first counts", "https://a/", hsts("max-age=60", hsts("max-age=120")...), nettest.SecurityFacts{HSTS: &nettest.HSTS{MaxAge: time.Minute}}},
		{"ended", "https://a/", hsts("max-age=0"), nettest.SecurityFacts{HSTS: &nettest.HSTS{}}},
		{"endless", "https://a/", hsts("max-age=99999999999999999999"), nettest.SecurityFacts{HSTS: &nettest.HSTS{MaxAge: century}}},
		{"no age", "https://a/", hsts("includeSubDomains"), nettest.SecurityFacts{}},
		{"negative", "https://a/", hsts("max-age=-1"), nettest.SecurityFacts{}},
		{"twice", "https://a/", hsts("max-age=1; max-age=2"), nettest.SecurityFacts{}},
		{"sniffing", "https://a/", []nettest.HeaderField{{"X-Content-Type-Options", "sniff"}}, nettest.SecurityFacts{}},
		{"only similar", "https://a/", []nettest.HeaderField{{"Content-Security-Policy", "x-frame-ancestors 'none'"}}, nettest.SecurityFacts{CSP: true}},
	} {
		r := &nettest.TestResult{FinalURL: tt.url, Headers: tt.headers}
		if diff := cmp.Diff(tt.want, r.SecurityFacts()); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}
}
