package monitors_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/monitors"
)

// nightly is a window that comes again, for every monitor of the team db.
func nightly() *monitorsv1.MaintenanceWindow {
	return &monitorsv1.MaintenanceWindow{
		Name: ptr("nightly"), Labels: []string{"team=db"}, Rrule: ptr("FREQ=DAILY;BYHOUR=2;BYMINUTE=30"), Timezone: ptr("Europe/Berlin"),
		DurationSeconds: ptr(int32(5400)),
	}
}

// lasting is a window that began an hour ago and lasts an hour more.
func lasting(ids ...uint32) *monitorsv1.MaintenanceWindow {
	return &monitorsv1.MaintenanceWindow{
		Name: ptr("now"), MonitorIds: ids, StartsAt: timestamppb.New(time.Now().Add(-time.Hour)), EndsAt: timestamppb.New(time.Now().Add(time.Hour)),
	}
}

func (h *house) window(w *monitorsv1.MaintenanceWindow) *monitorsv1.MaintenanceWindow {
	h.t.Helper()
	out, err := h.maintenance.CreateMaintenanceWindow(h.editor(), &monitorsv1.CreateMaintenanceWindowRequest{MaintenanceWindow: w})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *house) change(id uint32, w *monitorsv1.MaintenanceWindow, paths ...string) (*monitorsv1.MaintenanceWindow, error) {
	req := &monitorsv1.UpdateMaintenanceWindowRequest{Id: id, MaintenanceWindow: w}
	if len(paths) > 0 {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	}
	return h.maintenance.UpdateMaintenanceWindow(h.editor(), req)
}

func TestWindowLives(t *testing.T) {
	h := newHouse(t)
	made := h.window(nightly())
	if made.GetId() == 0 || made.GetOrganizationId() != org || made.GetVersion() != 1 || made.GetCreatedBy() == "" || len(made.GetNextOccurrences()) != 5 {
		t.Fatalf("made %v", made)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range made.GetNextOccurrences() {
		start := o.GetStart().AsTime()
		if got := o.GetEnd().AsTime().Sub(start); got != 90*time.Minute {
			t.Errorf("lasts %v", got)
		}
		if want := start.In(berlin).Format(time.RFC3339); o.GetLocalStart() != want || o.GetEnd().AsTime().Before(time.Now()) {
			t.Errorf("%v, want local start %s", o, want)
		}
	}
	got, err := h.maintenance.GetMaintenanceWindow(h.editor(), &monitorsv1.GetMaintenanceWindowRequest{Id: made.GetId()})
	if err != nil || !proto.Equal(got, made) {
		t.Fatalf("read %v, %v", got, err)
	}

	// A rule becomes a window that comes once.
	start, end := time.Now().Add(-time.Minute).Truncate(time.Millisecond), time.Now().Add(time.Hour).Truncate(time.Millisecond)
	once, err := h.change(made.GetId(), &monitorsv1.MaintenanceWindow{StartsAt: timestamppb.New(start), EndsAt: timestamppb.New(end), Description: ptr("x")},
		"starts_at", "ends_at", "rrule", "duration_seconds", "description", "active", "version")
	if err != nil {
		t.Fatal(err)
	}
	if once.GetVersion() != 2 || once.Rrule != nil || once.DurationSeconds != nil || !once.GetActive() || once.GetName() != "nightly" ||
		!once.GetStartsAt().AsTime().Equal(start) || len(once.GetNextOccurrences()) != 1 || once.GetTimezone() != "Europe/Berlin" {
		t.Fatalf("changed to %v", once)
	}
	same, err := h.change(made.GetId(), &monitorsv1.MaintenanceWindow{Name: ptr("nightly")})
	if err != nil || same.GetVersion() != 2 {
		t.Errorf("a change of nothing: %v, %v", same, err)
	}
	short, err := h.change(made.GetId(), &monitorsv1.MaintenanceWindow{EndsAt: timestamppb.New(start.Add(time.Minute))})
	if err != nil || short.GetActive() || len(short.GetNextOccurrences()) != 0 {
		t.Errorf("shortened: %v, %v", short, err)
	}

	all, err := h.maintenance.ListMaintenanceWindows(h.editor(), &monitorsv1.ListMaintenanceWindowsRequest{})
	if err != nil || len(all.GetMaintenanceWindows()) != 1 {
		t.Errorf("list %v, %v", all, err)
	}
	if _, err := h.maintenance.DeleteMaintenanceWindow(h.editor("if-match", `"v1"`), &monitorsv1.DeleteMaintenanceWindowRequest{Id: made.GetId()}); err == nil {
		t.Error("deleted by who had read an older version")
	}
	if _, err := h.maintenance.DeleteMaintenanceWindow(h.editor(), &monitorsv1.DeleteMaintenanceWindowRequest{Id: made.GetId()}); err != nil {
		t.Fatal(err)
	}
	_, err = h.maintenance.GetMaintenanceWindow(h.editor(), &monitorsv1.GetMaintenanceWindowRequest{Id: made.GetId()})
	wantCode(t, "read after deletion", err, codes.NotFound)

	rows, err := h.audit.ListAuditEntries(as(t, org, identity.RoleAdmin), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, r := range rows.GetEntries() {
		actions = append(actions, r.GetAction())
	}
	slices.Sort(actions)
	if want := []string{"maintenance_window.create", "maintenance_window.delete", "maintenance_window.update", "maintenance_window.update"}; !slices.Equal(actions, want) {
		t.Errorf("audit %v, want %v", actions, want)
	}
}

func TestWindowRequestWithAKeyIsCarriedOutOnce(t *testing.T) {
	h := newHouse(t)
	req := &monitorsv1.CreateMaintenanceWindowRequest{MaintenanceWindow: nightly()}
	first, err := h.maintenance.CreateMaintenanceWindow(h.editor("idempotency-key", "k"), req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.maintenance.CreateMaintenanceWindow(h.editor("idempotency-key", "k"), req)
	if err != nil || !proto.Equal(first, again) {
		t.Errorf("again %v, %v", again, err)
	}
}

func TestWindowRefused(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	theirs, err := h.monitors.CreateMonitor(as(t, "other", identity.RoleEditor), &monitorsv1.CreateMonitorRequest{Monitor: httpMonitor()})
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*monitorsv1.MaintenanceWindow)) *monitorsv1.MaintenanceWindow {
		w := nightly()
		f(w)
		return w
	}
	for field, w := range map[string]*monitorsv1.MaintenanceWindow{
		"name":             change(func(w *monitorsv1.MaintenanceWindow) { w.Name = nil }),
		"rrule":            change(func(w *monitorsv1.MaintenanceWindow) { w.Rrule = ptr("FREQ=SECONDLY") }),
		"cron":             change(func(w *monitorsv1.MaintenanceWindow) { w.Cron = ptr("0 0 * * *") }),
		"timezone":         change(func(w *monitorsv1.MaintenanceWindow) { w.Timezone = ptr("Mars/Olympus") }),
		"duration_seconds": change(func(w *monitorsv1.MaintenanceWindow) { w.DurationSeconds = nil }),
		"labels[0]":        change(func(w *monitorsv1.MaintenanceWindow) { w.Labels = []string{"=x"} }),
		"monitor_ids":      change(func(w *monitorsv1.MaintenanceWindow) { w.MonitorIds = []uint32{m.GetId(), theirs.GetId()} }),
		"ends_at":          {Name: ptr("past"), MonitorIds: []uint32{m.GetId()}, StartsAt: timestamppb.New(time.Unix(1_700_000_000, 0)), EndsAt: timestamppb.New(time.Unix(1_700_003_600, 0))},
		"starts_at":        change(func(w *monitorsv1.MaintenanceWindow) { w.StartsAt = timestamppb.New(time.Unix(0, 0)) }),
	} {
		_, err := h.maintenance.CreateMaintenanceWindow(h.editor(), &monitorsv1.CreateMaintenanceWindowRequest{MaintenanceWindow: w})
		wantField(t, err, field)
	}
	_, err = h.maintenance.CreateMaintenanceWindow(h.editor(), &monitorsv1.CreateMaintenanceWindowRequest{
		MaintenanceWindow: change(func(w *monitorsv1.MaintenanceWindow) { w.Labels = nil }),
	})
	wantField(t, err, "monitor_ids")
	made := h.window(lasting(m.GetId()))
	_, err = h.change(made.GetId(), &monitorsv1.MaintenanceWindow{MonitorIds: []uint32{999}})
	wantField(t, err, "monitor_ids")
	_, err = h.change(made.GetId(), &monitorsv1.MaintenanceWindow{}, "nonsense")
	wantField(t, err, "update_mask")
	// A monitor that was deleted since does not stand in the way.
	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: m.GetId()}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.change(made.GetId(), &monitorsv1.MaintenanceWindow{Name: ptr("other"), MonitorIds: []uint32{m.GetId()}}); err != nil {
		t.Error(err)
	}
}

func TestWindowsAreTheOrganizations(t *testing.T) {
	h := newHouse(t)
	id := h.window(nightly()).GetId()
	stranger := as(t, "other", identity.RoleEditor)
	if all, err := h.maintenance.ListMaintenanceWindows(stranger, &monitorsv1.ListMaintenanceWindowsRequest{}); err != nil || len(all.GetMaintenanceWindows()) != 0 {
		t.Errorf("list %v, %v", all, err)
	}
	_, err := h.maintenance.GetMaintenanceWindow(stranger, &monitorsv1.GetMaintenanceWindowRequest{Id: id})
	wantCode(t, "read", err, codes.NotFound)
	_, err = h.maintenance.UpdateMaintenanceWindow(stranger, &monitorsv1.UpdateMaintenanceWindowRequest{Id: id, MaintenanceWindow: nightly()})
	wantCode(t, "update", err, codes.NotFound)
	_, err = h.maintenance.DeleteMaintenanceWindow(stranger, &monitorsv1.DeleteMaintenanceWindowRequest{Id: id})
	wantCode(t, "delete", err, codes.NotFound)
	_, err = h.maintenance.CreateMaintenanceWindow(as(t, org, identity.RoleViewer), &monitorsv1.CreateMaintenanceWindowRequest{MaintenanceWindow: nightly()})
	wantCode(t, "create as a viewer", err, codes.PermissionDenied)
	stream, err := h.maintenance.WatchMaintenance(h.editor(), &monitorsv1.WatchMaintenanceRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	wantCode(t, "watch as a user", err, codes.PermissionDenied)
}

// A monitor in maintenance shows so, is found so, and by no other state.
func TestMonitorsShowMaintenance(t *testing.T) {
	const maintained, down = eventsv1.CurrentStatus_CURRENT_STATUS_MAINTENANCE, eventsv1.CurrentStatus_CURRENT_STATUS_DOWN
	h := newHouse(t)
	labelled, named, other, paused := httpMonitor(), httpMonitor(), httpMonitor(), httpMonitor()
	labelled.Labels, paused.Labels, paused.Enabled = map[string]string{"team": "db"}, map[string]string{"team": "db"}, ptr(false)
	labelled, named, other, paused = h.create(labelled), h.create(named), h.create(other), h.create(paused)
	h.events.set(labelled.GetId(), down)
	h.events.set(other.GetId(), down)
	h.events.set(paused.GetId(), eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED)
	w := lasting(named.GetId())
	w.Labels = []string{"team"}
	w = h.window(w)

	find := func(status eventsv1.CurrentStatus) []uint32 {
		t.Helper()
		resp, err := h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{Status: &status})
		if err != nil {
			t.Fatal(err)
		}
		var ids []uint32
		for _, m := range resp.GetMonitors() {
			if got := m.GetStatus().GetCurrentStatus(); got != status {
				t.Errorf("monitor %d shows %v among those that are %v", m.GetId(), got, status)
			}
			ids = append(ids, m.GetId())
		}
		slices.Sort(ids)
		return ids
	}
	unknown, isPaused := eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN, eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED
	for status, want := range map[eventsv1.CurrentStatus][]uint32{
		maintained: {labelled.GetId(), named.GetId()}, down: {other.GetId()}, isPaused: {paused.GetId()}, unknown: nil,
	} {
		if got := find(status); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", status, got, want)
		}
	}
	got, err := h.monitors.GetMonitor(h.editor(), &monitorsv1.GetMonitorRequest{Id: labelled.GetId()})
	if err != nil || got.GetStatus().GetCurrentStatus() != maintained {
		t.Errorf("shows %v, %v", got.GetStatus(), err)
	}
	if _, err := h.maintenance.DeleteMaintenanceWindow(h.editor(), &monitorsv1.DeleteMaintenanceWindowRequest{Id: w.GetId()}); err != nil {
		t.Fatal(err)
	}
	if got := find(down); len(got) != 2 {
		t.Errorf("down after the window: %v", got)
	}
	if got := find(unknown); !slices.Equal(got, []uint32{named.GetId()}) {
		t.Errorf("unknown after the window: %v", got)
	}
}

// A stream brings every version, what was before it in the snapshot.
func TestWatchMaintenance(t *testing.T) {
	h := newHouse(t)
	first := h.window(nightly())
	if _, err := h.change(first.GetId(), &monitorsv1.MaintenanceWindow{Name: ptr("renamed")}); err != nil {
		t.Fatal(err)
	}
	stream, err := h.maintenance.WatchMaintenance(rpctest.AsService(t.Context()), &monitorsv1.WatchMaintenanceRequest{Subscriber: "test"})
	if err != nil {
		t.Fatal(err)
	}
	next := func() *monitorsv1.WatchMaintenanceResponse {
		t.Helper()
		for {
			step, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if step.GetHeartbeat() == nil {
				return step
			}
		}
	}
	one, two := next().GetUpserted(), next().GetUpserted()
	if one.GetVersion() != 1 || one.GetValidUntil() == nil || !one.GetValidUntil().AsTime().Equal(two.GetValidFrom().AsTime()) {
		t.Errorf("first version %v", one)
	}
	if two.GetVersion() != 2 || two.GetValidUntil() != nil || two.GetName() != "renamed" || two.GetRrule() == "" || two.GetDurationSeconds() != 5400 ||
		two.GetOrganizationId() != org || two.GetTimezone() != "Europe/Berlin" || !slices.Equal(two.GetLabels(), []string{"team=db"}) {
		t.Errorf("second version %v", two)
	}
	if step := next(); step.GetSnapshotComplete() == nil {
		t.Errorf("%v, want the end of the snapshot", step)
	}
	if _, err := h.maintenance.DeleteMaintenanceWindow(h.editor(), &monitorsv1.DeleteMaintenanceWindowRequest{Id: first.GetId()}); err != nil {
		t.Fatal(err)
	}
	if v := next().GetUpserted(); v.GetVersion() != 2 || v.GetValidUntil() == nil {
		t.Errorf("after the deletion %v", v)
	}
}

// What ended long ago is told to who asks for all.
func TestWatchAllMaintenance(t *testing.T) {
	h := newHouse(t)
	ago := time.Now().UTC().Truncate(time.Millisecond).AddDate(0, 0, -30)
	err := h.store.Write(t.Context(), func(tx monitors.Tx) error {
		id, err := tx.InsertWindow(t.Context(), monitors.Window{
			OrganizationID: org, Version: 1, CreatedAt: ago, CreatedBy: "u", From: ago, Config: monitors.WindowConfig{
				Name: "old", Target: maintenance.Target{MonitorIDs: []uint32{1}}, Spec: maintenance.Spec{Start: ago, End: ago.Add(time.Hour)},
			},
		})
		if err != nil {
			return err
		}
		return tx.DeleteWindow(t.Context(), org, id, ago.Add(time.Minute))
	})
	if err != nil {
		t.Fatal(err)
	}
	for all, want := range map[bool]int{true: 1, false: 0} {
		stream, err := h.maintenance.WatchMaintenance(rpctest.AsService(t.Context()), &monitorsv1.WatchMaintenanceRequest{Subscriber: "test", All: all})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for {
			step, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if step.GetSnapshotComplete() != nil {
				break
			}
			got++
		}
		if got != want {
			t.Errorf("all is %v: %d versions, want %d", all, got, want)
		}
	}
}

// A rule that begins at no given time begins at whole minutes, not at the second at which it was made.
func TestWindowsBeginAtWholeMinutes(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 30, 41, 7e6, time.UTC)
	for name, test := range map[string]struct {
		window *monitorsv1.MaintenanceWindow
		want   time.Time
	}{
		"a rule":        {&monitorsv1.MaintenanceWindow{Rrule: ptr("FREQ=DAILY;BYHOUR=2;BYMINUTE=30")}, now.Truncate(time.Minute)},
		"once":          {&monitorsv1.MaintenanceWindow{}, now},
		"given seconds": {&monitorsv1.MaintenanceWindow{Rrule: ptr("FREQ=DAILY"), StartsAt: timestamppb.New(now)}, now},
	} {
		if got := monitors.StartOfWindow(test.window, now); !got.Equal(test.want) {
			t.Errorf("%s begins at %v, want %v", name, got, test.want)
		}
	}
}
