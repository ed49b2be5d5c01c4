package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectGroup = `
SELECT id, organization_id, name, description, target, rule_kind, rule_value, alert_level, created_at, updated_at,
    status, since, told, outage_at, changes, due_at
FROM monitor_group`
	groupsOfOwners = selectGroup + ` WHERE organization_id = ANY ($1) ORDER BY id`
	oneGroup       = selectGroup + ` WHERE organization_id = $1 AND id = $2`
	groupsByID     = selectGroup + ` WHERE id = ANY ($1) ORDER BY id`
	membersOf      = `
SELECT g.group_id, m.id, m.name, m.enabled, m.detects_down_ms, s.known, s.blind_since, s.overlay, s.overlay_until, coalesce(i.down_since, i.start_time)
FROM group_member g JOIN monitor m ON m.id = g.monitor_id
LEFT JOIN monitor_state s ON s.monitor_id = m.id
LEFT JOIN incident i ON i.monitor_id = m.id AND NOT i.settled AND i.up_since IS NULL
WHERE g.group_id = ANY ($1) AND m.deleted_at IS NULL
ORDER BY g.group_id, m.id`
)

func scanGroup(row pgx.Row) (g alerts.Group, err error) {
	var target []byte
	var since, outage, due *time.Time
	s := &g.State
	err = row.Scan(&g.ID, &g.OrganizationID, &g.Name, &g.Description, &target, &g.Rule.Kind, &g.Rule.Value, &g.Level, &g.CreatedAt, &g.UpdatedAt,
		&s.Status, &since, &s.Told, &outage, &s.Changes, &due)
	if err != nil {
		return alerts.Group{}, err
	}
	if err := json.Unmarshal(target, &g.Target); err != nil {
		return alerts.Group{}, fmt.Errorf("target of group %d: %w", g.ID, err)
	}
	g.CreatedAt, g.UpdatedAt = g.CreatedAt.UTC(), g.UpdatedAt.UTC()
	s.Since, s.Outage, s.Due = fromMaybe(since), fromMaybe(outage), fromMaybe(due)
	return g, nil
}

// groupMember is a member, and of which group.
type groupMember struct {
	group uint32
	alerts.GroupMember
}

func scanGroupMember(row pgx.Row) (m groupMember, err error) {
	var st alerts.State
	var detects int64
	var known *string
	var overlay []byte
	var blind, until, since *time.Time
	if err := row.Scan(&m.group, &m.ID, &m.Name, &st.Monitor.Enabled, &detects, &known, &blind, &overlay, &until, &since); err != nil {
		return m, err
	}
	if known != nil {
		st.Known = alerts.Status(*known)
	}
	st.Blind = fromMaybe(blind)
	st.Overlay, err = overlayOf(overlay, until)
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
	members, err := collect(ctx, q, scanGroupMember, membersOf, ids)
	if err != nil {
		return nil, fmt.Errorf("members of groups: %w", err)
	}
	for _, m := range members {
		v := &views[at[m.group]]
		v.Members = append(v.Members, m.GroupMember)
	}
	return views, nil
}

// Groups implements alerts.GroupStore.
func (s *Store) Groups(ctx context.Context, organization string) (views []alerts.GroupView, err error) {
	err = s.db.Snapshot(ctx, func(tx pgx.Tx) error {
		groups, err := collect(ctx, tx, scanGroup, groupsOfOwners, []string{organization})
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
	err = s.db.Snapshot(ctx, func(tx pgx.Tx) error {
		v, err = readView(ctx, tx, organization, id)
		return err
	})
	return v, err
}

func readView(ctx context.Context, q querier, organization string, id uint32) (alerts.GroupView, error) {
	g, err := readGroup(ctx, q, organization, id)
	if err != nil {
		return alerts.GroupView{}, err
	}
	views, err := viewsOf(ctx, q, []alerts.Group{g})
	if err != nil {
		return alerts.GroupView{}, err
	}
	return views[0], nil
}

func readGroup(ctx context.Context, q querier, organization string, id uint32) (alerts.Group, error) {
	g, err := scanGroup(q.QueryRow(ctx, oneGroup, organization, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return alerts.Group{}, alerts.ErrGroupNotFound
	}
	if err != nil {
		return alerts.Group{}, fmt.Errorf("read group: %w", err)
	}
	return g, nil
}

const (
	countGroups = `SELECT count(*) FROM monitor_group WHERE organization_id = $1`
	nextGroup   = `SELECT nextval('monitor_group_id_seq')`
	insertGroup = `
INSERT INTO monitor_group (name, description, target, rule_kind, rule_value, alert_level, updated_at, id, organization_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	updateGroup = `
UPDATE monitor_group SET name = $1, description = $2, target = $3, rule_kind = $4, rule_value = $5, alert_level = $6, updated_at = $7
WHERE id = $8`
	deleteGroup = `DELETE FROM monitor_group WHERE id = $1`
)

// groupArgs are what may change in a group, and its id, as the statements above number them.
func groupArgs(g alerts.Group) ([]any, error) {
	target, err := object(g.Target)
	if err != nil {
		return nil, err
	}
	return []any{text(g.Name), text(g.Description), target, string(g.Rule.Kind), g.Rule.Value, string(g.Level), millis(g.UpdatedAt), g.ID}, nil
}

// CreateGroup implements alerts.GroupStore. The lock of evaluation keeps two from both finding room for one more.
func (s *Store) CreateGroup(ctx context.Context, g alerts.Group, now time.Time, record func(alerts.Group) (audit.Row, error)) (v alerts.GroupView, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		n, err := number[int64](tx.QueryRow(ctx, countGroups, g.OrganizationID))
		if err != nil {
			return fmt.Errorf("create group: count: %w", err)
		}
		if n >= alerts.MaxGroups {
			return alerts.ErrTooManyGroups
		}
		made := g
		if made.ID, err = number[uint32](tx.QueryRow(ctx, nextGroup)); err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		row, err := record(made)
		if err != nil {
			return err
		}
		args, err := groupArgs(made)
		if err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		if _, err := tx.Exec(ctx, insertGroup, append(args, made.OrganizationID, millis(made.CreatedAt))...); err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		if v, err = regroup(ctx, tx, made, now); err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return v, err
}

// UpdateGroup implements alerts.GroupStore.
func (s *Store) UpdateGroup(ctx context.Context, organization string, id uint32, now time.Time, change func(*alerts.Group) (audit.Row, error)) (v alerts.GroupView, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		g, err := readGroup(ctx, tx, organization, id)
		if err != nil {
			return err
		}
		row, err := change(&g)
		if err != nil {
			return err
		}
		args, err := groupArgs(g)
		if err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		if _, err := tx.Exec(ctx, updateGroup, args...); err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		if v, err = regroup(ctx, tx, g, now); err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
	return v, err
}

// DeleteGroup implements alerts.GroupStore.
func (s *Store) DeleteGroup(ctx context.Context, organization string, id uint32, now time.Time, record func(alerts.Group) (audit.Row, error)) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		g, err := readGroup(ctx, tx, organization, id)
		if err != nil {
			return err
		}
		row, err := record(g)
		if err != nil {
			return err
		}
		members, err := collect(ctx, tx, number[uint32], memberIDs, []uint32{id})
		if err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		if _, err := tx.Exec(ctx, deleteGroup, id); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		return errors.Join(lookAgainAt(ctx, tx, members, now), auditpostgres.Insert(ctx, tx, row))
	})
}
