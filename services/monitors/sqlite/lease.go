package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

const sessionColumns = `prober_id, region, name, epoch, beat, state, valid_until, renewed_at, capacity, capabilities, durable, sole, stream, report, heard,
    ` + marked

// marked asks whether a session's prober is marked as removed.
const marked = `EXISTS (SELECT 1 FROM prober r WHERE r.id = prober_id AND r.removed_at IS NOT NULL)`

func scanSession(s interface{ Scan(dest ...any) error }) (p monitors.Session, err error) {
	var until, renewed int64
	var capabilities string
	err = s.Scan(&p.ProberID, &p.Region, &p.Name, &p.Epoch, &p.Beat, &p.State, &until, &renewed, &p.Capacity, &capabilities,
		&p.Durable, &p.Sole, &p.Stream, &p.Report, &p.Heard, &p.Marked)
	if err != nil {
		return monitors.Session{}, err
	}
	p.ValidUntil, p.RenewedAt = fromMillis(until), fromMillis(renewed)
	return p, json.Unmarshal([]byte(capabilities), &p.Capabilities)
}

func sessions(ctx context.Context, q querier, query string, args ...any) (all []monitors.Session, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		p, err := scanSession(rows)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

const selectSessions = `
SELECT ` + sessionColumns + `
FROM prober_session
ORDER BY region, prober_id`

// Sessions implements monitors.Leases.
func (s *Store) Sessions(ctx context.Context) ([]monitors.Session, error) {
	return sessions(ctx, s.db.Read(), selectSessions)
}

const selectSession = `
SELECT ` + sessionColumns + `
FROM prober_session
WHERE prober_id = ?`

// session is a prober's session; its name is "" if there is none.
func session(ctx context.Context, q querier, proberID string) (monitors.Session, error) {
	p, err := scanSession(q.QueryRowContext(ctx, selectSession, proberID))
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Session{}, nil
	}
	if err != nil {
		return monitors.Session{}, fmt.Errorf("read session: %w", err)
	}
	return p, nil
}

const (
	insertPlacement = `
INSERT INTO placement (region, epoch, rev, members, placed, cursor)
VALUES (?, 0, 0, 0, 0, 0)
ON CONFLICT (region) DO NOTHING`
	bumpMembers   = `UPDATE placement SET members = members + 1 WHERE region = ?`
	nextEpoch     = `UPDATE placement SET epoch = epoch + 1 WHERE region = ? RETURNING epoch`
	upsertSession = `
INSERT INTO prober_session (prober_id, region, name, epoch, beat, state, valid_until, renewed_at, capacity, capabilities,
    durable, sole, stream, report)
VALUES (?, ?, ?, ?, ?, 'live', ?, ?, ?, ?, ?, NOT ` + others + `, ?, ?)
ON CONFLICT (prober_id) DO UPDATE SET
    region = excluded.region, name = excluded.name, epoch = excluded.epoch, beat = excluded.beat, state = excluded.state,
    valid_until = excluded.valid_until, renewed_at = excluded.renewed_at, capacity = excluded.capacity,
    capabilities = excluded.capabilities, durable = excluded.durable, sole = excluded.sole, stream = excluded.stream,
    report = excluded.report, heard = 0
RETURNING ` + sessionColumns
	// others asks whether another prober lives in a region.
	others = `EXISTS (SELECT 1 FROM prober_session o WHERE o.region = ? AND o.prober_id <> ? AND o.state = 'live')`
)

// OpenSession implements monitors.Leases.
func (s *Store) OpenSession(ctx context.Context, o monitors.Opening) (opened monitors.Session, err error) {
	err = s.db.Write(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, insertRegion, o.Region, o.Region); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, insertPlacement, o.Region); err != nil {
			return err
		}
		old, err := session(ctx, t, o.ProberID)
		if err != nil {
			return err
		}
		next, changed, err := o.After(old)
		if err != nil {
			return err
		}
		if next.Epoch == 0 {
			if err := t.QueryRowContext(ctx, nextEpoch, o.Region).Scan(&next.Epoch); err != nil {
				return err
			}
		}
		opened, err = scanSession(t.QueryRowContext(ctx, upsertSession, next.ProberID, next.Region, next.Name, next.Epoch, next.Beat,
			next.ValidUntil.UnixMilli(), next.RenewedAt.UnixMilli(), next.Capacity, jsonText(orEmpty(next.Capabilities)), next.Durable,
			next.Region, next.ProberID, next.Stream, next.Report))
		if err != nil || !changed {
			return err
		}
		for _, region := range regionsOf(old, next) {
			if _, err := t.ExecContext(ctx, bumpMembers, region); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return monitors.Session{}, fmt.Errorf("open session: %w", err)
	}
	return opened, nil
}

func regionsOf(old, next monitors.Session) []string {
	if old.Name == "" || old.Region == next.Region {
		return []string{next.Region}
	}
	return []string{old.Region, next.Region}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

const renewSession = `
UPDATE prober_session AS s
SET beat = beat + 1, renewed_at = ?2, report = coalesce(?3, report),
    valid_until = CASE WHEN valid_until > ?1 AND valid_until <= ?4 THEN valid_until ELSE ?1 END,
    sole = NOT EXISTS (SELECT 1 FROM prober_session o WHERE o.region = s.region AND o.prober_id <> s.prober_id AND o.state = 'live'),
    state = 'live'
WHERE prober_id = ?5 AND name = ?6 AND state = ?7 AND NOT ` + marked + `
RETURNING ` + sessionColumns

// RenewSession implements monitors.Leases.
func (s *Store) RenewSession(ctx context.Context, r monitors.Renewal) (renewed monitors.Session, err error) {
	err = s.db.Write(ctx, func(t *sql.Tx) error {
		for _, state := range []monitors.SessionState{monitors.SessionLive, monitors.SessionOver} {
			renewed, err = scanSession(t.QueryRowContext(ctx, renewSession, r.ValidUntil.UnixMilli(), r.At.UnixMilli(), r.Report,
				r.Sane.UnixMilli(), r.ProberID, r.Name, string(state)))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err == nil && state == monitors.SessionOver {
				_, err = t.ExecContext(ctx, bumpMembers, renewed.Region)
			}
			return err
		}
		return monitors.ErrSessionEnded
	})
	if err != nil {
		return monitors.Session{}, fmt.Errorf("renew session: %w", err)
	}
	return renewed, nil
}

const endSession = `
UPDATE prober_session
SET state = ?, beat = beat + 1, valid_until = coalesce(?, valid_until), heard = ?
WHERE prober_id = ? AND name = ? AND (beat = ? OR 0 = ?) AND state IN ('live', 'over')
RETURNING region`

// EndSession implements monitors.Leases.
func (s *Store) EndSession(ctx context.Context, e monitors.Ending) (ended bool, err error) {
	err = s.db.Write(ctx, func(t *sql.Tx) error {
		var region string
		err := t.QueryRowContext(ctx, endSession, string(e.State), millisOrNull(e.Until), e.Heard, e.ProberID, e.Name, e.Beat, e.Beat).Scan(&region)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		ended = true
		_, err = t.ExecContext(ctx, bumpMembers, region)
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
	err := s.db.Write(ctx, func(t *sql.Tx) error {
		_, err := t.ExecContext(ctx, writeProbe)
		return err
	})
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}

// millisOrNull is a time, or NULL for the zero one.
func millisOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
