package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectNotice = `
SELECT id, key, kind, subject, message, started_at, ended_at, announced, settled, due_at
FROM notice`
	unsettledNotice = selectNotice + ` WHERE key = $1 AND NOT settled`
	nextNotice      = `SELECT nextval('notice_id_seq')`
	upsertNotice    = `
INSERT INTO notice (id, key, kind, subject, message, started_at, ended_at, announced, settled, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, subject = excluded.subject, message = excluded.message,
    started_at = excluded.started_at, ended_at = excluded.ended_at, announced = excluded.announced, settled = excluded.settled,
    due_at = excluded.due_at`
	allEnabledChannels = selectChannel + ` WHERE enabled ORDER BY id`
)

func scanNotice(row pgx.Row) (n alerts.Notice, err error) {
	var ended, due *time.Time
	err = row.Scan(&n.ID, &n.Key, &n.Kind, &n.Subject, &n.Message, &n.StartedAt, &ended, &n.Announced, &n.Settled, &due)
	n.StartedAt, n.EndedAt, n.DueAt = n.StartedAt.UTC(), fromMaybe(ended), fromMaybe(due)
	return n, err
}

// Notice implements alerts.NoticeStore.
func (s *Store) Notice(ctx context.Context, key string) (*alerts.Notice, error) {
	return readNotice(ctx, s.db, key)
}

func readNotice(ctx context.Context, q querier, key string) (*alerts.Notice, error) {
	n, err := scanNotice(q.QueryRow(ctx, unsettledNotice, text(key)))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read notice: %w", err)
	}
	return &n, nil
}

// ChangeNotice implements alerts.NoticeStore.
func (s *Store) ChangeNotice(ctx context.Context, key string, now time.Time, step func(alerts.NoticeState) alerts.NoticeChange) error {
	return s.db.Write(ctx, func(tx pgx.Tx) (err error) {
		if _, err := lockEvaluation(ctx, tx); err != nil {
			return fmt.Errorf("change notice: %w", err)
		}
		var st alerts.NoticeState
		if st.Current, err = readNotice(ctx, tx, key); err != nil {
			return err
		}
		next, err := number[int64](tx.QueryRow(ctx, nextNotice))
		if err != nil {
			return fmt.Errorf("change notice: %w", err)
		}
		st.NextID = uint64(next)
		if st.Channels, err = collect(ctx, tx, scanChannel, allEnabledChannels); err != nil {
			return fmt.Errorf("change notice: channels: %w", err)
		}
		c, b := step(st), &pgx.Batch{}
		for _, n := range c.Notices {
			b.Queue(upsertNotice, n.ID, text(n.Key), string(n.Kind), text(n.Subject), text(n.Message), millis(n.StartedAt),
				maybeMillis(n.EndedAt), n.Announced, n.Settled, maybeMillis(n.DueAt))
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("change notice: %w", err)
		}
		if err := enqueue(ctx, tx, c.Messages, now); err != nil {
			return fmt.Errorf("change notice: messages: %w", err)
		}
		return nil
	})
}

const (
	dueNotices  = `SELECT key FROM notice WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2`
	soonestDue  = `SELECT min(due_at) FROM notice WHERE due_at IS NOT NULL`
	openNotices = `SELECT count(*) FROM notice WHERE ended_at IS NULL`
)

// DueNotices implements alerts.NoticeStore.
func (s *Store) DueNotices(ctx context.Context, now time.Time, limit int) (keys []string, next time.Time, err error) {
	keys, err = collect(ctx, s.db, func(row pgx.Row) (key string, err error) {
		err = row.Scan(&key)
		return key, err
	}, dueNotices, millis(now), limit)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("due notices: %w", err)
	}
	if len(keys) > 0 {
		return keys, time.Time{}, nil
	}
	var due *time.Time
	if err := s.db.QueryRow(ctx, soonestDue).Scan(&due); err != nil {
		return nil, time.Time{}, fmt.Errorf("next notice: %w", err)
	}
	return nil, fromMaybe(due), nil
}

// Notices implements alerts.NoticeStore.
func (s *Store) Notices(ctx context.Context, f alerts.NoticeFilter) ([]alerts.Notice, error) {
	notices, err := collect(ctx, s.db, scanNotice, selectNotice+`
WHERE $1::boolean IS NULL OR (ended_at IS NULL) = $1
ORDER BY started_at DESC, id DESC LIMIT $2`, f.Open, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	return notices, nil
}

// OpenNotices implements alerts.NoticeStore.
func (s *Store) OpenNotices(ctx context.Context) (int, error) {
	n, err := number[int64](s.db.QueryRow(ctx, openNotices))
	if err != nil {
		return 0, fmt.Errorf("count notices: %w", err)
	}
	return int(n), nil
}

const pruneNotices = `
DELETE FROM notice WHERE id IN (
    SELECT id FROM notice WHERE settled AND ended_at < $1 ORDER BY started_at LIMIT $2 FOR UPDATE SKIP LOCKED)`

// PruneNotices implements alerts.NoticeStore.
func (s *Store) PruneNotices(ctx context.Context, endedBefore time.Time, limit int) (int, error) {
	tag, err := s.db.Exec(ctx, pruneNotices, millis(endedBefore), limit)
	if err != nil {
		return 0, fmt.Errorf("prune notices: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

const selectBacklog = `
SELECT count(*), min(coalesce(begun_at, created_at)), (SELECT min(ready_at) FROM delivery_target) FROM outbox WHERE state = 'pending'`

// Backlog implements alerts.OutboxStore.
func (s *Store) Backlog(ctx context.Context) (b alerts.Backlog, err error) {
	var oldest, due *time.Time
	if err := s.db.QueryRow(ctx, selectBacklog).Scan(&b.Messages, &oldest, &due); err != nil {
		return alerts.Backlog{}, fmt.Errorf("read backlog: %w", err)
	}
	b.Oldest, b.Due = fromMaybe(oldest), fromMaybe(due)
	return b, nil
}
