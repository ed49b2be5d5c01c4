package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

// cursor is the name under which evaluation keeps its place in the feed.
const cursor = "evaluate"

// Other replicas wait for the lock, so one that hangs while it holds it is cut off sooner than others.
const (
	selectCursor = `SELECT seq, last_incident_id, last_trigger_id FROM feed_cursor WHERE name = $1`
	lockCursor   = `
SELECT seq, last_incident_id, last_trigger_id FROM feed_cursor
WHERE name = $1 AND set_config('idle_in_transaction_session_timeout', '5000', true) IS NOT NULL
FOR UPDATE`
	updateCursor = `UPDATE feed_cursor SET seq = $2, last_incident_id = $3, last_trigger_id = $4 WHERE name = $1`
)

// Progress implements alerts.EvaluationStore.
func (s *Store) Progress(ctx context.Context) (alerts.Progress, error) {
	return scanProgress(s.db.QueryRow(ctx, selectCursor, cursor))
}

// lockEvaluation keeps evaluation, and whatever else takes this lock, out until tx ends.
func lockEvaluation(ctx context.Context, tx pgx.Tx) (alerts.Progress, error) {
	return scanProgress(tx.QueryRow(ctx, lockCursor, cursor))
}

func scanProgress(row pgx.Row) (p alerts.Progress, err error) {
	if err := row.Scan(&p.Seq, &p.IDs.Incident, &p.IDs.Trigger); err != nil {
		return alerts.Progress{}, fmt.Errorf("read cursor: %w", err)
	}
	return p, nil
}

// Advance implements alerts.EvaluationStore.
func (s *Store) Advance(ctx context.Context, monitors []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error { return advance(ctx, tx, monitors, now, step) })
}

func advance(ctx context.Context, tx pgx.Tx, monitors []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	p, err := lockEvaluation(ctx, tx)
	if err != nil {
		return err
	}
	states, err := readStates(ctx, tx, monitors)
	if err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	b := step(p, states)
	groups, err := shiftGroups(ctx, tx, b.Shifts, now)
	if err != nil {
		return fmt.Errorf("evaluate groups: %w", err)
	}
	b.Messages = groups.Among(b.Messages)
	if err := writeBatch(ctx, tx, p, b, now); err != nil {
		return fmt.Errorf("write batch: %w", err)
	}
	return saveGroups(ctx, tx, groups.Groups)
}

const (
	selectKnown = `
SELECT monitor_id, known, blind_since, overlay, overlay_until, changes FROM monitor_state WHERE monitor_id = ANY ($1)`
	unsettledIncidents = selectIncident + `
WHERE NOT i.settled AND i.monitor_id = ANY ($1)`
	enabledRules = selectRule + `
WHERE a.enabled AND a.monitor_id = ANY ($1)
ORDER BY a.id`
	openTriggers = selectTrigger + `
JOIN uptime_alerts a ON a.id = h.alert_id
WHERE h.resolved_at IS NULL AND a.monitor_id = ANY ($1)`
	enabledChannels = selectChannel + `
WHERE enabled AND organization_id = ANY ($1)
ORDER BY id`
)

// reading collects the rows of a query that waits in a batch.
func reading[T any](b *pgx.Batch, scan func(pgx.Row) (T, error), take func(T), query string, args ...any) {
	b.Queue(query, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				return err
			}
			take(v)
		}
		return rows.Err()
	})
}

// readStates reads everything about the monitors in two round trips, however many there are.
func readStates(ctx context.Context, tx pgx.Tx, monitors []alerts.MonitorRef) (map[uint32]alerts.State, error) {
	states := make(map[uint32]alerts.State, len(monitors))
	if len(monitors) == 0 {
		return states, nil
	}
	monitors, err := withHeld(ctx, tx, monitors)
	if err != nil {
		return nil, err
	}
	owners := map[string]bool{}
	for _, m := range monitors {
		states[m.ID] = alerts.State{Monitor: alerts.Monitor{ID: m.ID, OrganizationID: m.OrganizationID}}
		owners[m.OrganizationID] = true
	}
	change := func(id uint32, with func(*alerts.State)) {
		st := states[id]
		with(&st)
		states[id] = st
	}
	ids, b := slices.Sorted(maps.Keys(states)), &pgx.Batch{}
	reading(b, scanMonitor, func(m alerts.Monitor) {
		change(m.ID, func(st *alerts.State) { st.Monitor = m })
	}, monitorsByID, ids)
	reading(b, scanKnown, func(k known) {
		change(k.monitorID, func(st *alerts.State) {
			st.Known, st.Blind, st.Overlay, st.Changes = k.status, fromMaybe(k.blind), k.overlay, k.changes
		})
	}, selectKnown, ids)
	reading(b, scanIncident, func(i alerts.Incident) {
		change(i.MonitorID, func(st *alerts.State) { st.Incident = &i })
	}, unsettledIncidents, ids)
	readRules(b, ids, change)
	channels := map[string][]alerts.Channel{} // by owner
	reading(b, scanChannel, func(c alerts.Channel) {
		channels[c.OrganizationID] = append(channels[c.OrganizationID], c)
	}, enabledChannels, slices.Sorted(maps.Keys(owners)))
	var windows []alerts.MaintenanceWindow
	reading(b, scanWindow, func(w alerts.MaintenanceWindow) { windows = append(windows, w) }, windowsOf, slices.Sorted(maps.Keys(owners)))
	readFamily(b, monitors, change)
	reading(b, number[uint32], func(id uint32) {
		change(id, func(st *alerts.State) { st.Grouped = true })
	}, groupedOf, ids)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	for id := range states {
		change(id, func(st *alerts.State) {
			if st.Channels = channels[st.Monitor.OrganizationID]; len(windows) > 0 {
				st.Windows = alerts.WindowsOf(windows, st.Monitor)
			}
		})
	}
	return states, nil
}

// readRules reads the rules of monitors, what each has open and what it remembers.
func readRules(b *pgx.Batch, ids []uint32, change func(id uint32, with func(*alerts.State))) {
	open := map[uint32]*alerts.Trigger{} // by rule
	reading(b, scanTrigger, func(t alerts.Trigger) { open[t.RuleID] = &t }, openTriggers, ids)
	samples := map[uint32]*alerts.Samples{} // by rule
	reading(b, scanSamples, func(s ruleSamples) { samples[s.rule] = s.samples }, selectSamples, ids)
	reading(b, scanRule, func(r alerts.Rule) {
		change(r.MonitorID, func(st *alerts.State) {
			st.Rules = append(st.Rules, alerts.RuleState{Rule: r, Open: open[r.ID], Samples: samples[r.ID]})
		})
	}, enabledRules, ids)
}

// known is a row of monitor_state.
type known struct {
	monitorID uint32
	status    alerts.Status
	blind     *time.Time
	overlay   *alerts.Overlay
	changes   []time.Time
}

func scanKnown(row pgx.Row) (k known, err error) {
	var overlay []byte
	var until *time.Time
	if err := row.Scan(&k.monitorID, &k.status, &k.blind, &overlay, &until, &k.changes); err != nil {
		return k, err
	}
	k.overlay, err = overlayOf(overlay, until)
	return k, err
}

const (
	upsertKnown = `
INSERT INTO monitor_state (monitor_id, known) SELECT id, status FROM unnest($1::bigint[], $2::text[]) AS k (id, status)
ON CONFLICT (monitor_id) DO UPDATE SET known = excluded.known`
	upsertBlind = `
INSERT INTO monitor_state (monitor_id, known, blind_since) VALUES ($1, '', $2)
ON CONFLICT (monitor_id) DO UPDATE SET blind_since = excluded.blind_since`
	upsertChanges = `
INSERT INTO monitor_state (monitor_id, known, changes) VALUES ($1, '', $2)
ON CONFLICT (monitor_id) DO UPDATE SET changes = excluded.changes`
	upsertTrigger = `
INSERT INTO uptime_alert_history (id, alert_id, organization_id, monitor_id, triggered_at, resolved_at, alert_data, holding)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET resolved_at = excluded.resolved_at, alert_data = excluded.alert_data, holding = excluded.holding`
)

func writeBatch(ctx context.Context, tx pgx.Tx, before alerts.Progress, b alerts.Batch, now time.Time) error {
	q := &pgx.Batch{}
	if err := queueKnown(q, b); err != nil {
		return err
	}
	// An outage that ended and the next one may stand in one batch: the ids are ascending, so the end is written first.
	for _, i := range b.Incidents {
		args, err := incidentArgs(i)
		if err != nil {
			return err
		}
		q.Queue(upsertIncident, args...)
	}
	for _, st := range b.Steps {
		args, err := stepArgs(st)
		if err != nil {
			return err
		}
		q.Queue(insertStep, args...)
	}
	for _, t := range b.Triggers {
		args, err := triggerArgs(t)
		if err != nil {
			return fmt.Errorf("history row %d: %w", t.ID, err)
		}
		q.Queue(upsertTrigger, args...)
	}
	if p := b.Progress; p != before {
		q.Queue(updateCursor, cursor, p.Seq, p.IDs.Incident, p.IDs.Trigger)
	}
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return err
	}
	if err := settleReminders(ctx, tx, b.Incidents); err != nil {
		return fmt.Errorf("end reminders: %w", err)
	}
	if err := enqueue(ctx, tx, b.Messages, now); err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	return nil
}

// queueKnown queues what evaluation remembers of monitors and rules.
func queueKnown(q *pgx.Batch, b alerts.Batch) error {
	if len(b.Known) > 0 {
		var ids []uint32
		var statuses []string
		for id, status := range b.Known {
			ids, statuses = append(ids, id), append(statuses, string(status))
		}
		q.Queue(upsertKnown, ids, statuses)
	}
	for id, since := range b.Blind {
		q.Queue(upsertBlind, id, maybeMillis(since))
	}
	for id, o := range b.Overlays {
		args, err := overlayArgs(id, o)
		if err != nil {
			return err
		}
		q.Queue(upsertOverlay, args...)
	}
	for id, changes := range b.Changes {
		raw, err := object(changes)
		if err != nil {
			return fmt.Errorf("changes of monitor %d: %w", id, err)
		}
		q.Queue(upsertChanges, id, raw)
	}
	for rule, s := range b.Samples {
		if err := queueSamples(q, rule, s); err != nil {
			return err
		}
	}
	return nil
}

func triggerArgs(t alerts.Trigger) ([]any, error) {
	data, err := object(t.Data)
	if err != nil {
		return nil, err
	}
	holding, err := object(t.Holding)
	if err != nil {
		return nil, err
	}
	return []any{
		t.ID, t.RuleID, t.OrganizationID, t.MonitorID, millis(t.TriggeredAt), maybeMillis(t.ResolvedAt), data, holding,
	}, nil
}

// Each monitor once, however many of its rules are about uptime.
const uptimeRules = `
SELECT DISTINCT a.monitor_id, a.organization_id FROM uptime_alerts a
WHERE a.enabled AND a.about_uptime AND a.monitor_id = ANY ($1)
ORDER BY a.monitor_id`

// UptimeRules implements alerts.EvaluationStore.
func (s *Store) UptimeRules(ctx context.Context, monitorIDs []uint32) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.db, scanRef, uptimeRules, list(monitorIDs))
	if err != nil {
		return nil, fmt.Errorf("find uptime rules: %w", err)
	}
	return monitors, nil
}

const dueSilences = `
SELECT DISTINCT a.monitor_id, a.organization_id FROM uptime_alerts a JOIN monitor_state s ON s.monitor_id = a.monitor_id
WHERE a.no_data_ms > 0 AND a.enabled AND s.blind_since + a.no_data_ms * interval '1 millisecond' <= $1
    AND NOT EXISTS (
        SELECT 1 FROM uptime_alert_history h WHERE h.alert_id = a.id AND h.resolved_at IS NULL AND h.holding ? 'no_data')
ORDER BY a.monitor_id LIMIT $2`

// DueSilences implements alerts.EvaluationStore.
func (s *Store) DueSilences(ctx context.Context, now time.Time, limit int) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.db, scanRef, dueSilences, millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find silent monitors: %w", err)
	}
	return monitors, nil
}

func scanRef(row pgx.Row) (m alerts.MonitorRef, err error) {
	err = row.Scan(&m.ID, &m.OrganizationID)
	return m, err
}
