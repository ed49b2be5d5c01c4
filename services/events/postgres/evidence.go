package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

var _ events.EvidenceStore = (*State)(nil)

// PutEvidence stores one piece, unless it is there. It judges nothing, so it needs no ownership.
func (s *State) PutEvidence(ctx context.Context, e events.Evidence) error {
	const query = `
INSERT INTO evidence (monitor_id, region, scheduled_at, organization_id, facts, raw) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (monitor_id, scheduled_at, region) DO NOTHING`
	_, err := s.db.Exec(ctx, query, int64(e.MonitorID), text(e.Region), wholeMS(e.ScheduledAt), text(e.OrganizationID), e.Facts, e.Raw)
	if err != nil {
		return fmt.Errorf("put evidence: %w", err)
	}
	return nil
}

// Evidence reads a monitor's evidence.
func (s *State) Evidence(ctx context.Context, q events.EvidenceQuery) ([]events.Evidence, error) {
	const from = `
SELECT region, scheduled_at, organization_id, facts, raw FROM evidence
WHERE monitor_id = $1 AND ($2 = '' OR region = $2) AND ($3::timestamptz IS NULL OR scheduled_at >= $3)
  AND ($4::timestamptz IS NULL OR scheduled_at < $4)`
	const newest = from + ` ORDER BY scheduled_at DESC, region DESC LIMIT $5`
	const oldest = from + ` ORDER BY scheduled_at, region LIMIT $5`
	query := newest
	if q.Oldest {
		query = oldest
	}
	var out []events.Evidence
	var at moment
	e := events.Evidence{MonitorID: q.MonitorID}
	err := each(ctx, s.db, []any{&e.Region, &at, &e.OrganizationID, &e.Facts, &e.Raw}, func() error {
		e.ScheduledAt = at.Time
		out = append(out, e)
		e.Facts, e.Raw = nil, nil
		return nil
	}, query, int64(q.MonitorID), text(q.Region), when(q.From), when(q.To), q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	return out, nil
}

// pruneEvidence forgets what is not pinned, and too old or too much. It is pinned if a region's outage begins with its slot.
func pruneEvidence(ctx context.Context, tx pgx.Tx, before time.Time) (bool, error) {
	const query = `
DELETE FROM evidence WHERE (monitor_id, scheduled_at, region) IN (
  SELECT monitor_id, scheduled_at, region FROM (
    SELECT e.monitor_id, e.scheduled_at, e.region,
           row_number() OVER (PARTITION BY e.monitor_id ORDER BY e.scheduled_at DESC, e.region DESC) AS place
    FROM evidence e
    WHERE NOT EXISTS (
      SELECT 1 FROM transition t
      WHERE t.monitor_id = e.monitor_id AND t.region = e.region AND t.since = e.scheduled_at AND t.status = $1)) AS loose
  WHERE scheduled_at < $2 OR place > $3 LIMIT $4)`
	tag, err := tx.Exec(ctx, query, events.Down.String(), before, events.EvidencePerMonitor, pruneBatch)
	return tag.RowsAffected() == pruneBatch, err
}

// pruneRawEvidence gives up what targets said long ago.
func pruneRawEvidence(ctx context.Context, tx pgx.Tx, before time.Time) (bool, error) {
	const query = `
UPDATE evidence SET raw = NULL WHERE (monitor_id, scheduled_at, region) IN (
  SELECT monitor_id, scheduled_at, region FROM evidence WHERE scheduled_at < $1 AND raw IS NOT NULL LIMIT $2)`
	tag, err := tx.Exec(ctx, query, before, pruneBatch)
	return tag.RowsAffected() == pruneBatch, err
}
