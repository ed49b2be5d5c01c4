package nettest

import "errors"

// ErrorType is the kind of problem a check met, from a closed set. It is an
// error, so that errors.Is(err, ErrConnectionRefused) can be asked.
type ErrorType string

// Error returns the type's name.
func (t ErrorType) Error() string { return string(t) }

// The closed set of error types.
const (
	ErrDNSFailure          ErrorType = "dns_failure"
	ErrDNSNXDomain         ErrorType = "dns_nxdomain"
	ErrDNSTimeout          ErrorType = "dns_timeout"
	ErrConnectionRefused   ErrorType = "connection_refused"
	ErrConnectionReset     ErrorType = "connection_reset"
	ErrConnectionTimeout   ErrorType = "connection_timeout"
	ErrHostUnreachable     ErrorType = "host_unreachable"
	ErrNetworkUnreachable  ErrorType = "network_unreachable"
	ErrTLS                 ErrorType = "tls_error"
	ErrTLSTimeout          ErrorType = "tls_timeout"
	ErrCertificateExpired  ErrorType = "certificate_expired"
	ErrCertificateInvalid  ErrorType = "certificate_invalid"
	ErrHeadersTimeout      ErrorType = "headers_timeout"
	ErrBodyTimeout         ErrorType = "body_timeout"
	ErrRedirectLimit       ErrorType = "redirect_limit"
	ErrProtocol            ErrorType = "protocol_error"
	ErrResponseTooLarge    ErrorType = "response_too_large"
	ErrValidationFailed    ErrorType = "validation_failed"
	ErrProxy               ErrorType = "proxy_error" // of the proxy itself, not of what is behind it
	ErrAuth                ErrorType = "auth_error"  // no token could be had; a 401 of the target is a status like another
	ErrEgressDenied        ErrorType = "egress_denied"
	ErrObserverOffline     ErrorType = "observer_offline"
	ErrResolverUnavailable ErrorType = "resolver_unavailable"
	ErrNoIPv6              ErrorType = "no_ipv6"
	ErrPermission          ErrorType = "permission"
	ErrOverload            ErrorType = "overload"
	ErrInternal            ErrorType = "internal_error"
)

// Status returns the outcome that goes with the type; the empty type is a success.
func (t ErrorType) Status() Status {
	switch t {
	case "":
		return StatusSuccess
	case ErrDNSTimeout, ErrConnectionTimeout, ErrTLSTimeout, ErrHeadersTimeout, ErrBodyTimeout:
		return StatusTimeout
	case ErrEgressDenied, ErrObserverOffline, ErrResolverUnavailable, ErrNoIPv6,
		ErrPermission, ErrOverload, ErrInternal:
		return StatusError
	default:
		return StatusFailure
	}
}

// CheckError is the error of a check that did not succeed.
type CheckError struct {
	// Type is the kind of problem; errors.Is finds it.
	Type ErrorType
	// Phase is where it happened.
	Phase Phase
	// Message is the sentence in TestResult.Error.
	Message string
	// Err is the cause; may be nil.
	Err error
}

// Error returns the message.
func (e *CheckError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *CheckError) Unwrap() error { return e.Err }

// Is reports whether target is the error's type.
func (e *CheckError) Is(target error) bool {
	t, ok := target.(ErrorType)
	return ok && t == e.Type
}

// Timeout reports whether the target took too long.
func (e *CheckError) Timeout() bool { return e.Type.Status() == StatusTimeout }

// ErrInvalidConfig is what every *ConfigError is.
var ErrInvalidConfig = errors.New("invalid configuration")

// ConfigError says which part of a TestConfig is wrong.
type ConfigError struct {
	// Field is the field's name, such as "Address" or "Config.Method".
	Field string
	// Problem completes the sentence "Field …".
	Problem string
}

// Error returns field and problem.
func (e *ConfigError) Error() string { return e.Field + " " + e.Problem }

// Is reports whether target is ErrInvalidConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrInvalidConfig }

// failure is how the engine's parts report to the check: what went wrong and in
// which phase. typ is empty when the classification table is to decide.
type failure struct {
	phase    Phase
	typ      ErrorType
	sentence string // instead of the one that goes with the type; may be empty
	detail   string // completes the message; may be empty
	err      error
}

// Error makes failure an error for the few places that pass one as such.
func (f *failure) Error() string {
	if f.err != nil {
		return f.err.Error()
	}
	return f.detail
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// Violations of a protocol and of our bounds, raised by the parsers here.
type (
	protocolError string
	tooLargeError string
)

func (e protocolError) Error() string { return string(e) }
func (e tooLargeError) Error() string { return string(e) }
