package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/maintenance"
)

// Maintenance lies over the states and changes nothing of them: what was seen in a window stays. But the time in it counts as
// maintenance wherever time is added up, and so for no percentage of uptime. The windows are not stored here. The monitors
// service keeps every version that a window ever had, and tells them all to who asks; until it has, nothing is added up.

// windows are all versions of all maintenance windows, and the labels by which monitors belong to them. The zero value knows none.
type windows struct {
	mu       sync.RWMutex
	byOrg    map[string][]window
	told     bool // of all of them
	labels   map[uint32]map[string]string
	labelled bool // every monitor's labels are known
}

// window is one version of a maintenance window.
type window struct {
	id, version uint32
	target      maintenance.Target
	spec        maintenance.Spec
	from, until time.Time // since when and until when it holds; a zero until: it does
}

func (w *windows) put(org string, one window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byOrg == nil {
		w.byOrg = map[string][]window{}
	}
	list := w.byOrg[org]
	if i := slices.IndexFunc(list, func(o window) bool { return o.id == one.id && o.version == one.version }); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	w.byOrg[org] = append(list, one)
}

// replace puts all that there are in the place of what was known.
func (w *windows) replace(all map[string][]window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.byOrg, w.told = all, true
}

func (w *windows) label(id uint32, labels map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.labels == nil {
		w.labels = map[uint32]map[string]string{}
	}
	if w.labels[id] = labels; len(labels) == 0 {
		delete(w.labels, id)
	}
}

func (w *windows) allLabelled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.labelled = true
}

func (w *windows) known() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.told && w.labelled
}

// of is the maintenance of a monitor that overlaps a range: ascending, and neither overlapping nor touching. None is cut at the ends
// of the range: what goes on after one, and what began before, is told by the whole.
func (w *windows) of(m Monitor, r span) []span {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []span
	for _, v := range w.byOrg[m.OrganizationID] {
		from, to := later(r.from, v.from), r.to
		if !v.until.IsZero() {
			to = earlier(to, v.until)
		}
		if !from.Before(to) || !v.target.Covers(m.ID, w.labels[m.ID]) {
			continue
		}
		schedule, err := maintenance.Compiled(v.spec)
		if err != nil { // which the monitors service accepted; a zone may be missing here
			continue
		}
		for _, o := range schedule.Between(from, to) {
			one := span{later(o.Start, v.from), o.End}
			if !v.until.IsZero() {
				one.to = earlier(one.to, v.until)
			}
			out = append(out, one)
		}
	}
	return union(out)
}

// supposed is the maintenance of windows that there are not that overlaps a range.
func supposed(windows []*eventsv1.ReplayWindow, r span) ([]span, error) {
	var out []span
	for i, w := range windows {
		schedule, err := maintenance.Read(maintenance.Spec{
			Start: moment(w.GetStartsAt()), End: moment(w.GetEndsAt()), RRule: w.GetRrule(), Cron: w.GetCron(), Timezone: w.GetTimezone(),
			Length: maintenance.Seconds(w.GetDurationSeconds()),
		})
		var wrong *maintenance.Error
		switch {
		case errors.As(err, &wrong):
			return nil, fault.Invalid("", fault.Field{Name: fmt.Sprintf("windows[%d].%s", i, wrong.Field), Message: wrong.Rule})
		case err != nil:
			return nil, fmt.Errorf("window %d: %w", i, err)
		}
		for _, o := range schedule.Between(r.from, r.to) {
			out = append(out, span{o.Start, o.End})
		}
	}
	return out, nil
}

// union is the same time in as few stretches as there can be.
func union(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	out := all[:0]
	for _, s := range all {
		if last := len(out) - 1; last >= 0 && !s.from.After(out[last].to) {
			out[last].to = later(out[last].to, s.to)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// within is what a timeline was like at both ends of a stretch of maintenance.
type within struct {
	span
	before, after Timeline
}

// spent is the maintenance of the stretch up to a moment, at which the timeline adds up to at: the time in it, state by state, and
// the outages that began in it, but for one that goes on after it.
func (w within) spent(moment time.Time, at Tally) Tally {
	if !moment.After(w.from) {
		return Tally{}
	}
	whole := !moment.Before(w.to)
	if whole {
		at = w.after.tally(w.to)
	}
	t := at.Sub(w.before.tally(w.from))
	if whole && t.Outages > 0 && w.after.Known == Down {
		t.Outages--
	}
	return t
}

// tally is At of an interval that there may not have been.
func (t Timeline) tally(moment time.Time) Tally {
	if t.Status == 0 {
		return Tally{}
	}
	return t.At(moment)
}

// overlay counts the time of maintenance as such. Tallies of which the difference is taken must have been overlaid with the same.
func overlay(at Tally, moment time.Time, maintained []within) Tally {
	out := at
	for _, w := range maintained {
		t := w.spent(moment, at)
		t.Paused, t.Maintenance = 0, 0 // paused is paused
		out = out.Sub(t)
		out.Maintenance += t.Known() + t.Unknown
	}
	return out
}

// maintained asks, for those of the monitors that were in maintenance in a range, what their timelines were like around it. Those
// that were so at the same times are one query.
func (s *Service) maintained(ctx context.Context, ids []uint32, region string, r span) (map[uint32][]within, error) {
	type group struct {
		ids []uint32
		in  []span
	}
	groups := map[string]*group{}
	for _, id := range ids {
		m, ok := s.known.get(id)
		if !ok {
			continue
		}
		if in := s.windows.of(m, r); len(in) > 0 {
			key := fmt.Sprint(in)
			if groups[key] == nil {
				groups[key] = &group{in: in}
			}
			groups[key].ids = append(groups[key].ids, id)
		}
	}
	out := map[uint32][]within{}
	for _, g := range groups {
		moments := make([]time.Time, 0, 2*len(g.in))
		for _, in := range g.in {
			moments = append(moments, in.from, in.to)
		}
		lines, err := s.state.Timelines(ctx, g.ids, region, moments)
		if err != nil {
			return nil, err
		}
		for _, id := range g.ids {
			if len(lines[id]) != len(moments) {
				continue // nothing was known of it
			}
			for i, in := range g.in {
				out[id] = append(out[id], within{in, lines[id][2*i], lines[id][2*i+1]})
			}
		}
	}
	return out, nil
}

const (
	windowsWait  = 2 * time.Second // how long a question about uptime waits for the windows
	windowsAgain = 5 * time.Second // what clients are told to wait before they ask again
	windowsPause = time.Minute     // between questions to a service that knows no windows
)

// awaitWindows waits a little until all windows are known, which they are but for the first moments of this process.
func (s *Service) awaitWindows(ctx context.Context) error {
	for end := time.Now().Add(windowsWait); !s.windows.known(); {
		if time.Now().After(end) {
			return fault.Unavailable("Uptime cannot be told at the moment: which maintenance windows there were is not known yet.").
				Because("MAINTENANCE_UNKNOWN").After(windowsAgain)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// followMaintenance keeps the windows as the monitors service has them.
func (s *Service) followMaintenance(ctx context.Context) {
	s.keepWatching(ctx, "maintenance", func(ctx context.Context) error {
		err := s.watchMaintenance(ctx)
		if status.Code(err) == codes.Unimplemented { // an older one, which has no windows
			s.windows.replace(nil)
			select {
			case <-time.After(windowsPause):
			case <-ctx.Done():
			}
		}
		return err
	})
}

func (s *Service) watchMaintenance(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.maintenance.WatchMaintenance(ctx, &monitorsv1.WatchMaintenanceRequest{Subscriber: "events", All: true})
	if err != nil {
		return fmt.Errorf("watch maintenance: %w", err)
	}
	all := &windows{} // nil once the snapshot is complete
	for {
		resp, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("watch maintenance: %w", err)
		}
		switch step := resp.GetStep().(type) {
		case *monitorsv1.WatchMaintenanceResponse_Upserted:
			cmp.Or(all, &s.windows).put(step.Upserted.GetOrganizationId(), windowIn(step.Upserted))
		case *monitorsv1.WatchMaintenanceResponse_SnapshotComplete:
			if all != nil {
				s.windows.replace(all.byOrg)
			}
			all = nil
		}
	}
}

func windowIn(v *monitorsv1.MaintenanceVersion) window {
	return window{
		id: v.GetWindowId(), version: v.GetVersion(), target: maintenance.Target{MonitorIDs: v.GetMonitorIds(), Labels: v.GetLabels()},
		spec: maintenance.Spec{
			Start: moment(v.GetStartsAt()), End: moment(v.GetEndsAt()), RRule: v.GetRrule(), Cron: v.GetCron(), Timezone: v.GetTimezone(),
			Length: maintenance.Seconds(v.GetDurationSeconds()),
		},
		from: moment(v.GetValidFrom()), until: moment(v.GetValidUntil()),
	}
}
