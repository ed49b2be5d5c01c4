package sqlite

import (
	"context"
	"database/sql"
	"sync"
)

const (
	preparedFrom   = 3   // uses of a text, from which on it is kept prepared: some texts are made for one question
	preparedAtMost = 64  // texts
	countedAtMost  = 256 // texts that are counted
)

// statements are a pool's statements that are used again and again. SQLite takes longer to understand a question about one
// monitor than to answer it. Each is prepared once per connection, by database/sql, and closed with the connection.
//
// Write LIMIT ? + 0, not LIMIT ?: the planner looks at a bare parameter's value there, and so SQLite would prepare the statement
// anew for each.
type statements struct {
	pool *sql.DB

	mu     sync.Mutex
	ready  map[string]*sql.Stmt
	uses   map[string]int
	wanted []string
}

func newStatements(pool *sql.DB) *statements {
	return &statements{pool: pool, ready: map[string]*sql.Stmt{}, uses: map[string]int{}}
}

// find returns a text's statement; nil if there is none. Then it may be wanted, see prepare.
func (s *statements) find(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ready := s.ready[query]; ready != nil {
		return ready
	}
	if len(s.uses) >= countedAtMost {
		clear(s.uses)
	}
	if s.uses[query]++; s.uses[query] == preparedFrom && len(s.ready)+len(s.wanted) < preparedAtMost {
		s.wanted = append(s.wanted, query)
	}
	return nil
}

// prepare prepares what is wanted. Whoever calls it must not hold a connection: all may be held by others who do the same. What
// cannot be prepared is asked without, which tells why.
func (s *statements) prepare(ctx context.Context) {
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = nil
	s.mu.Unlock()
	for _, query := range wanted {
		stmt, err := s.pool.PrepareContext(ctx, query) //nolint:sqlclosecheck // it is kept, and closed with its connections
		s.mu.Lock()
		delete(s.uses, query)
		if err == nil {
			s.ready[query] = stmt
		}
		s.mu.Unlock()
	}
}

// QueryContext asks outside of any transaction.
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s.prepare(ctx)
	if stmt := s.find(query); stmt != nil { //nolint:sqlclosecheck // it stays prepared
		return stmt.QueryContext(ctx, args...)
	}
	return s.pool.QueryContext(ctx, query, args...)
}

// QueryRowContext is QueryContext for one row.
func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s.prepare(ctx)
	if stmt := s.find(query); stmt != nil { //nolint:sqlclosecheck // it stays prepared
		return stmt.QueryRowContext(ctx, args...)
	}
	return s.pool.QueryRowContext(ctx, query, args...)
}

// readTx is a transaction of a pool that uses its statements. No two questions of one text may be open in it at once.
type readTx struct {
	*sql.Tx
	statements *statements
}

// QueryContext asks within the transaction.
func (t *readTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := t.statements.find(query); stmt != nil {
		return t.StmtContext(ctx, stmt).QueryContext(ctx, args...) //nolint:sqlclosecheck // closed with the transaction
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext is QueryContext for one row.
func (t *readTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := t.statements.find(query); stmt != nil {
		return t.StmtContext(ctx, stmt).QueryRowContext(ctx, args...) //nolint:sqlclosecheck // as above
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
