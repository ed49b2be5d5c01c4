// Package fault is the one vocabulary of errors that cross a service's border.
//
// An Error has a kind, a text that strangers may read, and a cause that only the log may read. Inside a service errors
// are wrapped as a path with fmt.Errorf and %w; wherever the reason is known, the innermost is a fault. The rpc
// interceptor turns whatever comes out into a gRPC status once, with ToStatus: anything that is not recognised becomes
// Internal with a fixed text, so a driver's words never reach the wire.
package fault

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind says what sort of failure an error is, and with that who can do something about it.
type Kind int

// The kinds. The zero value is KindInternal, so that an error nobody thought about is never taken for the caller's.
const (
	KindInternal        Kind = iota // ours; the caller cannot help it
	KindInvalid                     // the request itself is wrong, whatever the state of the system
	KindUnauthenticated             // we do not know who is asking
	KindDenied                      // we know, and they may not
	KindNotFound                    // no such thing, or none that the caller may see
	KindConflict                    // it exists already, or somebody else changed it at the same time
	KindPrecondition                // the state of the system forbids it, e.g. If-Match did not match
	KindExhausted                   // a limit or a quota; later it may work
	KindUnavailable                 // not now; safe to try again
	KindCanceled                    // the caller gave up
	KindDeadline                    // the caller's time ran out
)

type kindFacts struct {
	name   string // reason in google.rpc.ErrorInfo when the error has none of its own
	public string // text when the error has none of its own
	code   codes.Code
}

// facts is indexed by Kind.
var facts = [...]kindFacts{
	KindInternal:        {"INTERNAL", "internal error", codes.Internal},
	KindInvalid:         {"INVALID", "invalid request", codes.InvalidArgument},
	KindUnauthenticated: {"UNAUTHENTICATED", "authentication required", codes.Unauthenticated},
	KindDenied:          {"DENIED", "permission denied", codes.PermissionDenied},
	KindNotFound:        {"NOT_FOUND", "not found", codes.NotFound},
	KindConflict:        {"CONFLICT", "conflict with the current state", codes.AlreadyExists},
	KindPrecondition:    {"PRECONDITION", "precondition failed", codes.FailedPrecondition},
	KindExhausted:       {"EXHAUSTED", "limit reached", codes.ResourceExhausted},
	KindUnavailable:     {"UNAVAILABLE", "temporarily unavailable", codes.Unavailable},
	KindCanceled:        {"CANCELED", "canceled by the caller", codes.Canceled},
	KindDeadline:        {"DEADLINE", "deadline exceeded", codes.DeadlineExceeded},
}

func (k Kind) facts() kindFacts {
	if k < 0 || int(k) >= len(facts) {
		return facts[KindInternal]
	}
	return facts[k]
}

// String names the kind in UPPER_SNAKE, as it stands in ErrorInfo.
func (k Kind) String() string { return k.facts().name }

// Field is one thing wrong with one field of a request.
type Field struct {
	Name    string // path in the request, snake_case, e.g. "http_config.url" or "validation_rules[0].value"
	Message string // what is wrong, e.g. "must be between 1 and 65535"
}

// Error is an error that may be shown outside. Build it with the constructors; add the cause with Wrap.
type Error struct {
	Kind       Kind
	Public     string        // what strangers read; empty means the kind's own text
	Reason     string        // UPPER_SNAKE, stable, for programs; empty means the kind's name
	Fields     []Field       // what is wrong with which field; meant for KindInvalid
	RetryAfter time.Duration // 0 means unsaid

	code  codes.Code // overrides the kind's code when a kind covers several (Aborted)
	cause error
}

// Invalid reports a request that is wrong in itself. An empty public text becomes "invalid request".
func Invalid(public string, fields ...Field) *Error {
	return &Error{Kind: KindInvalid, Public: public, Fields: fields}
}

// Unauthenticated reports that the caller must say who it is.
func Unauthenticated(public string) *Error { return &Error{Kind: KindUnauthenticated, Public: public} }

// Denied reports that this caller may not do that. For another organization's objects use NotFound.
func Denied(public string) *Error { return &Error{Kind: KindDenied, Public: public} }

// NotFound reports that there is no such object, as far as this caller may know.
func NotFound(public string) *Error { return &Error{Kind: KindNotFound, Public: public} }

// Conflict reports that the object exists already (gRPC AlreadyExists, HTTP 409).
func Conflict(public string) *Error { return &Error{Kind: KindConflict, Public: public} }

// Aborted is a Conflict between concurrent changes: reading again and repeating may work (gRPC Aborted, HTTP 409).
func Aborted(public string) *Error {
	return &Error{Kind: KindConflict, Public: public, code: codes.Aborted}
}

// Precondition reports that the state forbids the operation, such as an ETag that does not match (HTTP 412).
func Precondition(public string) *Error { return &Error{Kind: KindPrecondition, Public: public} }

// Exhausted reports a limit that was reached (HTTP 429). Say when to come back with After.
func Exhausted(public string) *Error { return &Error{Kind: KindExhausted, Public: public} }

// Unavailable reports that it cannot be done now and may safely be tried again (HTTP 503).
func Unavailable(public string) *Error { return &Error{Kind: KindUnavailable, Public: public} }

// Internal marks cause as our own fault. The public text is always the kind's.
func Internal(cause error) *Error { return &Error{Kind: KindInternal, cause: cause} }

// Wrap returns a copy of e that carries cause for the log. It leaves e alone, so a shared value may be wrapped.
func (e *Error) Wrap(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Because returns a copy of e with a machine-readable UPPER_SNAKE reason.
func (e *Error) Because(reason string) *Error {
	c := *e
	c.Reason = reason
	return &c
}

// After returns a copy of e that tells the caller to wait d before trying again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Error is the text for the log: the public text, then the cause. Never send it to a caller; that is what ToStatus is for.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.public()
	}
	return e.public() + ": " + e.cause.Error()
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) public() string {
	if e.Public == "" || e.Kind == KindInternal {
		return e.Kind.facts().public
	}
	return e.Public
}

// carrier is what both Error and the errors of a gRPC client have in common.
type carrier interface {
	error
	GRPCStatus() *status.Status
}

// KindOf classifies any error: a fault by its kind, a gRPC status by its code, a context's error as Canceled or Deadline,
// and everything else, nil included, as Internal. The outermost fault or status of the chain decides.
func KindOf(err error) Kind {
	var c carrier
	if errors.As(err, &c) {
		if e, ok := c.(*Error); ok {
			return e.Kind
		}
		return kindOfCode(c.GRPCStatus().Code())
	}
	switch {
	case errors.Is(err, context.Canceled):
		return KindCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return KindDeadline
	}
	return KindInternal
}

// Is reports whether err is of kind k. A nil error is of no kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
