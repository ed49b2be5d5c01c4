package fault

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the google.rpc.ErrorInfo domain of every status made here. It is also how a service recognises that the text
// of a status was written by one of us for strangers, and may be passed on.
const Domain = "uptime.frogstats.com"

// GRPCStatus returns the status of this very error: public text and details, never the cause. Note that grpc's own
// status.FromError prefers the whole wrapped text as soon as a fault is wrapped, so do not rely on it: use ToStatus.
func (e *Error) GRPCStatus() *status.Status {
	st := status.New(e.grpcCode(), e.public())
	if with, err := st.WithDetails(e.details()...); err == nil {
		return with
	}
	return st
}

func (e *Error) grpcCode() codes.Code {
	if e.code != codes.OK {
		return e.code
	}
	return e.Kind.facts().code
}

func (e *Error) details() []protoadapt.MessageV1 {
	reason := e.Reason
	if reason == "" {
		reason = e.Kind.String()
	}
	out := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: Domain}}
	if len(e.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, f := range e.Fields {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: f.Name, Description: f.Message})
		}
		out = append(out, bad)
	}
	if e.RetryAfter > 0 {
		out = append(out, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	return out
}

// ToStatus is what the caller may learn of err. It returns nil for nil. The outermost fault in the chain speaks for
// itself. A gRPC status from a downstream call keeps its code and details; its text is kept only if one of our services
// wrote it (see Domain), because the text of the gRPC library names hosts and ports. A context's error becomes Canceled
// or DeadlineExceeded, and anything else is Internal with a fixed text.
func ToStatus(err error) *status.Status {
	if err == nil {
		return nil
	}
	var c carrier
	if !errors.As(err, &c) {
		return (&Error{Kind: KindOf(err)}).GRPCStatus()
	}
	st := c.GRPCStatus()
	if _, ok := c.(*Error); ok || isOurs(st) {
		return st
	}
	if st.Code() == codes.OK { // a carrier that is an error yet says OK must not be answered as success
		return Internal(err).GRPCStatus()
	}
	clean := st.Proto()
	clean.Message = kindOfCode(st.Code()).facts().public
	if st.Code() == codes.Unimplemented {
		clean.Message = "not implemented"
	}
	return status.FromProto(clean)
}

func isOurs(st *status.Status) bool {
	return slices.ContainsFunc(st.Details(), func(d any) bool {
		info, ok := d.(*errdetails.ErrorInfo)
		return ok && info.GetDomain() == Domain && st.Code() != codes.OK
	})
}

// FromStatus turns the status of a downstream call back into a fault, for a caller that wants its fields or its reason.
// It returns nil for nil and for OK.
func FromStatus(st *status.Status) *Error {
	if st.Code() == codes.OK {
		return nil
	}
	e := &Error{Kind: kindOfCode(st.Code()), code: st.Code(), cause: st.Err()}
	if isOurs(st) {
		e.Public = st.Message()
	}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Fields = append(e.Fields, Field{Name: v.GetField(), Message: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = max(d.GetRetryDelay().AsDuration(), time.Duration(0))
		}
	}
	return e
}

func kindOfCode(c codes.Code) Kind {
	switch c {
	case codes.InvalidArgument, codes.OutOfRange:
		return KindInvalid
	case codes.Unauthenticated:
		return KindUnauthenticated
	case codes.PermissionDenied:
		return KindDenied
	case codes.NotFound:
		return KindNotFound
	case codes.AlreadyExists, codes.Aborted:
		return KindConflict
	case codes.FailedPrecondition:
		return KindPrecondition
	case codes.ResourceExhausted:
		return KindExhausted
	case codes.Unavailable:
		return KindUnavailable
	case codes.Canceled:
		return KindCanceled
	case codes.DeadlineExceeded:
		return KindDeadline
	}
	return KindInternal
}

// statusClientClosedRequest is what proxies log for a caller that hung up; no standard code says it.
const statusClientClosedRequest = 499

// HTTPStatus is the HTTP status for a gRPC code. It differs from the gateway's own table in FailedPrecondition, which is
// 412 here because that is what If-Match promises.
func HTTPStatus(c codes.Code) int {
	switch c {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.FailedPrecondition:
		return http.StatusPreconditionFailed
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Canceled:
		return statusClientClosedRequest
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
