package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A router with what is behind it is cut off: one message names all of it. All but one host come back: one more, and then that of the
// host that stays down.
func TestDependencies(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	s.channel(k, "ops")
	router := newSite(t, nil)
	fast := obj{"retry_interval_seconds": 1}
	parent := s.create(tcpMonitor("127.0.0.1", router.port(), fast))
	hosts := make([]*site, 5)
	ids := make([]int, len(hosts))
	for i := range hosts {
		hosts[i] = newSite(t, nil)
		ids[i] = s.create(tcpMonitor("127.0.0.1", hosts[i].port(), obj{"retry_interval_seconds": 1, "depends_on": []int{parent}}))
	}
	if r := s.do("PATCH", fmt.Sprintf("/api/uptime/monitors/%d", parent), obj{"depends_on": []int{ids[0]}}); r.status != 400 {
		t.Errorf("a circle: %d %s", r.status, r.body)
	}
	for _, id := range append([]int{parent}, ids...) {
		s.statusIs(id, "up", 20*time.Second)
	}
	for _, h := range hosts { // seen before the router, or after it, as it happens
		h.stop()
	}
	router.stop()
	down := k.wait(t, "ops", "monitor.down", 30*time.Second)
	for _, id := range ids {
		s.statusIs(id, "down", 20*time.Second)
	}
	if d := down.notice.Data.Dependents; down.notice.Data.Monitor.ID != parent || d == nil || d.Total != len(ids) || len(d.Monitors) != len(ids) {
		t.Errorf("message %+v", down.notice)
	}
	type incidents struct {
		Incidents []struct {
			Monitor    int  `json:"monitor_id"`
			AffectedBy *int `json:"affected_by"`
		}
	}
	eventually(t, 20*time.Second, "the incidents", func() error {
		kept := want[incidents](s, 200, s.do("GET", "/api/uptime/incidents", nil)).Incidents
		if len(kept) != 1+len(ids) {
			return fmt.Errorf("there are %d", len(kept))
		}
		for _, i := range kept {
			if i.Monitor != parent && (i.AffectedBy == nil || *i.AffectedBy != parent) {
				return fmt.Errorf("incident %+v", i)
			}
		}
		return nil
	})
	router.start()
	for _, h := range hosts[1:] {
		h.start()
	}
	eventually(t, 60*time.Second, "the host that stays down", func() error {
		if len(k.told("ops", "monitor.down")) < 2 {
			return errors.New("it is not told")
		}
		return nil
	})
	var told []string
	for _, d := range k.told("ops", "") {
		told = append(told, fmt.Sprint(d.notice.Data.Monitor.ID, " ", d.notice.Type))
	}
	if want := []string{fmt.Sprint(parent, " monitor.down"), fmt.Sprint(parent, " monitor.recovered"), fmt.Sprint(ids[0], " monitor.down")}; fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
