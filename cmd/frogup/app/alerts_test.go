package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A backtest as REST has it; a region tries to write to the terminal.
const backtestAnswer = `{"monitor_id":7,"start_date":"2026-11-01T00:00:00.000Z","end_date":"2026-11-11T00:00:00.000Z","checks":28000,"first_check":"2026-11-01T00:00:10.000Z",
	"coverage_percentage":97.5,"unknown_seconds":21600,"unknown":[{"start":"2026-11-05T00:00:00.000Z","end":"2026-11-05T06:00:00.000Z"}],"unknown_stretches":1,
	"proposed":{"times":2,"triggered_seconds":3690,"longest_seconds":3600,"truncated":false,"silenced":3,"firings":[
		{"triggered_at":"2026-11-02T10:00:00.000Z","resolved_at":"2026-11-02T10:01:30.000Z","seconds":90,"alert_data":{"condition":"consecutive_failures","value":2,"threshold":2,"region":"f\u001b[31mra"}},
		{"triggered_at":"2026-11-10T23:00:00.000Z","resolved_at":null,"seconds":3600,"alert_data":{"condition":"response_time_threshold_ms","value":812.3456,"threshold":800,"region":"fra"}}]},
	"maintenance":[{"start":"2026-11-06T00:00:00.000Z","end":"2026-11-06T12:00:00.000Z"}],"maintenance_stretches":1,
	"present":[{"alert_id":12,"conditions":{"consecutive_failures":3,"response_time_threshold_ms":null,"uptime_percentage_threshold":99.5},
		"outcome":{"times":0,"triggered_seconds":0,"longest_seconds":null,"truncated":false,"firings":[]},
		"difference":{"added":2,"dropped":0,"triggered_seconds":3690,"sooner_seconds":null}}],
	"duration_ms":812,"a_field_of_tomorrow":1}`

func backtestServer(t *testing.T) (verb func(args ...string) outcome, asked *string) {
	asked = new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = r.Method + " " + r.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(*asked, `"monitor_id":8`) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"monitor not found","code":"NOT_FOUND","details":[],"request_id":"r2"}`)
			return
		}
		fmt.Fprint(w, backtestAnswer)
	}))
	t.Cleanup(s.Close)
	return func(args ...string) outcome {
		return runVerb(t, t.Context(), map[string]string{"FROGUP_SERVER": s.URL, "FROGUP_API_KEY": testKey}, "", append([]string{"alerts", "backtest"}, args...)...)
	}, asked
}

func TestAlertsBacktest(t *testing.T) {
	verb, asked := backtestServer(t)
	got := verb("7", "--failures", "2", "--slower-than", "800ms", "--from", "2026-11-01", "--to", "2026-11-11T00:00:00Z", "--confirm-down", "1")
	want := `2026-11-01 00:00 to 2026-11-11 00:00 UTC: 28000 checks, coverage 97.50 %

RULE      WHEN                                              TIMES  TRIGGERED  LONGEST  SILENCED  ADDED  DROPPED  SOONER
proposed                                                    2      1h1m30s    1h       3                         ` + `
alert 12  consecutive_failures 3, uptime_percentage_thres…  0      0s         -        0         2      0        -

TRIGGERED            RESOLVED             FOR    WHY                                       REGION
2026-11-02 10:00:00  2026-11-02 10:01:30  1m30s  consecutive_failures 2 (2)                f·[31mra
2026-11-10 23:00:00  still at the end     1h     response_time_threshold_ms 812.346 (800)  fra
`
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	method, body, _ := strings.Cut(*asked, "{")
	var sent map[string]any
	if err := json.Unmarshal([]byte("{"+body), &sent); err != nil || method != "POST /api/uptime/alerts:backtest " {
		t.Fatalf("asked %s: %v", *asked, err)
	}
	wantSent := map[string]any{
		"monitor_id": 7.0, "conditions": map[string]any{"consecutive_failures": 2.0, "response_time_threshold_ms": 800.0}, "confirm_down": 1.0,
		"start_date": "2026-11-01T00:00:00Z", "end_date": "2026-11-11T00:00:00Z",
	}
	if diff := cmp.Diff(wantSent, sent); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if got := verb("7", "--certificate-days", "14", "--degraded-regions", "2", "--no-data", "10m"); got.code != 0 ||
		!strings.Contains(*asked, `"conditions":{"certificate_days_left":14,"degraded_regions":2,"no_data_seconds":600}`) {
		t.Errorf("%+v, asked %s", got, *asked)
	}
	if got := verb("7", "--percentile", "99.5", "--percentile-above", "1.2s", "--percentile-window", "10m"); got.code != 0 ||
		!strings.Contains(*asked, `"conditions":{"response_time_percentile":{"percentile":99.5,"threshold_ms":1200,"window_seconds":600}}`) {
		t.Errorf("%+v, asked %s", got, *asked)
	}
	for _, tt := range []struct {
		args []string
		sent string
	}{
		{[]string{"--quorum", "any"}, `"quorum":"any"`},
		{[]string{"--window", "2026-11-02T22:00:00Z/2026-11-03"}, `"maintenance_window":{"ends_at":"2026-11-03T00:00:00Z","starts_at":"2026-11-02T22:00:00Z"}`},
		{[]string{"--window", "2026-11-02T22:00:00+01:00/4h30m"}, `"maintenance_window":{"ends_at":"2026-11-03T01:30:00Z","starts_at":"2026-11-02T21:00:00Z"}`},
		{[]string{"--window", "*/5 3 * * 0", "--window-length", "1m"}, `"maintenance_window":{"cron":"*/5 3 * * 0","duration_seconds":60}`},
		{[]string{"--window", "freq=WEEKLY;BYDAY=SU", "--window-length", "2h", "--window-zone", "Europe/Berlin"}, `"maintenance_window":{"duration_seconds":7200,"rrule":"freq=WEEKLY;BYDAY=SU","timezone":"Europe/Berlin"}`},
	} {
		if got := verb(append([]string{"7", "--failures", "2"}, tt.args...)...); got.code != 0 || !strings.Contains(*asked, tt.sent) {
			t.Errorf("%v: %+v, asked %s", tt.args, got, *asked)
		}
	}
	if got := verb("7", "--alert", "12", "--json"); got.code != 0 || !strings.Contains(got.stdout, `"a_field_of_tomorrow": 1`) || !strings.Contains(*asked, `"alert_id":12`) ||
		strings.Contains(*asked, "conditions") {
		t.Errorf("as JSON: %+v, asked %s", got, *asked)
	}
}

func TestAlertsBacktestRefusals(t *testing.T) {
	verb, asked := backtestServer(t)
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"7"}, exitError, "say when the rule triggers"},
		{[]string{"7", "--slower-than", "10us"}, exitError, "a millisecond at least"},
		{[]string{"7", "--no-data", "10ms"}, exitError, "a second at least"},
		{[]string{"7", "--percentile", "95"}, exitError, "[percentile-above percentile-window]"},
		{[]string{"7", "--failures", "1", "--percentile-window", "10m"}, exitError, "percentile"},
		{[]string{"7", "--percentile", "95", "--percentile-above", "10us", "--percentile-window", "10m"}, exitError, "--percentile-above 10µs: must be a millisecond at least"},
		{[]string{"7", "--percentile", "95", "--percentile-above", "1s", "--percentile-window", "10ms"}, exitError, "--percentile-window 10ms: must be a second at least"},
		{[]string{"7", "--failures", "1", "--from", "yesterday"}, exitError, `--from "yesterday": must be a date`},
		{[]string{"7", "--failures", "1", "--from", "2026-11-01", "--days", "3"}, exitError, "days"},
		{[]string{"7", "--failures", "1", "--window", "0 3 * * 0"}, exitError, "needs --window-length"},
		{[]string{"7", "--failures", "1", "--window", "2026-11-01/later"}, exitError, "or with a length such as 4h"},
		{[]string{"7", "--failures", "1", "--window", "2026-11-01/4h", "--window-zone", "UTC"}, exitError, "are of windows that come again"},
		{[]string{"7", "--failures", "1", "--window-length", "4h"}, exitError, "are of --window"},
		{[]string{"x", "--failures", "1"}, exitError, "x"},
		{[]string{"8", "--failures", "1"}, exitNo, "there is no monitor 8"},
		{[]string{"8", "--alert", "3"}, exitNo, "there is no monitor 8 with an alert 3"},
	} {
		*asked = ""
		got := verb(tt.args...)
		if got.code != tt.code || !strings.Contains(got.stderr, tt.says) || tt.code == exitError && *asked != "" {
			t.Errorf("%v: %+v, asked %q", tt.args, got, *asked)
		}
	}
}

func TestBacktestPicture(t *testing.T) {
	var v backtestView
	if err := json.Unmarshal([]byte(backtestAnswer), &v); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	terminal{Writer: &b, width: 34}.picture(&v)
	want := `
proposed      ··█················█
alert 12      ····················
not known     ········▒···········
maintenance   ··········▒·········
              1 Nov         11 Nov
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDrawSpans(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }
	span := func(from, to int) [2]time.Time { return [2]time.Time{at(from), at(to)} }
	for _, tt := range []struct {
		spans [][2]time.Time
		want  string
	}{
		{nil, "...."},
		{[][2]time.Time{span(0, 8)}, "####"},
		{[][2]time.Time{span(2, 4)}, ".#.."},
		{[][2]time.Time{span(3, 3)}, ".#.."},
		{[][2]time.Time{span(1, 3), span(6, 7)}, "##.#"},
		{[][2]time.Time{span(8, 8)}, "...#"},
		{[][2]time.Time{span(-5, 1)}, "#..."},
	} {
		var b strings.Builder
		for _, on := range drawSpans(at(0), at(8), 4, tt.spans) {
			b.WriteString(pick(on, "#", "."))
		}
		if b.String() != tt.want {
			t.Errorf("%v: %s, want %s", tt.spans, b.String(), tt.want)
		}
	}
	if got := drawSpans(at(0), at(0), 3, [][2]time.Time{span(0, 1)}); len(got) != 3 {
		t.Errorf("of no time: %v", got)
	}
}
