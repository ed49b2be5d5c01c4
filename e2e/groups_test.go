package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const groupsPath = "/api/uptime/groups"

// group is what the API says of one, as far as scenarios look at it.
type group struct {
	ID     int
	State  string
	Counts struct{ Total, Up, Down, Maintenance int }
	Since  time.Time
	Fails  []struct {
		ID    int `json:"monitor_id"`
		Name  string
		State string
	} `json:"failing_members"`
}

// groupIs waits until a group is in the state, with so many members down.
func (s *server) groupIs(id int, state string, down int) (g group) {
	s.t.Helper()
	eventually(s.t, 20*time.Second, fmt.Sprintf("group %d is %s", id, state), func() error {
		g = want[group](s, 200, s.do("GET", fmt.Sprintf("%s/%d", groupsPath, id), nil))
		if g.State != state || g.Counts.Down != down {
			return fmt.Errorf("it is %+v", g)
		}
		return nil
	})
	return g
}

// A group of three that is down when two are, in whose place nobody is told of the members: one goes down, and nothing is told; two are,
// and one message names both; they come back, and one says so.
func TestGroups(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	s.channel(k, "ops")
	sites, ids := make([]*site, 3), make([]int, 3)
	for i, name := range []string{"anna", "bert", "carl"} {
		sites[i] = newSite(t, nil)
		ids[i] = s.create(tcpMonitor("127.0.0.1", sites[i].port(), obj{"name": name, "retry_interval_seconds": 1}))
	}
	id := want[group](s, 201, s.do("POST", groupsPath, obj{
		"name": "shop", "monitor_ids": ids, "rule": obj{"type": "count", "count": 2}, "alert_level": "group",
	})).ID
	if r := s.do("POST", groupsPath, obj{"name": "shop", "monitor_ids": ids, "rule": obj{"type": "count", "count": 4}}); r.status != 400 || !strings.Contains(string(r.body), `"rule.count"`) {
		t.Errorf("more than there are: %d %s", r.status, r.body)
	}
	s.groupIs(id, "up", 0)
	sites[1].stop()
	g := s.groupIs(id, "degraded", 1)
	if len(g.Fails) != 1 || g.Fails[0].Name != "bert" || g.Fails[0].State != "down" {
		t.Errorf("with one down %+v", g)
	}
	if told := k.told("ops", ""); len(told) != 0 {
		t.Fatalf("told of one: %+v", told[0].notice)
	}
	sites[0].stop()
	down := k.wait(t, "ops", "group.down", 20*time.Second)
	if about := down.notice.Data.Group; about == nil || about.ID != id || about.Name != "shop" || len(about.Failing) != 2 || about.Failing[0].Name != "anna" || about.Failing[1].Name != "bert" {
		t.Errorf("message %+v", down.notice)
	}
	s.groupIs(id, "down", 2)
	for _, m := range ids[:2] {
		if in := s.incidents(m); len(in) != 1 || in[0].Status != "active" {
			t.Errorf("incidents of %d: %+v", m, in)
		}
	}
	sites[0].start()
	sites[1].start()
	s.groupIs(id, "up", 0)
	k.wait(t, "ops", "group.recovered", 20*time.Second)
	s.quiet(time.Minute) // what should not come would have come
	var told []string
	for _, d := range k.told("ops", "") {
		told = append(told, d.notice.Type)
	}
	if fmt.Sprint(told) != "[group.down group.recovered]" {
		t.Errorf("told %q", told)
	}
	// Without the group each is told for itself.
	sites[2].stop()
	s.groupIs(id, "degraded", 1)
	if r := s.do("DELETE", fmt.Sprintf("%s/%d", groupsPath, id), nil); r.status != 204 {
		t.Fatalf("delete: %d %s", r.status, r.body)
	}
	if alone := k.wait(t, "ops", "monitor.down", 20*time.Second); alone.notice.Data.Monitor.ID != ids[2] {
		t.Errorf("message %+v", alone.notice)
	}
}
