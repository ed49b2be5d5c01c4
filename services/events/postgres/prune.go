package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

// pruneBatch bounds the rows that one pruning transaction deletes, and so how long it keeps the judge waiting.
const pruneBatch = 5000

// Prune forgets what is too old, a batch at a time.
func (s *State) Prune(ctx context.Context, p events.PruneBefore) error {
	steps := []struct {
		what   string
		before time.Time
		batch  func(ctx context.Context, tx pgx.Tx, before time.Time) (more bool, err error)
	}{
		{"observations", p.Observations, pruneFeed(events.FeedObservation)},
		{"announcements", p.Announcements, pruneFeed(events.FeedTransition)},
		{"deleted monitors", p.Deleted, pruneDeleted},
		{"evidence", p.Evidence, pruneEvidence},
		{"raw evidence", p.EvidenceRaw, pruneRawEvidence},
	}
	for _, step := range steps {
		for more := !step.before.IsZero(); more; {
			err := s.db.Write(ctx, func(tx pgx.Tx) (err error) {
				if err = s.check(ctx, tx); err == nil {
					more, err = step.batch(ctx, tx, wholeMS(step.before))
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("prune %s: %w", step.what, s.noteLoss(err))
			}
		}
	}
	return nil
}

// pruneFeed goes up from the last number of its kind that was pruned and stops at the first entry of the kind that is young
// enough, so that it reads little more than it deletes.
func pruneFeed(kind events.FeedKind) func(context.Context, pgx.Tx, time.Time) (bool, error) {
	const query = `
WITH mark AS (SELECT COALESCE((SELECT seq FROM feed_pruned WHERE kind = $1), 0) AS seq),
young AS (
  SELECT COALESCE((
    SELECT seq FROM feed WHERE kind = $1 AND seq > (SELECT seq FROM mark) AND noted_at >= $2 ORDER BY seq LIMIT 1),
    9223372036854775807) AS seq),
old AS (
  SELECT seq FROM feed WHERE kind = $1 AND seq > (SELECT seq FROM mark) AND seq < (SELECT seq FROM young) ORDER BY seq LIMIT $3),
dropped AS (DELETE FROM feed WHERE seq IN (SELECT seq FROM old)),
marked AS (
  INSERT INTO feed_pruned (kind, seq) SELECT $1, max(seq) FROM old HAVING max(seq) IS NOT NULL
  ON CONFLICT (kind) DO UPDATE SET seq = excluded.seq)
SELECT count(*) FROM old`
	return func(ctx context.Context, tx pgx.Tx, before time.Time) (bool, error) {
		var n int
		err := tx.QueryRow(ctx, query, int16(kind), before, pruneBatch).Scan(&n)
		return n == pruneBatch, err
	}
}

// pruneDeleted forgets what is left of monitors that are long deleted; the tombstones stay. The state goes last: it says that
// something is left.
func pruneDeleted(ctx context.Context, tx pgx.Tx, before time.Time) (bool, error) {
	const gone = `
SELECT c.monitor_id FROM catalog c WHERE c.deleted AND c.updated_at < $1
  AND EXISTS (SELECT 1 FROM uptime_monitor_status s WHERE s.monitor_id = c.monitor_id) ORDER BY c.monitor_id LIMIT 100`
	const transitions = `
DELETE FROM transition WHERE (monitor_id, region, since, seq) IN (
  SELECT monitor_id, region, since, seq FROM transition WHERE monitor_id = ANY ($1) LIMIT $2)`
	const regions = `DELETE FROM region_state WHERE monitor_id = ANY ($1)`
	const owed = `DELETE FROM owed WHERE monitor_id = ANY ($1)`
	const evidence = `DELETE FROM evidence WHERE monitor_id = ANY ($1)`
	const states = `DELETE FROM uptime_monitor_status WHERE monitor_id = ANY ($1)`
	var ids []int64
	var id int64
	err := each(ctx, tx, []any{&id}, func() error {
		ids = append(ids, id)
		return nil
	}, gone, before)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	tag, err := tx.Exec(ctx, transitions, ids, pruneBatch)
	if err != nil || tag.RowsAffected() == pruneBatch {
		return true, err
	}
	for _, query := range []string{regions, owed, evidence} {
		if _, err := tx.Exec(ctx, query, ids); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(ctx, states, ids)
	return len(ids) == 100, err
}

// check holds this process's epoch to the end of the transaction, or fails if it is over.
func (s *State) check(ctx context.Context, tx pgx.Tx) error {
	const query = `SELECT epoch FROM ownership WHERE epoch = $1 FOR NO KEY UPDATE`
	if s.count != nil {
		return nil
	}
	epoch := s.own.epoch.Load()
	if epoch == 0 {
		return ErrNotOwner
	}
	err := tx.QueryRow(ctx, query, epoch).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrSuperseded
	}
	return err
}
