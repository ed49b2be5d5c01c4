package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/fault"
)

// outage tells a database that cannot be used at the moment from one that was used wrongly. The first is worth another try
// by whoever asked; its cause is for the log alone.
func outage(ctx context.Context, err error) error {
	var known *fault.Error
	if err == nil || ctx.Err() != nil || errors.As(err, &known) || !away(err) {
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

// passing reports whether a condition, by its SQLSTATE, goes away without the request being changed: the server starts,
// stops, is full or busy, took too long, was given up for another transaction, or has become a standby.
func passing(code string) bool {
	switch code {
	case "25006", "25P03", "25P04", "40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05":
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53")
}

// answered reports whether err is the server's own word, which says that nothing was committed.
func answered(err error) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && !strings.HasPrefix(p.Code, "57P") && !strings.HasPrefix(p.Code, "08")
}
