package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testKey = "upt_test_key"

// Monitors as REST has them; the name of 8 tries to write to the terminal.
const (
	monitor7 = `{"id":7,"organization_id":"0192","name":"shop","monitor_type":"http","interval_seconds":30,"cron":null,"timezone":null,"enabled":true,
		"http_config":{"url":"https://shop.example.com/","method":"GET","headers":{},"body":null,"auth":{"type":"none"},"follow_redirects":true,"timeout_ms":10000,"ip_version":"any"},
		"tcp_config":null,"validation_rules":[{"type":"status_code","operator":"in","value":[200,204],"header":null,"case_sensitive":null},
		{"type":"response_body_not_contains","operator":null,"value":"error","header":null,"case_sensitive":false}],
		"regions":["local","eu"],"confirm_down":2,"confirm_up":1,"worst_case_alert_delay_ms":50000,"labels":{"team":"web"},
		"created_at":"2026-11-01T08:00:00.000Z","updated_at":"2026-11-02T08:00:00.000Z","a_field_of_tomorrow":{"x":1},
		"status":{"current_status":"down","since":"2026-11-22T09:00:00.000Z","last_checked_at":"2026-11-22T09:59:48.000Z","next_check_at":"2026-11-22T10:00:18.000Z",
		"uptime_percentage_24h":99.997,"uptime_percentage_7d":100,"uptime_percentage_30d":null,"average_response_time_24h":12.4,
		"last_error_type":"connection_refused","last_error":"shop.example.com:443 refused the connection"}}`
	monitor8 = `{"id":8,"name":"d\u001b[31mb","monitor_type":"tcp","interval_seconds":60,"enabled":false,"http_config":null,
		"tcp_config":{"host":"::1","port":5432,"timeout_ms":500},"validation_rules":[],"regions":["local"],"confirm_down":1,"confirm_up":1,
		"worst_case_alert_delay_ms":120000,"labels":{},"status":null}`
	events7 = `{"events":[
		{"timestamp":"2026-11-22T09:59:48.000Z","region":"local","status":"failure","status_code":null,"response_time_us":812.5,
		 "error_type":"connection_refused","error_message":"shop.example.com:443 refused the connection","missed_count":0},
		{"timestamp":"2026-11-22T09:59:18.000Z","region":"local","status":"success","status_code":200,"response_time_us":12400,
		 "error_type":null,"error_message":null,"missed_count":0},
		{"timestamp":"2026-11-22T09:58:18.000Z","region":"local","status":"missed","status_code":null,"response_time_us":0,
		 "error_type":"overload","error_message":"too many checks","missed_count":2}],
		"pagination":{"total":3,"limit":10,"offset":0,"next_page_token":""}}`
)

// fakeREST answers like a server and remembers what it was asked.
type fakeREST struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []string // "METHOD path?query"
	bodies  []string
	deleted map[string]bool
}

func newFakeREST(t *testing.T) *fakeREST {
	t.Helper()
	f := &fakeREST{deleted: map[string]bool{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeREST) env() map[string]string {
	return map[string]string{"FROGUP_SERVER": f.URL, "FROGUP_API_KEY": testKey}
}

func (f *fakeREST) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
	f.bodies = append(f.bodies, string(body))
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+testKey {
		f.refuse(w, http.StatusUnauthorized, `{"error":"authentication required","code":"UNAUTHENTICATED","details":[],"request_id":"r1"}`)
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/api/uptime/monitors/")
	known := (id == "7" || id == "8") && !f.deleted[id]
	switch {
	case r.Method == "GET" && r.URL.Path == "/api/uptime/monitors":
		f.list(w, r)
	case r.Method == "POST" && r.URL.Path == "/api/uptime/monitors":
		f.create(w, string(body))
	case r.Method == "GET" && id == "7/events":
		fmt.Fprint(w, events7)
	case r.Method == "GET" && known:
		fmt.Fprint(w, map[string]string{"7": monitor7, "8": monitor8}[id])
	case r.Method == "DELETE" && known:
		f.deleted[id] = true
		w.WriteHeader(http.StatusNoContent)
	default:
		f.refuse(w, http.StatusNotFound, `{"error":"not found","code":"NOT_FOUND","details":[],"request_id":"r2"}`)
	}
}

func (f *fakeREST) refuse(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// list gives one monitor per page.
func (f *fakeREST) list(w http.ResponseWriter, r *http.Request) {
	switch q := r.URL.Query(); {
	case q.Get("q") == "nothing":
		fmt.Fprint(w, `[]`)
	case q.Get("q") == "loop":
		w.Header().Set("X-Next-Page-Token", "again")
		fmt.Fprint(w, `[]`)
	case q.Get("page_token") == "":
		w.Header().Set("X-Next-Page-Token", "second page")
		fmt.Fprintf(w, "[%s]", monitor8)
	default:
		fmt.Fprintf(w, "[%s]", monitor7)
	}
}

func (f *fakeREST) create(w http.ResponseWriter, body string) {
	if strings.Contains(body, "wrong") {
		f.refuse(w, http.StatusBadRequest, `{"error":"invalid request","code":"INVALID_ARGUMENT","details":[
			{"field":"interval_seconds","message":"must be between 1 and 86400"},{"field":"http_config.url","message":"must not\u001b[2J be so"}],"request_id":"r3"}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, monitor7)
}

func TestMonitorsList(t *testing.T) {
	f := newFakeREST(t)
	got := runVerb(t, t.Context(), f.env(), "", "monitors", "list", "--status", "down", "--type", "http", "--q", "a b", "--label", "x=1", "--label", "y")
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.stderr)
	}
	filter := "label=x%3D1&label=y&monitor_type=http&page_size=500"
	want := []string{
		"GET /api/uptime/monitors?" + filter + "&q=a+b&status=down",
		"GET /api/uptime/monitors?" + filter + "&page_token=second+page&q=a+b&status=down",
	}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	lines := strings.Split(got.stdout, "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "8   d·[31mb") || !strings.HasPrefix(lines[2], "7   shop") {
		t.Errorf("printed\n%s", got.stdout)
	}
}

func TestMonitorsListJSON(t *testing.T) {
	f := newFakeREST(t)
	got := runVerb(t, t.Context(), f.env(), "", "monitors", "list", "--json")
	var docs []map[string]any
	if err := json.Unmarshal([]byte(got.stdout), &docs); err != nil || len(docs) != 2 || docs[1]["a_field_of_tomorrow"] == nil {
		t.Errorf("exit code %d, %v, printed\n%s%s", got.code, err, got.stdout, got.stderr)
	}
	if got := runVerb(t, t.Context(), f.env(), "", "monitors", "list", "--json", "--q", "nothing"); got.stdout != "[]\n" {
		t.Errorf("no monitors as JSON: %q", got.stdout)
	}
	if got := runVerb(t, t.Context(), f.env(), "", "monitors", "list", "--q", "nothing"); got.stdout != "" || got.code != 0 || !strings.Contains(got.stderr, "no monitors match") {
		t.Errorf("no monitors: exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
	if got := runVerb(t, t.Context(), f.env(), "", "monitors", "list", "--q", "loop"); got.code != 2 || !strings.Contains(got.stderr, "the same page again") {
		t.Errorf("a server that pages in a circle: exit code %d, %q", got.code, got.stderr)
	}
}

func views(t *testing.T, docs ...string) []monitorView {
	t.Helper()
	all := make([]monitorView, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal([]byte(doc), &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestMonitorsTable(t *testing.T) {
	all := views(t, monitor7, monitor8)
	all[0].HTTP.URL += strings.Repeat("x", 50)
	want := `
␛[2mID␛[0m  ␛[2mNAME␛[0m     ␛[2mTYPE␛[0m  ␛[2mTARGET␛[0m                                            ␛[2mSTATUS␛[0m     ␛[2mUPTIME 24H␛[0m  ␛[2mAVERAGE␛[0m   ␛[2mLAST CHECKED␛[0m
7   ␛[1mshop␛[0m     http  ␛[36mhttps://shop.example.com/xxxxxxxxxxxxxxxxxxxxxx…␛[0m  ␛[31m✘ down␛[0m     ␛[32m99.99 %␛[0m     12.40 ms  12s ago
8   ␛[1md·[31mb␛[0m  tcp   ␛[36mtcp://[::1]:5432␛[0m                                  ␛[35m? unknown␛[0m  ␛[2m–␛[0m           –         never
`
	got := render(t, true, 80, func(o terminal) { o.monitors(all, true, fixedNow) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\ngot:%s", diff, got)
	}
}

func TestMonitorsGet(t *testing.T) {
	var page struct{ Events []eventView }
	if err := json.Unmarshal([]byte(events7), &page); err != nil {
		t.Fatal(err)
	}
	want := `
✘ down  shop  https://shop.example.com/

  id           7
  since        2026-11-22 09:00:00 UTC, 1h ago
  last error   connection_refused: shop.example.com:443 refused the connection
  uptime       24 hours 99.99 %, 7 days 100 %, 30 days –
  average      12.40 ms over 24 hours
  checked      12s ago
  next check   2026-11-22 10:00:18 UTC
  schedule     every 30s
  request      GET, timeout 10s
  rule         status_code=200,204
  rule         body/i!~error
  regions      local, eu
  verdict      down after 2 failures, up after 1 success, an alert after 50s at worst
  label        team=web
  created      2026-11-01 08:00:00 UTC
  changed      2026-11-02 08:00:00 UTC

CHECKED                           STATUS     CODE  TIME      REGION  PROBLEM
2026-11-22 09:59:48 UTC  12s ago  ✘ failure  –     0.81 ms   local   connection_refused: shop.example.com:443 refused the connection
2026-11-22 09:59:18 UTC  42s ago  ✔ success  200   12.40 ms  local   
2026-11-22 09:58:18 UTC  1m ago   - missed   –     –         local   2 slots  overload: too many checks
`
	got := render(t, false, 80, func(o terminal) { o.monitor(views(t, monitor7)[0], "", page.Events, fixedNow) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\ngot:%s", diff, got)
	}

	f := newFakeREST(t)
	out := runVerb(t, t.Context(), f.env(), "", "monitors", "get", "7")
	if out.code != 0 || !strings.HasPrefix(out.stdout, "✘ down  shop") || !strings.Contains(out.stdout, "2 slots  overload") {
		t.Errorf("exit code %d, printed\n%s%s", out.code, out.stdout, out.stderr)
	}
	if want := "GET /api/uptime/monitors/7/events?limit=10"; f.asked[1] != want {
		t.Errorf("asked %q, want %q", f.asked[1], want)
	}
	out = runVerb(t, t.Context(), f.env(), "", "monitors", "get", "7", "--json")
	var doc struct {
		Monitor struct{ ID int }
		Events  []any
	}
	if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil || doc.Monitor.ID != 7 || len(doc.Events) != 3 {
		t.Errorf("%v, printed\n%s", err, out.stdout)
	}
	if out := runVerb(t, t.Context(), f.env(), "", "monitors", "get", "9"); out.code != 1 || out.stderr != "frogup: there is no monitor 9\n" {
		t.Errorf("absent: exit code %d, %q", out.code, out.stderr)
	}
	if out := runVerb(t, t.Context(), f.env(), "", "monitors", "get", "shop"); out.code != 2 {
		t.Errorf("not an id: exit code %d, want 2", out.code)
	}
}

func TestMonitorsDelete(t *testing.T) {
	f := newFakeREST(t)
	got := runVerb(t, t.Context(), f.env(), "", "monitors", "delete", "7", "9", "8")
	if got.code != 1 || got.stdout != "deleted 7, shop\ndeleted 8, d·[31mb\n" || got.stderr != "frogup: there is no monitor 9\n" {
		t.Errorf("exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
	if !f.deleted["7"] || !f.deleted["8"] {
		t.Errorf("deleted %v", f.deleted)
	}
	if got := runVerb(t, t.Context(), f.env(), "", "monitors", "delete", "7", "x"); got.code != 2 {
		t.Errorf("not an id: exit code %d, want 2", got.code)
	}
}

// Asked at a terminal, only a yes deletes; the end of the input is a no.
func TestMonitorsDeleteAsks(t *testing.T) {
	f := newFakeREST(t)
	in, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fmt.Fprint(answers, "\nYES\n")
	if err := answers.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	r := &remote{process: Process{Stdout: stdout, Stderr: stderr}, server: f.URL, key: testKey}
	cl, err := r.client()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.deleteAll(t.Context(), cl, []uint32{7, 8, 7}, asker(t.Context(), in, stderr)); err != nil {
		t.Error(err)
	}
	if f.deleted["7"] || !f.deleted["8"] {
		t.Errorf("deleted %v, want 8 only", f.deleted)
	}
	want := "delete monitor 7, shop (https://shop.example.com/)? [y/N] delete monitor 8, d·[31mb (tcp://[::1]:5432)? [y/N] " +
		"delete monitor 7, shop (https://shop.example.com/)? [y/N] \n"
	if got := content(t, stderr); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if got, want := content(t, stdout), "kept 7\ndeleted 8, d·[31mb\nkept 7\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestMonitorsCompletion(t *testing.T) {
	f := newFakeREST(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"get", ""}, "8\td·[31mb  tcp://[::1]:5432\n:4\n"},
		{[]string{"get", "9"}, ":4\n"},
		{[]string{"get", "8", ""}, ":4\n"},
		{[]string{"delete", "8", ""}, ":4\n"},
		{[]string{"list", "--type", ""}, "http\ntcp\ntls\n:4\n"},
	} {
		got := runVerb(t, t.Context(), f.env(), "", append([]string{"__complete", "monitors"}, tt.args...)...)
		if got.code != 0 || got.stdout != tt.want {
			t.Errorf("%q: exit code %d, %q, want %q", tt.args, got.code, got.stdout, tt.want)
		}
	}
	// A server that does not answer costs a key press, nothing more.
	begun := time.Now()
	got := runVerb(t, t.Context(), map[string]string{"FROGUP_SERVER": silentPort(t)}, "", "__complete", "monitors", "get", "")
	if took := time.Since(begun); got.code != 0 || got.stdout != ":4\n" || took > completeTimeout+time.Second {
		t.Errorf("a silent server: exit code %d, %q after %s", got.code, got.stdout, took)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := runVerb(t, t.Context(), nil, "", "completion", shell); got.code != 0 || !strings.Contains(got.stdout, "frogup") {
			t.Errorf("completion %s: exit code %d, %d bytes", shell, got.code, len(got.stdout))
		}
	}
}

func TestUptime(t *testing.T) {
	for _, tt := range []struct {
		percent float64
		want    string
	}{{100, "100 %"}, {99.9999, "99.99 %"}, {99.99, "99.99 %"}, {99.997, "99.99 %"}, {0, "0.00 %"}, {58.1, "58.10 %"}} {
		if got := uptime(&tt.percent); got != tt.want {
			t.Errorf("uptime(%v) = %q, want %q", tt.percent, got, tt.want)
		}
	}
	if got := uptime(nil); got != nothing {
		t.Errorf("uptime of nothing = %q, want %q", got, nothing)
	}
}

func TestShortDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{{30 * time.Second, "30s"}, {5 * time.Minute, "5m"}, {24 * time.Hour, "24h"}, {90 * time.Second, "1m30s"}, {3610 * time.Second, "1h0m10s"}, {500 * time.Millisecond, "500ms"}, {0, "0s"}, {10 * time.Minute, "10m"}} {
		if got := shortDuration(tt.d); got != tt.want {
			t.Errorf("shortDuration(%s) = %q, want %q", tt.d, got, tt.want)
		}
	}
}
