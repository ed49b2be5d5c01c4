package app

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/monitors/resource"
)

// resourceDoc is a check of one kind with its spec in flow style.
func resourceDoc(kind, name, spec string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: %s\nmetadata: {name: %s}\nspec: {interval: 1m, %s}\n", kind, name, spec)
}

func tcpDoc(name, addr, checks string) string {
	host, port, _ := net.SplitHostPort(addr)
	return resourceDoc("TcpCheck", name, fmt.Sprintf("host: %s, port: %s, checks: [%s]", host, port, checks))
}

const (
	isReachable    = "{type: reachable, operator: is, value: true}"
	isNotReachable = "{type: reachable, operator: is, value: false}"
)

func TestRunExitCodes(t *testing.T) {
	var hits atomic.Int64
	server := echoServer(t, &hits)
	web := resourceDoc("HttpCheck", "web", "url: '"+server.URL+"', checks: [{type: statusCode, operator: equals, value: 200}]")
	down := resourceDoc("HttpCheck", "down", "url: '"+server.URL+"/down', checks: [{type: statusCode, operator: equals, value: 200}]")
	open, closed := silentPort(t), closedPort(t)
	for _, tt := range []struct {
		name, text string
		args       []string
		code       int
		outcomes   string
		stderr     string
	}{
		{"all pass", web + tcpDoc("open", open, isReachable) + tcpDoc("closed", closed, isNotReachable), nil, 0, "pass pass pass", ""},
		{"once", web, []string{"--once"}, 0, "pass", ""},
		{"one fails", web + down, nil, 1, "pass fail", ""},
		{"refused", tcpDoc("closed", closed, isReachable), nil, 1, "fail", ""},
		{"not closed", tcpDoc("open", open, isNotReachable), nil, 1, "fail", ""},
		{"policy", web, []string{"--egress", "public-only"}, 2, "fail", ""},
		{"policy, but a target failed too", tcpDoc("metadata", "169.254.169.254:80", isReachable) + tcpDoc("closed", closed, isReachable), []string{"--egress", "private"}, 1, "fail fail", ""},
		{"policy alone", tcpDoc("metadata", "169.254.169.254:80", isNotReachable) + tcpDoc("open", open, isReachable), []string{"--egress", "private"}, 2, "fail pass", ""},
		{"invalid", badCheck, nil, 2, "", "strict-time-grammar"},
		{"nothing", "", nil, 2, "", "there is no check to run"},
		{"kind not run", "apiVersion: v1\nkind: DnsCheck\nmetadata: {name: a}\nspec: {}\n", []string{"--permissive"}, 2, "", "there is no check to run"},
		{"no such output", web, []string{"-o", "xml"}, 2, "", "--output"},
		{"watch as a report", web, []string{"--watch", "-o", "junit"}, 2, "", "--output junit"},
		{"both", web, []string{"--watch", "--once"}, 2, "", "once watch"},
		{"no workers", web, []string{"--concurrency", "0"}, 2, "", "--concurrency"},
		{"no such policy", web, []string{"--egress", "sometimes"}, 2, "", "--egress"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"run", "-f", "-", "-o", "json"}, tt.args...)
			got := runVerb(t, t.Context(), nil, tt.text, args...)
			if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) {
				t.Errorf("exit code %d, want %d; stdout %s stderr %s", got.code, tt.code, got.stdout, got.stderr)
			}
			var doc struct{ Results []runResult }
			if tt.outcomes == "" {
				if got.stdout != "" {
					t.Errorf("printed %s", got.stdout)
				}
				return
			}
			if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil {
				t.Fatal(err, got.stdout)
			}
			var outcomes []string
			for _, r := range doc.Results {
				outcomes = append(outcomes, r.Outcome)
				if (r.Outcome == outcomePass) != (r.ErrorType == nil) || len(r.Assertions) == 0 || r.Attempts != 1 {
					t.Errorf("%+v", r)
				}
			}
			if s := strings.Join(outcomes, " "); s != tt.outcomes {
				t.Errorf("outcomes %s, want %s", s, tt.outcomes)
			}
		})
	}
}

// The documents of the TcpCheck standard run as they stand, save that their hosts are here and that a busy machine may
// take its time.
func TestRunSeedDocuments(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(repository, "services/monitors/resource/testdata/seed/*.yaml"))
	if err != nil || len(paths) != 8 {
		t.Fatal(paths, err)
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it will complain: nobody trusts it
	secure.StartTLS()
	defer secure.Close()
	hosts, ports, times := regexp.MustCompile(`(?m)^  host: .*$`), regexp.MustCompile(`(?m)^  port: .*$`), regexp.MustCompile(`(value|timeout): \d+m?s\b`)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			addr, want := silentPort(t), outcomePass
			switch filepath.Base(path) {
			case "ftp-port-closed.yaml":
				addr = closedPort(t)
			case "mysql-tls-check.yaml":
				addr, want = secure.Listener.Addr().String(), outcomeFail // nobody trusts that certificate
			}
			host, port, _ := net.SplitHostPort(addr)
			text := hosts.ReplaceAllString(string(data), "  host: "+host)
			text = times.ReplaceAllString(ports.ReplaceAllString(text, "  port: "+port), "$1: 1m")
			got := runVerb(t, t.Context(), nil, text, "run", "-f", "-", "-o", "json", "--permissive")
			var doc struct{ Results []runResult }
			if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil || len(doc.Results) != strings.Count(text, "apiVersion") {
				t.Fatal(err, got.stdout, got.stderr)
			}
			for _, r := range doc.Results {
				if r.Outcome != want {
					t.Errorf("%s: %+v", r.Outcome, r)
				}
				for _, a := range r.Assertions {
					if a.Passed != (want == outcomePass || a.Type != "sslHandshake") {
						t.Errorf("%+v", a)
					}
				}
				if r.Timings.Response == nil || r.Timings.Total == nil {
					t.Errorf("timings %+v", r.Timings)
				}
			}
		})
	}
}

// goldenResults hold everything that a report must get right, hostile texts included.
func goldenResults() []runResult {
	ms := func(v float64) *float64 { return &v }
	kind := func(s string) *string { return &s }
	check := func(kind, name string) *resource.Check {
		return &resource.Check{Key: "v1:" + kind + ":" + name, Kind: kind, Name: name}
	}
	hostile := "it said <b>\"no\" & # \\ ]]>\x1b[31m\x00 \u009b\n  ...\nok 7"
	return []runResult{
		{
			Key: "v1:TcpCheck:db", Outcome: "pass", Attempts: 1, check: check("TcpCheck", "db"),
			Assertions: []assertionResult{{Type: "latency", Operator: "lessThan", Value: "100ms", Actual: "1.5ms", Passed: true}},
			Timings:    timings{DNS: ms(0.5), Connect: ms(1), Response: ms(1.5), Total: ms(1.62)}, warnings: []string{"the name was not found"},
		},
		{
			Key: "v1:HttpCheck:web", Outcome: "fail", Attempts: 3, ErrorType: kind("validation_failed"), check: check("HttpCheck", "web"),
			Assertions: []assertionResult{
				{Type: "statusCode", Operator: "equals", Value: 200., Actual: 503., Passed: false},
				{Type: "header", Operator: "contains", Value: "x y", Actual: hostile, Passed: false, name: "Server"},
				{Type: "body", Operator: "contains", Value: "ok", Passed: false, problem: "there was no body"},
			},
			Timings: timings{Connect: ms(1), TTFB: ms(2), Transfer: ms(0.25), Response: ms(3.25), Total: ms(9.75)},
		},
		{
			Key: "v1:TlsCheck:cert", Outcome: "fail", Attempts: 1, ErrorType: kind("egress_denied"), check: check("TlsCheck", "cert"), observer: true,
			Assertions: []assertionResult{}, Timings: timings{Response: ms(0)}, message: hostile,
		},
	}
}

func TestRunReports(t *testing.T) {
	for _, format := range runOutputs {
		var out strings.Builder
		if err := (terminal{Writer: &out, colour: format == "table"}).report(format, goldenResults()); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "run."+format)
		if *update {
			if err := os.WriteFile(path, []byte(visible(out.String())), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), visible(out.String())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
		if format != "table" && strings.ContainsAny(out.String(), "\x1b\x00\u009b") {
			t.Errorf("%s holds control characters", format)
		}
		readReport(t, format, out.String())
	}
}

// readReport reads a report as others do.
func readReport(t *testing.T, format, text string) {
	t.Helper()
	switch format {
	case "json":
		var doc struct{ Results []map[string]any }
		if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Results) != 3 {
			t.Errorf("json: %v", err)
		}
		for _, r := range doc.Results {
			keys := []string{"key", "outcome", "attempts", "error_type", "assertions", "timings_ms"}
			for _, key := range keys {
				if _, has := r[key]; !has || len(r) != len(keys) {
					t.Errorf("json: result has %v, want %v", r, keys)
				}
			}
		}
	case "junit":
		readXML(t, text)
	case "tap":
		readTAP(t, text)
	}
}

func readXML(t *testing.T, text string) {
	t.Helper()
	var suites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(text), &suites); err != nil {
		t.Fatal(err)
	}
	s := suites.Suite
	if s.Tests != 3 || s.Failures != 1 || s.Errors != 1 || len(s.Cases) != 3 || s.Cases[1].Failure == nil || s.Cases[2].Error == nil || s.Cases[0].Failure != nil {
		t.Errorf("junit: %+v", s)
	}
	if !strings.Contains(s.Cases[2].Error.Message, `<b>"no" & # \ ]]>·[31m`) {
		t.Errorf("junit: message %q", s.Cases[2].Error.Message)
	}
}

// readTAP reads version 14 by its own grammar: a plan, then tests, each with a block of YAML.
func readTAP(t *testing.T, text string) {
	t.Helper()
	test := regexp.MustCompile(`^(not )?ok (\d+) - ([^#]|\\#)*$`)
	lines := bufio.NewScanner(strings.NewReader(text))
	var verdicts []string
	block, in := "", false
	for n := 0; lines.Scan(); n++ {
		line := lines.Text()
		m := test.FindStringSubmatch(line)
		switch {
		case n == 0 && line == "TAP version 14", n == 1 && line == "1..3":
		case in && line == "  ...":
			var doc map[string]any
			if err := yaml.Unmarshal([]byte(block), &doc); err != nil || doc["attempts"] == nil {
				t.Errorf("tap: %v in\n%s", err, block)
			}
			block, in = "", false
		case in && strings.HasPrefix(line, "  "):
			block += line + "\n"
		case !in && line == "  ---" && len(verdicts) > 0:
			in = true
		case !in && m != nil && m[2] == strconv.Itoa(len(verdicts)+1):
			verdicts = append(verdicts, m[1]+"ok")
		default:
			t.Errorf("tap: line %d is out of place: %q", n+1, line)
		}
	}
	if diff := cmp.Diff([]string{"ok", "not ok", "not ok"}, verdicts); diff != "" || in {
		t.Error("tap:", diff)
	}
}

// stubRun makes a check that needs nothing but the clock.
func stubRun(c *resource.Check, took time.Duration, ran *[]time.Time) runnable {
	return runnable{c, func(ctx context.Context) *checkv1.CheckResult {
		*ran = append(*ran, time.Now().UTC())
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
		return &checkv1.CheckResult{Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, Attempt: 1}
	}}
}

// A watch keeps to each check's own times: intervals without drift, cron by the clock, months by the calendar.
func TestWatchKeepsTime(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		start := time.Now().UTC() // midnight, 1 January 2000
		var out strings.Builder
		var every, slow, cronRuns, monthly []time.Time
		list := []runnable{
			stubRun(&resource.Check{Key: "v1:TcpCheck:every", Interval: resource.Period{Count: 10, Unit: "s"}}, 3*time.Second, &every),
			stubRun(&resource.Check{Key: "v1:TcpCheck:slow", Interval: resource.Period{Count: 10, Unit: "s"}}, 15*time.Second, &slow),
			stubRun(&resource.Check{Key: "v1:TcpCheck:cron", Cron: "30 2 * * *", Timezone: "Europe/Berlin"}, 0, &cronRuns),
			stubRun(&resource.Check{Key: "v1:TcpCheck:month", Interval: resource.Period{Count: 1, Unit: "mo"}}, 0, &monthly),
		}
		ctx, stop := context.WithTimeout(t.Context(), 70*24*time.Hour)
		defer stop()
		w := watch{out: terminal{Writer: &out}, slots: make(chan struct{}, 10)}
		if err := w.all(ctx, list); err != nil {
			t.Error(err)
		}
		for i, at := range every[:100] {
			if want := start.Add(time.Duration(i) * 10 * time.Second); !at.Equal(want) {
				t.Fatalf("every 10 s: run %d at %v, want %v", i, at, want)
			}
			if want := start.Add(time.Duration(i) * 20 * time.Second); !slow[i].Equal(want) {
				t.Fatalf("slow: run %d at %v, want %v", i, slow[i], want)
			}
		}
		if want := start.Add(90 * time.Minute); len(cronRuns) != 70 || !cronRuns[0].Equal(want) {
			t.Errorf("cron: %d runs from %v", len(cronRuns), cronRuns[0])
		}
		if len(monthly) != 3 || !monthly[2].Equal(time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("monthly: %v", monthly)
		}
		if lines := strings.Count(out.String(), "\n"); lines < len(every)+len(cronRuns) || len(w.results) != 1 {
			t.Errorf("%d lines, %d results kept", lines, len(w.results))
		}
	})
}

// brokenWriter is a pipe that nobody reads any more.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWatchEndsWhenNobodyReads(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var ran []time.Time
		c := &resource.Check{Key: "v1:TcpCheck:a", Interval: resource.Period{Count: 1, Unit: "s"}}
		for _, asJSON := range []bool{false, true} {
			w := watch{out: terminal{Writer: brokenWriter{}}, json: asJSON, slots: make(chan struct{}, 1)}
			if err := w.all(t.Context(), []runnable{stubRun(c, 0, &ran)}); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%v, want %v", err, io.ErrClosedPipe)
			}
		}
	})
}

func TestRunWatchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hits.Add(1) == 2 {
			cancel()
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	doc := strings.Replace(resourceDoc("HttpCheck", "web", "url: '"+server.URL+"', checks: [{type: statusCode, operator: equals, value: 200}]"), "1m", "1s", 1)
	got := runVerb(t, ctx, nil, doc, "run", "-f", "-", "--watch")
	if got.code != 0 || strings.Count(got.stdout, "\n") != 1 || !strings.Contains(got.stdout, "✔ pass   HttpCheck:web") {
		t.Errorf("exit code %d, printed\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = runVerb(t, ctx, nil, doc, "run", "-f", "-")
	if got.code != 2 || got.stderr != "frogup: interrupted\n" || got.stdout != "" {
		t.Errorf("exit code %d, printed\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// No more checks run at the same time than were asked for.
func TestRunConcurrency(t *testing.T) {
	var running, most atomic.Int64
	list := make([]runnable, 50)
	for i := range list {
		list[i] = runnable{&resource.Check{Key: strconv.Itoa(i)}, func(context.Context) *checkv1.CheckResult {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-time.After(time.Millisecond)
			running.Add(-1)
			return &checkv1.CheckResult{}
		}}
	}
	for i, r := range runAll(t.Context(), list, 3) {
		if r.Key != strconv.Itoa(i) {
			t.Fatalf("result %d is of %s", i, r.Key)
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d at the same time", most.Load())
	}
}
