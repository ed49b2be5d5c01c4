package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	memberIDs = `SELECT DISTINCT monitor_id FROM group_member WHERE group_id = ANY ($1) ORDER BY monitor_id`
	groupsIn  = `SELECT DISTINCT group_id FROM group_member WHERE monitor_id = ANY ($1) ORDER BY group_id`
	// Those in whose place a group is told of.
	groupedOf = `
SELECT DISTINCT m.monitor_id FROM group_member m JOIN monitor_group g ON g.id = m.group_id
WHERE g.alert_level = 'group' AND m.monitor_id = ANY ($1)`
	liveOfOwner = selectMonitor + ` WHERE organization_id = $1 AND deleted_at IS NULL`
	dropMembers = `DELETE FROM group_member WHERE group_id = $1 AND monitor_id <> ALL ($2::bigint[])`
	addMembers  = `INSERT INTO group_member (group_id, monitor_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING`
	// The next evaluation of a monitor that is silent because of a group finds out whether it still is.
	lookAgainInGroups = `
UPDATE monitor_state SET overlay_until = $1
WHERE overlay ? 'grouped' AND (overlay_until IS NULL OR overlay_until > $1) AND monitor_id = ANY ($2)`
	saveGroupState = `
UPDATE monitor_group SET status = $1, since = $2, told = $3, outage_at = $4, changes = $5, due_at = $6 WHERE id = $7`
)

func lookAgainAt(ctx context.Context, tx pgx.Tx, monitors []uint32, now time.Time) error {
	if _, err := tx.Exec(ctx, lookAgainInGroups, millis(now), list(monitors)); err != nil {
		return fmt.Errorf("look again: %w", err)
	}
	return nil
}

// regroup finds the members of a group that is new or was changed, and evaluates it. The cursor is locked.
func regroup(ctx context.Context, tx pgx.Tx, g alerts.Group, now time.Time) (alerts.GroupView, error) {
	before, err := collect(ctx, tx, number[uint32], memberIDs, []uint32{g.ID})
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
		if _, err := tx.Exec(ctx, statement, g.ID, members); err != nil {
			return alerts.GroupView{}, fmt.Errorf("members: %w", err)
		}
	}
	if err := lookAgainAt(ctx, tx, before, now); err != nil {
		return alerts.GroupView{}, err
	}
	if _, err := evaluateGroups(ctx, tx, []uint32{g.ID}, now); err != nil {
		return alerts.GroupView{}, err
	}
	return readView(ctx, tx, g.OrganizationID, g.ID)
}

// readGroups are the groups as evaluation needs them.
func readGroups(ctx context.Context, tx pgx.Tx, ids []uint32) ([]alerts.GroupView, []alerts.Channel, error) {
	groups, err := collect(ctx, tx, scanGroup, groupsByID, ids)
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
	channels, err := collect(ctx, tx, scanChannel, enabledChannels, owners)
	if err != nil {
		return nil, nil, fmt.Errorf("channels: %w", err)
	}
	return views, channels, nil
}

// shiftGroups lets the groups know the shifts of a batch that is not written yet.
func shiftGroups(ctx context.Context, tx pgx.Tx, shifts []alerts.Shift, now time.Time) (alerts.GroupBatch, error) {
	if len(shifts) == 0 {
		return alerts.GroupBatch{}, nil
	}
	var monitors []uint32
	for _, s := range shifts {
		monitors = append(monitors, s.MonitorID)
	}
	ids, err := collect(ctx, tx, number[uint32], groupsIn, monitors)
	if err != nil || len(ids) == 0 {
		return alerts.GroupBatch{}, wrap("groups of monitors", err)
	}
	views, channels, err := readGroups(ctx, tx, ids)
	if err != nil {
		return alerts.GroupBatch{}, err
	}
	return alerts.FoldGroups(views, channels, shifts, now), nil
}

// evaluateGroups evaluates groups as they are by now. The cursor is locked.
func evaluateGroups(ctx context.Context, tx pgx.Tx, ids []uint32, now time.Time) (told bool, err error) {
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
	if err := enqueue(ctx, tx, b.Messages, now); err != nil {
		return false, fmt.Errorf("messages: %w", err)
	}
	return len(b.Messages) > 0, nil
}

func saveGroups(ctx context.Context, tx pgx.Tx, groups []alerts.Group) error {
	if len(groups) == 0 {
		return nil
	}
	b := &pgx.Batch{}
	for _, g := range groups {
		st := g.State
		b.Queue(saveGroupState, string(st.Status), maybeMillis(st.Since), string(st.Told), maybeMillis(st.Outage), int64(st.Changes),
			maybeMillis(st.Due), g.ID)
	}
	return wrap("states of groups", tx.SendBatch(ctx, b).Close())
}

const (
	anyGroups = `
SELECT EXISTS (SELECT 1 FROM monitor_group g JOIN monitor m ON m.organization_id = g.organization_id WHERE m.id = ANY ($1))`
	membership  = `SELECT group_id, monitor_id FROM group_member WHERE monitor_id = ANY ($1) ORDER BY group_id, monitor_id`
	leaveGroups = `DELETE FROM group_member WHERE (group_id, monitor_id) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))`
	enterGroups = `INSERT INTO group_member (group_id, monitor_id) SELECT * FROM unnest($1::bigint[], $2::bigint[])`
)

// Regroup implements alerts.GroupStore. Most of what the catalog says changes nothing, and costs no write.
func (s *Store) Regroup(ctx context.Context, monitorIDs []uint32, now time.Time) (told bool, err error) {
	var any bool
	err = s.db.QueryRow(ctx, anyGroups, list(monitorIDs)).Scan(&any)
	if err != nil || !any {
		return false, wrap("regroup", err)
	}
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return err
		}
		told, err = regroupMonitors(ctx, tx, monitorIDs, now)
		return err
	})
	return told, wrap("regroup", err)
}

// regroupMonitors puts monitors into the groups that they belong to. The cursor is locked.
func regroupMonitors(ctx context.Context, tx pgx.Tx, ids []uint32, now time.Time) (told bool, err error) {
	monitors, err := collect(ctx, tx, scanMonitor, monitorsByID, list(ids))
	if err != nil {
		return false, fmt.Errorf("monitors: %w", err)
	}
	owners := []string{}
	for _, m := range monitors {
		owners = append(owners, m.OrganizationID)
	}
	slices.Sort(owners)
	groups, err := collect(ctx, tx, scanGroup, groupsOfOwners, slices.Compact(owners))
	if err != nil {
		return false, fmt.Errorf("groups: %w", err)
	}
	is, err := collect(ctx, tx, scanMembership, membership, list(ids))
	if err != nil {
		return false, fmt.Errorf("members: %w", err)
	}
	r := alerts.Regroup(groups, monitors, is)
	for statement, changes := range map[string][]alerts.Membership{leaveGroups: r.Leave, enterGroups: r.Join} {
		if len(changes) == 0 {
			continue
		}
		var of, who []uint32
		for _, m := range changes {
			of, who = append(of, m.Group), append(who, m.Monitor)
		}
		if _, err := tx.Exec(ctx, statement, of, who); err != nil {
			return false, fmt.Errorf("members: %w", err)
		}
	}
	if err := lookAgainAt(ctx, tx, r.Left(), now); err != nil {
		return false, err
	}
	return evaluateGroups(ctx, tx, r.Groups, now)
}

func scanMembership(row pgx.Row) (m alerts.Membership, err error) {
	err = row.Scan(&m.Group, &m.Monitor)
	return m, err
}

const dueGroups = `SELECT id FROM monitor_group WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2`

// DueGroups implements alerts.GroupStore.
func (s *Store) DueGroups(ctx context.Context, now time.Time, limit int) ([]uint32, error) {
	ids, err := collect(ctx, s.db, number[uint32], dueGroups, millis(now), limit)
	return ids, wrap("find due groups", err)
}

// EvaluateGroups implements alerts.GroupStore.
func (s *Store) EvaluateGroups(ctx context.Context, ids []uint32, now time.Time) (told bool, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return err
		}
		told, err = evaluateGroups(ctx, tx, ids, now)
		return err
	})
	return told, wrap("evaluate groups", err)
}
