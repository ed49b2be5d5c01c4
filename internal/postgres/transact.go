package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxTries  = 12
	firstWait = 5 * time.Millisecond // doubled each time, with as much again at random
	maxWait   = 250 * time.Millisecond

	// undoTimeout is how long rolling back may take once the caller has gone.
	undoTimeout = 5 * time.Second
)

func (d *DB) transact(ctx context.Context, opts pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := d.once(ctx, opts, fn)
		if err == nil || !Retryable(err) || try == maxTries || !pause(ctx, wait+rand.N(wait)) {
			return err
		}
		wait = min(2*wait, maxWait)
	}
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *DB) once(ctx context.Context, opts pgx.TxOptions, fn func(tx pgx.Tx) error) (err error) {
	tx, err := d.begin(ctx, opts)
	if err != nil {
		return outage(ctx, fmt.Errorf("begin: %w", err))
	}
	done := false
	defer func() { // also when fn panics or ends its goroutine
		if done {
			return
		}
		// The request may be over; the transaction must end all the same. A connection on which that fails is closed, and
		// the server rolls back by itself.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		_ = tx.Rollback(undo)
	}()
	if err := fn(tx); err != nil {
		return outage(ctx, err)
	}
	done = true // a commit that fails has ended the transaction
	if err := tx.Commit(ctx); err != nil {
		err = fmt.Errorf("commit: %w", err)
		if opts.AccessMode != pgx.ReadOnly && !answered(err) {
			return err // it may have been committed; "unavailable" would say that it is safe to try again
		}
		return outage(ctx, err)
	}
	return nil
}

// begin passes over the connections that have died in the pool, as all have when the server was restarted.
func (d *DB) begin(ctx context.Context, opts pgx.TxOptions) (tx pgx.Tx, err error) {
	for range d.pool.Stat().MaxConns() + 1 {
		tx, err = d.pool.BeginTx(ctx, opts)
		if err == nil || !isLost(err) || ctx.Err() != nil {
			break
		}
	}
	return tx, err
}

// isLost reports whether a connection that was there has gone. That none can be made is another matter.
func isLost(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return false
	}
	switch code(err) {
	case adminShutdown, crashShutdown, idleSessionTimeout:
		return true
	}
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.As(err, &network)
}
