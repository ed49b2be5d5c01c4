package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/frogstats/uptime/internal/fault"
)

func TestOutage(t *testing.T) {
	server := func(code string) error { return fmt.Errorf("list: %w", &pgconn.PgError{Code: code, Message: "canary"}) }
	tests := map[string]struct {
		err  error
		want fault.Kind
	}{
		"connection refused":    {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, fault.KindUnavailable},
		"connection reset":      {fmt.Errorf("read: %w", syscall.ECONNRESET), fault.KindUnavailable},
		"connection ended":      {fmt.Errorf("receive: %w", io.ErrUnexpectedEOF), fault.KindUnavailable},
		"connection closed":     {fmt.Errorf("commit: %w", pgconn.ErrConnClosed), fault.KindUnavailable},
		"starting up":           {server("57P03"), fault.KindUnavailable},
		"shutting down":         {server("57P01"), fault.KindUnavailable},
		"too many connections":  {server("53300"), fault.KindUnavailable},
		"disk full":             {server("53100"), fault.KindUnavailable},
		"statement timeout":     {server("57014"), fault.KindUnavailable},
		"lock timeout":          {server("55P03"), fault.KindUnavailable},
		"deadlock":              {server("40P01"), fault.KindUnavailable},
		"a standby":             {server("25006"), fault.KindUnavailable},
		"a broken statement":    {server("42601"), fault.KindInternal},
		"a violated constraint": {server("23514"), fault.KindInternal},
		"no permission":         {server("42501"), fault.KindInternal},
		"something else":        {errors.New("canary"), fault.KindInternal},
		"not found":             {fmt.Errorf("read: %w", fault.NotFound("x")), fault.KindNotFound},
		"a fault of fn's own":   {fmt.Errorf("fn: %w", fault.Conflict("x").Wrap(io.EOF)), fault.KindConflict},
		"canceled":              {context.Canceled, fault.KindCanceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := outage(t.Context(), tt.err)
			if fault.KindOf(got) != tt.want || !errors.Is(got, tt.err) {
				t.Errorf("got %v of kind %v, want %v", got, fault.KindOf(got), tt.want)
			}
		})
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got := outage(over, fmt.Errorf("receive: %w", io.EOF)); fault.Is(got, fault.KindUnavailable) {
		t.Errorf("%v after the caller has gone", got)
	}
	if outage(t.Context(), nil) != nil {
		t.Error("an outage of nothing")
	}
}
