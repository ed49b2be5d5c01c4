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

// A group as REST has it; a name tries to write to the terminal.
const aGroup = `{"id":3,"name":"shop\u001b[31m","description":"what sells","monitor_ids":[7,8],"labels":["team=shop"],"rule":{"type":"count","count":2,"percent":null},
	"alert_level":"group","state":"down","since":"2026-11-22T09:55:00.000Z",
	"counts":{"total":4,"up":1,"degraded":0,"down":2,"unknown":0,"paused":0,"maintenance":1},
	"failing_members":[{"monitor_id":7,"name":"api","state":"down","since":"2026-11-22T09:54:00.000Z"},{"monitor_id":8,"name":"db","state":"down","since":null}]}`

func TestGroupIsShown(t *testing.T) {
	var g groupView
	if err := json.Unmarshal([]byte(aGroup), &g); err != nil {
		t.Fatal(err)
	}
	const want = `
✘ down  group 3, shop·[31m
what sells
4 members: 2 down, 1 in maintenance, 1 up; down when 2 are
members by label: team=shop
channels are told of the group, and not of its members
down since 2026-11-22 09:55:00 UTC

MONITOR  STATE   NAME  SINCE
7        ✘ down  api   6m ago
8        ✘ down  db    –
`
	if diff := cmp.Diff(want, render(t, false, 80, func(o terminal) { o.group(g, fixedNow) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const list = `
ID  STATE   NAME       DOWN WHEN  MEMBERS                         SINCE
3   ✘ down  shop·[31m  2 are      2 down, 1 in maintenance, 1 up  5m ago
`
	if diff := cmp.Diff(list, render(t, false, 80, func(o terminal) { o.groups([]groupView{g}, fixedNow) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroupVerbs(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		w.Header().Set("Content-Type", "application/json")
		switch r.Method + " " + r.URL.Path {
		case "GET /api/uptime/groups":
			fmt.Fprint(w, `{"groups":[`+aGroup+`]}`)
		case "POST /api/uptime/groups", "GET /api/uptime/groups/3":
			fmt.Fprint(w, aGroup)
		case "DELETE /api/uptime/groups/3":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"group not found","code":"NOT_FOUND","details":[],"request_id":"r2"}`)
		}
	}))
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		args  []string
		code  int
		out   string
		asked []string
	}{
		{[]string{"list"}, 0, "2 down, 1 in maintenance, 1 up", []string{"GET /api/uptime/groups"}},
		{[]string{"ls", "--json"}, 0, `"id": 3`, []string{"GET /api/uptime/groups"}},
		{[]string{"show", "3"}, 0, "down when 2 are", []string{"GET /api/uptime/groups/3"}},
		{[]string{"show", "3", "--json"}, 0, `"alert_level": "group"`, []string{"GET /api/uptime/groups/3"}},
		{[]string{"show", "4"}, exitNo, "", []string{"GET /api/uptime/groups/4"}},
		{[]string{"show", "shop"}, exitError, "", nil},
		{[]string{"create", "shop", "--monitor", "7", "--monitor", "8"}, 0, "3\n", []string{`POST /api/uptime/groups {"alert_level":"both","monitor_ids":[7,8],"name":"shop","rule":{"type":"any"}}`}},
		{[]string{"create", "shop", "--label", "team=shop", "--label", "prod", "--down-when", "2", "--tell", "group", "--description", "what sells"}, 0, "3\n",
			[]string{`POST /api/uptime/groups {"alert_level":"group","description":"what sells","labels":["team=shop","prod"],"name":"shop","rule":{"count":2,"type":"count"}}`}},
		{[]string{"create", "shop", "--monitor", "7", "--down-when", "50%", "--json"}, 0, `"id": 3`, []string{`POST /api/uptime/groups {"alert_level":"both","monitor_ids":[7],"name":"shop","rule":{"percent":50,"type":"percent"}}`}},
		{[]string{"create", "shop"}, exitError, "", nil},
		{[]string{"create", "shop", "--monitor", "7", "--down-when", "most"}, exitError, "", nil},
		{[]string{"create", "shop", "--monitor", "7", "--down-when", "0"}, exitError, "", nil},
		{[]string{"delete", "3"}, 0, "deleted 3, shop", []string{"GET /api/uptime/groups/3", "DELETE /api/uptime/groups/3"}},
		{[]string{"delete", "4", "--yes"}, exitNo, "", []string{"GET /api/uptime/groups/4"}},
	} {
		mu.Lock()
		asked = nil
		mu.Unlock()
		got := runVerb(t, t.Context(), map[string]string{"FROGUP_SERVER": server.URL, "FROGUP_API_KEY": testKey}, "", append([]string{"groups"}, tt.args...)...)
		mu.Lock()
		if got.code != tt.code || !strings.Contains(got.stdout, tt.out) || !slices.Equal(asked, tt.asked) {
			t.Errorf("%v: code %d, asked %q\n%s%s", tt.args, got.code, asked, got.stdout, got.stderr)
		}
		mu.Unlock()
	}
}
