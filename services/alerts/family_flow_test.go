package alerts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
)

// worstCase is how long the monitors of these tests may take to be seen down.
const worstCase = 50 * time.Second

// putBehind adds a monitor that depends on others.
func (f *fakeMonitors) putBehind(id uint32, on ...uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &monitorsv1.CatalogEntry{
		MonitorId: id, OrganizationId: orgA, Name: fmt.Sprintf("host-%02d", id), MonitorUrl: fmt.Sprintf("tcp://h%d:22", id), Enabled: true,
		Regions: []string{"eu"}, DependsOn: on, IntervalMs: 30_000, TimeoutMs: 10_000, ConfirmUp: 1, WorstCaseAlertDelayMs: uint32(worstCase.Milliseconds()),
	}
	f.entries[id] = e
	f.step(&monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: e}})
}

// turns is a change of a monitor's state that is seen now.
func turns(id uint32, down bool) *eventsv1.FeedEntry {
	e := happens(time.Now(), down)
	e.MonitorId = id
	return e
}

// sees is a check that finds a monitor working now.
func sees(id uint32) *eventsv1.FeedEntry {
	return &eventsv1.FeedEntry{
		OrganizationId: orgA, MonitorId: id, At: timestamppb.New(time.Now()),
		What: &eventsv1.FeedEntry_Observation{Observation: &eventsv1.Observation{
			Region: "eu", Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, CurrentStatus: stateUp, Successes: 1, MaxResponseTimeUs: 900,
		}},
	}
}

// site is a router, which is monitor 1, with fifty hosts behind it, 2 to 51, and a receiver of what is told.
func site(t *testing.T, w *world, all ...*world) *crowd {
	w.monitors.putBehind(1)
	for id := range uint32(50) {
		w.monitors.putBehind(id+2, 1)
	}
	w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
	c := newCrowd()
	for _, r := range all {
		r.service.SendThrough(c.take)
		r.run()
	}
	pass(10 * time.Second)
	return c
}

// all are the messages in their order, a digest as what it tells.
func (c *crowd) all() (out []string, first alerts.Content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claims := range c.sent {
		for i, claim := range claims {
			if i == 0 {
				first = claim.Content
			}
			out = append(out, fmt.Sprint(claim.MonitorID, " ", claim.Type))
			for _, e := range claim.Content.Digest {
				out = append(out, fmt.Sprint(e.MonitorID, " ", e.Type))
			}
		}
	}
	return out, first
}

func (c *crowd) wantAll(t *testing.T, want ...string) alerts.Content {
	t.Helper()
	got, first := c.all()
	if !slices.Equal(got, want) {
		t.Fatalf("told %q, want %q", got, want)
	}
	return first
}

// cut cuts the router off. The hosts are seen down over half a minute, some before it and some after.
func cut(w *world, before int) {
	for id := range uint32(50) {
		if int(id) == before {
			w.events.add(turns(1, true))
		}
		w.events.add(turns(id+2, true))
		pass(500 * time.Millisecond)
	}
	if before >= 50 {
		w.events.add(turns(1, true))
	}
	pass(3 * time.Minute)
}

// A router with fifty hosts behind it is cut off, and comes back: that is one message that names fifty, and one more. A host that
// stays down is told when it has had its own time.
func testSite(t *testing.T, w *world, before int, all ...*world) {
	c := site(t, w, all...)
	cut(w, before)
	d := c.wantAll(t, "1 monitor.down").Dependents
	if d == nil || d.Total != 50 || d.Down != min(before, 50) || len(d.Monitors) != 50 {
		t.Fatalf("dependents %+v", d)
	}
	resp, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{})
	if err != nil || len(resp.GetIncidents()) != 50 { // a page of 51
		t.Fatalf("%d incidents, %v", len(resp.GetIncidents()), err)
	}
	for _, i := range resp.GetIncidents() {
		if by := i.GetAffectedBy(); by != 1 && i.GetMonitorId() != 1 || by != 0 && i.GetMonitorId() == 1 {
			t.Errorf("incident of %d is affected by %d", i.GetMonitorId(), by)
		}
	}
	pass(5 * time.Minute)
	c.wantAll(t, "1 monitor.down")
	w.events.add(turns(1, false))
	for id := range uint32(50) {
		if id+2 != 7 {
			pass(500 * time.Millisecond)
			w.events.add(turns(id+2, false))
		}
	}
	pass(20 * time.Second)
	c.wantAll(t, "1 monitor.down", "1 monitor.recovered")
	pass(time.Minute)
	c.wantAll(t, "1 monitor.down", "1 monitor.recovered", "7 monitor.down")
	w.events.add(turns(7, false))
	pass(time.Minute)
	c.wantAll(t, "1 monitor.down", "1 monitor.recovered", "7 monitor.down", "7 monitor.recovered")
	for _, r := range all {
		r.stop()
	}
}

func TestARouterIsCutOff(t *testing.T) {
	for _, before := range []int{25, 0, 50, 1}[:inEarnest(2, 4)] {
		t.Run(fmt.Sprint(before, " hosts are seen first"), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				testSite(t, w, before, w)
			})
		})
	}
}

// The same with two services over one store.
func TestARouterIsCutOffBeforeReplicas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, b := replicas(t, dsn, nil)
		testSite(t, a, 25, a, b)
	})
}

// A host fails and its router does not: that is told as soon as the router is seen to work, and else when it would have been seen down.
func TestAHostFailsByItself(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := site(t, w, w)
		w.events.add(turns(3, true))
		pass(20 * time.Second)
		c.wantAll(t)
		w.events.add(sees(1))
		pass(time.Second)
		c.wantAll(t, "3 monitor.down")
		w.events.add(turns(4, true))
		pass(worstCase)
		c.wantAll(t, "3 monitor.down")
		pass(15 * time.Second)
		c.wantAll(t, "3 monitor.down", "4 monitor.down")
		w.stop()
	})
}

// This service stops while a host is held and starts again when all is over, or when nothing is: what is told is the same.
func TestARestartWhileSomethingIsHeld(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := site(t, w, w)
		w.events.add(turns(3, true), turns(4, true))
		pass(time.Second)
		w.stop()
		w.events.add(turns(1, true))
		pass(time.Minute)
		w.events.add(turns(4, false))
		pass(time.Minute)
		w.open()
		w.service.SendThrough(c.take)
		w.run()
		pass(time.Minute)
		c.wantAll(t, "1 monitor.down")
		w.events.add(turns(1, false))
		pass(2 * time.Minute)
		c.wantAll(t, "1 monitor.down", "1 monitor.recovered", "3 monitor.down")
		w.stop()
	})
}

// A dependency that is taken away holds nobody any more.
func TestADependencyIsTakenAway(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := site(t, w, w)
		w.events.add(turns(1, true), turns(3, true), turns(4, true))
		pass(5 * time.Minute)
		w.monitors.putBehind(3)
		pass(2 * time.Minute)
		c.wantAll(t, "1 monitor.down", "3 monitor.down")
		w.monitors.remove(1)
		pass(2 * time.Minute)
		got, _ := c.all()
		if strings.Join(got, ", ") != "1 monitor.down, 3 monitor.down, 4 monitor.down" {
			t.Errorf("told %q", got)
		}
		w.stop()
	})
}
