package app

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/nettest"
)

func TestCheckRecord(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, newCheckRecord(target{kind: "http", address: "https://example.com/"}, checked{TestResult: goodResult()})); err != nil {
		t.Fatal(err)
	}
	want := `{"timestamp":"2026-11-22T10:00:00.000Z","monitor_type":"http","monitor_url":"https://example.com/","status":"success","status_code":200,` +
		`"response_time_ms":89,"dns_time_ms":12,"tcp_time_ms":8,"tls_time_ms":23,"ttfb_ms":45,"transfer_time_ms":0,` +
		`"response_time_us":88990,"dns_time_us":12300,"tcp_time_us":8100,"tls_time_us":23000,"ttfb_us":45200,"transfer_time_us":390,` +
		`"error_type":null,"error_message":null,"failed_phase":null,"validation_errors":[],` +
		`"resolved_ip":"192.0.2.7","ip_family":"ipv4","port":null,"tls_version":"1.3","cert_expires_at":"2027-01-14T11:00:00.000Z",` +
		`"response_size_bytes":1256,"response_headers":{"Content-Type":"text/html","Set-Cookie":"a=1, b=2"},"attempt":1,` +
		`"http_version":"HTTP/2.0","final_url":"https://www.example.com/","redirects":[{"status_code":301,"url":"https://www.example.com/"}],"details":{"certificates":[],"addresses":[],"assertions":[],"warnings":[],"banner":null,"dns_cached":false}}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A failed TCP check has no answer: null is not 0.
func TestCheckRecordTCP(t *testing.T) {
	got := newCheckRecord(target{"tcp", "h:1", "h", 1}, checked{TestResult: &nettest.TestResult{
		Timestamp: fixedNow, Status: nettest.StatusFailure, ErrorType: nettest.ErrConnectionRefused, FailedPhase: nettest.PhaseConnect,
		Error: "no", Latency: 300 * time.Microsecond, Phases: nettest.Phases{Connect: measured(300)}, Attempt: 1,
	}})
	zero, us, port, typ, msg, phase := uint32(0), 300.0, 1, "connection_refused", "no", "connect"
	want := checkRecord{
		Timestamp: "2026-11-22T10:00:00.000Z", MonitorType: "tcp", MonitorURL: "tcp://h:1", Status: "failure",
		ResponseTimeUS: us, TCPTimeMS: &zero, TCPTimeUS: &us, Port: &port, ErrorType: &typ, ErrorMessage: &msg, FailedPhase: &phase,
		ValidationErrors: []string{}, ResponseHeaders: map[string]string{}, Redirects: []redirectRecord{}, Attempt: 1,
		Details: newDetails(checked{TestResult: &nettest.TestResult{}}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The names are those of a REST event, so that one program reads both.
func TestCheckRecordNames(t *testing.T) {
	doc, err := json.Marshal(checkRecord{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(doc, &fields); err != nil {
		t.Fatal(err)
	}
	event := (&eventsv1.Event{}).ProtoReflect().Descriptor().Fields()
	known := map[string]bool{}
	for i := range event.Len() {
		known[string(event.Get(i).Name())] = true
	}
	var extra []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !known[name] {
			extra = append(extra, name)
		}
		delete(known, name)
	}
	if diff := cmp.Diff([]string{"final_url", "http_version", "redirects"}, extra); diff != "" {
		t.Errorf("names that events do not have (-want +got):\n%s", diff)
	}
	stored := []string{"event_id", "missed_count", "monitor_id", "monitor_name", "organization_id", "prober_id", "region", "scheduled_at"}
	if diff := cmp.Diff(stored, slices.Sorted(maps.Keys(known))); diff != "" {
		t.Errorf("names that only events have (-want +got):\n%s", diff)
	}
}

func TestEscapeControls(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, "a\u009b31m\u007f<é>\x1b"); err != nil {
		t.Fatal(err)
	}
	if want := `"a\u009b31m\u007f<é>\u001b"` + "\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestTally(t *testing.T) {
	result := func(s nettest.Status, ms int) *nettest.TestResult {
		return &nettest.TestResult{Status: s, Latency: time.Duration(ms) * time.Millisecond}
	}
	var s tally
	if s.code() != exitError {
		t.Errorf("nothing checked: exit code %d, want %d", s.code(), exitError)
	}
	for ms := 100; ms > 0; ms-- {
		s.add(result(nettest.StatusSuccess, ms))
	}
	if s.code() != exitOK {
		t.Errorf("successes: exit code %d, want %d", s.code(), exitOK)
	}
	s.add(result(nettest.StatusError, 7))
	if s.code() != exitError {
		t.Errorf("an observer error: exit code %d, want %d", s.code(), exitError)
	}
	s.add(result(nettest.StatusTimeout, 1000))
	if s.code() != exitNo {
		t.Errorf("a timeout beside an error: exit code %d, want %d", s.code(), exitNo)
	}
	want := `

102 checks: 100 success, 1 timeout, 1 error
response time of the successes: min 1.00 ms  avg 50.50 ms  p95 95.00 ms  max 100.00 ms
`
	if diff := cmp.Diff(want, render(t, false, 80, func(o terminal) { o.summary(&s) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpin(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var quick, slow bytes.Buffer
		stop := spin(&quick, "x")
		time.Sleep(spinAfter - time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
		stop()
		if quick.Len() > 0 {
			t.Errorf("a short wait printed %q", quick.String())
		}
		stop = spin(&slow, "checking a\x1b]0;b")
		time.Sleep(spinAfter + spinEvery + time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
		stop()
		want := "\n\r␛[K⠋ checking a·]0;b  0s\r␛[K⠙ checking a·]0;b  0s\r␛[K"
		if got := "\n" + visible(slow.String()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
