package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// polls runs what is asked again and again, mostly to hear that there is nothing to do: its statements are compiled once for each
// connection, which takes several times as long as running them. A bare parameter after LIMIT would be compiled in: SQLite looks at its
// value, and compiles anew with each one that is bound. As an expression (? + 0) it is only a value.
type polls struct {
	db *sql.DB

	mu       sync.Mutex
	compiled map[string]*sql.Stmt
}

var _ querier = (*polls)(nil)

func newPolls(db *sql.DB) *polls { return &polls{db: db, compiled: map[string]*sql.Stmt{}} }

// statement is the query, compiled; it is prepared by whoever asks first. Queries are constants, so there are few.
func (p *polls) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.compiled[query]; ok {
		return s, nil
	}
	s, err := p.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // it is kept, see close
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	p.compiled[query] = s
	return s, nil
}

// QueryContext implements querier.
func (p *polls) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // it stays compiled
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext implements querier. What cannot be prepared fails as it is, so that scanning the row says why.
func (p *polls) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // it stays compiled
	if err != nil {
		return p.db.QueryRowContext(ctx, query, args...)
	}
	return s.QueryRowContext(ctx, args...)
}

// close gives the statements up. What is running ends before its statement does.
func (p *polls) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for query, s := range p.compiled {
		errs = append(errs, s.Close())
		delete(p.compiled, query)
	}
	return errors.Join(errs...)
}
