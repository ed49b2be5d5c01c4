package nettest

import (
	"context"
	"net/netip"
	"time"
)

// DefaultTimeout is the time of a whole check whose TestConfig gives none.
const DefaultTimeout = 10 * time.Second

// Protocols, as GetProtocol and TestResult.Protocol give them.
const (
	ProtocolTCP  = "tcp"
	ProtocolHTTP = "http"
	ProtocolTLS  = "tls"
)

// NetworkTest is one kind of check. Implementations are safe for concurrent use
// and keep no connection between calls.
type NetworkTest interface {
	// Execute runs the check once. The result is never nil and always complete;
	// the error is nil exactly when the result is a success, and is otherwise a
	// *CheckError. Cancelling ctx ends the check at once.
	Execute(ctx context.Context, config TestConfig) (*TestResult, error)
	// GetProtocol returns the lower-case name of the protocol.
	GetProtocol() string
	// Validate reports what is wrong with config without sending a packet: nil or
	// a *ConfigError, for which errors.Is(err, ErrInvalidConfig) holds.
	Validate(config TestConfig) error
}

// TestConfig says what to check.
type TestConfig struct {
	// Name identifies the target; it becomes TestResult.EndpointID.
	Name string
	// Address is host:port for TCP (IPv6 in brackets) and an absolute URL for HTTP.
	Address string
	// Timeout is the time for the whole check; 0 means DefaultTimeout.
	Timeout time.Duration
	// Protocol, if given, must be the protocol of the test, in any case.
	Protocol string
	// DNS says who resolves the names of this check, redirects and proxies included;
	// nil means the Network's resolver.
	DNS *DNSConfig
	// Config is the protocol's own: TCPConfig, HTTPConfig, TLSConfig, a pointer to one, or nil.
	Config any
}

// Status is the outcome of a check.
type Status string

// Outcomes. Failure and timeout are the target's fault; error is the observer's
// and says nothing about the target.
const (
	StatusSuccess Status = "success"
	StatusFailure Status = "failure"
	StatusTimeout Status = "timeout"
	StatusError   Status = "error"
)

// Phase is the stage of a check that failed.
type Phase string

// Phases in the order in which they happen.
const (
	PhaseNone       Phase = ""
	PhaseDNS        Phase = "dns"
	PhaseConnect    Phase = "connect"
	PhaseTLS        Phase = "tls"
	PhaseRequest    Phase = "request"    // writing the request
	PhaseHeaders    Phase = "headers"    // waiting for the response and reading its head
	PhaseBody       Phase = "body"       // reading the body
	PhaseRedirect   Phase = "redirect"   // a redirect that cannot be followed
	PhaseValidation Phase = "validation" // the response arrived but is not what was expected
)

// IPVersion restricts the address family of a check.
type IPVersion string

// Address families. The empty value is IPAny.
const (
	IPAny IPVersion = "any"
	IPv4  IPVersion = "ipv4"
	IPv6  IPVersion = "ipv6"
)

// TestResult is what came of one check.
type TestResult struct {
	// Timestamp is when the check started, in UTC.
	Timestamp time.Time
	// EndpointID is the name from the configuration.
	EndpointID string
	// Protocol is "tcp", "tls" or "http".
	Protocol string
	// Status is the outcome.
	Status Status
	// Latency is the response time: DNS and connect for TCP, the whole exchange
	// for HTTP. For a check that failed it is the time up to there.
	Latency time.Duration
	// Phases is where the time went.
	Phases Phases

	// ErrorType is the kind of problem; empty for a success.
	ErrorType ErrorType
	// Error is one sentence that says what happened and what to look at; empty for a success.
	Error string
	// FailedPhase is the phase that failed or was running when the time was up.
	FailedPhase Phase
	// ValidationErrors are the expectations that did not hold, one sentence each.
	ValidationErrors []string

	// ResolvedIP is the address that was used or, if no connection came about,
	// the one whose failure is reported. Invalid if no address was tried.
	ResolvedIP netip.Addr
	// Port is the port of the last connection; 0 if none was tried.
	Port uint16
	// Attempt counts from 1. Execute makes one attempt; a caller that repeats sets it.
	Attempt int

	// TLSVersion is "1.2" or "1.3"; empty without TLS.
	TLSVersion string
	// CertExpiresAt is the expiry of the leaf certificate of the first connection
	// that used TLS, known even if it was not accepted; zero without TLS.
	CertExpiresAt time.Time
	// Certificates are what each TLS handshake showed, in order.
	Certificates []Certificate

	// Addresses are those that were tried, in order of their starts.
	Addresses []AddressAttempt
	// DNSCached says that what names resolved to, at every hop, came from this
	// process's cache: the address in ResolvedIP, or that there is none.
	DNSCached bool
	// Warnings are remarks that change no outcome.
	Warnings []string

	// StatusCode is the HTTP status; 0 when no response came.
	StatusCode int
	// HTTPVersion is "HTTP/1.1" and the like; empty when no response came.
	HTTPVersion string
	// Headers are the response's, names as sent, in order; at most 64, values cut
	// at 1 KiB, 16 KiB in all. While Expect runs they are still whole.
	Headers []HeaderField
	// Body is the start of the decoded body, up to HTTPConfig.BodyLimit, or
	// HTTPConfig.FaultBody.
	Body []byte
	// BodyTruncated says that the body was longer than what was kept.
	BodyTruncated bool
	// ResponseSize is the size of the decoded body (HTTP) or of the data received
	// (TCP) in bytes, counted whole as far as it was read.
	ResponseSize int64
	// WireSize is the size of the body before decompression in bytes.
	WireSize int64
	// FinalURL is the URL that was answered; without redirects the one configured.
	FinalURL string
	// Redirects are the hops that were followed.
	Redirects []Redirect

	// Banner is what a TCP service said, printable and at most 256 bytes.
	Banner string
}

// IPFamily returns "ipv4" or "ipv6" for the address used, or "" if there is none.
func (r *TestResult) IPFamily() string {
	switch {
	case !r.ResolvedIP.IsValid():
		return ""
	case r.ResolvedIP.Unmap().Is4():
		return string(IPv4)
	default:
		return string(IPv6)
	}
}

// HeaderField is one header line.
type HeaderField struct {
	Name  string
	Value string
}

// Redirect is one hop that was followed.
type Redirect struct {
	// StatusCode is that of the answer that redirected.
	StatusCode int
	// URL is where it led.
	URL string
	// CrossOrigin says that scheme, host or port changed; credentials were dropped.
	CrossOrigin bool
	// Downgraded says that it led from https to http.
	Downgraded bool
}
