package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/frogstats/uptime/services/events"
)

// Feed reads entries and, as of the same moment, how far the feed goes and what is missing of it.
func (s *State) Feed(ctx context.Context, q events.FeedQuery) (events.FeedPage, error) {
	var page events.FeedPage
	tx, err := s.db.Read().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return page, fmt.Errorf("read feed: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	const bounds = `
SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'feed'), 0),
  COALESCE((SELECT seq FROM feed_pruned WHERE kind = 1), 0), COALESCE((SELECT seq FROM feed_pruned WHERE kind = 2), 0)`
	if err := tx.QueryRowContext(ctx, bounds).Scan(&page.Head, &page.PrunedTransitions, &page.PrunedObservations); err != nil {
		return page, fmt.Errorf("read feed bounds: %w", err)
	}
	const query = `
SELECT seq, organization_id, monitor_id, kind, body FROM feed
WHERE seq > ?1 AND (?2 = '' OR organization_id = ?2) AND (?3 = '' OR monitor_id IN (SELECT value FROM json_each(?3)))
ORDER BY seq LIMIT ?4`
	monitors := ""
	if len(q.MonitorIDs) > 0 {
		monitors = jsonList(q.MonitorIDs)
	}
	err = rows(ctx, tx, func(r *sql.Rows) error {
		var f events.FeedRow
		err := r.Scan(&f.Seq, &f.OrganizationID, &f.MonitorID, &f.Kind, &f.Body)
		page.Rows = append(page.Rows, f)
		return err
	}, query, int64(q.After), q.OrganizationID, monitors, q.Limit)
	if err != nil {
		return page, fmt.Errorf("read feed: %w", err)
	}
	return page, nil
}

// pruneBatch bounds how long one pruning transaction keeps the judge waiting.
const pruneBatch = 5000

// Prune forgets what is too old, a batch at a time.
func (s *State) Prune(ctx context.Context, p events.PruneBefore) error {
	if err := s.pruneFeed(ctx, events.FeedObservation, ms(p.Observations)); err != nil {
		return fmt.Errorf("prune observations: %w", err)
	}
	if err := s.pruneFeed(ctx, events.FeedTransition, ms(p.Announcements)); err != nil {
		return fmt.Errorf("prune announcements: %w", err)
	}
	if err := s.pruneDeleted(ctx, ms(p.Deleted)); err != nil {
		return fmt.Errorf("prune deleted monitors: %w", err)
	}
	if err := s.pruneEvidence(ctx, ms(p.Evidence), ms(p.EvidenceRaw)); err != nil {
		return fmt.Errorf("prune evidence: %w", err)
	}
	return nil
}

// pruneFeed goes up from the last number that was pruned and stops at the first entry of the kind that is young enough, so
// that it reads little more than it deletes.
func (s *State) pruneFeed(ctx context.Context, kind events.FeedKind, before int64) error {
	const next = `
SELECT COALESCE(MAX(seq), 0), COUNT(*) FROM (
  SELECT seq FROM feed
  WHERE kind = ?1
    AND seq > COALESCE((SELECT seq FROM feed_pruned WHERE kind = ?1), 0)
    AND seq < COALESCE((
      SELECT seq FROM feed WHERE kind = ?1 AND seq > COALESCE((SELECT seq FROM feed_pruned WHERE kind = ?1), 0) AND noted_at >= ?2
      ORDER BY seq LIMIT 1), 9223372036854775807)
  ORDER BY seq LIMIT ?3)`
	const drop = `DELETE FROM feed WHERE kind = ?1 AND seq <= ?2 AND seq > COALESCE((SELECT seq FROM feed_pruned WHERE kind = ?1), 0)`
	const mark = `REPLACE INTO feed_pruned (kind, seq) VALUES (?, ?)`
	for before > 0 {
		var upTo int64
		var n int
		if err := s.db.Read().QueryRowContext(ctx, next, int(kind), before, pruneBatch).Scan(&upTo, &n); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		err := s.db.Write(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, drop, int(kind), upTo); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, mark, int(kind), upTo)
			return err
		})
		if err != nil || n < pruneBatch {
			return err
		}
	}
	return nil
}

// pruneDeleted forgets what is left of monitors that are long deleted; the tombstones stay.
func (s *State) pruneDeleted(ctx context.Context, before int64) error {
	const gone = `
SELECT c.monitor_id FROM catalog c WHERE c.deleted = 1 AND c.updated_at < ?
  AND EXISTS (SELECT 1 FROM uptime_monitor_status s WHERE s.monitor_id = c.monitor_id) LIMIT 100`
	drops := []string{
		`DELETE FROM transition WHERE monitor_id = ?`,
		`DELETE FROM region_state WHERE monitor_id = ?`,
		`DELETE FROM owed WHERE monitor_id = ?`,
		`DELETE FROM evidence WHERE monitor_id = ?`,
		`DELETE FROM uptime_monitor_status WHERE monitor_id = ?`,
	}
	for before > 0 {
		var ids []uint32
		err := rows(ctx, s.db.Read(), func(r *sql.Rows) error {
			var id uint32
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, gone, before)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			err := s.db.Write(ctx, func(tx *sql.Tx) error {
				for _, drop := range drops {
					if _, err := tx.ExecContext(ctx, drop, id); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
