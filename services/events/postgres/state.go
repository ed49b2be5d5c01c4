// Package postgres keeps the states of events in PostgreSQL, for one process that judges at a time: see State.Own.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/events"
)

//go:embed migrations
var migrations embed.FS

// schemaName holds the tables; other services may use the same database.
const schemaName = "events"

// StateOptions adjust OpenState.
type StateOptions struct {
	Holder   string       // names this process, in the ownership table, to people who look; default host:pid
	MaxConns int32        // of the pool, the ownership's own connection not counted; 0 means postgres.DefaultMaxConns
	Log      *slog.Logger // tells of ownership gained, lost and waited for; nil discards
}

// State is an events.StateStore in PostgreSQL. Everybody may read; Commit and Prune need the ownership, see Own.
type State struct {
	db     *postgres.DB
	log    *slog.Logger
	holder string

	turn   chan struct{} // capacity 1; taken by whoever commits
	writer writer        // for whoever has the turn
	own    ownership
	count  counter // replaces the check of the epoch in tests that let several processes commit at once

	life context.Context // ends with Close
	end  context.CancelFunc
	work sync.WaitGroup
}

var _ events.StateStore = (*State)(nil)

type counter func(ctx context.Context, tx pgx.Tx, n int) (base int64, err error)

// OpenState connects to the database at dsn and brings the schema "events" up to date. The connection must be one to the
// server, or through a pooler that keeps sessions: the ownership is a lock of a session.
func OpenState(ctx context.Context, dsn string, opts StateOptions) (*State, error) {
	dsn, err := withSettings(dsn)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	db, err := postgres.Open(ctx, dsn, postgres.Options{Schema: schemaName, Service: "events", MaxConns: opts.MaxConns})
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err := db.Migrate(ctx, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open state: %w", err), db.Close())
	}
	s := &State{db: db, log: opts.Log, holder: opts.Holder, turn: make(chan struct{}, 1)}
	s.own.lost = make(chan error, 1)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// presence makes the server notice within five seconds that a client is gone, though nothing on the network says so, and end
// what it left open: its lock, and a transaction that the next owner would have to wait for.
var presence = map[string]string{
	"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3", "tcp_user_timeout": "5000",
	"idle_in_transaction_session_timeout": "5000",
}

// withSettings adds presence to a DSN, except for what it says itself.
func withSettings(dsn string) (string, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", err
	}
	separator := " "
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		separator = "&"
		if !strings.Contains(dsn, "?") {
			dsn += "?"
		}
	}
	for name, value := range presence {
		if _, ok := cfg.RuntimeParams[name]; !ok {
			dsn += separator + name + "=" + value
		}
	}
	return dsn, nil
}

// Close waits for what is running, closes the connections, and then lets another process own the state.
func (s *State) Close() error {
	err := s.db.Close()
	s.own.mu.Lock()
	s.end()
	s.own.mu.Unlock()
	s.work.Wait()
	if err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}
