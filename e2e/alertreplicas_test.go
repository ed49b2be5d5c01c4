package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// alertReplicas is a suite with several alerts services on one database.
type alertReplicas struct {
	*suite
	more []string // addresses of those beside the first
}

func newAlertReplicas(s *server, n int) *alertReplicas {
	f := &alertReplicas{suite: newSuite(s)}
	for range n - 1 {
		f.more = append(f.more, freeAddress(s.t))
	}
	return f
}

func (f *alertReplicas) processes(s *server) []*process {
	all := f.suite.processes(s)
	every := strings.ReplaceAll(strings.Join(append([]string{f.addresses["alerts"]}, f.more...), ","), "127.0.0.1", "localhost")
	for _, p := range all {
		if slices.Contains([]string{"events", "monitors", "gateway"}, p.name) {
			p.args = append(p.args, "--alerts", every)
		}
	}
	at := slices.IndexFunc(all, func(p *process) bool { return p.name == "alerts" })
	for i, address := range f.more {
		one := *all[at]
		one.label, one.args, one.env = fmt.Sprint("alerts ", i+2), replaced(one.args, "--listen", address), slices.Clone(one.env)
		all = slices.Insert(all, at+1+i, &one)
	}
	return all
}

// flapping is monitors that share targets which come and go.
type flapping struct {
	sites []*site
	ids   []int
}

func newFlapping(s *server, monitors, sites int) *flapping {
	f := &flapping{}
	for range sites {
		f.sites = append(f.sites, newSite(s.t, nil))
	}
	for i := range monitors {
		f.ids = append(f.ids, s.create(tcpMonitor("127.0.0.1", f.sites[i%sites].port(), obj{"name": fmt.Sprint("flapping ", i), "retry_interval_seconds": 1})))
	}
	return f
}

// flap lets every target go and come by itself until done is closed, each time for spell or up to twice as long, and leaves all
// of them well.
func (f *flapping) flap(spell time.Duration, done <-chan struct{}) {
	var running sync.WaitGroup
	for _, one := range f.sites {
		running.Go(func() {
			defer one.start()
			for {
				for _, change := range []func(){one.stop, one.start} {
					select {
					case <-done:
						return
					case <-time.After(spell + rand.N(spell)):
					}
					change()
				}
			}
		})
	}
	running.Wait()
}

// Several alerts services share the work. While targets come and go one of them is killed again and again, and every
// transition is told once, under one identifier.
func TestSuiteAlertReplicas(t *testing.T) {
	t.Parallel()
	monitors, run, every, spell := 20, 40*time.Second, 5*time.Second, 4*time.Second
	if long {
		monitors, run, every, spell = 1000, 10*time.Minute, 20*time.Second, 45*time.Second
	}
	s := start(t, func(s *server) { s.make = func(s *server) form { return newAlertReplicas(s, 3) } })
	k := newSink(t)
	s.channelOf(k, "ops", obj{})
	f := newFlapping(s, monitors, min(monitors, 20))
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { f.flap(spell, done) })
	kills := 0
	for begun := time.Now(); time.Since(begun) < run; kills++ {
		<-time.After(every)
		p := s.process([]string{"alerts", "alerts 2", "alerts 3"}[rand.IntN(3)])
		p.kill()
		<-time.After(time.Duration(500+rand.IntN(2000)) * time.Millisecond)
		p.start()
	}
	close(done)
	running.Wait()
	s.allTold(f.ids)
	outages := s.toldOnce(k, "ops")
	t.Logf("%d kills; %d outages of %d monitors, each told once, beginning and end; %d messages, in %d digests and by themselves",
		kills, outages, monitors, len(k.told("ops", "monitor.")), len(k.told("ops", "digest")))
	if outages < monitors {
		t.Errorf("%d outages of %d monitors are too few to tell anything", outages, monitors)
	}
}

// allTold waits until monitors are up, and what happened to them is told.
func (s *server) allTold(ids []int) {
	s.t.Helper()
	for _, id := range ids {
		s.statusIs(id, "up", time.Minute)
	}
	s.quiet(5 * time.Minute)
}

// allIncidents are those of every page.
func (s *server) allIncidents() (all []incident) {
	s.t.Helper()
	for token := ""; ; {
		page := want[struct {
			Incidents  []incident
			Pagination struct {
				Next *string `json:"next_page_token"`
			}
		}](s, 200, s.do("GET", "/api/uptime/incidents?limit=1000"+token, nil))
		all = append(all, page.Incidents...)
		if page.Pagination.Next == nil {
			return all
		}
		token = "&page_token=" + *page.Pagination.Next
	}
}

// toldOnce checks that a receiver that knows an identifier again was told of every incident's beginning and end once, and of
// nothing else, and returns how many there were.
func (s *server) toldOnce(k *sink, to string) int {
	s.t.Helper()
	type story struct{ began, ended map[string]bool }
	stories := map[int]*story{}
	for _, d := range k.told(to, "monitor.") {
		if d.notice.Data.Incident == nil {
			s.t.Errorf("a message without an incident: %+v", d.notice)
			continue
		}
		one := stories[d.notice.Data.Incident.ID]
		if one == nil {
			one = &story{map[string]bool{}, map[string]bool{}}
			stories[d.notice.Data.Incident.ID] = one
		}
		switch d.notice.Type {
		case "monitor.down":
			one.began[d.id] = true
		case "monitor.recovered":
			one.ended[d.id] = true
			for _, id := range d.notice.Data.Supersedes {
				one.began[id] = true // told with the end, because it had not got through
			}
		}
	}
	all := s.allIncidents()
	for _, in := range all {
		one := stories[in.ID]
		if one == nil || len(one.began) != 1 || len(one.ended) != 1 {
			s.t.Errorf("incident %d of monitor %d was told as %+v", in.ID, in.MonitorID, one)
		}
		delete(stories, in.ID)
	}
	for id, one := range stories {
		s.t.Errorf("incident %d was told as %+v, and is not there", id, one)
	}
	return len(all)
}
