package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Evidence as REST has it; what the target said tries to write to the terminal.
const evidence7 = `{"evidence":[{"monitor_id":7,"region":"eu","scheduled_at":"2026-11-22T09:59:18.000Z","cause":"server_error",
	"summary":"The server answers with status 503: the trouble is within the service.",
	"first_failure":{"status_code":503,"error_type":"validation_failed","error_message":"answered, but not as expected","failed_phase":"validation",
		"resolved_ip":"192.0.2.1","response_headers":{"X-Why":"d\u001b[31mb"},"dns_time_us":null,"tcp_time_us":900,"tls_time_us":null,"ttfb_us":3000,"transfer_time_us":100,
		"a_field_of_tomorrow":1},
	"body":{"text":"out of order\n\u001b]0;title\u0007","binary":false,"size_bytes":9000,"truncated":true},
	"steps":[
		{"kind":"resolve","outcome":"ok","target":"shop.example.com","resolver":"configured","addresses":["192.0.2.1"],"duration_us":2000},
		{"kind":"resolve","outcome":"skipped","target":"shop.example.com","resolver":"second","addresses":[],"duration_us":null,"detail":"No second resolver is set"},
		{"kind":"http","outcome":"failed","target":"https://shop.example.com/","addresses":[],"duration_us":4000,"error_type":"validation_failed","status_code":503}]}]}`

func TestEvidenceView(t *testing.T) {
	var list struct{ Evidence []evidenceView }
	if err := json.Unmarshal([]byte(evidence7), &list); err != nil {
		t.Fatal(err)
	}
	want := "\n" + `✘ server_error  The server answers with status 503: the trouble is within the service.
  monitor      7
  region       eu
  first        2026-11-22 09:59:18 UTC, 42s ago
  error        validation_failed: answered, but not as expected
  phases       tcp 0.90 ms, ttfb 3.00 ms, transfer 0.10 ms
  address      192.0.2.1
  status       503
  header       X-Why: d·[31mb
  body         9000 bytes, the beginning:
    out of order
    ·]0;title·

STEP                OUTCOME     TARGET                     TIME     FOUND
resolve configured  ✔ ok        shop.example.com           2.00 ms  192.0.2.1
resolve second      - left out  shop.example.com           –        No second resolver is set
http                ✘ failed    https://shop.example.com/  4.00 ms  status 503
`
	got := render(t, false, 80, func(o terminal) { o.evidence(&list.Evidence[0], fixedNow) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\ngot:%s", diff, got)
	}
}

func TestMonitorsEvidence(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/uptime/monitors/7":
			_, _ = w.Write([]byte(monitor7))
		case "/api/uptime/monitors/7/events":
			_, _ = w.Write([]byte(events7))
		case "/api/uptime/monitors/7/evidence", "/api/uptime/incidents/12/evidence":
			_, _ = w.Write([]byte(evidence7))
		case "/api/uptime/monitors/8/evidence":
			_, _ = w.Write([]byte(`{"evidence":[]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":"not found","code":"NOT_FOUND","details":[],"request_id":"r1"}`))
		}
	}))
	defer server.Close()
	env := map[string]string{"FROGUP_SERVER": server.URL, "FROGUP_API_KEY": testKey}
	for _, tt := range []struct {
		args       []string
		code       int
		says, asks string
	}{
		{[]string{"evidence", "7"}, 0, "✘ server_error", "/api/uptime/monitors/7/evidence?limit=3"},
		{[]string{"evidence", "--incident", "12"}, 0, "✘ server_error", "/api/uptime/incidents/12/evidence"},
		{[]string{"evidence", "7", "--limit", "9", "--json"}, 0, `"cause": "server_error"`, "/api/uptime/monitors/7/evidence?limit=9"},
		{[]string{"evidence", "8"}, 0, "no evidence", "/api/uptime/monitors/8/evidence?limit=3"},
		{[]string{"evidence", "9"}, 1, "there is no monitor 9", "/api/uptime/monitors/9/evidence?limit=3"},
		{[]string{"evidence", "--incident", "99"}, 1, "there is no incident 99", "/api/uptime/incidents/99/evidence"},
		{[]string{"evidence"}, 2, "--incident", ""},
		{[]string{"evidence", "7", "--incident", "12"}, 2, "--incident", ""},
		{[]string{"get", "7"}, 0, "cause        The server answers with status 503", "/api/uptime/monitors/7/evidence?limit=1"},
	} {
		asked = nil
		out := runVerb(t, t.Context(), env, "", append([]string{"monitors"}, tt.args...)...)
		if out.code != tt.code || !strings.Contains(out.stdout+out.stderr, tt.says) {
			t.Errorf("%v: exit code %d, printed\n%s%s", tt.args, out.code, out.stdout, out.stderr)
		}
		if tt.asks != "" && (len(asked) == 0 || asked[len(asked)-1] != tt.asks) {
			t.Errorf("%v: asked %v, want %s", tt.args, asked, tt.asks)
		}
	}
}
