package resource

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/testing/protocmp"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// one reads a document that must hold one check.
func one(t *testing.T, text string, o Options) *Check {
	t.Helper()
	set := Parse([]Source{{Name: "a.yaml", Data: []byte(stand.Replace(text))}}, o)
	if set.Errors() > 0 || len(set.Checks) != 1 {
		t.Fatalf("%d checks, %v", len(set.Checks), set.Problems)
	}
	return set.Checks[0]
}

// Defaults by kind, and what follows from assertions: the contradictions of the schema as docs/conformance.md settles them.
func TestSpecs(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"tcp": {"{{tcp}}{{every}}{{up}}", `
			name: "a" monitor_type: MONITOR_TYPE_TCP retries { attempts: 1 }
			tcp_config { host: "example.com" port: 80 timeout_ms: 10000 ip_version: IP_VERSION_ANY }
			assertions { type: "reachable" operator: "is" value { bool_value: true } }`},
		"tcp with a handshake": {"{{tcp}}{{every}}  retries: 3\n  timeout: 1500\n  starttls: smtp\n  checks: [{type: sslHandshake, operator: notEquals, value: false}]", ""},
		"tcp handshake": {"{{tcp}}{{every}}  retries: 3\n  timeout: 2\n  starttls: smtp\n  checks: [{type: sslHandshake, operator: notEquals, value: false}]", `
			name: "a" monitor_type: MONITOR_TYPE_TCP retries { attempts: 3 }
			tcp_config { host: "example.com" port: 80 timeout_ms: 2000 ip_version: IP_VERSION_ANY tls: true starttls: START_TLS_SMTP }
			assertions { type: "sslHandshake" operator: "notEquals" value { bool_value: false } }`},
		"http": {"{{http}}  cron: '*/5 * * * *'\n  timeout: 1ns\n  body: x\n  checks: [{type: duration, operator: lessThanOrEqual, value: 01s}, {type: header, name: Server, operator: matches, value: '^n'}]", `
			name: "a" monitor_type: MONITOR_TYPE_HTTP retries { attempts: 1 }
			http_config { url: "https://example.com/" method: "GET" body: "x" timeout_ms: 1 follow_redirects: true ip_version: IP_VERSION_ANY }
			assertions { type: "duration" operator: "lessThanOrEquals" value { string_value: "1s" } }
			assertions { type: "header" operator: "matches" value { string_value: "^n" } name: "Server" }`},
		"http redirect by status": {"{{http}}{{every}}  checks: [{type: statusCode, operator: equals, value: 301}]", `
			name: "a" monitor_type: MONITOR_TYPE_HTTP retries { attempts: 1 }
			http_config { url: "https://example.com/" method: "GET" timeout_ms: 10000 follow_redirects: false ip_version: IP_VERSION_ANY }
			assertions { type: "statusCode" operator: "equals" value { number_value: 301 } }`},
		"http redirect by header": {"{{http}}{{every}}  method: POST\n  headers: {Accept: a}\n  checks: [{type: header, name: location, operator: contains, value: https}]", `
			name: "a" monitor_type: MONITOR_TYPE_HTTP retries { attempts: 1 }
			http_config { url: "https://example.com/" method: "POST" headers { key: "Accept" value: "a" } timeout_ms: 10000 follow_redirects: false ip_version: IP_VERSION_ANY }
			assertions { type: "header" operator: "contains" value { string_value: "https" } name: "location" }`},
		"http wants no redirect": {"{{http}}{{every}}  checks: [{type: statusCode, operator: notEquals, value: 301}]", `
			name: "a" monitor_type: MONITOR_TYPE_HTTP retries { attempts: 1 }
			http_config { url: "https://example.com/" method: "GET" timeout_ms: 10000 follow_redirects: true ip_version: IP_VERSION_ANY }
			assertions { type: "statusCode" operator: "notEquals" value { number_value: 301 } }`},
		"tls": {"{{tls}}{{every}}  checks: [{type: expirationTime, operator: greaterThan, value: 3mo}]", `
			name: "a" monitor_type: MONITOR_TYPE_TLS retries { attempts: 1 }
			tls_config { host: "example.com" port: 443 timeout_ms: 1000 ip_version: IP_VERSION_ANY starttls: START_TLS_AUTO options {} }
			assertions { type: "expirationTime" operator: "greaterThan" value { string_value: "3mo" } }`},
		"tls without verifying": {"{{tls}}{{every}}  port: 8443\n  starttls: none\n  insecureSkipVerify: true\n  checks: [{type: certificateSubject, operator: notContains, value: '*'}]", `
			name: "a" monitor_type: MONITOR_TYPE_TLS retries { attempts: 1 }
			tls_config { host: "example.com" port: 8443 timeout_ms: 1000 ip_version: IP_VERSION_ANY starttls: START_TLS_NONE options { insecure_skip_verify: true } }
			assertions { type: "certificateSubject" operator: "notContains" value { string_value: "*" } }`},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.want == "" {
				set := Parse([]Source{{"a.yaml", []byte(stand.Replace(tt.text))}}, Options{})
				if len(set.Problems) != 1 || set.Problems[0].Rule != "timeout-range" {
					t.Errorf("%v", set.Problems)
				}
				return
			}
			want := &checkv1.CheckSpec{}
			if err := prototext.Unmarshal([]byte(tt.want), want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, one(t, tt.text, Options{}).Spec(), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	c := one(t, "apiVersion: v1\nkind: SslCheck\nmetadata: {name: My-Check, title: null}\nspec: {hostname: US-east-1.Example.COM, interval: 1mo, cron: null, checks: [{type: valid, operator: is, value: true}]}", Options{})
	if c.Key != "v1:TlsCheck:my-check" || c.Kind != KindTLS || c.TLS.Hostname != "us-east-1.example.com" || c.Interval != (Period{1, "mo"}) {
		t.Errorf("%+v", c)
	}
	c = one(t, "apiVersion: v1\nkind: TcpCheck\nmetadata: {name: a}\nspec: {host: '2001:DB8:0::1', port: 1, interval: 60, locations: [a, b], checks: [{type: reachable, operator: equals, value: true}]}", Options{})
	if c.TCP.Host != "2001:db8::1" || c.Interval != (Period{60, "s"}) {
		t.Errorf("%+v", c)
	}
}

func TestPermissive(t *testing.T) {
	for text, want := range map[string]string{
		"{{tcp}}{{every}}  checks: []":  "reachable is true",
		"{{http}}{{every}}  checks: []": "statusCode greaterThan 199, statusCode lessThan 400",
		"{{tls}}{{every}}":              "valid is true",
	} {
		var got []string
		for _, a := range one(t, text, Options{Permissive: true}).Assertions {
			v := prototext.MarshalOptions{}.Format(a.proto().GetValue())
			_, v, _ = strings.Cut(v, ":")
			got = append(got, a.Type+" "+a.Operator+" "+strings.TrimSpace(v))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%q stands for %s, want %s", text, s, want)
		}
	}
	c := one(t, "{{http}}{{every}}  retryDelay: 5\n  headers: {X: 010, Y: yes, Z: true}\n  channels: [{channel: a, severity: P1}]\n  checks: [{type: size, operator: lessThan, value: 5}]", Options{Permissive: true})
	if diff := cmp.Diff(map[string]string{"X": "010", "Y": "yes", "Z": "true"}, c.HTTP.Headers); diff != "" || c.Channels[0].Severity != "P1" {
		t.Error(diff, c.Channels)
	}
}

func TestTrustedCAs(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	indented := "    - |\n      " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ") + "\n"
	c := one(t, "{{tls}}{{every}}  trustedCAs:\n"+indented+"  checks: [{type: valid, operator: is, value: true}]", Options{})
	if got := c.Spec().GetTlsConfig().GetOptions().GetTrustedCas(); len(got) != 1 || got[0] != text {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{text + "x", strings.Replace(text, "CERTIFICATE", "PRIVATE KEY", 2), text[:100], ""} {
		if isCertificates(bad) {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestPeriods(t *testing.T) {
	for _, tt := range []struct{ text, from, want string }{
		{"1mo", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"},
		{"1mo", "2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z"},
		{"3mo", "2026-03-31T00:00:00Z", "2026-06-30T00:00:00Z"},
		{"13mo", "2026-12-31T00:00:00Z", "2028-01-31T00:00:00Z"},
		{"1y", "2028-02-29T12:30:15Z", "2029-02-28T12:30:15Z"},
		{"4y", "2028-02-29T12:30:15Z", "2032-02-29T12:30:15Z"},
		{"1d", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"2w", "2026-02-28T00:00:00Z", "2026-03-14T00:00:00Z"},
		{"90", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"},
	} {
		p, wrong := parsePeriod(tt.text, false)
		from, err := time.Parse(time.RFC3339, tt.from)
		if wrong != "" || err != nil {
			t.Fatal(tt, wrong, err)
		}
		if got := p.After(from).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s after %s is %s, want %s", tt.text, tt.from, got, tt.want)
		}
	}
	for text, want := range map[string]string{
		"5 minutes": "5m", "10sec": "10s", "1h30m": "90m", "1.5s": "1500ms", "2 days": "2d", "3 months": "3mo", "1 year": "1y", "500 MS": "500ms",
		"1 h": "1h", "soon": "", "-5s": "", "5 fortnights": "", "": "", "0s": "",
	} {
		if got := meantPeriod(text); got != want {
			t.Errorf("%q may mean %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"1us", "1M", "1S", "1 s", "s", "1s1", "1.5s", "+1s", "１s", "1h30m", "99999999999999999999s", "101y", "1201mo", "0s", "000"} {
		if p, wrong := parsePeriod(text, false); wrong == "" {
			t.Errorf("%q was taken as %v", text, p)
		}
	}
}

// A file as large as may be, of documents that are all right.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		text.WriteString("---\n" + strings.Replace(valid, "name: a", fmt.Sprintf("name: a%d", i), 1))
	}
	src := []Source{{Name: "a.yaml", Data: []byte(text.String())}}
	b.SetBytes(int64(len(src[0].Data)))
	b.ReportAllocs()
	for b.Loop() {
		if set := Parse(src, Options{}); len(set.Problems) > 0 {
			b.Fatal(set.Problems[0])
		}
	}
}
