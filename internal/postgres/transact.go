package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The conditions that a caller may want to know, by SQLSTATE.
const (
	uniqueViolation      = "23505"
	foreignKeyViolation  = "23503"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

const (
	maxTries  = 10
	firstWait = 5 * time.Millisecond // doubled each time, with as much again at random
	maxWait   = 250 * time.Millisecond
)

func (d *DB) transact(ctx context.Context, opts pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := d.once(ctx, opts, fn)
		if err == nil || !Retryable(err) || try == maxTries {
			return err
		}
		select {
		case <-time.After(wait + rand.N(wait)):
		case <-ctx.Done():
			return err
		}
		wait = min(2*wait, maxWait)
	}
}

func (d *DB) once(ctx context.Context, opts pgx.TxOptions, fn func(tx pgx.Tx) error) (err error) {
	tx, err := d.pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() { // also when fn panics or ends its goroutine
		if done {
			return
		}
		// The request may be over; the transaction must end all the same.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultConnectTimeout)
		defer cancel()
		if rerr := tx.Rollback(undo); rerr != nil && !errors.Is(rerr, pgx.ErrTxClosed) && err == nil {
			err = fmt.Errorf("roll back: %w", rerr)
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	done = true // a commit that fails has ended the transaction
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Retryable reports whether the server gave a transaction up for the sake of another, and the same may succeed if repeated.
func Retryable(err error) bool {
	code := code(err)
	return code == serializationFailure || code == deadlockDetected
}

// IsUnique reports whether err is a violation of the named unique constraint or index; an empty name means any.
func IsUnique(err error, constraint string) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.Code == uniqueViolation && (constraint == "" || p.ConstraintName == constraint)
}

// IsForeignKey is IsUnique for foreign keys.
func IsForeignKey(err error, constraint string) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.Code == foreignKeyViolation && (constraint == "" || p.ConstraintName == constraint)
}

func isUniqueViolation(err error) bool { return code(err) == uniqueViolation }

func code(err error) string {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// poolSizeIn reports whether the DSN itself says how many connections there may be.
func poolSizeIn(dsn string) bool { return strings.Contains(dsn, "pool_max_conns") }
