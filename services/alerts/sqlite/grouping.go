package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	memberIDs = `SELECT DISTINCT monitor_id FROM group_member WHERE group_id IN (SELECT value FROM json_each(?)) ORDER BY monitor_id`
	groupsIn  = `SELECT DISTINCT group_id FROM group_member WHERE monitor_id IN (SELECT value FROM json_each(?)) ORDER BY group_id`
	// Those in whose place a group is told of.
	groupedOf = `
SELECT DISTINCT m.monitor_id FROM group_member m JOIN monitor_group g ON g.id = m.group_id
WHERE g.alert_level = 'group' AND m.monitor_id IN (SELECT value FROM json_each(?))`
	liveOfOwner = selectMonitor + ` WHERE organization_id = ? AND deleted_at IS NULL`
	dropMembers = `DELETE FROM group_member WHERE group_id = ?1 AND monitor_id NOT IN (SELECT value FROM json_each(?2))`
	addMembers  = `INSERT INTO group_member (group_id, monitor_id) SELECT ?1, value FROM json_each(?2) WHERE TRUE ON CONFLICT DO NOTHING`
	// The next evaluation of a monitor that is silent because of a group finds out whether it still is.
	lookAgainInGroups = `
UPDATE monitor_state SET overlay_until = ?1
WHERE overlay IS NOT NULL AND (overlay_until IS NULL OR overlay_until > ?1) AND monitor_id IN (SELECT value FROM json_each(?2))
    AND json_extract(overlay, '$.grouped')`
	saveGroupState = `
UPDATE monitor_group SET status = ?, since = ?, told = ?, outage_at = ?, changes = ?, due_at = ? WHERE id = ?`
	channelsOfOwners = selectChannel + ` WHERE enabled AND organization_id IN (SELECT value FROM json_each(?)) ORDER BY id`
)

// readGrouped says of whom a group is told in its place.
func readGrouped(ctx context.Context, tx *sql.Tx, states map[uint32]alerts.State, ids string) error {
	grouped, err := collect(ctx, tx, number[uint32], groupedOf, ids)
	if err != nil {
		return fmt.Errorf("grouped monitors: %w", err)
	}
	for _, id := range grouped {
		st := states[id]
		st.Grouped = true
		states[id] = st
	}
	return nil
}

func lookAgainAt(ctx context.Context, tx *sql.Tx, monitors []uint32, now time.Time) error {
	if _, err := tx.ExecContext(ctx, lookAgainInGroups, millis(now), list(monitors)); err != nil {
		return fmt.Errorf("look again: %w", err)
	}
	return nil
}

// regroup finds the members of a group that is new or was changed, and evaluates it.
func regroup(ctx context.Context, tx *sql.Tx, g alerts.Group, now time.Time) (alerts.GroupView, error) {
	before, err := collect(ctx, tx, number[uint32], memberIDs, list([]uint32{g.ID}))
	if err != nil {
		return alerts.GroupView{}, fmt.Errorf("members: %w", err)
	}
	monitors, err := collect(ctx, tx, scanMonitor, liveOfOwner, g.OrganizationID)
	if err != nil {
		return alerts.GroupView{}, fmt.Errorf("monitors: %w", err)
	}
	members := []uint32{}
	for _, m := range monitors {
		if g.Target.Covers(m.ID, m.Labels) {
			members = append(members, m.ID)
		}
	}
	for _, statement := range []string{dropMembers, addMembers} {
		if _, err := tx.ExecContext(ctx, statement, g.ID, list(members)); err != nil {
			return alerts.GroupView{}, fmt.Errorf("members: %w", err)
		}
	}
	if err := lookAgainAt(ctx, tx, before, now); err != nil {
		return alerts.GroupView{}, err
	}
	if _, err := evaluateGroups(ctx, tx, []uint32{g.ID}, now); err != nil {
		return alerts.GroupView{}, err
	}
	after, err := readGroup(ctx, tx, g.OrganizationID, g.ID)
	if err != nil {
		return alerts.GroupView{}, err
	}
	views, err := viewsOf(ctx, tx, []alerts.Group{after})
	if err != nil {
		return alerts.GroupView{}, err
	}
	return views[0], nil
}

// readGroups are the groups as evaluation needs them.
func readGroups(ctx context.Context, tx *sql.Tx, ids []uint32) ([]alerts.GroupView, []alerts.Channel, error) {
	groups, err := collect(ctx, tx, scanGroup, groupsByID, list(ids))
	if err != nil {
		return nil, nil, fmt.Errorf("groups: %w", err)
	}
	views, err := viewsOf(ctx, tx, groups)
	if err != nil {
		return nil, nil, err
	}
	owners := []string{}
	for _, g := range groups {
		if !slices.Contains(owners, g.OrganizationID) {
			owners = append(owners, g.OrganizationID)
		}
	}
	names, err := text(owners)
	if err != nil {
		return nil, nil, err
	}
	channels, err := collect(ctx, tx, scanChannel, channelsOfOwners, names)
	if err != nil {
		return nil, nil, fmt.Errorf("channels: %w", err)
	}
	return views, channels, nil
}

// shiftGroups lets the groups know the shifts of a batch that is not written yet.
func shiftGroups(ctx context.Context, tx *sql.Tx, shifts []alerts.Shift, now time.Time) (alerts.GroupBatch, error) {
	if len(shifts) == 0 {
		return alerts.GroupBatch{}, nil
	}
	var monitors []uint32
	for _, s := range shifts {
		monitors = append(monitors, s.MonitorID)
	}
	ids, err := collect(ctx, tx, number[uint32], groupsIn, list(monitors))
	if err != nil || len(ids) == 0 {
		return alerts.GroupBatch{}, wrap("groups of monitors", err)
	}
	views, channels, err := readGroups(ctx, tx, ids)
	if err != nil {
		return alerts.GroupBatch{}, err
	}
	return alerts.FoldGroups(views, channels, shifts, now), nil
}

// evaluateGroups evaluates groups as they are by now.
func evaluateGroups(ctx context.Context, tx *sql.Tx, ids []uint32, now time.Time) (told bool, err error) {
	if len(ids) == 0 {
		return false, nil
	}
	views, channels, err := readGroups(ctx, tx, ids)
	if err != nil {
		return false, err
	}
	b := alerts.FoldGroups(views, channels, nil, now)
	if err := saveGroups(ctx, tx, b.Groups); err != nil {
		return false, err
	}
	for _, m := range b.Messages {
		if err := enqueue(ctx, tx, m, now); err != nil {
			return false, fmt.Errorf("message %s: %w", m.ID, err)
		}
	}
	return len(b.Messages) > 0, nil
}

func saveGroups(ctx context.Context, tx *sql.Tx, groups []alerts.Group) error {
	for _, g := range groups {
		st := g.State
		_, err := tx.ExecContext(ctx, saveGroupState, string(st.Status), maybeMillis(st.Since), string(st.Told), maybeMillis(st.Outage),
			st.Changes, maybeMillis(st.Due), g.ID)
		if err != nil {
			return fmt.Errorf("state of group %d: %w", g.ID, err)
		}
	}
	return nil
}

const (
	anyGroups = `
SELECT EXISTS (SELECT 1 FROM monitor_group g JOIN monitor m ON m.organization_id = g.organization_id
    WHERE m.id IN (SELECT value FROM json_each(?)))`
	membership = `SELECT group_id, monitor_id FROM group_member WHERE monitor_id IN (SELECT value FROM json_each(?))`
	dropMember = `DELETE FROM group_member WHERE group_id = ? AND monitor_id = ?`
	addMember  = `INSERT INTO group_member (group_id, monitor_id) VALUES (?, ?)`
)

// Regroup implements alerts.GroupStore. Most of what the catalog says changes nothing, and costs no write.
func (s *Store) Regroup(ctx context.Context, monitorIDs []uint32, now time.Time) (told bool, err error) {
	var any bool
	err = s.polls.QueryRowContext(ctx, anyGroups, list(monitorIDs)).Scan(&any)
	if err != nil || !any {
		return false, wrap("regroup", err)
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		told, err = regroupMonitors(ctx, tx, monitorIDs, now)
		return err
	})
	return told, wrap("regroup", err)
}

func regroupMonitors(ctx context.Context, tx *sql.Tx, ids []uint32, now time.Time) (told bool, err error) {
	monitors, err := collect(ctx, tx, scanMonitor, monitorsByID, list(ids))
	if err != nil {
		return false, fmt.Errorf("monitors: %w", err)
	}
	var groups []alerts.Group
	seen := map[string]bool{}
	for _, m := range monitors {
		if seen[m.OrganizationID] {
			continue
		}
		seen[m.OrganizationID] = true
		some, err := collect(ctx, tx, scanGroup, groupsOfOwner, m.OrganizationID)
		if err != nil {
			return false, fmt.Errorf("groups: %w", err)
		}
		groups = append(groups, some...)
	}
	is, err := collect(ctx, tx, scanMembership, membership, list(ids))
	if err != nil {
		return false, fmt.Errorf("members: %w", err)
	}
	r := alerts.Regroup(groups, monitors, is)
	for _, m := range r.Leave {
		if _, err := tx.ExecContext(ctx, dropMember, m.Group, m.Monitor); err != nil {
			return false, fmt.Errorf("members: %w", err)
		}
	}
	for _, m := range r.Join {
		if _, err := tx.ExecContext(ctx, addMember, m.Group, m.Monitor); err != nil {
			return false, fmt.Errorf("members: %w", err)
		}
	}
	if err := lookAgainAt(ctx, tx, r.Left(), now); err != nil {
		return false, err
	}
	return evaluateGroups(ctx, tx, r.Groups, now)
}

func scanMembership(row scanner) (m alerts.Membership, err error) {
	err = row.Scan(&m.Group, &m.Monitor)
	return m, err
}

const dueGroups = `SELECT id FROM monitor_group WHERE due_at <= ? ORDER BY due_at, id LIMIT ? + 0`

// DueGroups implements alerts.GroupStore.
func (s *Store) DueGroups(ctx context.Context, now time.Time, limit int) ([]uint32, error) {
	ids, err := collect(ctx, s.polls, number[uint32], dueGroups, millis(now), limit)
	return ids, wrap("find due groups", err)
}

// EvaluateGroups implements alerts.GroupStore.
func (s *Store) EvaluateGroups(ctx context.Context, ids []uint32, now time.Time) (told bool, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		told, err = evaluateGroups(ctx, tx, ids, now)
		return err
	})
	return told, wrap("evaluate groups", err)
}
