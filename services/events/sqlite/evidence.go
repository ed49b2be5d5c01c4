package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/frogstats/uptime/services/events"
)

var _ events.EvidenceStore = (*State)(nil)

// PutEvidence stores one piece, unless it is there.
func (s *State) PutEvidence(ctx context.Context, e events.Evidence) error {
	const query = `
INSERT INTO evidence (monitor_id, region, scheduled_at, organization_id, facts, raw) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (monitor_id, scheduled_at, region) DO NOTHING`
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, e.MonitorID, e.Region, ms(e.ScheduledAt), e.OrganizationID, e.Facts, e.Raw)
		return err
	})
	if err != nil {
		return fmt.Errorf("put evidence: %w", err)
	}
	return nil
}

// Evidence reads a monitor's evidence.
func (s *State) Evidence(ctx context.Context, q events.EvidenceQuery) ([]events.Evidence, error) {
	const from = `
SELECT region, scheduled_at, organization_id, facts, raw FROM evidence
WHERE monitor_id = ?1 AND (?2 = '' OR region = ?2) AND scheduled_at >= ?3 AND (?4 = 0 OR scheduled_at < ?4)`
	const newest = from + ` ORDER BY scheduled_at DESC, region DESC LIMIT ?5`
	const oldest = from + ` ORDER BY scheduled_at, region LIMIT ?5`
	query := newest
	if q.Oldest {
		query = oldest
	}
	var out []events.Evidence
	err := rows(ctx, s.read, func(r *sql.Rows) error {
		e := events.Evidence{MonitorID: q.MonitorID}
		var at int64
		err := r.Scan(&e.Region, &at, &e.OrganizationID, &e.Facts, &e.Raw)
		e.ScheduledAt = moment(at)
		out = append(out, e)
		return err
	}, query, q.MonitorID, q.Region, ms(q.From), ms(q.To), q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	return out, nil
}

// pruneEvidence forgets what is not pinned and too old or too much, and of all the rest what the target said long ago. It is
// pinned if a region's outage begins with its slot.
func (s *State) pruneEvidence(ctx context.Context, before, rawBefore int64) error {
	const drop = `
DELETE FROM evidence WHERE id IN (
  SELECT id FROM (
    SELECT e.id, e.scheduled_at, ROW_NUMBER() OVER (PARTITION BY e.monitor_id ORDER BY e.scheduled_at DESC, e.region DESC) AS place
    FROM evidence e
    WHERE NOT EXISTS (
      SELECT 1 FROM transition t
      WHERE t.monitor_id = e.monitor_id AND t.region = e.region AND t.since = e.scheduled_at AND t.status = ?1))
  WHERE scheduled_at < ?2 OR place > ?3 LIMIT ?4)`
	const strip = `
UPDATE evidence SET raw = NULL WHERE id IN (SELECT id FROM evidence WHERE scheduled_at < ? AND raw IS NOT NULL LIMIT ?)`
	if before > 0 {
		if err := s.repeat(ctx, drop, int(events.Down), before, events.EvidencePerMonitor, pruneBatch); err != nil {
			return err
		}
	}
	if rawBefore > 0 {
		return s.repeat(ctx, strip, rawBefore, pruneBatch)
	}
	return nil
}

// repeat runs a statement that changes pruneBatch rows at most until it changes fewer.
func (s *State) repeat(ctx context.Context, query string, args ...any) error {
	for {
		var changed int64
		err := s.db.Write(ctx, func(tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, query, args...)
			if err != nil {
				return err
			}
			changed, err = result.RowsAffected()
			return err
		})
		if err != nil || changed < pruneBatch {
			return err
		}
	}
}
