package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The fleet as REST has it; a name tries to write to the terminal.
const (
	fleetProbers = `{"probers":[
		{"id":"fra-1","region":"fra","version":"v1.2.0","connected":true,"last_seen_at":"2026-11-22T09:59:58.000Z","health":"healthy","enrolled":true,
		 "monitors":120,"capacity":4096,"capabilities":["ipv4"],"certificate_expires_at":"2026-12-22T10:00:00.000Z","a_field_of_tomorrow":1,
		 "report":{"at":"2026-11-22T09:59:58.000Z","spool_results":0,"spool_bytes":0,"spool_age_ms":0,"spool_dropped":0,"lateness_p99_ms":1.5,
		 "clock_offset_ms":0,"checks_in_flight":3,"faults":[]}},
		{"id":"f\u001b[31mra-2","region":"fra","version":"v1.2.0","last_seen_at":"2026-11-22T09:55:00.000Z","health":"impaired","monitors":0,
		 "certificate_expires_at":"2026-11-23T10:00:00.000Z","report":{"spool_results":9000,"spool_age_ms":300000,"lateness_p99_ms":0,
		 "faults":[{"error_type":"resolver_unavailable","message":"look at it","since":"2026-11-22T09:00:00.000Z"}]}},
		{"id":"local","region":"local","version":"","last_seen_at":null,"health":"offline","monitors":2,"report":null,"certificate_expires_at":null}]}`
	fleetRegions = `{"regions":[{"code":"fra","name":"Frankfurt","is_healthy":true,"is_local":false,"last_seen_at":"2026-11-22T09:59:58.000Z","probers":2,"monitors":120,"unplaced_monitors":0},
		{"code":"ams","name":"","is_healthy":false,"is_local":false,"last_seen_at":null,"probers":0,"monitors":4,"unplaced_monitors":4}]}`
	fleetNotices = `{"notices":[
		{"id":2,"key":"prober/fra-1/offline","kind":"prober_offline","subject":"fra-1","message":"Start it.","started_at":"2026-11-22T09:58:30.000Z","ended_at":null},
		{"id":1,"key":"events/state","kind":"storage_stalled","subject":"events","message":"","started_at":"2026-11-21T09:00:00.000Z","ended_at":"2026-11-21T09:01:05.000Z"}]}`
)

// fakeFleet answers like a server and remembers what it was asked.
type fakeFleet struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // "METHOD path?query body"
}

func newFakeFleet(t *testing.T) *fakeFleet {
	t.Helper()
	f := &fakeFleet{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		w.Header().Set("Content-Type", "application/json")
		switch r.Method + " " + r.URL.Path {
		case "GET /api/uptime/probers":
			fmt.Fprint(w, fleetProbers)
		case "GET /api/uptime/regions":
			fmt.Fprint(w, fleetRegions)
		case "GET /api/uptime/notices":
			if r.URL.Query().Get("open") == "false" {
				fmt.Fprint(w, `{"notices":[]}`)
				return
			}
			fmt.Fprint(w, fleetNotices)
		case "POST /api/uptime/probers":
			fmt.Fprint(w, `{"id":"fra-3","region":"fra","token":"frgp_secret","expires_at":"2026-11-22T11:00:00.000Z","command":"frogup prober --join https://u.example --token frgp_secret"}`)
		case "DELETE /api/uptime/probers/fra-1", "DELETE /api/uptime/probers/a/b":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"prober not found","code":"NOT_FOUND","details":[],"request_id":"r2"}`)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeFleet) verb(t *testing.T, args ...string) outcome {
	t.Helper()
	return runVerb(t, t.Context(), map[string]string{"FROGUP_SERVER": f.URL, "FROGUP_API_KEY": testKey}, "", args...)
}

func decode[T any](t *testing.T, doc, name string) []T {
	t.Helper()
	var all map[string][]T
	if err := json.Unmarshal([]byte(doc), &all); err != nil {
		t.Fatal(err)
	}
	return all[name]
}

func TestFleetTables(t *testing.T) {
	for name, tt := range map[string]struct {
		print func(terminal)
		want  string
	}{
		"probers": {func(o terminal) { o.probers(decode[proberView](t, fleetProbers, "probers"), fixedNow) }, `
ID          REGION  HEALTH      LAST SEEN  MONITORS  WAITING   LATE P99  VERSION  PROBLEM
fra-1       fra     ✔ healthy   2s ago     120       0         1.50 ms   v1.2.0   
f·[31mra-2  fra     ! impaired  5m ago     0         9000, 5m  0.00 ms   v1.2.0   resolver_unavailable: look at it; certificate expires 2026-11-23 10:00:00 UTC
local       local   ✘ offline   never      2         –         –                  
`},
		"regions": {func(o terminal) { o.regions(decode[regionView](t, fleetRegions, "regions"), fixedNow) }, `
CODE  NAME       STATE        PROBERS  MONITORS  UNPLACED  LAST SEEN
fra   Frankfurt  ✔ served     2        120       0         2s ago
ams              ✘ no prober  0        4         4         never
`},
		"notices": {func(o terminal) { o.notices(decode[noticeView](t, fleetNotices, "notices"), fixedNow) }, `
STATE   TROUBLE          OF      FROM                     TO                       LASTED  MESSAGE
✘ open  prober offline   fra-1   2026-11-22 09:58:30 UTC  –                        1m30s   Start it.
✔ over  storage stalled  events  2026-11-21 09:00:00 UTC  2026-11-21 09:01:05 UTC  1m5s    
`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, render(t, false, 80, tt.print)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := render(t, true, 80, tt.print); !strings.Contains(got, "␛[31m✘") || !strings.Contains(got, "␛[32m✔") {
				t.Errorf("without colours:\n%s", got)
			}
		})
	}
}

func TestFleetLists(t *testing.T) {
	f := newFakeFleet(t)
	for args, want := range map[string]struct {
		code   int
		asked  string
		stdout string
		stderr string
	}{
		"probers list":               {0, "GET /api/uptime/probers", "fra-1  ", ""},
		"regions":                    {0, "GET /api/uptime/regions", "Frankfurt", ""},
		"notices":                    {0, "GET /api/uptime/notices", "prober offline", ""},
		"notices --open":             {1, "GET /api/uptime/notices?open=true", "prober offline", ""},
		"notices --ended --limit 7":  {0, "GET /api/uptime/notices?limit=7&open=false", "", "no notices"},
		"notices --open --ended":     {2, "", "", "open"},
		"probers list --json":        {0, "GET /api/uptime/probers", `"a_field_of_tomorrow": 1`, ""},
		"notices --json --ended":     {0, "GET /api/uptime/notices?open=false", "[]\n", ""},
		"probers enrol":              {2, "", "", "region"},
		"probers remove":             {2, "", "", "usage: frogup probers remove ID"},
		"probers remove ..":          {2, "", "", "is not the id of a prober"},
		"probers remove fra-1":       {0, "DELETE /api/uptime/probers/fra-1", "removed fra-1\n", ""},
		"probers remove a/b":         {0, "DELETE /api/uptime/probers/a%2Fb", "removed a/b\n", ""},
		"probers remove fra-9":       {1, "DELETE /api/uptime/probers/fra-9", "", "frogup: there is no prober fra-9\n"},
		"probers enrol --region fra": {0, `POST /api/uptime/probers {"region":"fra"}`, "frogup prober --join https://u.example --token frgp_secret\n", "fra-3 may join region fra until 2026-11-22 11:00:00 UTC, once"},
		"probers enrol --region fra --id fra-3 --valid 10m --json": {0, `POST /api/uptime/probers {"id":"fra-3","region":"fra","valid_seconds":600}`, `"token": "frgp_secret"`, ""},
	} {
		t.Run(args, func(t *testing.T) {
			f.asked = nil
			got := f.verb(t, strings.Fields(args)...)
			if got.code != want.code || !strings.Contains(got.stdout, want.stdout) || !strings.Contains(got.stderr, want.stderr) {
				t.Errorf("exit code %d, want %d; printed\n%s%s", got.code, want.code, got.stdout, got.stderr)
			}
			if asked := strings.Join(f.asked, "\n"); asked != want.asked {
				t.Errorf("asked %q, want %q", asked, want.asked)
			}
		})
	}
}
