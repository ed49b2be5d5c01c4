package alerts_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/alerts"
)

func (w *world) groups() alertsv1.GroupsServiceClient { return alertsv1.NewGroupsServiceClient(w.conn) }

func groupBody(t *testing.T, text string) *alertsv1.Group {
	t.Helper()
	return body(t, text, &alertsv1.Group{})
}

func (w *world) createGroup(text string) *alertsv1.Group {
	w.t.Helper()
	g, err := w.groups().CreateGroup(editor(w.t), &alertsv1.CreateGroupRequest{Group: groupBody(w.t, text)})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w *world) group(id uint32) *alertsv1.Group {
	w.t.Helper()
	g, err := w.groups().GetGroup(editor(w.t), &alertsv1.GetGroupRequest{Id: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// label gives a monitor labels, or pauses it.
func (f *fakeMonitors) label(id uint32, enabled bool, labels map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &monitorsv1.CatalogEntry{
		MonitorId: id, OrganizationId: orgA, Name: fmt.Sprintf("shop-%d", id), Enabled: enabled, Regions: []string{"eu"}, Labels: labels,
		WorstCaseAlertDelayMs: uint32(worstCase.Milliseconds()),
	}
	f.entries[id] = e
	f.step(&monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: e}})
}

// shop is three monitors that are up, and a receiver of what is told.
func shop(t *testing.T, w *world, all ...*world) *crowd {
	for id := range uint32(3) {
		w.monitors.label(id+1, true, nil)
	}
	w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
	c := newCrowd()
	for _, r := range all {
		r.service.SendThrough(c.take)
		r.run()
	}
	pass(time.Second)
	for id := range uint32(3) {
		w.events.add(turns(id+1, false))
	}
	pass(time.Second)
	return c
}

// Two of three: nothing while one is down, one message that names both, one when it is over; and incidents all the same.
func testTwoOfThree(t *testing.T, w *world, all ...*world) {
	c := shop(t, w, all...)
	g := w.createGroup(`{"name": "shop", "monitorIds": [1, 2, 3], "rule": {"type": "GROUP_RULE_TYPE_COUNT", "count": 2}, "alertLevel": "GROUP_ALERT_LEVEL_GROUP"}`)
	if g.GetState() != alertsv1.GroupState_GROUP_STATE_UP || g.GetCounts().GetTotal() != 3 || g.GetCounts().GetUp() != 3 {
		t.Fatalf("made %v", g)
	}
	w.events.add(turns(1, true))
	pass(10 * time.Second)
	c.wantAll(t)
	if g = w.group(g.GetId()); g.GetState() != alertsv1.GroupState_GROUP_STATE_DEGRADED || len(g.GetFailingMembers()) != 1 || g.GetFailingMembers()[0].GetName() != "shop-1" {
		t.Errorf("with one down: %v", g)
	}
	w.events.add(turns(3, true), turns(2, true), turns(2, false)) // in one batch
	pass(10 * time.Second)
	first := c.wantAll(t, "0 group.down")
	if f := first.Group.Failing; len(f) != 2 || f[0].Name != "shop-1" || f[1].Name != "shop-3" || first.Group.Members.Counted != 3 {
		t.Errorf("message %+v", first.Group)
	}
	w.events.add(turns(1, false))
	pass(10 * time.Second)
	w.events.add(turns(3, false))
	pass(10 * time.Second)
	c.wantAll(t, "0 group.down", "0 group.recovered")
	resp, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{})
	if err != nil || len(resp.GetIncidents()) != 3 {
		t.Errorf("%d incidents, %v", len(resp.GetIncidents()), err)
	}
	for _, r := range all {
		r.stop()
	}
}

func TestTwoOfThree(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		testTwoOfThree(t, w, w)
	})
}

// The same with two services over one store.
func TestTwoOfThreeBeforeReplicas(t *testing.T) {
	dsn := postgrestest.DSN(t)
	bubbletest.Test(t, func(t *testing.T) {
		a, b := replicas(t, dsn, nil)
		testTwoOfThree(t, a, a, b)
	})
}

// Labels, pauses and deletions change who has a say, and a group that goes leaves its members to be told for themselves.
func TestAGroupFollowsTheCatalog(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := shop(t, w, w)
		g := w.createGroup(`{"name": "shop", "labels": ["app=shop"], "rule": {"type": "GROUP_RULE_TYPE_PERCENT", "percent": 50}, "alertLevel": "GROUP_ALERT_LEVEL_GROUP"}`)
		if g.GetState() != alertsv1.GroupState_GROUP_STATE_UNKNOWN {
			t.Errorf("without members: %v", g)
		}
		for id := range uint32(3) {
			w.monitors.label(id+1, true, map[string]string{"app": "shop"})
		}
		pass(time.Second)
		w.events.add(turns(1, true))
		pass(time.Second)
		if g = w.group(g.GetId()); g.GetState() != alertsv1.GroupState_GROUP_STATE_DEGRADED || g.GetCounts().GetDown() != 1 {
			t.Errorf("one of three is down: %v", g)
		}
		w.monitors.label(2, false, map[string]string{"app": "shop"})
		pass(time.Second)
		c.wantAll(t, "0 group.down")
		if g = w.group(g.GetId()); g.GetCounts().GetPaused() != 1 || g.GetCounts().GetTotal() != 3 {
			t.Errorf("with one that is paused: %v", g)
		}
		w.monitors.remove(1)
		pass(time.Second)
		c.wantAll(t, "0 group.down", "0 group.recovered")
		w.events.add(turns(3, true))
		pass(time.Second)
		c.wantAll(t, "0 group.down", "0 group.recovered", "0 group.down")
		if _, err := w.groups().DeleteGroup(editor(t), &alertsv1.DeleteGroupRequest{Id: g.GetId()}); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Second)
		c.wantAll(t, "0 group.down", "0 group.recovered", "0 group.down", "3 monitor.down")
		w.stop()
	})
}

// This service stops while a group waits for a member that is unknown, and starts again when that has had its time.
func TestARestartWhileAGroupWaits(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := shop(t, w, w)
		w.createGroup(`{"name": "shop", "monitorIds": [1, 2, 3], "rule": {"type": "GROUP_RULE_TYPE_ALL"}, "alertLevel": "GROUP_ALERT_LEVEL_GROUP"}`)
		unknown := turns(3, false)
		unknown.GetTransition().To = eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN
		w.events.add(unknown, turns(1, true), turns(2, true))
		pass(10 * time.Second)
		w.stop()
		c.wantAll(t)
		w.open()
		w.service.SendThrough(c.take)
		w.run()
		pass(30 * time.Second)
		c.wantAll(t)
		pass(20 * time.Second)
		c.wantAll(t, "0 group.down")
		w.stop()
	})
}

func TestGroupRequests(t *testing.T) {
	w := newWorld(t)
	for id := range uint32(3) {
		w.know(id + 1)
	}
	refused := func(text string, want ...string) {
		t.Helper()
		_, err := w.groups().CreateGroup(editor(t), &alertsv1.CreateGroupRequest{Group: groupBody(t, text)})
		if got := fields(t, err); !slices.Equal(got, want) {
			t.Errorf("%s: fields %v, want %v", text, got, want)
		}
	}
	refused(`{}`, "name", "monitor_ids")
	refused(`{"name": "x", "monitorIds": [1, 99]}`, "monitor_ids[1]")
	refused(`{"name": "x", "labels": ["="]}`, "labels[0]")
	refused(`{"name": "x", "monitorIds": [1, 2], "rule": {"type": "GROUP_RULE_TYPE_COUNT"}}`, "rule.count")
	refused(`{"name": "x", "monitorIds": [1, 2], "rule": {"type": "GROUP_RULE_TYPE_COUNT", "count": 3}}`, "rule.count")
	refused(`{"name": "x", "monitorIds": [1, 2], "rule": {"type": "GROUP_RULE_TYPE_PERCENT"}}`, "rule.percent")
	refused(`{"name": "x", "monitorIds": [1, 2], "rule": {"type": "GROUP_RULE_TYPE_ANY", "percent": 50}}`, "rule.percent")
	refused(`{"name": "x", "monitorIds": [1, 2], "rule": {"type": "GROUP_RULE_TYPE_PERCENT", "percent": 101}}`, "rule.percent")
	g := w.createGroup(`{"name": " shop ", "monitorIds": [3, 1]}`)
	if g.GetName() != "shop" || !slices.Equal(g.GetMonitorIds(), []uint32{1, 3}) || g.GetRule().GetType() != alertsv1.GroupRuleType_GROUP_RULE_TYPE_ANY ||
		g.GetAlertLevel() != alertsv1.GroupAlertLevel_GROUP_ALERT_LEVEL_BOTH {
		t.Errorf("made %v", g)
	}
	update := func(text string, paths ...string) (*alertsv1.Group, error) {
		return w.groups().UpdateGroup(editor(t), &alertsv1.UpdateGroupRequest{Id: g.GetId(), Group: groupBody(t, text), UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	}
	// What was accepted before may be gone since.
	if err := w.store.RemoveMonitors(t.Context(), []alerts.MonitorRef{{ID: 3, OrganizationID: orgA}}, time.Now(), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
		return alerts.Batch{Progress: p}
	}); err != nil {
		t.Fatal(err)
	}
	changed, err := update(`{"monitorIds": [1, 2, 3], "rule": {"type": "GROUP_RULE_TYPE_COUNT", "count": 2}}`, "monitor_ids", "rule")
	if err != nil || changed.GetRule().GetCount() != 2 || changed.GetCounts().GetTotal() != 2 || changed.GetName() != "shop" {
		t.Errorf("changed %v, %v", changed, err)
	}
	if _, err := update(`{"monitorIds": [1]}`, "monitor_ids"); !slices.Equal(fields(t, err), []string{"rule.count"}) {
		t.Errorf("fewer monitors than it counts: %v", err)
	}
	ask := func(t *testing.T) (codes []error) {
		_, err := w.groups().GetGroup(stranger(t), &alertsv1.GetGroupRequest{Id: g.GetId()})
		codes = append(codes, err)
		_, err = w.groups().UpdateGroup(stranger(t), &alertsv1.UpdateGroupRequest{Id: g.GetId(), Group: groupBody(t, `{"name": "mine"}`)})
		codes = append(codes, err)
		_, err = w.groups().DeleteGroup(stranger(t), &alertsv1.DeleteGroupRequest{Id: g.GetId()})
		return append(codes, err)
	}
	for _, err := range ask(t) {
		wantCode(t, err, codes.NotFound)
	}
	_, err = w.groups().CreateGroup(stranger(t), &alertsv1.CreateGroupRequest{Group: groupBody(t, `{"name": "x", "monitorIds": [1]}`)})
	if got := fields(t, err); !slices.Equal(got, []string{"monitor_ids[0]"}) {
		t.Errorf("another organization's monitor: %v", got)
	}
	viewer := rpctest.AsUser(t.Context(), orgA, identity.RoleViewer)
	if _, err := w.groups().ListGroups(viewer, &alertsv1.ListGroupsRequest{}); err != nil {
		t.Error(err)
	}
	_, err = w.groups().DeleteGroup(viewer, &alertsv1.DeleteGroupRequest{Id: g.GetId()})
	wantCode(t, err, codes.PermissionDenied)
	if _, err := w.groups().DeleteGroup(editor(t), &alertsv1.DeleteGroupRequest{Id: g.GetId()}); err != nil {
		t.Fatal(err)
	}
	log, err := w.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range log.GetEntries() {
		actions = append(actions, e.GetAction()+" "+e.GetObjectKind())
	}
	if fmt.Sprint(actions) != "[group.delete group group.update group group.create group]" {
		t.Errorf("audit %v", actions)
	}
}
