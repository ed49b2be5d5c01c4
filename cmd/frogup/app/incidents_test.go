package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An incident as REST has it; a name and a note try to write to the terminal.
const (
	anIncident = `{"id":12,"monitor_id":7,"monitor_name":"a\u001b[31mpi","status":"acknowledged","start_time":"2026-11-22T09:55:00.000Z","end_time":null,
		"affected_regions":["eu","us"],"last_error":"nobody listens","last_error_type":"connection_refused","failure_count":9,"acknowledged_by":"ann",
		"resolved_by":null,"maintenance":false,"affected_by":4}`
	itsTimeline = `{"incident_id":12,"lasted_seconds":null,"truncated":true,"entries":[
		{"at":"2026-11-22T09:55:00.000Z","kind":"first_failure","actor":"system","actor_name":null,"regions":[]},
		{"at":"2026-11-22T09:55:20.000Z","kind":"confirmed_down","actor":"system","regions":["eu"],"error_type":"connection_refused","error":"nobody listens","failures":2},
		{"at":"2026-11-22T09:55:21.000Z","kind":"held","actor":"system","regions":[],"monitor_id":4,"monitor_name":"router"},
		{"at":"2026-11-22T09:55:22.000Z","kind":"alert_triggered","actor":"system","regions":[],"alert_id":3,"condition":"consecutive_failures","value":3,"threshold":3},
		{"at":"2026-11-22T09:55:23.000Z","kind":"message_delivered","actor":"system","regions":[],"message_type":"monitor.down","channel_id":1,"target_name":"ops","delivery_state":"delivered","attempts":2,"lasted_seconds":1.5},
		{"at":"2026-11-22T09:55:24.000Z","kind":"message_failed","actor":"system","regions":[],"message_type":"alert.triggered","alert_id":3,"target_type":"webhook","delivery_state":"pending","attempts":1,"error":"answered 503"},
		{"at":"2026-11-22T09:56:00.000Z","kind":"acknowledged","actor":"user","actor_name":"ann","regions":[]},
		{"at":"2026-11-22T09:56:00.000Z","kind":"note","actor":"user","actor_name":"ann","regions":[],"note_id":1,"text":"first line\n\tsecond \u001b[2J","edited_at":"2026-11-22T09:57:00.000Z"},
		{"at":"2026-11-22T09:57:00.000Z","kind":"of_tomorrow","actor":"system","regions":[]}]}`
)

func TestIncidentIsShown(t *testing.T) {
	var i incidentView
	var tl timelineView
	if err := json.Unmarshal([]byte(anIncident), &i); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(itsTimeline), &tl); err != nil {
		t.Fatal(err)
	}
	const want = `
! acknowledged  incident 12 of a·[31mpi (monitor 7)
from 2026-11-22 09:55:00 UTC and lasts: 5m, 9 failed checks in eu, us
connection_refused: nobody listens
nobody was told, because monitor 4 was down too

TIME                     WHAT                     
2026-11-22 09:55:00 UTC  first failing check      
2026-11-22 09:55:20 UTC  ✘ confirmed down         eu, connection_refused: nobody listens, 2 failures in a row
2026-11-22 09:55:21 UTC  nobody is told any more  because of router
2026-11-22 09:55:22 UTC  ! rule triggered         alert 3, consecutive_failures 3 (3)
2026-11-22 09:55:23 UTC  message delivered        monitor.down to ops, 2 attempts, after 1.5s
2026-11-22 09:55:24 UTC  ✘ message failed         alert.triggered to webhook of alert 3, answered 503, pending
2026-11-22 09:56:00 UTC  acknowledged             by ann
2026-11-22 09:56:00 UTC  note                     by ann, (edited)
2026-11-22 09:57:00 UTC  of tomorrow              

2026-11-22 09:56:00 UTC, ann (edited)
  first line
      second ·[2J
and more, which the server does not tell one by one
`
	if diff := cmp.Diff(want, render(t, false, 80, func(o terminal) { o.incident(i, tl, fixedNow) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const list = `
ID  STATE           MONITOR   FROM                     LASTED  CAUSE
12  ! acknowledged  a·[31mpi  2026-11-22 09:55:00 UTC  5m      connection_refused: nobody listens
`
	if diff := cmp.Diff(list, render(t, false, 80, func(o terminal) { o.incidents([]incidentView{i}, fixedNow) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An unstable monitor's incident says so, in a word and a shape, and what the monitor is now.
func TestUnstableIncidentIsShown(t *testing.T) {
	const unstable = `{"id":13,"monitor_id":7,"monitor_name":"api","status":"active","start_time":"2026-11-22T09:55:00.000Z","end_time":null,"affected_regions":["eu"],
		"last_error_type":"connection_refused","failure_count":40,"up_since":"2026-11-22T09:59:00.000Z",
		"unstable":{"since":"2026-11-22T09:55:00.000Z","until":null,"changes":9}}`
	show := func(change func(*incidentView)) string {
		var i incidentView
		if err := json.Unmarshal([]byte(unstable), &i); err != nil {
			t.Fatal(err)
		}
		change(&i)
		entries := []timelineEntryView{{At: fixedNow, Kind: "went_down", Failures: 2}, {At: fixedNow, Kind: "came_up"}}
		return render(t, false, 80, func(o terminal) { o.incident(i, timelineView{Entries: entries}, fixedNow) })
	}
	over := fixedNow
	for name, tt := range map[string]struct {
		change func(*incidentView)
		want   []string
	}{
		"up":   {func(*incidentView) {}, []string{"✘ active, ↕ unstable  incident 13", "unstable since 2026-11-22 09:55:00 UTC: 9 changes, and up now\n", "✘ down again", "up, but unstable"}},
		"down": {func(i *incidentView) { i.UpSince = nil }, []string{"9 changes, and down now\n"}},
		"over": {func(i *incidentView) { i.Status, i.EndTime, i.Unstable.Until = "resolved", &over, &over }, []string{"✔ resolved  incident 13", "unstable from 2026-11-22 09:55:00 UTC until 2026-11-22 10:00:00 UTC: 9 changes\n"}},
	} {
		out := show(tt.change)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out)
			}
		}
	}
}

func TestIncidentVerbs(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/uptime/incidents":
			fmt.Fprint(w, `{"incidents":[`+anIncident+`],"pagination":{}}`)
		case "/api/uptime/incidents/12", "/api/uptime/incidents/12/acknowledge", "/api/uptime/incidents/12/resolve":
			fmt.Fprint(w, anIncident)
		case "/api/uptime/incidents/12/timeline":
			fmt.Fprint(w, itsTimeline)
		case "/api/uptime/incidents/12/notes":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id":5,"text":"found it"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"incident not found","code":"NOT_FOUND","details":[],"request_id":"r2"}`)
		}
	}))
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		args  []string
		code  int
		out   string
		asked []string
	}{
		{[]string{"list", "--monitor", "7", "--limit", "3"}, 0, "acknowledged", []string{"GET /api/uptime/incidents?limit=3&monitor_id=7&status=open"}},
		{[]string{"list", "--all", "--json"}, 0, `"id": 12`, []string{"GET /api/uptime/incidents?status=all"}},
		{[]string{"show", "12"}, 0, "confirmed down", []string{"GET /api/uptime/incidents/12", "GET /api/uptime/incidents/12/timeline"}},
		{[]string{"show", "12", "--json"}, 0, `"timeline"`, []string{"GET /api/uptime/incidents/12", "GET /api/uptime/incidents/12/timeline"}},
		{[]string{"show", "13"}, exitNo, "", []string{"GET /api/uptime/incidents/13"}},
		{[]string{"show", "api"}, exitError, "", nil},
		{[]string{"acknowledge", "12"}, 0, "taken 12", []string{"PATCH /api/uptime/incidents/12/acknowledge {}"}},
		{[]string{"ack", "12", "--note", "mine"}, 0, "taken 12", []string{`PATCH /api/uptime/incidents/12/acknowledge {"note":"mine"}`}},
		{[]string{"resolve", "12", "--note", "done"}, 0, "resolved 12", []string{`PATCH /api/uptime/incidents/12/resolve {"note":"done"}`}},
		{[]string{"note", "12", "found it"}, 0, "written to 12", []string{`POST /api/uptime/incidents/12/notes {"text":"found it"}`}},
		{[]string{"note", "12", "found it", "--json"}, 0, `"id": 5`, []string{`POST /api/uptime/incidents/12/notes {"text":"found it"}`}},
		{[]string{"note", "12"}, exitError, "", nil},
	} {
		mu.Lock()
		asked = nil
		mu.Unlock()
		got := runVerb(t, t.Context(), map[string]string{"FROGUP_SERVER": server.URL, "FROGUP_API_KEY": testKey}, "", append([]string{"incidents"}, tt.args...)...)
		mu.Lock()
		if got.code != tt.code || !strings.Contains(got.stdout, tt.out) || !slices.Equal(asked, tt.asked) {
			t.Errorf("%v: code %d, asked %q\n%s%s", tt.args, got.code, asked, got.stdout, got.stderr)
		}
		mu.Unlock()
	}
}
