package clickhouse

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// The server's codes that callers tell apart.
const (
	unknownTable     = 60
	timeoutExceeded  = 159
	tooSlow          = 160
	readOnlySetting  = 164
	tooManyQueries   = 202
	socketTimeout    = 209
	networkError     = 210
	sameQueryRunning = 216
	memoryLimit      = 241
	tableReadOnly    = 242
	tooManyParts     = 252
	allTriesFailed   = 279
	tooFewReplicas   = 285
	unknownInsert    = 319
	cannotSchedule   = 439
	keeperException  = 999
)

// Code is the server's number for an error, over either protocol; 0 if the error is not the server's.
func Code(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// IsTooManyParts reports that a table has more parts than it can merge: insert less often, and again later.
func IsTooManyParts(err error) bool { return Code(err) == tooManyParts }

// IsReadOnly reports that the table, or the user, may not be written at the moment or at all.
func IsReadOnly(err error) bool {
	return slices.Contains([]int32{readOnlySetting, tableReadOnly}, Code(err))
}

// IsMemoryLimit reports that a statement would have needed more memory than it, or the server, may use.
func IsMemoryLimit(err error) bool { return Code(err) == memoryLimit }

// IsTimeout reports that a statement took too long: for the server's limit, the context's deadline, or the client's patience
// with a silent server.
func IsTimeout(err error) bool {
	return slices.Contains([]int32{timeoutExceeded, tooSlow, socketTimeout}, Code(err)) || ranOut(err)
}

// ranOut reports that the client's time is up, whoever had set it.
func ranOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// IsUnavailable reports that the server could not be reached, went away in between, or has no room for the statement now.
// Whether it was carried out is then unknown: repeat an insert only with its deduplication token.
func IsUnavailable(err error) bool {
	if code := Code(err); code != 0 {
		return slices.Contains([]int32{
			tooManyQueries, socketTimeout, networkError, allTriesFailed, tooFewReplicas, unknownInsert, cannotSchedule, keeperException,
		}, code)
	}
	if holds(err, context.Canceled) || holds(err, context.DeadlineExceeded) {
		return false // the caller's limit; nothing is said about the server
	}
	var answer *clickhouse.HTTPError
	if errors.As(err, &answer) { // a proxy's, or it would have a code
		return slices.Contains([]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, answer.StatusCode)
	}
	var op *net.OpError
	return errors.As(err, &op) || ranOut(err) || slices.ContainsFunc([]error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
		clickhouse.ErrConnectionClosed, clickhouse.ErrAcquireConnTimeout, clickhouse.ErrAcquireConnNoAddress,
		driver.ErrBadConn, sql.ErrConnDone, // of Migrate
	}, func(target error) bool { return errors.Is(err, target) })
}

// because adds the context's reason to an error that the driver gives without it: a deadline that it hands to the socket
// comes back as the socket's.
func because(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	reason := ctx.Err()
	if at, ok := ctx.Deadline(); ok && reason == nil && !time.Now().Before(at) {
		reason = context.DeadlineExceeded // the socket's clock was quicker
	}
	if reason == nil || holds(err, reason) {
		return err
	}
	return fmt.Errorf("%w: %w", reason, err)
}

// holds is errors.Is without regard to what errors say of themselves: timeouts of package net pass for the context's.
func holds(err, target error) bool {
	if err == target { //nolint:errorlint // the very value is looked for
		return true
	}
	switch e := err.(type) { //nolint:errorlint // this is how errors are unwrapped
	case interface{ Unwrap() error }:
		return holds(e.Unwrap(), target)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(inner error) bool { return holds(inner, target) })
	}
	return false
}

// withoutPassword returns err with the password blotted out of its text, should it be there.
func withoutPassword(err error, password string) error {
	if err == nil || password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return blotted{text: strings.ReplaceAll(err.Error(), password, "***"), err: err}
}

// blotted is an error whose text must not be shown. What it is can still be asked.
type blotted struct {
	text string
	err  error
}

func (b blotted) Error() string { return b.text }

func (b blotted) Is(target error) bool { return errors.Is(b.err, target) }

func (b blotted) As(target any) bool {
	switch target.(type) {
	case **clickhouse.Exception, **net.OpError, **clickhouse.HTTPError:
		return errors.As(b.err, target)
	}
	return false
}
