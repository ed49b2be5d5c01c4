package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	placementColumns = `
SELECT g.code, coalesce(p.epoch, 0), coalesce(p.rev, 0), coalesce(p.members, 0), coalesce(p.placed, 0), coalesce(p.cursor, 0),
    coalesce(p.asked, 0), (SELECT r.rev FROM revision r)
FROM region g
LEFT JOIN placement p ON p.region = g.code`
	selectPlacements = placementColumns + `
ORDER BY g.code`
	selectPlacement = placementColumns + `
WHERE g.code = ?`
)

func scanPlacement(s interface{ Scan(dest ...any) error }) (p monitors.Placement, err error) {
	err = s.Scan(&p.Region, &p.Epoch, &p.Rev, &p.Members, &p.Placed, &p.Cursor, &p.Asked, &p.MonitorsRev)
	return p, err
}

// Placements implements monitors.Placements.
func (s *Store) Placements(ctx context.Context) (all []monitors.Placement, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectPlacements)
	if err != nil {
		return nil, fmt.Errorf("list placements: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		p, err := scanPlacement(rows)
		if err != nil {
			return nil, fmt.Errorf("list placements: %w", err)
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// Place implements monitors.Placements.
func (s *Store) Place(ctx context.Context, region string, fn func(tx monitors.PlaceTx) error) error {
	return s.db.Write(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, insertPlacement, region); err != nil {
			return fmt.Errorf("lock region: %w", err)
		}
		p, err := scanPlacement(t.QueryRowContext(ctx, selectPlacement, region))
		if err != nil {
			return fmt.Errorf("lock region: %w", err)
		}
		return fn(&placeTx{Tx: t, at: p})
	})
}

// placeTx implements monitors.PlaceTx. The write lock is held from its start.
type placeTx struct {
	*sql.Tx
	at monitors.Placement
}

var _ monitors.PlaceTx = (*placeTx)(nil)

// Placement implements monitors.PlaceTx.
func (t *placeTx) Placement() monitors.Placement { return t.at }

const selectSessionsOf = `
SELECT ` + sessionColumns + `
FROM prober_session
WHERE region = ?
ORDER BY prober_id`

// Sessions implements monitors.PlaceTx.
func (t *placeTx) Sessions(ctx context.Context) ([]monitors.Session, error) {
	return sessions(ctx, t, selectSessionsOf, t.at.Region)
}

const (
	selectCandidates = `
SELECT *
FROM (
    SELECT m.id, m.rev AS rev, m.enabled AND m.deleted_at IS NULL AND EXISTS (SELECT 1 FROM json_each(m.regions) WHERE value = ?1) AS wanted,
        m.monitor_type, coalesce(json_extract(coalesce(m.http_config, m.tcp_config, m.tls_config), '$.ip_version'), ''), m.updated_at, m.active_since,
        a.monitor_id IS NOT NULL AS known, coalesce(a.wanted, 0), coalesce(a.holder, ''), coalesce(a.epoch, 0), a.account_from,
        coalesce(a.releasing, 0), coalesce(a.rev, 0)
    FROM uptime_monitors m
    LEFT JOIN assignment a ON a.region = ?1 AND a.monitor_id = m.id
    WHERE `
	candidatesAfter = selectCandidates + `m.rev > ?2
)
WHERE wanted OR known
ORDER BY rev
LIMIT ?3`
	candidatesByID = selectCandidates + `m.id IN (SELECT value FROM json_each(?2))
)
WHERE wanted OR known
ORDER BY rev`
)

// Candidates implements monitors.PlaceTx.
func (t *placeTx) Candidates(ctx context.Context, rev int64, limit int) ([]monitors.Candidate, error) {
	return t.candidates(ctx, candidatesAfter, t.at.Region, rev, limit)
}

// CandidatesByID implements monitors.PlaceTx.
func (t *placeTx) CandidatesByID(ctx context.Context, ids []uint32) ([]monitors.Candidate, error) {
	return t.candidates(ctx, candidatesByID, t.at.Region, idList(ids))
}

func (t *placeTx) candidates(ctx context.Context, query string, args ...any) (all []monitors.Candidate, err error) {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list candidates: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c monitors.Candidate
		var updated, active int64
		var from sql.NullInt64
		a := &c.Assigned
		if err := rows.Scan(&c.MonitorID, &c.Rev, &c.Wanted, &c.Type, &c.IPVersion, &updated, &active, &c.Known, &a.Wanted, &a.Holder,
			&a.Epoch, &from, &a.Releasing, &a.Rev); err != nil {
			return nil, fmt.Errorf("list candidates: %w", err)
		}
		c.UpdatedAt, c.ActiveSince, a.MonitorID, a.AccountFrom = fromMillis(updated), fromMillis(active), c.MonitorID, orZero(from)
		all = append(all, c)
	}
	return all, rows.Err()
}

func orZero(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMillis(ms.Int64)
}

const (
	upsertAssignment = `
INSERT INTO assignment (region, monitor_id, wanted, holder, epoch, account_from, releasing, rev)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (region, monitor_id) DO UPDATE SET
    wanted = excluded.wanted, holder = excluded.holder, epoch = excluded.epoch, account_from = excluded.account_from,
    releasing = excluded.releasing, rev = excluded.rev`
	updateRev = `UPDATE placement SET rev = ? WHERE region = ?`
)

// Assign implements monitors.PlaceTx.
func (t *placeTx) Assign(ctx context.Context, as []monitors.Assigned) error {
	err := t.each(ctx, upsertAssignment, len(as), func(i int) []any {
		a := as[i]
		t.at.Rev++
		return []any{t.at.Region, a.MonitorID, a.Wanted, a.Holder, a.Epoch, millisOrNull(a.AccountFrom), a.Releasing, t.at.Rev}
	})
	if err == nil {
		_, err = t.ExecContext(ctx, updateRev, t.at.Rev, t.at.Region)
	}
	if err != nil {
		return fmt.Errorf("assign: %w", err)
	}
	return nil
}

const insertLoss = `
INSERT INTO assignment_loss (region, prober_id, monitor_id, epoch, account_from, until, told_to, told_at)
VALUES (?, ?, ?, ?, ?, ?, '', NULL)
ON CONFLICT DO NOTHING`

// Lose implements monitors.PlaceTx.
func (t *placeTx) Lose(ctx context.Context, ls []monitors.Loss) error {
	err := t.each(ctx, insertLoss, len(ls), func(i int) []any {
		return []any{t.at.Region, ls[i].ProberID, ls[i].MonitorID, ls[i].Epoch, millisOrNull(ls[i].From), ls[i].Until.UnixMilli()}
	})
	if err != nil {
		return fmt.Errorf("note losses: %w", err)
	}
	return nil
}

const endOver = `
UPDATE prober_session
SET state = 'ended', beat = beat + 1
WHERE region = ? AND prober_id = ? AND state = 'over'`

// End implements monitors.PlaceTx.
func (t *placeTx) End(ctx context.Context, probers []string) error {
	err := t.each(ctx, endOver, len(probers), func(i int) []any { return []any{t.at.Region, probers[i]} })
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// each runs a statement n times.
func (t *placeTx) each(ctx context.Context, query string, n int, args func(i int) []any) (err error) {
	if n == 0 {
		return nil
	}
	stmt, err := t.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	for i := range n {
		if _, err := stmt.ExecContext(ctx, args(i)...); err != nil {
			return err
		}
	}
	return nil
}

const settlePlacement = `UPDATE placement SET epoch = ?, cursor = ?, placed = ? WHERE region = ?`

// Settle implements monitors.PlaceTx.
func (t *placeTx) Settle(ctx context.Context, p monitors.Placement) error {
	if _, err := t.ExecContext(ctx, settlePlacement, p.Epoch, p.Cursor, p.Placed, t.at.Region); err != nil {
		return fmt.Errorf("settle placement: %w", err)
	}
	return nil
}

const (
	selectAssignments = `
SELECT monitor_id, wanted, holder, epoch, account_from, releasing, rev
FROM assignment
WHERE region = ?1 AND rev > ?2
ORDER BY rev
LIMIT ?3`
	selectHeld = `
SELECT monitor_id, wanted, holder, epoch, account_from, releasing, rev
FROM assignment
WHERE region = ?1 AND holder = ?4 AND wanted = 1 AND rev > ?2
ORDER BY rev
LIMIT ?3`
)

// Assignments implements monitors.Placements.
func (s *Store) Assignments(ctx context.Context, region, holder string, rev int64, limit int) (all []monitors.Assigned, err error) {
	query, args := selectAssignments, []any{region, rev, limit}
	if holder != "" {
		query, args = selectHeld, append(args, holder)
	}
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list assignments: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var a monitors.Assigned
		var from sql.NullInt64
		if err := rows.Scan(&a.MonitorID, &a.Wanted, &a.Holder, &a.Epoch, &from, &a.Releasing, &a.Rev); err != nil {
			return nil, fmt.Errorf("list assignments: %w", err)
		}
		a.AccountFrom = orZero(from)
		all = append(all, a)
	}
	return all, rows.Err()
}

const selectByID = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE id IN (SELECT value FROM json_each(?))
ORDER BY id`

// MonitorsByID implements monitors.Placements.
func (s *Store) MonitorsByID(ctx context.Context, ids []uint32) ([]monitors.Monitor, error) {
	ms, err := list(ctx, s.db.Read(), selectByID, idList(ids))
	if err != nil {
		return nil, fmt.Errorf("read monitors: %w", err)
	}
	return ms, nil
}

const selectLosses = `
SELECT monitor_id, epoch, account_from, until
FROM assignment_loss
WHERE region = ? AND prober_id = ? AND told_to <> ?
ORDER BY monitor_id, epoch`

// Losses implements monitors.Placements.
func (s *Store) Losses(ctx context.Context, region, proberID, session string) (all []monitors.Loss, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectLosses, region, proberID, session)
	if err != nil {
		return nil, fmt.Errorf("list losses: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		l := monitors.Loss{ProberID: proberID}
		var from sql.NullInt64
		var until int64
		if err := rows.Scan(&l.MonitorID, &l.Epoch, &from, &until); err != nil {
			return nil, fmt.Errorf("list losses: %w", err)
		}
		l.From, l.Until = orZero(from), fromMillis(until)
		all = append(all, l)
	}
	return all, rows.Err()
}

const (
	tellLosses = `
UPDATE assignment_loss
SET told_to = ?, told_at = ?
WHERE region = ? AND prober_id = ? AND epoch <= ?`
	forgetLosses = `
DELETE FROM assignment_loss
WHERE region = ? AND prober_id = ? AND told_at < ?`
)

// TellLosses implements monitors.Placements.
func (s *Store) TellLosses(ctx context.Context, region, proberID, session string, epoch int64, at, forget time.Time) error {
	err := s.db.Write(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, forgetLosses, region, proberID, forget.UnixMilli()); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, tellLosses, session, at.UnixMilli(), region, proberID, epoch)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what was told: %w", err)
	}
	return nil
}

const selectHoldings = `
SELECT region, holder, count(*)
FROM assignment
WHERE wanted = 1
GROUP BY region, holder
ORDER BY region, holder`

// Holdings implements monitors.Placements.
func (s *Store) Holdings(ctx context.Context) (all []monitors.Holding, err error) {
	rows, err := s.db.Read().QueryContext(ctx, selectHoldings)
	if err != nil {
		return nil, fmt.Errorf("count assignments: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var h monitors.Holding
		if err := rows.Scan(&h.Region, &h.Holder, &h.Monitors); err != nil {
			return nil, fmt.Errorf("count assignments: %w", err)
		}
		all = append(all, h)
	}
	return all, rows.Err()
}
