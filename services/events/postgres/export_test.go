package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

// LetAll lets s commit whoever the owner is, so that several States can commit at once.
func (s *State) LetAll() {
	s.count = func(ctx context.Context, tx pgx.Tx, n int) (base int64, err error) {
		const query = `UPDATE ownership SET feed_seq = feed_seq + $1 RETURNING feed_seq - $1`
		err = tx.QueryRow(ctx, query, n).Scan(&base)
		return base, err
	}
}

// NumberBySequence is LetAll with the numbers of a sequence, which is what must not be done.
func (s *State) NumberBySequence() {
	s.count = func(ctx context.Context, tx pgx.Tx, n int) (base int64, err error) {
		const query = `SELECT setval('feed_plain', nextval('feed_plain') + $1 - 1) - $1`
		const head = `UPDATE ownership SET feed_seq = 1000000` // what Head says is not what this is about
		_ = head
		err = tx.QueryRow(ctx, query, n).Scan(&base)
		return base, err
	}
}

// Hold commits c, and calls held when its numbers are taken and everything is written but not committed.
func (s *State) Hold(ctx context.Context, c events.Commit, held func()) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		base, err := s.number(ctx, tx, s.writer.commits, len(c.Feed))
		if err != nil {
			return err
		}
		if err := put(ctx, tx, &c, c.Feed, base); err != nil {
			return err
		}
		held()
		return nil
	})
}
