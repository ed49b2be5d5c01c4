package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/events"
)

// LetAll lets s commit whoever the owner is, so that several can commit at once.
func (s *State) LetAll() {
	s.count = func(ctx context.Context, tx pgx.Tx, n int) (base int64, err error) {
		const query = `UPDATE ownership SET feed_seq = feed_seq + $1 RETURNING feed_seq - $1`
		err = tx.QueryRow(ctx, query, n).Scan(&base)
		return base, err
	}
}

// NumberBySequence is LetAll with numbers from the sequence feed_plain, for commits of one entry.
func (s *State) NumberBySequence() {
	s.count = func(ctx context.Context, tx pgx.Tx, _ int) (base int64, err error) {
		const query = `SELECT nextval('feed_plain') - 1`
		err = tx.QueryRow(ctx, query).Scan(&base)
		return base, err
	}
}

// Hold commits c, and calls held when its numbers are taken and everything is written but not committed. Without held, it
// fails there.
func (s *State) Hold(ctx context.Context, c events.Commit, held func() error) error {
	s.turn <- struct{}{} // a commit changes what is read here
	commits := s.writer.commits
	<-s.turn
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		base, err := s.number(ctx, tx, commits, len(c.Feed))
		if err != nil {
			return err
		}
		if err := put(ctx, tx, &c, c.Feed, base); err != nil {
			return err
		}
		if held == nil {
			return errors.New("held by nobody")
		}
		return held()
	})
}

// RegionNames names the columns of RegionRows.
var RegionNames = regionNames

// RegionRows are the values that a commit writes of regions.
func RegionRows(regions []events.RegionState) pgx.CopyFromSource {
	return &rowSource{columns: regionColumns(regions), rows: len(regions)}
}

// Setting is a setting of the server for the pool's connections.
func (s *State) Setting(name string) (value string) {
	if err := s.db.Pool().QueryRow(s.life, `SELECT current_setting($1)`, name).Scan(&value); err != nil {
		return err.Error()
	}
	return value
}

// OwnerSetting is Setting for the connection that holds the lock.
func (s *State) OwnerSetting(name string) (value string) {
	conn, err := s.connect(s.life)
	if err != nil {
		return err.Error()
	}
	defer hangUp(conn)
	if err := fetch(s.life, conn, &value, `SELECT current_setting($1)`, name); err != nil {
		return err.Error()
	}
	return value
}
