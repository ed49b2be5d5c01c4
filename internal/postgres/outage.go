package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/fault"
)

// outage tells a database that cannot be used at the moment from one that was used wrongly. The first is worth another try
// by whoever asked; its cause is for the log alone. What is known to be something else stays what it is.
func outage(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	var known *fault.Error
	if errors.As(err, &known) || !away(err) {
		return err
	}
	if k := fault.KindOf(err); k != fault.KindInternal && k != fault.KindDeadline {
		return err
	}
	return fault.Unavailable("").Wrap(err)
}

func away(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return passing(p.Code)
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	var system syscall.Errno
	return errors.As(err, &connecting) || errors.As(err, &network) || errors.As(err, &system) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || pgconn.Timeout(err)
}

// IsOutage reports whether err, of Open or Migrate, is of a server that cannot be reached or used at the moment, so that
// another try may help. A wrong password, a database that there is not, a right that is lacking, a certificate that is not
// believed: these stay until somebody changes them.
func IsOutage(err error) bool {
	var file *fs.PathError // of a certificate
	var untrusted *tls.CertificateVerificationError
	if err == nil || errors.As(err, &file) || errors.As(err, &untrusted) || strings.Contains(err.Error(), "server refused TLS connection") {
		return false
	}
	return fault.Is(err, fault.KindUnavailable) || away(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) // how connections are lost in Migrate
}

// passing reports whether a condition, by its SQLSTATE, goes away without the request being changed: the server starts,
// stops, is full or busy, took too long, was given up for another transaction, or has become a standby.
func passing(code string) bool {
	switch code {
	case "25006", "25P03", "25P04", serializationFailure, deadlockDetected, lockNotAvailable, "57014",
		adminShutdown, crashShutdown, "57P03", idleSessionTimeout:
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53")
}

// answered reports whether err is the server's own word, which says that nothing was committed.
func answered(err error) bool {
	c := code(err)
	return c != "" && !strings.HasPrefix(c, "57P") && !strings.HasPrefix(c, "08")
}

// Query is pgx's. An outage, also one that only shows while rows are read, is fault.KindUnavailable.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	r, err := d.pool.Query(ctx, sql, args...)
	return rows{r, ctx}, outage(ctx, err)
}

// QueryRow is Query for one row, or pgx.ErrNoRows.
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return row{d.pool.QueryRow(ctx, sql, args...), ctx}
}

// Exec runs one statement, with outages as of Query. What it did is then not known, so repeating it must do no harm; what
// must not be repeated belongs in Write.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := d.pool.Exec(ctx, sql, args...)
	return tag, outage(ctx, err)
}

type rows struct {
	pgx.Rows
	ctx context.Context
}

func (r rows) Err() error { return outage(r.ctx, r.Rows.Err()) }

type row struct {
	pgx.Row
	ctx context.Context
}

func (r row) Scan(dest ...any) error { return outage(r.ctx, r.Row.Scan(dest...)) }
