package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

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
	// The lock may have been waited for, so what else is read comes with the statement after it.
	lockPlacement   = `SELECT region FROM placement WHERE region = $1 FOR UPDATE`
	selectPlacement = placementColumns + `
WHERE g.code = $1`
)

// Placements implements monitors.Placements.
func (s *Store) Placements(ctx context.Context) ([]monitors.Placement, error) {
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (p monitors.Placement, err error) {
		err = row.Scan(&p.Region, &p.Epoch, &p.Rev, &p.Members, &p.Placed, &p.Cursor, &p.Asked, &p.MonitorsRev)
		return p, err
	}, selectPlacements)
	if err != nil {
		return nil, fmt.Errorf("list placements: %w", err)
	}
	return all, nil
}

// Place implements monitors.Placements.
func (s *Store) Place(ctx context.Context, region string, fn func(tx monitors.PlaceTx) error) error {
	return s.db.Write(ctx, func(t pgx.Tx) error {
		locked, err := t.Exec(ctx, lockPlacement, region)
		if err == nil && locked.RowsAffected() == 0 { // nobody was ever there
			_, err = t.Exec(ctx, insertPlacement, region)
		}
		if err == nil && locked.RowsAffected() == 0 {
			_, err = t.Exec(ctx, lockPlacement, region)
		}
		if err != nil {
			return fmt.Errorf("lock region: %w", err)
		}
		var p monitors.Placement
		err = t.QueryRow(ctx, selectPlacement, region).Scan(&p.Region, &p.Epoch, &p.Rev, &p.Members, &p.Placed, &p.Cursor, &p.Asked, &p.MonitorsRev)
		if err != nil {
			return fmt.Errorf("lock region: %w", err)
		}
		return fn(&placeTx{Tx: t, at: p})
	})
}

// placeTx implements monitors.PlaceTx. The lock on the region is held from its start.
type placeTx struct {
	pgx.Tx
	at monitors.Placement
}

var _ monitors.PlaceTx = (*placeTx)(nil)

// Placement implements monitors.PlaceTx.
func (t *placeTx) Placement() monitors.Placement { return t.at }

const selectSessionsOf = `
SELECT ` + sessionColumns + `
FROM prober_session
WHERE region = $1
ORDER BY prober_id`

// Sessions implements monitors.PlaceTx.
func (t *placeTx) Sessions(ctx context.Context) ([]monitors.Session, error) {
	all, err := collect(ctx, t, sessionRow, selectSessionsOf, t.at.Region)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return all, nil
}

const (
	selectCandidates = `
SELECT m.id, m.rev, m.wanted, m.monitor_type, m.ip_version, m.updated_at, m.active_since,
    a.monitor_id IS NOT NULL, coalesce(a.wanted, FALSE), coalesce(a.holder, ''), coalesce(a.epoch, 0), a.account_from,
    coalesce(a.releasing, FALSE), coalesce(a.rev, 0)
FROM (
    SELECT id, rev, enabled AND deleted_at IS NULL AND regions @> to_jsonb($1::text) AS wanted, monitor_type,
        coalesce(coalesce(http_config, tcp_config, tls_config) ->> 'ip_version', '') AS ip_version, updated_at, active_since
    FROM uptime_monitors
    WHERE `
	candidatesAfter = selectCandidates + `rev > $2
) AS m
LEFT JOIN assignment a ON a.region = $1 AND a.monitor_id = m.id
WHERE m.wanted OR a.monitor_id IS NOT NULL
ORDER BY m.rev
LIMIT $3`
	candidatesByID = selectCandidates + `id > 0 AND id = ANY($2)
) AS m
LEFT JOIN assignment a ON a.region = $1 AND a.monitor_id = m.id
WHERE m.wanted OR a.monitor_id IS NOT NULL
ORDER BY m.rev`
)

// Candidates implements monitors.PlaceTx.
func (t *placeTx) Candidates(ctx context.Context, rev int64, limit int) ([]monitors.Candidate, error) {
	return t.candidates(ctx, candidatesAfter, t.at.Region, rev, limit)
}

// CandidatesByID implements monitors.PlaceTx.
func (t *placeTx) CandidatesByID(ctx context.Context, ids []uint32) ([]monitors.Candidate, error) {
	return t.candidates(ctx, candidatesByID, t.at.Region, wide(ids))
}

func wide(ids []uint32) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}

func (t *placeTx) candidates(ctx context.Context, query string, args ...any) ([]monitors.Candidate, error) {
	all, err := collect(ctx, t, func(row pgx.CollectableRow) (c monitors.Candidate, err error) {
		a, from := &c.Assigned, pgtype.Timestamptz{}
		err = row.Scan(&c.MonitorID, &c.Rev, &c.Wanted, (*string)(&c.Type), &c.IPVersion, &c.UpdatedAt, &c.ActiveSince, &c.Known, &a.Wanted,
			&a.Holder, &a.Epoch, &from, &a.Releasing, &a.Rev)
		a.MonitorID, a.AccountFrom = c.MonitorID, from.Time // zero if NULL
		return c, err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list candidates: %w", err)
	}
	return all, nil
}

const (
	upsertAssignments = `
INSERT INTO assignment (region, monitor_id, wanted, holder, epoch, account_from, releasing, rev)
SELECT $1, n.monitor_id, n.wanted, n.holder, n.epoch, n.account_from, n.releasing, $8 + n.place
FROM unnest($2::bigint[], $3::boolean[], $4::text[], $5::bigint[], $6::timestamptz[], $7::boolean[])
    WITH ORDINALITY AS n (monitor_id, wanted, holder, epoch, account_from, releasing, place)
ON CONFLICT (region, monitor_id) DO UPDATE SET
    wanted = excluded.wanted, holder = excluded.holder, epoch = excluded.epoch, account_from = excluded.account_from,
    releasing = excluded.releasing, rev = excluded.rev`
	updateRev = `UPDATE placement SET rev = $1 WHERE region = $2`
)

// Assign implements monitors.PlaceTx.
func (t *placeTx) Assign(ctx context.Context, as []monitors.Assigned) error {
	n := len(as)
	ids, wanted, holders := make([]int64, n), make([]bool, n), make([]string, n)
	epochs, from, releasing := make([]int64, n), make([]*time.Time, n), make([]bool, n)
	for i, a := range as {
		ids[i], wanted[i], holders[i], epochs[i], from[i], releasing[i] =
			int64(a.MonitorID), a.Wanted, a.Holder, a.Epoch, orNull(a.AccountFrom), a.Releasing
	}
	_, err := t.Exec(ctx, upsertAssignments, t.at.Region, ids, wanted, holders, epochs, from, releasing, t.at.Rev)
	if err == nil {
		t.at.Rev += int64(n)
		_, err = t.Exec(ctx, updateRev, t.at.Rev, t.at.Region)
	}
	if err != nil {
		return fmt.Errorf("assign: %w", err)
	}
	return nil
}

const insertLosses = `
INSERT INTO assignment_loss (region, prober_id, monitor_id, epoch, account_from, until, told_to)
SELECT $1, n.prober_id, n.monitor_id, n.epoch, n.account_from, n.until, ''
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[]) AS n (prober_id, monitor_id, epoch, account_from, until)
ON CONFLICT DO NOTHING`

// Lose implements monitors.PlaceTx.
func (t *placeTx) Lose(ctx context.Context, ls []monitors.Loss) error {
	n := len(ls)
	probers, ids, epochs, from, until := make([]string, n), make([]int64, n), make([]int64, n), make([]*time.Time, n), make([]time.Time, n)
	for i, l := range ls {
		probers[i], ids[i], epochs[i], from[i], until[i] = l.ProberID, int64(l.MonitorID), l.Epoch, orNull(l.From), millis(l.Until)
	}
	if _, err := t.Exec(ctx, insertLosses, t.at.Region, probers, ids, epochs, from, until); err != nil {
		return fmt.Errorf("note losses: %w", err)
	}
	return nil
}

const endOver = `
UPDATE prober_session
SET state = 'ended', beat = beat + 1
WHERE region = $1 AND prober_id = ANY($2) AND state = 'over'`

// End implements monitors.PlaceTx.
func (t *placeTx) End(ctx context.Context, probers []string) error {
	if _, err := t.Exec(ctx, endOver, t.at.Region, probers); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

const settlePlacement = `UPDATE placement SET epoch = $1, cursor = $2, placed = $3 WHERE region = $4`

// Settle implements monitors.PlaceTx.
func (t *placeTx) Settle(ctx context.Context, p monitors.Placement) error {
	if _, err := t.Exec(ctx, settlePlacement, p.Epoch, p.Cursor, p.Placed, t.at.Region); err != nil {
		return fmt.Errorf("settle placement: %w", err)
	}
	return nil
}

const (
	selectAssignments = `
SELECT monitor_id, wanted, holder, epoch, account_from, releasing, rev
FROM assignment
WHERE region = $1 AND rev > $2
ORDER BY rev
LIMIT $3`
	selectHeld = `
SELECT monitor_id, wanted, holder, epoch, account_from, releasing, rev
FROM assignment
WHERE region = $1 AND holder = $4 AND wanted AND rev > $2
ORDER BY rev
LIMIT $3`
)

// Assignments implements monitors.Placements.
func (s *Store) Assignments(ctx context.Context, region, holder string, rev int64, limit int) ([]monitors.Assigned, error) {
	query, args := selectAssignments, []any{region, rev, limit}
	if holder != "" {
		query, args = selectHeld, append(args, holder)
	}
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (a monitors.Assigned, err error) {
		var from pgtype.Timestamptz
		err = row.Scan(&a.MonitorID, &a.Wanted, &a.Holder, &a.Epoch, &from, &a.Releasing, &a.Rev)
		a.AccountFrom = from.Time
		return a, err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list assignments: %w", err)
	}
	return all, nil
}

const selectByID = `
SELECT ` + monitorColumns + `
FROM uptime_monitors
WHERE id > 0 AND id = ANY($1)
ORDER BY id`

// MonitorsByID implements monitors.Placements.
func (s *Store) MonitorsByID(ctx context.Context, ids []uint32) ([]monitors.Monitor, error) {
	ms, err := collect(ctx, s.db, scanRow, selectByID, wide(ids))
	if err != nil {
		return nil, fmt.Errorf("read monitors: %w", err)
	}
	return ms, nil
}

const selectLosses = `
SELECT monitor_id, epoch, account_from, until
FROM assignment_loss
WHERE region = $1 AND prober_id = $2 AND told_to <> $3
ORDER BY monitor_id, epoch`

// Losses implements monitors.Placements.
func (s *Store) Losses(ctx context.Context, region, proberID, session string) ([]monitors.Loss, error) {
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (monitors.Loss, error) {
		l, from := monitors.Loss{ProberID: proberID}, pgtype.Timestamptz{}
		err := row.Scan(&l.MonitorID, &l.Epoch, &from, &l.Until)
		l.From = from.Time
		return l, err
	}, selectLosses, region, proberID, session)
	if err != nil {
		return nil, fmt.Errorf("list losses: %w", err)
	}
	return all, nil
}

const (
	tellLosses = `
UPDATE assignment_loss
SET told_to = $1, told_at = $2
WHERE region = $3 AND prober_id = $4 AND epoch <= $5`
	forgetLosses = `
DELETE FROM assignment_loss
WHERE region = $1 AND prober_id = $2 AND told_at < $3`
)

// TellLosses implements monitors.Placements.
func (s *Store) TellLosses(ctx context.Context, region, proberID, session string, epoch int64, at, forget time.Time) error {
	err := s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, forgetLosses, region, proberID, millis(forget)); err != nil {
			return err
		}
		_, err := t.Exec(ctx, tellLosses, session, millis(at), region, proberID, epoch)
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
WHERE wanted
GROUP BY region, holder
ORDER BY region, holder`

// Holdings implements monitors.Placements.
func (s *Store) Holdings(ctx context.Context) ([]monitors.Holding, error) {
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (h monitors.Holding, err error) {
		err = row.Scan(&h.Region, &h.Holder, &h.Monitors)
		return h, err
	}, selectHoldings)
	if err != nil {
		return nil, fmt.Errorf("count assignments: %w", err)
	}
	return all, nil
}
