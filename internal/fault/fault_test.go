package fault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

var errDriver = errors.New("pq: password authentication failed for user canary")

func foreign(code codes.Code, text string) error { return status.Error(code, text) }

func TestKindAndStatus(t *testing.T) {
	tests := map[string]struct {
		err    error
		kind   Kind
		code   codes.Code
		public string
	}{
		"nothing known":      {errDriver, KindInternal, codes.Internal, "internal error"},
		"wrapped unknown":    {fmt.Errorf("list monitors: %w", sql.ErrConnDone), KindInternal, codes.Internal, "internal error"},
		"internal":           {Internal(errDriver), KindInternal, codes.Internal, "internal error"},
		"internal with text": {&Error{Kind: KindInternal, Public: "canary"}, KindInternal, codes.Internal, "internal error"},
		"invalid":            {Invalid("name is empty"), KindInvalid, codes.InvalidArgument, "name is empty"},
		"invalid, no text":   {Invalid(""), KindInvalid, codes.InvalidArgument, "invalid request"},
		"unauthenticated":    {Unauthenticated(""), KindUnauthenticated, codes.Unauthenticated, "authentication required"},
		"denied":             {Denied(""), KindDenied, codes.PermissionDenied, "permission denied"},
		"not found, wrapped": {fmt.Errorf("get: canary: %w", NotFound("no such monitor").Wrap(sql.ErrNoRows)), KindNotFound, codes.NotFound, "no such monitor"},
		"conflict":           {Conflict("name is taken").Wrap(errDriver), KindConflict, codes.AlreadyExists, "name is taken"},
		"aborted":            {Aborted("changed meanwhile"), KindConflict, codes.Aborted, "changed meanwhile"},
		"precondition":       {Precondition("etag differs"), KindPrecondition, codes.FailedPrecondition, "etag differs"},
		"exhausted":          {Exhausted("too many"), KindExhausted, codes.ResourceExhausted, "too many"},
		"unavailable":        {Unavailable("later"), KindUnavailable, codes.Unavailable, "later"},
		"canceled":           {fmt.Errorf("query: %w", context.Canceled), KindCanceled, codes.Canceled, "canceled by the caller"},
		"deadline":           {fmt.Errorf("query: %w", context.DeadlineExceeded), KindDeadline, codes.DeadlineExceeded, "deadline exceeded"},
		"fault over context": {NotFound("gone").Wrap(context.Canceled), KindNotFound, codes.NotFound, "gone"},
		"a kind of tomorrow": {&Error{Kind: 99}, Kind(99), codes.Internal, "internal error"},

		"downstream of ours": {
			fmt.Errorf("ask monitors: canary: %w", NotFound("no such monitor").GRPCStatus().Err()),
			KindNotFound, codes.NotFound, "no such monitor",
		},
		"downstream of the library": {
			fmt.Errorf("ask monitors: %w", foreign(codes.Unavailable, "dial tcp 10.0.0.7:7000: connection refused")),
			KindUnavailable, codes.Unavailable, "temporarily unavailable",
		},
		"downstream out of range": {foreign(codes.OutOfRange, "canary"), KindInvalid, codes.OutOfRange, "invalid request"},
		"downstream unknown":      {foreign(codes.Unknown, "canary"), KindInternal, codes.Unknown, "internal error"},
		"unimplemented":           {foreign(codes.Unimplemented, "canary"), KindInternal, codes.Unimplemented, "not implemented"},
		"fault over downstream":   {Unavailable("try later").Wrap(foreign(codes.NotFound, "canary")), KindUnavailable, codes.Unavailable, "try later"},
		"joined":                  {errors.Join(errDriver, Conflict("taken")), KindConflict, codes.AlreadyExists, "taken"},
		"error that says OK":      {okError{}, KindInternal, codes.Internal, "internal error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.kind {
				t.Errorf("kind %v, want %v", got, tt.kind)
			}
			st := ToStatus(tt.err)
			if st.Code() != tt.code || st.Message() != tt.public {
				t.Errorf("status %v %q, want %v %q", st.Code(), st.Message(), tt.code, tt.public)
			}
		})
	}
}

// okError is a carrier whose status contradicts its being an error.
type okError struct{}

func (okError) Error() string              { return "canary" }
func (okError) GRPCStatus() *status.Status { return status.New(codes.OK, "") }

func TestNilIsNoError(t *testing.T) {
	if st := ToStatus(nil); st != nil || st.Err() != nil {
		t.Errorf("status of nil is %v", st)
	}
	if e := FromStatus(nil); e != nil {
		t.Errorf("fault of nil is %v", e)
	}
	if e := FromStatus(status.New(codes.OK, "")); e != nil {
		t.Errorf("fault of OK is %v", e)
	}
	if Is(nil, KindInternal) {
		t.Error("nil is of a kind")
	}
}

func TestDetailsSurviveTheWire(t *testing.T) {
	sent := Invalid("two mistakes",
		Field{"http_config.url", "must be a URL"}, Field{"tcp_config.port", "must be between 1 and 65535"},
	).Because("BAD_TARGET").After(1500 * time.Millisecond).Wrap(errDriver)

	got := FromStatus(status.FromProto(ToStatus(fmt.Errorf("create: %w", sent)).Proto()))

	opts := []cmp.Option{cmpopts.IgnoreUnexported(Error{})}
	if diff := cmp.Diff(sent, got, opts...); diff != "" {
		t.Errorf("fault changed on the way (-sent +got):\n%s", diff)
	}
	if code := got.GRPCStatus().Code(); code != codes.InvalidArgument {
		t.Errorf("code %v when sent on", code)
	}
	if got := FromStatus(Aborted("x").GRPCStatus()).GRPCStatus().Code(); got != codes.Aborted {
		t.Errorf("Aborted came back as %v", got)
	}
}

func TestReasonDefaultsToKind(t *testing.T) {
	for _, d := range NotFound("x").GRPCStatus().Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if info.GetReason() != "NOT_FOUND" || info.GetDomain() != Domain {
				t.Errorf("error info %v", info)
			}
			return
		}
	}
	t.Error("no ErrorInfo")
}

func TestForeignDetailsAreKept(t *testing.T) {
	st, err := status.New(codes.ResourceExhausted, "canary").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	got := ToStatus(fmt.Errorf("call: %w", st.Err()))
	if got.Message() != "limit reached" || len(got.Details()) != 1 {
		t.Errorf("status %v with details %v", got, got.Details())
	}
	if f := FromStatus(st); f.RetryAfter != time.Second || f.Public != "" {
		t.Errorf("fault %+v", f)
	}
}

func TestWrapLeavesTheOriginalAlone(t *testing.T) {
	shared := NotFound("no such monitor")
	wrapped := shared.Wrap(sql.ErrNoRows)
	if errors.Is(shared, sql.ErrNoRows) || !errors.Is(wrapped, sql.ErrNoRows) {
		t.Errorf("shared %v, wrapped %v", shared, wrapped)
	}
	if want := "no such monitor: " + sql.ErrNoRows.Error(); wrapped.Error() != want {
		t.Errorf("log text %q, want %q", wrapped.Error(), want)
	}
	later := shared.After(time.Second).Because("X")
	if shared.RetryAfter != 0 || shared.Reason != "" || later.RetryAfter != time.Second || later.Reason != "X" {
		t.Errorf("shared %+v, changed copy %+v", shared, later)
	}
}

func TestHTTPStatus(t *testing.T) {
	want := map[codes.Code]int{
		codes.OK: 200, codes.Canceled: 499, codes.Unknown: 500, codes.InvalidArgument: 400, codes.DeadlineExceeded: 504,
		codes.NotFound: 404, codes.AlreadyExists: 409, codes.PermissionDenied: 403, codes.ResourceExhausted: 429,
		codes.FailedPrecondition: http.StatusPreconditionFailed, codes.Aborted: 409, codes.OutOfRange: 400,
		codes.Unimplemented: 501, codes.Internal: 500, codes.Unavailable: 503, codes.DataLoss: 500, codes.Unauthenticated: 401,
		codes.Code(77): 500,
	}
	for c, w := range want {
		if got := HTTPStatus(c); got != w {
			t.Errorf("HTTPStatus(%v) = %d, want %d", c, got, w)
		}
	}
}
