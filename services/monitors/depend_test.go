package monitors_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/status"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

func dependsOn(ids ...uint32) *monitorsv1.Monitor { return &monitorsv1.Monitor{DependsOn: ids} }

func (h *house) behind(ids ...uint32) uint32 {
	h.t.Helper()
	m := httpMonitor()
	m.DependsOn = ids
	return h.create(m).GetId()
}

// refusedBecause wants the error to name the field and to say all the words.
func refusedBecause(t *testing.T, what string, err error, field string, words ...string) {
	t.Helper()
	for _, f := range fault.FromStatus(status.Convert(err)).Fields {
		if f.Name != field {
			continue
		}
		for _, w := range words {
			if !strings.Contains(f.Message, w) {
				t.Errorf("%s: %q, want it to say %q", what, f.Message, w)
			}
		}
		return
	}
	t.Errorf("%s: %v, want a problem with %s", what, err, field)
}

func TestDependencies(t *testing.T) {
	h := newHouse(t)
	router, second := h.behind(), h.behind()
	child := h.behind(second, router)
	if got := h.get(child).GetDependsOn(); !slices.Equal(got, []uint32{second, router}) {
		t.Fatalf("depends on %v", got)
	}
	if _, err := h.update(child, &monitorsv1.Monitor{Name: ptr("renamed")}); err != nil {
		t.Fatal(err)
	}
	if got := h.get(child).GetDependsOn(); len(got) != 2 {
		t.Errorf("a change of the name left %v", got)
	}
	if _, err := h.update(child, dependsOn(router)); err != nil {
		t.Fatal(err)
	}
	if got := h.get(child).GetDependsOn(); !slices.Equal(got, []uint32{router}) {
		t.Errorf("depends on %v", got)
	}
	if _, err := h.update(child, &monitorsv1.Monitor{}, "depends_on"); err != nil {
		t.Fatal(err)
	}
	if got := h.get(child).GetDependsOn(); len(got) != 0 {
		t.Errorf("cleared, and depends on %v", got)
	}
}

func TestDependenciesThatAreRefused(t *testing.T) {
	h := newHouse(t)
	top := h.behind()
	middle := h.behind(top)
	low := h.behind(middle)
	foreign, err := h.monitors.CreateMonitor(as(t, "org-2", identity.RoleEditor), &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()})
	if err != nil {
		t.Fatal(err)
	}
	create := func(ids ...uint32) error {
		m := httpMonitor()
		m.DependsOn = ids
		_, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: m})
		return err
	}
	update := func(id uint32, ids ...uint32) error {
		_, err := h.update(id, dependsOn(ids...))
		return err
	}
	const circle = "must not go round in circles"
	refusedBecause(t, "nobody", create(top, 999), "depends_on[1]", "999", "not a monitor of the organization")
	refusedBecause(t, "another organization's", create(foreign.GetId()), "depends_on[0]", idOf(foreign), "not a monitor of the organization")
	refusedBecause(t, "another organization's, later", update(low, foreign.GetId()), "depends_on[0]", "not a monitor of the organization")
	refusedBecause(t, "itself", update(low, middle, low), "depends_on[1]", idOf(h.get(low)), "cannot depend on itself")
	refusedBecause(t, "a circle of two", update(top, middle), "depends_on[0]", idOf(h.get(middle)), circle)
	refusedBecause(t, "a circle of three", update(top, low), "depends_on[0]", idOf(h.get(low))+" → "+idOf(h.get(middle))+" → "+idOf(h.get(top)), circle)
	refusedBecause(t, "twice", create(top, top), "depends_on")
	refusedBecause(t, "none", create(0), "depends_on[0]")
	many := make([]uint32, 17)
	for i := range many {
		many[i] = uint32(i + 1)
	}
	refusedBecause(t, "too many", create(many...), "depends_on", "16")
	if got := h.get(top); got.GetVersion() != 1 || len(got.GetDependsOn()) != 0 {
		t.Errorf("what was refused left %v", got)
	}
}

func idOf(m *monitorsv1.Monitor) string { return strconv.FormatUint(uint64(m.GetId()), 10) }

// Two changes at once, each of which is fine, and which together go round in a circle: one of them is refused.
func TestACircleByTwoChangesAtOnce(t *testing.T) {
	h := newHouse(t)
	for range 5 {
		a, b := h.behind(), h.behind()
		c, d := h.behind(b), h.behind(a) // a ← d, b ← c
		var done sync.WaitGroup
		errs := make([]error, 2)
		done.Go(func() { _, errs[0] = h.update(a, dependsOn(c)) })
		done.Go(func() { _, errs[1] = h.update(b, dependsOn(d)) })
		done.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("%v and %v, want one to be refused", errs[0], errs[1])
		}
	}
}

// A parent may be deleted: it is dropped where it was named, as a change of its own that others see.
func TestAParentIsDeleted(t *testing.T) {
	h := newHouse(t)
	router, second := h.behind(), h.behind()
	one, both := h.behind(router), h.behind(router, second)
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: router}); err != nil {
		t.Fatal(err)
	}
	if m := h.get(one); len(m.GetDependsOn()) != 0 || m.GetVersion() != 2 {
		t.Errorf("version %d depends on %v", m.GetVersion(), m.GetDependsOn())
	}
	if m := h.get(both); !slices.Equal(m.GetDependsOn(), []uint32{second}) || m.GetVersion() != 2 {
		t.Errorf("version %d depends on %v", m.GetVersion(), m.GetDependsOn())
	}
	if m := h.get(second); m.GetVersion() != 1 {
		t.Errorf("who was not concerned has version %d", m.GetVersion())
	}
	rows, err := h.audit.ListAuditEntries(as(t, org, identity.RoleAdmin), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	updates := 0
	for _, r := range rows.GetEntries() {
		if r.GetAction() == "monitor.update" {
			updates++
		}
	}
	if updates != 2 {
		t.Errorf("the audit log has %d changes, want two", updates)
	}
}
