package alerts_test

import (
	"context"
	"maps"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

// twice runs every callback twice, as a store may after a conflict: what the first run left in memory must do no harm.
type twice struct{ alerts.Store }

// first runs fn on a copy before it counts.
func first[T, R any](v *T, fn func(*T) (R, error)) (R, error) {
	draft := *v
	if r, err := fn(&draft); err != nil {
		return r, err
	}
	return fn(v)
}

func (s twice) CreateRule(ctx context.Context, r alerts.Rule, finish func(*alerts.Rule) (audit.Row, error)) (alerts.Rule, error) {
	return s.Store.CreateRule(ctx, r, func(r *alerts.Rule) (audit.Row, error) { return first(r, finish) })
}

func (s twice) UpdateRule(ctx context.Context, organization string, monitorID, id uint32, at time.Time, change func(*alerts.Rule) (audit.Row, error)) (alerts.Rule, error) {
	return s.Store.UpdateRule(ctx, organization, monitorID, id, at, func(r *alerts.Rule) (audit.Row, error) { return first(r, change) })
}

func (s twice) CreateChannel(ctx context.Context, c alerts.Channel, finish func(*alerts.Channel) (audit.Row, error)) (alerts.Channel, error) {
	return s.Store.CreateChannel(ctx, c, func(c *alerts.Channel) (audit.Row, error) { return first(c, finish) })
}

func (s twice) UpdateChannel(ctx context.Context, organization string, id uint32, change func(*alerts.Channel) (audit.Row, error)) (alerts.Channel, error) {
	return s.Store.UpdateChannel(ctx, organization, id, func(c *alerts.Channel) (audit.Row, error) { return first(c, change) })
}

func (s twice) ChangeIncident(ctx context.Context, organization string, id uint32, change func(*alerts.Incident) (alerts.Handling, error)) (alerts.Incident, error) {
	return s.Store.ChangeIncident(ctx, organization, id, func(i *alerts.Incident) (alerts.Handling, error) { return first(i, change) })
}

func (s twice) UpdateNote(ctx context.Context, organization string, incidentID, id uint32, change func(*alerts.Note) (*audit.Row, error)) (alerts.Note, error) {
	return s.Store.UpdateNote(ctx, organization, incidentID, id, func(n *alerts.Note) (*audit.Row, error) { return first(n, change) })
}

type step = func(alerts.Progress, map[uint32]alerts.State) alerts.Batch

func again(fn step) step {
	return func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		fn(p, maps.Clone(states))
		return fn(p, states)
	}
}

func (s twice) Advance(ctx context.Context, monitors []alerts.MonitorRef, now time.Time, fn step) error {
	return s.Store.Advance(ctx, monitors, now, again(fn))
}

func (s twice) RemoveMonitors(ctx context.Context, monitors []alerts.MonitorRef, now time.Time, fn step) error {
	return s.Store.RemoveMonitors(ctx, monitors, now, again(fn))
}

func (s twice) ChangeNotice(ctx context.Context, key string, now time.Time, fn func(alerts.NoticeState) alerts.NoticeChange) error {
	return s.Store.ChangeNotice(ctx, key, now, func(st alerts.NoticeState) alerts.NoticeChange {
		fn(st)
		return fn(st)
	})
}
