package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectGroup = `
SELECT id, organization_id, name, description, target, rule_kind, rule_value, alert_level, created_at, updated_at,
    status, since, told, outage_at, changes, due_at
FROM monitor_group`
	groupsOfOwner = selectGroup + ` WHERE organization_id = ? ORDER BY id`
	oneGroup      = selectGroup + ` WHERE organization_id = ? AND id = ?`
	groupsByID    = selectGroup + ` WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id`
	membersOf     = `
SELECT g.group_id, m.id, m.name, m.enabled, m.detects_down_ms, s.known, s.blind_since, s.overlay, s.overlay_until, coalesce(i.down_since, i.start_time)
FROM group_member g JOIN monitor m ON m.id = g.monitor_id
LEFT JOIN monitor_state s ON s.monitor_id = m.id
LEFT JOIN incident i ON i.monitor_id = m.id AND i.settled = 0 AND i.up_since IS NULL
WHERE g.group_id IN (SELECT value FROM json_each(?)) AND m.deleted_at IS NULL
ORDER BY g.group_id, m.id`
)

func scanGroup(row scanner) (g alerts.Group, err error) {
	var target string
	var created, updated int64
	var since, outage, due sql.NullInt64
	s := &g.State
	err = row.Scan(&g.ID, &g.OrganizationID, &g.Name, &g.Description, &target, &g.Rule.Kind, &g.Rule.Value, &g.Level, &created, &updated,
		&s.Status, &since, &s.Told, &outage, &s.Changes, &due)
	if err != nil {
		return alerts.Group{}, err
	}
	if err := json.Unmarshal([]byte(target), &g.Target); err != nil {
		return alerts.Group{}, fmt.Errorf("target of group %d: %w", g.ID, err)
	}
	g.CreatedAt, g.UpdatedAt = fromMillis(created), fromMillis(updated)
	s.Since, s.Outage, s.Due = fromMaybe(since), fromMaybe(outage), fromMaybe(due)
	return g, nil
}

// groupMember is a member, and of which group.
type groupMember struct {
	group uint32
	alerts.GroupMember
}

func scanGroupMember(row scanner) (m groupMember, err error) {
	var st alerts.State
	var detects int64
	var known, overlay sql.NullString
	var blind, until, since sql.NullInt64
	if err := row.Scan(&m.group, &m.ID, &m.Name, &st.Monitor.Enabled, &detects, &known, &blind, &overlay, &until, &since); err != nil {
		return m, err
	}
	st.Known, st.Blind = alerts.Status(known.String), fromMaybe(blind)
	st.Overlay, err = scanOverlay(overlay, until)
	m.Member, m.Since, m.DetectsDown = st.Member(), fromMaybe(since), time.Duration(detects)*time.Millisecond
	return m, err
}

// viewsOf are the groups with their members.
func viewsOf(ctx context.Context, q querier, groups []alerts.Group) ([]alerts.GroupView, error) {
	at, ids, views := map[uint32]int{}, []uint32{}, []alerts.GroupView{}
	for i, g := range groups {
		at[g.ID], ids, views = i, append(ids, g.ID), append(views, alerts.GroupView{Group: g})
	}
	if len(groups) == 0 {
		return nil, nil
	}
	members, err := collect(ctx, q, scanGroupMember, membersOf, list(ids))
	if err != nil {
		return nil, fmt.Errorf("members of groups: %w", err)
	}
	for _, m := range members {
		v := &views[at[m.group]]
		v.Members = append(v.Members, m.GroupMember)
	}
	return views, nil
}

// snapshot runs read on one state of the database.
func (s *Store) snapshot(ctx context.Context, read func(tx *sql.Tx) error) error {
	tx, err := s.db.Read().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(read(tx), tx.Rollback())
}

// Groups implements alerts.GroupStore.
func (s *Store) Groups(ctx context.Context, organization string) (views []alerts.GroupView, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		groups, err := collect(ctx, tx, scanGroup, groupsOfOwner, organization)
		if err != nil {
			return err
		}
		views, err = viewsOf(ctx, tx, groups)
		return err
	})
	return views, wrap("list groups", err)
}

// Group implements alerts.GroupStore.
func (s *Store) Group(ctx context.Context, organization string, id uint32) (v alerts.GroupView, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		g, err := readGroup(ctx, tx, organization, id)
		if err != nil {
			return err
		}
		views, err := viewsOf(ctx, tx, []alerts.Group{g})
		if err == nil {
			v = views[0]
		}
		return err
	})
	return v, err
}

func readGroup(ctx context.Context, q querier, organization string, id uint32) (alerts.Group, error) {
	g, err := scanGroup(q.QueryRowContext(ctx, oneGroup, organization, id))
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Group{}, alerts.ErrGroupNotFound
	}
	if err != nil {
		return alerts.Group{}, fmt.Errorf("read group: %w", err)
	}
	return g, nil
}

const (
	countGroups = `SELECT count(*) FROM monitor_group WHERE organization_id = ?`
	insertGroup = `
INSERT INTO monitor_group (organization_id, name, description, target, rule_kind, rule_value, alert_level, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING id`
	updateGroup = `
UPDATE monitor_group SET name = ?, description = ?, target = ?, rule_kind = ?, rule_value = ?, alert_level = ?, updated_at = ?
WHERE id = ?`
	deleteGroup = `DELETE FROM monitor_group WHERE id = ?`
)

// CreateGroup implements alerts.GroupStore.
func (s *Store) CreateGroup(ctx context.Context, g alerts.Group, now time.Time, record func(alerts.Group) (audit.Row, error)) (v alerts.GroupView, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := number[int64](tx.QueryRowContext(ctx, countGroups, g.OrganizationID))
		if err != nil {
			return fmt.Errorf("create group: count: %w", err)
		}
		if n >= alerts.MaxGroups {
			return alerts.ErrTooManyGroups
		}
		target, err := text(g.Target)
		if err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		g.ID, err = number[uint32](tx.QueryRowContext(ctx, insertGroup, g.OrganizationID, g.Name, g.Description, target, string(g.Rule.Kind),
			g.Rule.Value, string(g.Level), millis(g.CreatedAt), millis(g.UpdatedAt)))
		if err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		row, err := record(g)
		if err != nil {
			return err
		}
		if v, err = regroup(ctx, tx, g, now); err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, row)
	})
	return v, err
}

// UpdateGroup implements alerts.GroupStore.
func (s *Store) UpdateGroup(ctx context.Context, organization string, id uint32, now time.Time, change func(*alerts.Group) (audit.Row, error)) (v alerts.GroupView, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		g, err := readGroup(ctx, tx, organization, id)
		if err != nil {
			return err
		}
		row, err := change(&g)
		if err != nil {
			return err
		}
		target, err := text(g.Target)
		if err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		_, err = tx.ExecContext(ctx, updateGroup, g.Name, g.Description, target, string(g.Rule.Kind), g.Rule.Value, string(g.Level),
			millis(g.UpdatedAt), id)
		if err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		if v, err = regroup(ctx, tx, g, now); err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, row)
	})
	return v, err
}

// DeleteGroup implements alerts.GroupStore.
func (s *Store) DeleteGroup(ctx context.Context, organization string, id uint32, now time.Time, record func(alerts.Group) (audit.Row, error)) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		g, err := readGroup(ctx, tx, organization, id)
		if err != nil {
			return err
		}
		row, err := record(g)
		if err != nil {
			return err
		}
		members, err := collect(ctx, tx, number[uint32], memberIDs, list([]uint32{id}))
		if err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		if _, err := tx.ExecContext(ctx, deleteGroup, id); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		return errors.Join(lookAgainAt(ctx, tx, members, now), auditsqlite.Insert(ctx, tx, row))
	})
}
