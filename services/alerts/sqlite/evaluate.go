package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// cursor is the name under which evaluation keeps its place in the feed.
const cursor = "evaluate"

const (
	selectCursor = `SELECT seq, last_incident_id, last_trigger_id FROM feed_cursor WHERE name = ?`
	upsertCursor = `
INSERT INTO feed_cursor (name, seq, last_incident_id, last_trigger_id) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, last_incident_id = excluded.last_incident_id,
    last_trigger_id = excluded.last_trigger_id`
)

// Progress implements alerts.EvaluationStore.
func (s *Store) Progress(ctx context.Context) (alerts.Progress, error) {
	return progress(ctx, s.polls)
}

func progress(ctx context.Context, q querier) (alerts.Progress, error) {
	var p alerts.Progress
	err := q.QueryRowContext(ctx, selectCursor, cursor).Scan(&p.Seq, &p.IDs.Incident, &p.IDs.Trigger)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return alerts.Progress{}, fmt.Errorf("read cursor: %w", err)
	}
	return p, nil
}

// Advance implements alerts.EvaluationStore.
func (s *Store) Advance(ctx context.Context, monitors []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error { return advance(ctx, tx, monitors, now, step) })
}

func advance(ctx context.Context, tx *sql.Tx, monitors []alerts.MonitorRef, now time.Time, step func(alerts.Progress, map[uint32]alerts.State) alerts.Batch) error {
	p, err := progress(ctx, tx)
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
	if err := errors.Join(writeBatch(ctx, tx, p, b, now), saveGroups(ctx, tx, groups.Groups)); err != nil {
		return fmt.Errorf("write batch: %w", err)
	}
	return nil
}

// known is a row of monitor_state.
type known struct {
	monitorID uint32
	status    alerts.Status
	blind     sql.NullInt64
	overlay   *alerts.Overlay
	changes   []time.Time
}

const (
	selectKnown = `
SELECT monitor_id, known, blind_since, overlay, overlay_until, changes FROM monitor_state WHERE monitor_id IN (SELECT value FROM json_each(?))`
	unsettledIncidents = selectIncident + `
WHERE i.settled = 0 AND i.monitor_id IN (SELECT value FROM json_each(?))`
	enabledRules = selectRule + `
WHERE a.enabled AND a.monitor_id IN (SELECT value FROM json_each(?))
ORDER BY a.id`
	openTriggers = selectTrigger + `
WHERE resolved_at IS NULL AND alert_id IN (
    SELECT a.id FROM uptime_alerts a WHERE a.monitor_id IN (SELECT value FROM json_each(?)))`
	enabledChannels = selectChannel + `
WHERE enabled AND organization_id IN (SELECT value FROM json_each(?))
ORDER BY id`
)

// readStates reads everything about the monitors with a fixed number of queries, however many there are.
func readStates(ctx context.Context, tx *sql.Tx, monitors []alerts.MonitorRef) (map[uint32]alerts.State, error) {
	monitors, err := withHeld(ctx, tx, monitors)
	if err != nil {
		return nil, err
	}
	states := make(map[uint32]alerts.State, len(monitors))
	organizations := map[string]bool{}
	ids := make([]uint32, 0, len(monitors))
	for _, m := range monitors {
		states[m.ID] = alerts.State{Monitor: alerts.Monitor{ID: m.ID, OrganizationID: m.OrganizationID}}
		organizations[m.OrganizationID] = true
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 {
		return states, nil
	}
	return states, errors.Join(
		readMonitors(ctx, tx, states, list(ids)),
		readRules(ctx, tx, states, list(ids)),
		readChannels(ctx, tx, states, organizations),
		readWindows(ctx, tx, states, organizations),
		readFamily(ctx, tx, states, monitors),
		readGrouped(ctx, tx, states, list(ids)),
	)
}

func readMonitors(ctx context.Context, tx *sql.Tx, states map[uint32]alerts.State, ids string) error {
	monitors, err := collect(ctx, tx, scanMonitor, monitorsByID, ids)
	if err != nil {
		return fmt.Errorf("monitors: %w", err)
	}
	for _, m := range monitors {
		st := states[m.ID]
		st.Monitor = m
		states[m.ID] = st
	}
	last, err := collect(ctx, tx, func(row scanner) (k known, err error) {
		var overlay, changes sql.NullString
		var until sql.NullInt64
		if err := row.Scan(&k.monitorID, &k.status, &k.blind, &overlay, &until, &changes); err != nil {
			return k, err
		}
		if changes.Valid {
			err = json.Unmarshal([]byte(changes.String), &k.changes)
		}
		var wrong error
		k.overlay, wrong = scanOverlay(overlay, until)
		return k, errors.Join(err, wrong)
	}, selectKnown, ids)
	if err != nil {
		return fmt.Errorf("last states: %w", err)
	}
	for _, k := range last {
		st := states[k.monitorID]
		st.Known, st.Blind, st.Overlay, st.Changes = k.status, fromMaybe(k.blind), k.overlay, k.changes
		states[k.monitorID] = st
	}
	incidents, err := collect(ctx, tx, scanIncident, unsettledIncidents, ids)
	if err != nil {
		return fmt.Errorf("incidents: %w", err)
	}
	for _, i := range incidents {
		st := states[i.MonitorID]
		st.Incident = &i
		states[i.MonitorID] = st
	}
	return nil
}

func readRules(ctx context.Context, tx *sql.Tx, states map[uint32]alerts.State, ids string) error {
	rules, err := collect(ctx, tx, scanRule, enabledRules, ids)
	if err != nil || len(rules) == 0 {
		return err
	}
	triggers, err := collect(ctx, tx, scanTrigger, openTriggers, ids)
	if err != nil {
		return fmt.Errorf("triggers: %w", err)
	}
	open := make(map[uint32]*alerts.Trigger, len(triggers))
	for _, t := range triggers {
		open[t.RuleID] = &t
	}
	samples, err := readSamples(ctx, tx, ids)
	if err != nil {
		return err
	}
	for _, r := range rules {
		st := states[r.MonitorID]
		st.Rules = append(st.Rules, alerts.RuleState{Rule: r, Open: open[r.ID], Samples: samples[r.ID]})
		states[r.MonitorID] = st
	}
	return nil
}

func readChannels(ctx context.Context, tx *sql.Tx, states map[uint32]alerts.State, organizations map[string]bool) error {
	names := make([]string, 0, len(organizations))
	for o := range organizations {
		names = append(names, o)
	}
	owners, err := text(names)
	if err != nil {
		return err
	}
	channels, err := collect(ctx, tx, scanChannel, enabledChannels, owners)
	if err != nil {
		return fmt.Errorf("channels: %w", err)
	}
	of := map[string][]alerts.Channel{}
	for _, c := range channels {
		of[c.OrganizationID] = append(of[c.OrganizationID], c)
	}
	for id, st := range states {
		st.Channels = of[st.Monitor.OrganizationID]
		states[id] = st
	}
	return nil
}

const (
	upsertKnown = `
INSERT INTO monitor_state (monitor_id, known) VALUES (?, ?)
ON CONFLICT (monitor_id) DO UPDATE SET known = excluded.known`
	upsertBlind = `
INSERT INTO monitor_state (monitor_id, known, blind_since) VALUES (?, '', ?)
ON CONFLICT (monitor_id) DO UPDATE SET blind_since = excluded.blind_since`
	upsertChanges = `
INSERT INTO monitor_state (monitor_id, known, changes) VALUES (?, '', ?)
ON CONFLICT (monitor_id) DO UPDATE SET changes = excluded.changes`
	upsertTrigger = `
INSERT INTO uptime_alert_history (id, alert_id, organization_id, monitor_id, triggered_at, resolved_at, alert_data, holding)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET resolved_at = excluded.resolved_at, alert_data = excluded.alert_data, holding = excluded.holding`
)

func writeBatch(ctx context.Context, tx *sql.Tx, before alerts.Progress, b alerts.Batch, now time.Time) error {
	for id, status := range b.Known {
		if _, err := tx.ExecContext(ctx, upsertKnown, id, string(status)); err != nil {
			return fmt.Errorf("state of monitor %d: %w", id, err)
		}
	}
	for id, since := range b.Blind {
		if _, err := tx.ExecContext(ctx, upsertBlind, id, maybeMillis(since)); err != nil {
			return fmt.Errorf("silence of monitor %d: %w", id, err)
		}
	}
	for id, o := range b.Overlays {
		if err := saveOverlay(ctx, tx, id, o); err != nil {
			return err
		}
	}
	for id, changes := range b.Changes {
		raw, err := text(changes)
		if err != nil {
			return fmt.Errorf("changes of monitor %d: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, upsertChanges, id, raw); err != nil {
			return fmt.Errorf("changes of monitor %d: %w", id, err)
		}
	}
	for rule, s := range b.Samples {
		if err := saveSamples(ctx, tx, rule, s); err != nil {
			return err
		}
	}
	// An outage that ended and the next one may stand in one batch: the ids are ascending, so the end is written first.
	for _, i := range b.Incidents {
		if err := saveIncident(ctx, tx, i); err != nil {
			return err
		}
	}
	for _, st := range b.Steps {
		if err := saveStep(ctx, tx, st); err != nil {
			return err
		}
	}
	for _, t := range b.Triggers {
		if err := saveTrigger(ctx, tx, t); err != nil {
			return err
		}
	}
	for _, m := range b.Messages {
		if err := enqueue(ctx, tx, m, now); err != nil {
			return fmt.Errorf("message %s: %w", m.ID, err)
		}
	}
	if b.Progress == before {
		return nil
	}
	p := b.Progress
	if _, err := tx.ExecContext(ctx, upsertCursor, cursor, p.Seq, p.IDs.Incident, p.IDs.Trigger); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	return nil
}

func saveTrigger(ctx context.Context, tx *sql.Tx, t alerts.Trigger) error {
	data, err := text(t.Data)
	if err != nil {
		return fmt.Errorf("history row %d: %w", t.ID, err)
	}
	holding, err := text(t.Holding)
	if err != nil {
		return fmt.Errorf("history row %d: %w", t.ID, err)
	}
	_, err = tx.ExecContext(ctx, upsertTrigger, t.ID, t.RuleID, t.OrganizationID, t.MonitorID, millis(t.TriggeredAt),
		maybeMillis(t.ResolvedAt), data, holding)
	if err != nil {
		return fmt.Errorf("history row %d: %w", t.ID, err)
	}
	return nil
}

// Each monitor once, however many of its rules are about uptime.
const uptimeRules = `
SELECT DISTINCT a.monitor_id, a.organization_id FROM uptime_alerts a
WHERE a.enabled AND a.about_uptime AND a.monitor_id IN (SELECT value FROM json_each(?))
ORDER BY a.monitor_id`

// UptimeRules implements alerts.EvaluationStore.
func (s *Store) UptimeRules(ctx context.Context, monitorIDs []uint32) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.polls, scanRef, uptimeRules, list(monitorIDs))
	if err != nil {
		return nil, fmt.Errorf("find uptime rules: %w", err)
	}
	return monitors, nil
}

const dueSilences = `
SELECT DISTINCT a.monitor_id, a.organization_id FROM uptime_alerts a JOIN monitor_state s ON s.monitor_id = a.monitor_id
WHERE a.no_data_ms > 0 AND a.enabled AND s.blind_since + a.no_data_ms <= ?
    AND NOT EXISTS (
        SELECT 1 FROM uptime_alert_history h
        WHERE h.alert_id = a.id AND h.resolved_at IS NULL AND json_extract(h.holding, '$.no_data'))
ORDER BY a.monitor_id LIMIT ? + 0`

// DueSilences implements alerts.EvaluationStore.
func (s *Store) DueSilences(ctx context.Context, now time.Time, limit int) ([]alerts.MonitorRef, error) {
	monitors, err := collect(ctx, s.polls, scanRef, dueSilences, millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find silent monitors: %w", err)
	}
	return monitors, nil
}

func scanRef(row scanner) (m alerts.MonitorRef, err error) {
	err = row.Scan(&m.ID, &m.OrganizationID)
	return m, err
}
