package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// unstable is what the API says of an incident of a monitor that goes down and comes up again and again.
type unstable struct {
	ID       int
	Status   string
	End      *time.Time `json:"end_time"`
	UpSince  *time.Time `json:"up_since"`
	By       *string    `json:"resolved_by"`
	Unstable *struct {
		Since   time.Time
		Until   *time.Time
		Changes int
	}
}

// toldOf are the types of the messages about a monitor, by themselves or in a digest.
func (k *sink) toldOf(monitor int) (kinds []string) {
	for _, d := range k.told("ops", "") {
		for _, n := range append([]notice{d.notice}, d.notice.Data.Messages...) {
			if n.Data.Monitor.ID == monitor {
				kinds = append(kinds, n.Type)
			}
		}
	}
	return kinds
}

// A target fails three times. The second time its monitor is found to be unstable: from there on there is one incident, also after the
// server was killed, and one message; and once it is steady, which takes a minute, one that says so, and the incident is over since it
// came up last. What depends on it is told for itself while it is up.
func TestUnstable(t *testing.T) {
	t.Parallel()
	s, k := start(t, withArgs("--unstable-changes", "3", "--unstable-within", "1m")), newSink(t)
	s.channel(k, "ops")
	target, behind := newSite(t, nil), newSite(t, nil)
	quick := obj{"name": "door", "retry_interval_seconds": 1, "interval_seconds": 1}
	id := s.create(tcpMonitor("127.0.0.1", target.port(), quick))
	child := s.create(tcpMonitor("127.0.0.1", behind.port(), obj{"name": "room", "retry_interval_seconds": 1, "interval_seconds": 1, "depends_on": []int{id}}))
	s.statusIs(child, "up", 20*time.Second)
	s.statusIs(id, "up", 20*time.Second)
	down := func() { target.stop(); s.statusIs(id, "down", 20*time.Second) }
	up := func() { target.start(); s.statusIs(id, "up", 20*time.Second) }
	incidents := func() []unstable {
		return want[struct{ Incidents []unstable }](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/incidents?monitor_id=%d", id), nil)).Incidents
	}
	down()
	k.wait(t, "ops", "monitor.down", 20*time.Second)
	up()
	k.wait(t, "ops", "monitor.recovered", 20*time.Second)
	down()
	told := k.wait(t, "ops", "monitor.unstable", 20*time.Second)
	up()
	eventually(t, 20*time.Second, "its incident to be open while it is up", func() error {
		if in := incidents(); len(in) != 2 || in[0].Status != "active" || in[0].UpSince == nil || in[0].Unstable == nil || in[0].Unstable.Changes != 4 {
			return fmt.Errorf("there are %+v", in)
		}
		return nil
	})
	behind.stop()
	eventually(t, 20*time.Second, "the outage of what depends on it to be told", func() error {
		if kinds := k.toldOf(child); !slices.Equal(kinds, []string{"monitor.down"}) {
			return fmt.Errorf("told %q", kinds)
		}
		return nil
	})
	behind.start()
	s.statusIs(child, "up", 20*time.Second)
	s.kill()
	s.run()
	down()
	up()
	k.wait(t, "ops", "monitor.stable", 2*time.Minute)
	in := incidents()
	if len(in) != 2 || in[0].Status != "resolved" || in[0].By != nil || in[0].Unstable == nil || in[0].Unstable.Until == nil || in[0].Unstable.Changes < 6 {
		t.Fatalf("in the end there are %+v", in)
	}
	if one := in[0]; one.End == nil || one.UpSince == nil || !one.End.Equal(*one.UpSince) || one.Unstable.Until.Sub(*one.End) < time.Minute-time.Second {
		t.Errorf("it ended as %+v", in[0])
	}
	if about := told.notice.Data.Incident; about == nil || about.ID != in[0].ID || about.Status != "active" {
		t.Errorf("told of %+v, want incident %d", about, in[0].ID)
	}
	if kinds, want := k.toldOf(id), []string{"monitor.down", "monitor.recovered", "monitor.unstable", "monitor.stable"}; !slices.Equal(kinds, want) {
		t.Errorf("told %q, want %q", kinds, want)
	}
	type timeline struct{ Entries []struct{ Kind string } }
	kinds := map[string]int{}
	for _, e := range want[timeline](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/incidents/%d/timeline", in[0].ID), nil)).Entries {
		kinds[e.Kind]++
	}
	if kinds["unstable_began"] != 1 || kinds["unstable_ended"] != 1 || kinds["recovered"] != 1 || kinds["came_up"] < 2 || kinds["went_down"] < 1 {
		t.Errorf("its timeline has %v", kinds)
	}
}
