package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// hosts is a prober's own /etc/hosts, which can be rewritten: what a name means differs from region to region.
type hosts struct {
	t    testing.TB
	path string
}

func newHosts(t testing.TB, lines string) *hosts {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to give a process an /etc/hosts of its own")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("needs the command unshare (util-linux)")
	}
	h := &hosts{t: t, path: filepath.Join(t.TempDir(), "hosts")}
	h.say(lines)
	return h
}

// say rewrites the file in place: it is mounted.
func (h *hosts) say(lines string) {
	h.t.Helper()
	if err := os.WriteFile(h.path, []byte("127.0.0.1 localhost\n"+lines+"\n"), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hosts) wrap() []string {
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, h.path}
}

// What one region sees alone is degraded, with the region named; what most see is down. A prober that dies has no vote any more,
// and the operator is told of it once.
func TestSuiteRegions(t *testing.T) {
	t.Parallel()
	well := newSite(t, nil)
	names := []string{"eu", "us", "ap"}
	files := map[string]*hosts{}
	s, _ := rigged(t, func(r *rig) {
		r.wraps = map[string][]string{}
		for _, name := range names {
			files[name] = newHosts(t, "127.0.0.1 shop.test")
			r.regions[name], r.wraps[name] = name, files[name].wrap()
		}
	}, names...)
	k := newSink(t)
	s.channel(k, "ops", "down", "recovery", "degraded")
	s.channel(k, "operator", "operator")
	shop := s.create(httpMonitor(fmt.Sprintf("http://shop.test:%d/", well.port()), obj{
		"name": "shop", "regions": names, "retry_interval_seconds": 1, "interval_seconds": 2,
		"http_config": obj{"url": fmt.Sprintf("http://shop.test:%d/", well.port()), "timeout_ms": 1000},
	}))
	s.statusIs(shop, "up", 30*time.Second)
	elsewhere := "127.0.0.77 shop.test" // where nothing listens on that port

	files["eu"].say(elsewhere)
	s.statusIs(shop, "degraded", 30*time.Second)
	if d := k.wait(t, "ops", "monitor.degraded", 15*time.Second); fmt.Sprint(d.notice.Data.Incident) == "" {
		t.Errorf("degraded without an incident: %+v", d.notice)
	}
	if down := s.seenDown(shop); fmt.Sprint(down) != "[eu]" {
		t.Errorf("regions that see it down: %v, want eu alone", down)
	}
	files["us"].say(elsewhere)
	s.statusIs(shop, "down", 30*time.Second)
	files["us"].say("127.0.0.1 shop.test")
	s.statusIs(shop, "degraded", 30*time.Second)

	// Of two that are left, one down is not most of them; both are.
	s.process("prober ap").kill()
	eventually(t, 60*time.Second, "the notice of the prober that died", func() error {
		if got := s.noticesOf("prober_offline"); len(got) != 1 || got[0]["subject"] != "ap" {
			return fmt.Errorf("notices are %v", s.notices())
		}
		return nil
	})
	eventually(t, 30*time.Second, "ap to have no vote", func() error {
		if state := s.seen(shop)["ap"]; state != "unknown" {
			return fmt.Errorf("it sees %q", state)
		}
		return nil
	})
	s.statusIs(shop, "degraded", 10*time.Second)
	files["us"].say(elsewhere)
	s.statusIs(shop, "down", 30*time.Second)
	files["us"].say("127.0.0.1 shop.test")
	files["eu"].say("127.0.0.1 shop.test")
	s.statusIs(shop, "up", 30*time.Second)
	s.process("prober ap").start()
	eventually(t, 60*time.Second, "the notice to end", func() error {
		if got := s.noticesOf("prober_offline"); len(got) != 1 || got[0]["ended_at"] == nil {
			return fmt.Errorf("notices are %v", s.notices())
		}
		return nil
	})
	eventually(t, 30*time.Second, "the operator to be told of the end", func() error {
		if told := k.told("operator", "notice."); len(told) < 2 {
			return fmt.Errorf("%d messages", len(told))
		}
		return nil
	})
	if told := k.told("operator", "notice."); len(told) != 2 {
		t.Errorf("one prober that was away is %d messages, want its beginning and its end", len(told))
	}
}

// seen is what each region sees of a monitor.
func (s *server) seen(id int) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, r := range want[struct {
		Regions []struct{ Region, Status string }
	}](s, 200, s.do("GET", fmt.Sprintf("/api/uptime/monitors/%d/status", id), nil)).Regions {
		out[r.Region] = r.Status
	}
	return out
}

func (s *server) seenDown(id int) (out []string) {
	s.t.Helper()
	for region, state := range s.seen(id) {
		if state == "down" {
			out = append(out, region)
		}
	}
	return out
}
