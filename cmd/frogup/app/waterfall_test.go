package app

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// fixedNow is a moment that never passes.
var fixedNow = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func measured(us int) nettest.Span {
	return nettest.Span{Duration: time.Duration(us) * time.Microsecond, Valid: true}
}

func goodResult() *nettest.TestResult {
	return &nettest.TestResult{
		Timestamp: fixedNow, EndpointID: "x", Protocol: "http", Status: nettest.StatusSuccess, Attempt: 1,
		Latency: 88_990 * time.Microsecond,
		Phases: nettest.Phases{
			DNS: measured(12_300), Connect: measured(8_100), TLS: measured(23_000), TTFB: measured(45_200), Transfer: measured(390),
			Total: 88_990 * time.Microsecond,
		},
		ResolvedIP: netip.MustParseAddr("192.0.2.7"), Port: 443,
		TLSVersion: "1.3", CertExpiresAt: fixedNow.Add(53*24*time.Hour + time.Hour),
		StatusCode: 200, HTTPVersion: "HTTP/2.0", ResponseSize: 1256, WireSize: 648,
		Headers: []nettest.HeaderField{
			{Name: "Content-Type", Value: "text/html"}, {Name: "Set-Cookie", Value: "a=1"}, {Name: "set-cookie", Value: "b=2"},
		},
		FinalURL:  "https://www.example.com/",
		Redirects: []nettest.Redirect{{StatusCode: 301, URL: "https://www.example.com/", CrossOrigin: true}},
	}
}

func badResult() *nettest.TestResult {
	return &nettest.TestResult{
		Timestamp: fixedNow, Protocol: "http", Status: nettest.StatusTimeout, Attempt: 1,
		Latency:   5 * time.Second,
		Phases:    nettest.Phases{Connect: measured(1_000), TTFB: measured(4_999_000), Total: 5 * time.Second},
		ErrorType: nettest.ErrHeadersTimeout, FailedPhase: nettest.PhaseHeaders,
		Error:      "192.0.2.7:80 did not answer the request within 5s: check\x1b[2J whether the service is stuck or slow",
		ResolvedIP: netip.MustParseAddr("192.0.2.7"), Port: 80,
	}
}

func render(t *testing.T, colour bool, width int, print func(terminal)) string {
	t.Helper()
	var b bytes.Buffer
	print(terminal{Writer: &b, colour: colour, width: width})
	return "\n" + visible(b.String())
}

func TestWaterfall(t *testing.T) {
	expired := goodResult()
	expired.Status, expired.ErrorType, expired.FailedPhase = nettest.StatusFailure, nettest.ErrCertificateExpired, nettest.PhaseTLS
	expired.Error, expired.StatusCode, expired.TLSVersion, expired.Redirects = "The certificate has expired: renew it", 0, "", nil
	expired.Phases = nettest.Phases{Connect: measured(500), TLS: measured(1_500), Total: 2 * time.Millisecond}
	expired.Latency, expired.CertExpiresAt = 2*time.Millisecond, fixedNow.Add(-36*time.Hour)

	invalid := goodResult()
	invalid.Status, invalid.ErrorType, invalid.FailedPhase = nettest.StatusFailure, nettest.ErrValidationFailed, nettest.PhaseValidation
	invalid.Error, invalid.StatusCode = "example.com:443 answered, but not as expected", 503
	invalid.ValidationErrors = []string{"status_code = 200: got 503", "body contains \"ok\""}
	invalid.CertExpiresAt, invalid.WireSize = fixedNow.Add(30*time.Hour), invalid.ResponseSize
	invalid.Redirects[0].Downgraded = true

	for _, tt := range []struct {
		name   string
		result *nettest.TestResult
		colour bool
		width  int
		want   string
	}{
		{"piped", goodResult(), false, 80, `
✔ success  200 OK  88.99 ms  https://example.com/

  dns       ██████                                        12.30 ms
  connect         ████                                     8.10 ms
  tls                 ███████████                         23.00 ms
  ttfb                           ███████████████████████  45.20 ms
  transfer                                             █   0.39 ms
  total                                                   88.99 ms

  address      192.0.2.7 port 443 (ipv4)
  tls          version 1.3
  certificate  valid until 2027-01-14 11:00 UTC, 53 days left
  answer       HTTP/2.0, 1256 bytes (648 on the wire)
  redirect     301 → https://www.example.com/
  absent       HSTS, CSP, framing, nosniff, referrer policy
`},
		{"at a narrow terminal, in colour", badResult(), true, 40, `
␛[31m✘ timeout␛[0m  headers_timeout  5000.0 ms  ␛[1mhttps://example.com/␛[0m

  connect   ␛[32m█␛[0m              1.0 ms
  ttfb      ␛[31m██████████␛[0m  4999.0 ms␛[31m  ✘ failed␛[0m
  ␛[2mtotal   ␛[0m              5000.0 ms

  ␛[2maddress    ␛[0m  192.0.2.7 port 80 (ipv4)
  ␛[2mfailed in  ␛[0m  headers
  ␛[2merror      ␛[0m  192.0.2.7:80 did not answer the request within 5s: check·[2J whether the service is stuck or slow
`},
		{"expired certificate, in colour", expired, true, 60, `
␛[31m✘ failure␛[0m  certificate_expired  2.00 ms  ␛[1mhttps://example.com/␛[0m

  connect   ␛[32m██████␛[0m                    0.50 ms
  tls             ␛[31m██████████████████␛[0m  1.50 ms␛[31m  ✘ failed␛[0m
  ␛[2mtotal   ␛[0m                            2.00 ms

  ␛[2maddress    ␛[0m  192.0.2.7 port 443 (ipv4)
  ␛[2mcertificate␛[0m  ␛[31m✘ expired on 2026-11-20 22:00 UTC, 1 day ago␛[0m
  ␛[2mfailed in  ␛[0m  tls
  ␛[2merror      ␛[0m  The certificate has expired: renew it
`},
		{"broken rules, piped", invalid, false, 80, `
✘ failure  validation_failed  503 Service Unavailable  88.99 ms  https://example.com/

  dns       ██████                                        12.30 ms
  connect         ████                                     8.10 ms
  tls                 ███████████                         23.00 ms
  ttfb                           ███████████████████████  45.20 ms
  transfer                                             █   0.39 ms
  total                                                   88.99 ms

  address      192.0.2.7 port 443 (ipv4)
  tls          version 1.3
  certificate  ! valid until 2026-11-23 16:00 UTC, 1 day left
  answer       HTTP/2.0, 1256 bytes
  redirect     301 → https://www.example.com/  ! from https to http
  failed in    validation
  error        example.com:443 answered, but not as expected
  absent       HSTS, CSP, framing, nosniff, referrer policy
  rule         ✘ status_code = 200: got 503
  rule         ✘ body contains "ok"
`},
		{"never tried", &nettest.TestResult{Status: nettest.StatusError, ErrorType: nettest.ErrInternal, Error: "no"}, false, 80, `
! error  internal_error  0.00 ms  https://example.com/

  error        no
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := render(t, tt.colour, tt.width, func(o terminal) { o.waterfall("https://example.com/", checked{TestResult: tt.result}, fixedNow) })
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\ngot:%s", diff, got)
			}
		})
	}
}

func TestBarCells(t *testing.T) {
	for _, tt := range []struct {
		before, d, total time.Duration
		start, end       int
	}{
		{0, 0, 0, 0, 1},
		{0, 10, 10, 0, 20},
		{5, 5, 10, 10, 20},
		{10, 0, 10, 19, 20},
		{0, 1, 1000, 0, 1},
		{999, 1, 1000, 19, 20},
		{12, 3, 10, 19, 20}, // more than the whole cannot be, but must not panic
	} {
		if start, end := barCells(tt.before, tt.d, tt.total, 20); start != tt.start || end != tt.end {
			t.Errorf("barCells(%d, %d, %d) = %d, %d, want %d, %d", tt.before, tt.d, tt.total, start, end, tt.start, tt.end)
		}
	}
}
