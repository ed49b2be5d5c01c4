package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Routers are checked every five minutes, and what is behind them every few seconds. One falls with its host: one message names both, in
// seconds. Behind the other a host falls alone: that is told in seconds too.
func TestRarelyCheckedParents(t *testing.T) {
	t.Parallel()
	s, k := start(t), newSink(t)
	s.channel(k, "ops")
	var routers, hosts [2]*site
	var parents, children [2]int
	for i := range routers {
		routers[i], hosts[i] = newSite(t, nil), newSite(t, nil)
		parents[i] = s.create(tcpMonitor("127.0.0.1", routers[i].port(), obj{"interval_seconds": 300, "retry_interval_seconds": 1}))
		children[i] = s.create(tcpMonitor("127.0.0.1", hosts[i].port(), obj{
			"interval_seconds": 3, "retry_interval_seconds": 1, "depends_on": []int{parents[i]},
		}))
		s.statusIs(parents[i], "up", 20*time.Second)
		s.statusIs(children[i], "up", 20*time.Second)
	}
	cut := time.Now()
	hosts[0].stop()
	hosts[1].stop()
	routers[0].stop()
	var told []string
	eventually(t, 30*time.Second, "two messages", func() error {
		told = nil
		for _, d := range k.told("ops", "") {
			told = append(told, fmt.Sprint(d.notice.Data.Monitor.ID, " ", d.notice.Type))
			if deps := d.notice.Data.Dependents; d.notice.Data.Monitor.ID == parents[0] && (deps == nil || deps.Total != 1 || deps.Monitors[0].ID != children[0]) {
				return fmt.Errorf("the router's message names %+v", deps)
			}
		}
		if len(told) < 2 {
			return fmt.Errorf("told %q", told)
		}
		return nil
	})
	t.Logf("told after %v", time.Since(cut).Round(100*time.Millisecond))
	for _, id := range children {
		s.statusIs(id, "down", 20*time.Second)
	}
	slices.Sort(told)
	wanted := []string{fmt.Sprint(parents[0], " monitor.down"), fmt.Sprint(children[1], " monitor.down")}
	slices.Sort(wanted)
	if !slices.Equal(told, wanted) {
		t.Errorf("told %q, want %q", told, wanted)
	}
	type incidents struct {
		Incidents []struct {
			Monitor    int  `json:"monitor_id"`
			AffectedBy *int `json:"affected_by"`
		}
	}
	eventually(t, 20*time.Second, "the incident of the host behind its router", func() error {
		for _, i := range want[incidents](s, 200, s.do("GET", "/api/uptime/incidents", nil)).Incidents {
			if i.Monitor == children[0] && i.AffectedBy != nil && *i.AffectedBy == parents[0] {
				return nil
			}
		}
		return fmt.Errorf("none is affected by %d", parents[0])
	})
	for _, id := range parents { // the first check, the one that was asked for, and the confirming one of the router that fell
		eventually(t, 20*time.Second, "the router's checks", func() error {
			if n := len(s.events(id, "")); n < 2 || n > 8 {
				return fmt.Errorf("router %d was checked %d times", id, n)
			}
			return nil
		})
	}
}
