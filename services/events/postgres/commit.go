package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

// commitWithin bounds a commit as a whole, for a server that has stopped answering; that of one statement is the pool's.
const commitWithin = 20 * time.Second

// Commit stores everything in c in one transaction, in four round trips, or eight if it is of a fleet. Numbers of the feed are given
// under the lock of one row that is held to the end of the transaction, so the next transaction's numbers are greater and are
// seen later.
//
// A commit whose outcome is not known, because the connection broke, returns an error; the next one finds out first, and does
// not announce again what was announced. That works if the caller repeats a commit that failed, with more entries behind if it
// likes, before it commits others.
func (s *State) Commit(ctx context.Context, c events.Commit) error {
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	if err := s.commit(ctx, &c); err != nil {
		return fmt.Errorf("commit state: %w", s.noteLoss(err))
	}
	return nil
}

func (s *State) commit(ctx context.Context, c *events.Commit) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	w := &s.writer
	if w.doubt != nil {
		if err := s.resolve(ctx, w); err != nil {
			return fmt.Errorf("look whether the last commit was stored: %w", err)
		}
	}
	feed := c.Feed
	if startsWith(feed, w.told) {
		feed = feed[len(w.told):]
	}
	written := false
	err := s.db.Write(ctx, func(tx pgx.Tx) error {
		written = false
		base, err := s.number(ctx, tx, w.commits, len(feed))
		if err != nil {
			return err
		}
		if err := put(ctx, tx, c, feed, base); err != nil {
			return err
		}
		written = true
		return nil
	})
	switch {
	case err == nil:
		w.commits, w.told = w.commits+1, nil
	case written:
		w.doubt = &doubt{feed: slices.Clone(c.Feed)}
	}
	return err
}

// writer is what the owner knows of its commits.
type writer struct {
	commits int64 // of its epoch
	doubt   *doubt
	told    []events.FeedRow // entries that are stored, though their commit seemed to fail
}

// doubt is a commit that may or may not have been stored; if it was, the count is one higher.
type doubt struct{ feed []events.FeedRow }

// number checks that the epoch is still this process's and that it has made all of its commits, locks that to the end of the
// transaction, and gives n numbers: those after base.
func (s *State) number(ctx context.Context, tx pgx.Tx, commits int64, n int) (base int64, err error) {
	const query = `
UPDATE ownership SET commits = commits + 1, feed_seq = feed_seq + $3
WHERE epoch = $1 AND commits = $2
RETURNING feed_seq - $3`
	if s.count != nil {
		return s.count(ctx, tx, n)
	}
	epoch := s.own.epoch.Load()
	if epoch == 0 {
		return 0, ErrNotOwner
	}
	err = tx.QueryRow(ctx, query, epoch, commits, n).Scan(&base)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrSuperseded
	}
	if err != nil {
		return 0, fmt.Errorf("number the feed: %w", err)
	}
	return base, nil
}

// resolve finds out whether the commit in doubt was stored, and makes sure that it will not be: its bytes may still be on
// their way to the server. Counting two on leaves no count that it could follow.
func (s *State) resolve(ctx context.Context, w *writer) error {
	const settle = `UPDATE ownership SET commits = $2 + 2 WHERE epoch = $1 AND commits = $2`
	const look = `SELECT epoch, commits FROM ownership`
	own := s.own.epoch.Load()
	if _, err := s.db.Exec(ctx, settle, own, w.commits); err != nil {
		return err
	}
	var epoch, commits int64
	if err := s.db.QueryRow(ctx, look).Scan(&epoch, &commits); err != nil {
		return err
	}
	switch {
	case epoch == own && commits == w.commits+1:
		w.told = w.doubt.feed
	case epoch == own && commits == w.commits+2:
	default:
		return ErrSuperseded
	}
	w.commits, w.doubt = commits, nil
	return nil
}

func startsWith(feed, head []events.FeedRow) bool {
	return len(feed) >= len(head) && slices.EqualFunc(feed[:len(head)], head, func(a, b events.FeedRow) bool {
		return a.OrganizationID == b.OrganizationID && a.MonitorID == b.MonitorID && a.Kind == b.Kind && slices.Equal(a.Body, b.Body)
	})
}

// put sends everything at once and then reads the answers. Many regions go ahead.
func put(ctx context.Context, tx pgx.Tx, c *events.Commit, feed []events.FeedRow, base int64) error {
	var b pgx.Batch
	var what []string
	add := func(name, query string, n int, args []any) {
		if n > 0 {
			what = append(what, name)
			b.Queue(query, args...)
		}
	}
	monitors := newest(c.Monitors, func(m *events.Monitor) uint32 { return m.ID })
	states := newest(c.States, func(st *events.MonitorState) uint32 { return st.MonitorID })
	regions := newest(c.Regions, func(r *events.RegionState) regionKey { return regionKey{r.MonitorID, r.Region} })
	transitions := newest(c.Transitions, func(t *events.Transition) transitionKey {
		return transitionKey{regionKey{t.MonitorID, t.Region}, t.Since.UnixMilli(), t.Seq}
	})
	add("put monitors", putMonitors, len(monitors), monitorColumns(monitors))
	add("put states", putStates, len(states), stateColumns(states))
	if len(regions) > fewRegions {
		if err := stage(ctx, tx, regions); err != nil {
			return fmt.Errorf("stage regions: %w", err)
		}
		add("put regions", putStaged, len(regions), nil)
	} else {
		add("put regions", putRegions, len(regions), regionColumns(regions))
	}
	add("forget intervals", dropIntervals, len(c.Mended), mendedColumns(c.Mended))
	add("put transitions", putTransitions, len(transitions), transitionColumns(transitions))
	due, paid, nDue, nPaid := owedColumns(c.Owed)
	add("put owed", putOwed, nDue, due)
	add("forget owed", dropOwed, nPaid, paid)
	add("put feed", putFeed, len(feed), append(feedColumns(feed), base, wholeMS(c.At)))
	results := tx.SendBatch(ctx, &b)
	for _, name := range what {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same again
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return results.Close()
}

type regionKey struct {
	monitorID uint32
	region    string
}

type transitionKey struct {
	regionKey
	since int64
	seq   uint64
}

// newest leaves the last of those with the same key: a statement may not change a row twice.
func newest[T any, K comparable](items []T, key func(*T) K) []T {
	last := make(map[K]int, len(items))
	for i := range items {
		last[key(&items[i])] = i
	}
	if len(last) == len(items) {
		return items
	}
	out := make([]T, 0, len(last))
	for i := range items {
		if last[key(&items[i])] == i {
			out = append(out, items[i])
		}
	}
	return out
}
