package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/monitors"
)

const sessionColumns = `prober_id, region, name, epoch, beat, state, valid_until, renewed_at, capacity, capabilities, durable, sole, stream, report, heard,
    ` + marked

// marked asks whether a session's prober is marked as removed.
const marked = `EXISTS (SELECT FROM prober r WHERE r.id = prober_id AND r.removed_at IS NOT NULL)`

func scanSession(s interface{ Scan(dest ...any) error }) (p monitors.Session, err error) {
	err = s.Scan(&p.ProberID, &p.Region, &p.Name, &p.Epoch, &p.Beat, (*string)(&p.State), &p.ValidUntil, &p.RenewedAt, &p.Capacity,
		&p.Capabilities, &p.Durable, &p.Sole, &p.Stream, &p.Report, &p.Heard, &p.Marked)
	return p, err
}

func sessionRow(row pgx.CollectableRow) (monitors.Session, error) { return scanSession(row) }

const selectSessions = `
SELECT ` + sessionColumns + `
FROM prober_session
ORDER BY region, prober_id`

// Sessions implements monitors.Leases.
func (s *Store) Sessions(ctx context.Context) ([]monitors.Session, error) {
	all, err := collect(ctx, s.db, sessionRow, selectSessions)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return all, nil
}

const (
	insertRegion = `
INSERT INTO region (code, name)
VALUES ($1, $1)
ON CONFLICT (code) DO NOTHING`
	insertPlacement = `
INSERT INTO placement (region, epoch, rev, members, placed, cursor)
VALUES ($1, 0, 0, 0, 0, 0)
ON CONFLICT (region) DO NOTHING`
	// In the order of their codes, so that two who lock the same two do not wait for each other.
	lockRegions = `
SELECT region
FROM placement
WHERE region = $1 OR region = (SELECT p.region FROM prober_session p WHERE p.prober_id = $2)
ORDER BY region
FOR UPDATE`
	lockSession = `
SELECT ` + sessionColumns + `
FROM prober_session
WHERE prober_id = $1
FOR UPDATE`
	bumpMembers   = `UPDATE placement SET members = members + 1 WHERE region = ANY($1)`
	nextEpoch     = `UPDATE placement SET epoch = epoch + 1 WHERE region = $1 RETURNING epoch`
	upsertSession = `
INSERT INTO prober_session (prober_id, region, name, epoch, beat, state, valid_until, renewed_at, capacity, capabilities,
    durable, sole, stream, report)
VALUES ($1, $2, $3, $4, $5, 'live', $6, $7, $8, $9, $10,
    NOT EXISTS (SELECT FROM prober_session o WHERE o.region = $2 AND o.prober_id <> $1 AND o.state = 'live'), $11, $12)
ON CONFLICT (prober_id) DO UPDATE SET
    region = excluded.region, name = excluded.name, epoch = excluded.epoch, beat = excluded.beat, state = excluded.state,
    valid_until = excluded.valid_until, renewed_at = excluded.renewed_at, capacity = excluded.capacity,
    capabilities = excluded.capabilities, durable = excluded.durable, sole = excluded.sole, stream = excluded.stream,
    report = excluded.report, heard = 0
RETURNING ` + sessionColumns
)

// OpenSession implements monitors.Leases.
func (s *Store) OpenSession(ctx context.Context, o monitors.Opening) (opened monitors.Session, err error) {
	err = s.db.Write(ctx, func(t pgx.Tx) error {
		old, err := lockMember(ctx, t, o.Region, o.ProberID)
		if err != nil {
			return err
		}
		next, changed, err := o.After(old)
		if err != nil {
			return err
		}
		if next.Epoch == 0 {
			if err := t.QueryRow(ctx, nextEpoch, o.Region).Scan(&next.Epoch); err != nil {
				return err
			}
		}
		opened, err = scanSession(t.QueryRow(ctx, upsertSession, next.ProberID, next.Region, next.Name, next.Epoch, next.Beat,
			millis(next.ValidUntil), millis(next.RenewedAt), next.Capacity, orEmpty(next.Capabilities), next.Durable, next.Stream, next.Report))
		if err != nil || !changed {
			return err
		}
		_, err = t.Exec(ctx, bumpMembers, []string{old.Region, next.Region})
		return err
	})
	if err != nil {
		return monitors.Session{}, fmt.Errorf("open session: %w", err)
	}
	return opened, nil
}

// lockMember locks the rows of a region, of the region that the prober is in, and of its session, which it returns; its name
// is "" if there is none.
func lockMember(ctx context.Context, t pgx.Tx, region, proberID string) (monitors.Session, error) {
	if _, err := t.Exec(ctx, insertRegion, region); err != nil {
		return monitors.Session{}, err
	}
	if _, err := t.Exec(ctx, insertPlacement, region); err != nil {
		return monitors.Session{}, err
	}
	if _, err := t.Exec(ctx, lockRegions, region, proberID); err != nil {
		return monitors.Session{}, err
	}
	old, err := scanSession(t.QueryRow(ctx, lockSession, proberID))
	if errors.Is(err, pgx.ErrNoRows) {
		return monitors.Session{}, nil
	}
	return old, err
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

const renewSession = `
UPDATE prober_session AS s
SET beat = beat + 1, renewed_at = $2, report = coalesce($3, report),
    valid_until = CASE WHEN valid_until > $1 AND valid_until <= $4 THEN valid_until ELSE $1 END,
    sole = NOT EXISTS (SELECT FROM prober_session o WHERE o.region = s.region AND o.prober_id <> s.prober_id AND o.state = 'live'),
    state = 'live'
WHERE prober_id = $5 AND name = $6 AND state = $7 AND NOT ` + marked + `
RETURNING ` + sessionColumns

// RenewSession implements monitors.Leases.
func (s *Store) RenewSession(ctx context.Context, r monitors.Renewal) (monitors.Session, error) {
	renewed, err := renew(ctx, s.db, r, monitors.SessionLive)
	if errors.Is(err, pgx.ErrNoRows) {
		renewed, err = s.revive(ctx, r)
	}
	if err != nil {
		return monitors.Session{}, fmt.Errorf("renew session: %w", err)
	}
	return renewed, nil
}

func renew(ctx context.Context, q querier, r monitors.Renewal, state monitors.SessionState) (monitors.Session, error) {
	return scanSession(q.QueryRow(ctx, renewSession, millis(r.ValidUntil), millis(r.At), r.Report, millis(r.Sane), r.ProberID, r.Name, string(state)))
}

// revive renews a session that is over, which changes who is there.
func (s *Store) revive(ctx context.Context, r monitors.Renewal) (renewed monitors.Session, err error) {
	err = s.db.Write(ctx, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, lockRegionOf, r.ProberID); err != nil {
			return err
		}
		for _, state := range []monitors.SessionState{monitors.SessionOver, monitors.SessionLive} {
			renewed, err = renew(ctx, t, r, state)
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err == nil && state == monitors.SessionOver {
				_, err = t.Exec(ctx, bumpMembers, []string{renewed.Region})
			}
			return err
		}
		return monitors.ErrSessionEnded
	})
	return renewed, err
}

const (
	lockRegionOf = `
SELECT region
FROM placement
WHERE region = (SELECT p.region FROM prober_session p WHERE p.prober_id = $1)
FOR UPDATE`
	endSession = `
UPDATE prober_session
SET state = $1, beat = beat + 1, valid_until = coalesce($2, valid_until), heard = $6
WHERE prober_id = $3 AND name = $4 AND (beat = $5 OR 0 = $5) AND state IN ('live', 'over')
RETURNING region`
)

// EndSession implements monitors.Leases.
func (s *Store) EndSession(ctx context.Context, e monitors.Ending) (ended bool, err error) {
	err = s.db.Write(ctx, func(t pgx.Tx) error {
		ended = false
		if _, err := t.Exec(ctx, lockRegionOf, e.ProberID); err != nil {
			return err
		}
		var region string
		err := t.QueryRow(ctx, endSession, string(e.State), orNull(e.Until), e.ProberID, e.Name, e.Beat, e.Heard).Scan(&region)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		ended = true
		_, err = t.Exec(ctx, bumpMembers, []string{region})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("end session: %w", err)
	}
	return ended, nil
}

const writeProbe = `UPDATE probe SET n = n + 1`

// Probe implements monitors.Leases.
func (s *Store) Probe(ctx context.Context) error {
	if _, err := s.db.Exec(ctx, writeProbe); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}
