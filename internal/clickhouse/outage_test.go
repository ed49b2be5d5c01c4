package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/fault"
)

func TestOutage(t *testing.T) {
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	server := func(code int32) error { return &driver.Exception{Code: code, Message: "in its own words"} }
	tests := map[string]struct {
		ctx  context.Context
		err  error
		want bool
	}{
		"nothing":                         {t.Context(), nil, false},
		"refused":                         {t.Context(), &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		"cut off":                         {t.Context(), io.ErrUnexpectedEOF, true},
		"no connection free":              {t.Context(), driver.ErrAcquireConnTimeout, true},
		"silent":                          {t.Context(), &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true},
		"too slow":                        {t.Context(), server(159), true},
		"too many queries":                {t.Context(), server(202), true},
		"memory":                          {t.Context(), server(241), true},
		"read-only for the time being":    {t.Context(), server(242), true},
		"too many parts":                  {t.Context(), server(252), true},
		"no keeper":                       {t.Context(), server(999), true},
		"a user who may not write":        {t.Context(), server(164), false},
		"syntax":                          {t.Context(), server(62), false},
		"unknown table":                   {t.Context(), server(60), false},
		"anything else":                   {t.Context(), errors.New("x"), false},
		"a fault":                         {t.Context(), fault.NotFound("gone").Wrap(io.EOF), false},
		"the caller's time ran out":       {past, context.DeadlineExceeded, false},
		"the socket was told of the time": {past, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.err
			if err != nil {
				err = fmt.Errorf("list results: %w", err)
			}
			got := clickhouse.Outage(tt.ctx, err)
			if is := fault.Is(got, fault.KindUnavailable); is != tt.want {
				t.Errorf("%v is an outage: %v, want %v", tt.err, is, tt.want)
			}
			if !errors.Is(got, tt.err) {
				t.Errorf("%v lost its cause", got)
			}
			if tt.want && fault.ToStatus(got).Message() != "temporarily unavailable" {
				t.Errorf("strangers read %q", fault.ToStatus(got).Message())
			}
		})
	}
}

func TestOutageOfAServer(t *testing.T) {
	s := clickhousetest.Start(t)
	db := open(t, s.DSN(), clickhouse.Options{DialTimeout: 2 * time.Second})
	s.Kill()
	if err := clickhouse.Outage(t.Context(), drain(t.Context(), db.Conn(), `SELECT 1`)); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("%v, want unavailable", err)
	}
	s.Start()
	if err := clickhouse.Outage(t.Context(), drain(t.Context(), db.Conn(), `SELEKT 1`)); !fault.Is(err, fault.KindInternal) {
		t.Errorf("%v, want internal", err)
	}
}
