package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectNotice = `
SELECT id, key, kind, subject, message, started_at, ended_at, announced, settled, due_at
FROM notice`
	unsettledNotice = selectNotice + ` WHERE key = ? AND settled = 0`
	// The identifier that the next insertion would get; those of removed rows do not come back.
	nextNotice   = `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'notice'), 0) + 1`
	upsertNotice = `
INSERT INTO notice (id, key, kind, subject, message, started_at, ended_at, announced, settled, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, subject = excluded.subject, message = excluded.message,
    started_at = excluded.started_at, ended_at = excluded.ended_at, announced = excluded.announced, settled = excluded.settled,
    due_at = excluded.due_at`
	allEnabledChannels = selectChannel + ` WHERE enabled ORDER BY id`
)

func scanNotice(row scanner) (n alerts.Notice, err error) {
	var started int64
	var ended, due sql.NullInt64
	err = row.Scan(&n.ID, &n.Key, &n.Kind, &n.Subject, &n.Message, &started, &ended, &n.Announced, &n.Settled, &due)
	n.StartedAt, n.EndedAt, n.DueAt = fromMillis(started), fromMaybe(ended), fromMaybe(due)
	return n, err
}

// Notice implements alerts.NoticeStore.
func (s *Store) Notice(ctx context.Context, key string) (*alerts.Notice, error) {
	return readNotice(ctx, s.db.Read(), key)
}

func readNotice(ctx context.Context, q querier, key string) (*alerts.Notice, error) {
	n, err := scanNotice(q.QueryRowContext(ctx, unsettledNotice, key))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read notice: %w", err)
	}
	return &n, nil
}

// ChangeNotice implements alerts.NoticeStore.
func (s *Store) ChangeNotice(ctx context.Context, key string, now time.Time, step func(alerts.NoticeState) alerts.NoticeChange) error {
	return s.db.Write(ctx, func(tx *sql.Tx) (err error) {
		var st alerts.NoticeState
		if st.Current, err = readNotice(ctx, tx, key); err != nil {
			return err
		}
		next, err := number[int64](tx.QueryRowContext(ctx, nextNotice))
		if err != nil {
			return fmt.Errorf("change notice: %w", err)
		}
		st.NextID = uint64(next)
		if st.Channels, err = collect(ctx, tx, scanChannel, allEnabledChannels); err != nil {
			return fmt.Errorf("change notice: channels: %w", err)
		}
		c := step(st)
		for _, n := range c.Notices {
			_, err := tx.ExecContext(ctx, upsertNotice, n.ID, n.Key, string(n.Kind), n.Subject, n.Message, millis(n.StartedAt),
				maybeMillis(n.EndedAt), n.Announced, n.Settled, maybeMillis(n.DueAt))
			if err != nil {
				return fmt.Errorf("change notice: %w", err)
			}
		}
		for _, m := range c.Messages {
			if err := enqueue(ctx, tx, m, now); err != nil {
				return fmt.Errorf("change notice: message %s: %w", m.ID, err)
			}
		}
		return nil
	})
}

const (
	dueNotices  = `SELECT key FROM notice WHERE due_at <= ? ORDER BY due_at, id LIMIT ? + 0`
	soonestDue  = `SELECT min(due_at) FROM notice WHERE due_at IS NOT NULL`
	openNotices = `SELECT count(*) FROM notice WHERE ended_at IS NULL`
)

// DueNotices implements alerts.NoticeStore.
func (s *Store) DueNotices(ctx context.Context, now time.Time, limit int) (keys []string, next time.Time, err error) {
	keys, err = collect(ctx, s.polls, func(row scanner) (key string, err error) {
		err = row.Scan(&key)
		return key, err
	}, dueNotices, millis(now), limit)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("due notices: %w", err)
	}
	if len(keys) > 0 {
		return keys, time.Time{}, nil
	}
	var due sql.NullInt64
	if err := s.polls.QueryRowContext(ctx, soonestDue).Scan(&due); err != nil {
		return nil, time.Time{}, fmt.Errorf("next notice: %w", err)
	}
	return nil, fromMaybe(due), nil
}

// Notices implements alerts.NoticeStore.
func (s *Store) Notices(ctx context.Context, f alerts.NoticeFilter) ([]alerts.Notice, error) {
	condition := ""
	if f.Open != nil {
		condition = " WHERE ended_at IS NOT NULL"
		if *f.Open {
			condition = strings.Replace(condition, " NOT", "", 1)
		}
	}
	notices, err := collect(ctx, s.db.Read(), scanNotice,
		selectNotice+condition+" ORDER BY started_at DESC, id DESC LIMIT ?", f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	return notices, nil
}

// OpenNotices implements alerts.NoticeStore.
func (s *Store) OpenNotices(ctx context.Context) (int, error) {
	n, err := number[int64](s.polls.QueryRowContext(ctx, openNotices))
	if err != nil {
		return 0, fmt.Errorf("count notices: %w", err)
	}
	return int(n), nil
}

const pruneNotices = `
DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE settled AND ended_at < ? ORDER BY started_at LIMIT ?)`

// PruneNotices implements alerts.NoticeStore.
func (s *Store) PruneNotices(ctx context.Context, endedBefore time.Time, limit int) (int, error) {
	var n int64
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, pruneNotices, millis(endedBefore), limit)
		if err != nil {
			return fmt.Errorf("prune notices: %w", err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return int(n), err
}

const countPending = `SELECT count(*), min(coalesce(begun_at, created_at)) FROM outbox WHERE state = 'pending'`

// Backlog implements alerts.OutboxStore.
func (s *Store) Backlog(ctx context.Context) (b alerts.Backlog, err error) {
	var oldest sql.NullInt64
	if err := s.polls.QueryRowContext(ctx, countPending).Scan(&b.Messages, &oldest); err != nil {
		return alerts.Backlog{}, fmt.Errorf("read backlog: %w", err)
	}
	b.Oldest = fromMaybe(oldest)
	if b.Messages == 0 {
		return b, nil
	}
	if b.Due, err = s.nextDue(ctx); err != nil {
		return alerts.Backlog{}, fmt.Errorf("read backlog: next: %w", err)
	}
	return b, nil
}
