package faulttest

// Fault is one way to behave.
type Fault string

// Case is a fault and what a truthful HTTP check says about it.
type Case struct {
	Fault Fault
	// What it does, in a few words.
	About string
	// Status is success, failure, timeout or error.
	Status string
	// ErrorType and Phase name the problem; both are empty for a success. Phase is
	// empty too where it depends on timing.
	ErrorType string
	Phase     string
	// Stalls says that the check ends only when its time is up.
	Stalls bool
}

// Cases lists all faults with what an HTTP check that follows redirects, trusts
// Server.Roots and has no validation rules must report. Faults whose names
// start with "tls-" or "h2-" are served over TLS.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{healthyCases, connectionCases, tlsCases, framingCases, bodyCases, redirectCases, h2Cases} {
		all = append(all, part...)
	}
	return all
}

// Well-behaved and merely slow peers. Each of the slow ones loses Delay in one phase.
const (
	Healthy       Fault = "healthy"
	HealthyTLS    Fault = "tls-healthy"
	HealthyH2     Fault = "h2-healthy"
	LateTLS       Fault = "tls-late"
	LateFirstByte Fault = "late-first-byte"
	LateBody      Fault = "late-body"
	Gzip          Fault = "gzip"
	Deflate       Fault = "deflate"
	RawDeflate    Fault = "raw-deflate"
	Brotli        Fault = "brotli"
	Zstd          Fault = "zstd"
	TwiceEncoded  Fault = "gzip-in-brotli"
	NoContent     Fault = "no-content"
	UntilClose    Fault = "until-close"
	Interim       Fault = "interim"
)

var healthyCases = []Case{
	{Healthy, "200 with a small body", "success", "", "", false},
	{HealthyTLS, "the same over TLS", "success", "", "", false},
	{HealthyH2, "the same over HTTP/2", "success", "", "", false},
	{LateTLS, "waits before the handshake", "success", "", "", false},
	{LateFirstByte, "waits before the response", "success", "", "", false},
	{LateBody, "waits between head and body", "success", "", "", false},
	{Gzip, "gzip content", "success", "", "", false},
	{Deflate, "deflate content in zlib", "success", "", "", false},
	{RawDeflate, "deflate content without zlib", "success", "", "", false},
	{Brotli, "brotli content", "success", "", "", false},
	{Zstd, "zstd content", "success", "", "", false},
	{TwiceEncoded, "gzip within brotli", "success", "", "", false},
	{NoContent, "204", "success", "", "", false},
	{UntilClose, "HTTP/1.0, body until the end of the connection", "success", "", "", false},
	{Interim, "two interim responses first", "success", "", "", false},
}

// Faults of the connection.
const (
	Refused            Fault = "refused"
	BlackHole          Fault = "black-hole"
	Silent             Fault = "silent"
	ResetOnAccept      Fault = "reset-on-accept"
	CloseOnAccept      Fault = "close-on-accept"
	ResetAfterRequest  Fault = "reset-after-request"
	CloseBeforeHeaders Fault = "close-before-headers"
	CloseInHeaders     Fault = "close-in-headers"
	ResetInHeaders     Fault = "reset-in-headers"
	ResetInBody        Fault = "reset-in-body"
	CloseInBody        Fault = "close-in-body"
	StalledHeaders     Fault = "stalled-headers"
	SlowHeaders        Fault = "slow-headers"
	StalledBody        Fault = "stalled-body"
	SlowBody           Fault = "slow-body"
)

var connectionCases = []Case{
	{Refused, "nothing listens", "failure", "connection_refused", "connect", false},
	{BlackHole, "SYNs are not answered", "timeout", "connection_timeout", "connect", true},
	{Silent, "accepts and says nothing", "timeout", "headers_timeout", "headers", true},
	{ResetOnAccept, "RST at once", "failure", "connection_reset", "", false},
	{CloseOnAccept, "FIN at once", "failure", "protocol_error", "headers", false},
	{ResetAfterRequest, "RST instead of a response", "failure", "connection_reset", "headers", false},
	{CloseBeforeHeaders, "FIN instead of a response", "failure", "protocol_error", "headers", false},
	{CloseInHeaders, "FIN within the headers", "failure", "protocol_error", "headers", false},
	{ResetInHeaders, "RST within the headers", "failure", "connection_reset", "headers", false},
	{ResetInBody, "RST within the body", "failure", "connection_reset", "body", false},
	{CloseInBody, "FIN before Content-Length is reached", "failure", "protocol_error", "body", false},
	{StalledHeaders, "stops within the headers", "timeout", "headers_timeout", "headers", true},
	{SlowHeaders, "headers at 1 byte/s", "timeout", "headers_timeout", "headers", true},
	{StalledBody, "stops within the body", "timeout", "body_timeout", "body", true},
	{SlowBody, "body at 1 byte/s", "timeout", "body_timeout", "body", true},
}

// Faults of TLS.
const (
	TLSStall       Fault = "tls-stall"
	TLSPlain       Fault = "tls-plain-http"
	TLSGarbage     Fault = "tls-garbage"
	TLSReset       Fault = "tls-reset"
	TLSClose       Fault = "tls-close"
	TLSOld         Fault = "tls-1.0-only"
	TLSExpired     Fault = "tls-expired"
	TLSNotYetValid Fault = "tls-not-yet-valid"
	TLSWrongHost   Fault = "tls-wrong-host"
	TLSSelfSigned  Fault = "tls-self-signed"
	TLSClientCert  Fault = "tls-client-certificate"
	TLSKeyUpdates  Fault = "tls-key-updates"
	TLSTickets     Fault = "tls-tickets"
)

var tlsCases = []Case{
	{TLSStall, "accepts and never shakes hands", "timeout", "tls_timeout", "tls", true},
	{TLSPlain, "plain HTTP on the TLS port", "failure", "tls_error", "tls", false},
	{TLSGarbage, "noise on the TLS port", "failure", "tls_error", "tls", false},
	{TLSReset, "RST in the handshake", "failure", "connection_reset", "tls", false},
	{TLSClose, "FIN in the handshake", "failure", "tls_error", "tls", false},
	{TLSOld, "TLS 1.0 only", "failure", "tls_error", "tls", false},
	{TLSExpired, "certificate expired", "failure", "certificate_expired", "tls", false},
	{TLSNotYetValid, "certificate not yet valid", "failure", "certificate_invalid", "tls", false},
	{TLSWrongHost, "certificate of another host", "failure", "certificate_invalid", "tls", false},
	{TLSSelfSigned, "self-signed certificate", "failure", "certificate_invalid", "tls", false},
	{TLSClientCert, "wants a client certificate", "failure", "tls_error", "tls", false},
	{TLSKeyUpdates, "new keys without end", "failure", "tls_error", "tls", false},
	{TLSTickets, "session tickets without end", "failure", "tls_error", "tls", false},
}

// Faults of HTTP's framing.
const (
	Garbage         Fault = "garbage"
	SSHBanner       Fault = "ssh-banner"
	HTTP09          Fault = "http-0.9"
	BadStatusCode   Fault = "bad-status-code"
	HugeHeaders     Fault = "huge-headers"
	ManyHeaders     Fault = "many-headers"
	NULInHeader     Fault = "nul-in-header"
	NoHeaderName    Fault = "no-header-name"
	BadChunk        Fault = "bad-chunk"
	HugeChunkLine   Fault = "huge-chunk-line"
	CloseInChunk    Fault = "close-in-chunk"
	TwoLengths      Fault = "two-lengths"
	NegativeLength  Fault = "negative-length"
	UnknownTransfer Fault = "unknown-transfer-encoding"
	InterimFlood    Fault = "interim-flood"
	Switching       Fault = "switching-protocols"
	Unavailable     Fault = "status-503"
	Status999       Fault = "status-999"
)

var framingCases = []Case{
	{Garbage, "noise", "failure", "protocol_error", "headers", false},
	{SSHBanner, "an SSH server", "failure", "protocol_error", "headers", false},
	{HTTP09, "a bare document", "failure", "protocol_error", "headers", false},
	{BadStatusCode, "status 000", "failure", "protocol_error", "headers", false},
	{HugeHeaders, "a header of 10 MB", "failure", "response_too_large", "headers", false},
	{ManyHeaders, "100,000 headers", "failure", "response_too_large", "headers", false},
	{NULInHeader, "a NUL in a header", "failure", "protocol_error", "headers", false},
	{NoHeaderName, "a line without a colon", "failure", "protocol_error", "headers", false},
	{BadChunk, "a chunk size that is no number", "failure", "protocol_error", "body", false},
	{HugeChunkLine, "a chunk extension of 1 MB", "failure", "protocol_error", "body", false},
	{CloseInChunk, "FIN within a chunk", "failure", "protocol_error", "body", false},
	{TwoLengths, "two Content-Lengths", "failure", "protocol_error", "headers", false},
	{NegativeLength, "Content-Length -1", "failure", "protocol_error", "headers", false},
	{UnknownTransfer, "Transfer-Encoding: pig", "failure", "protocol_error", "headers", false},
	{InterimFlood, "interim responses without end", "failure", "protocol_error", "headers", false},
	{Switching, "101 unasked", "failure", "protocol_error", "headers", false},
	{Unavailable, "503", "failure", "validation_failed", "validation", false},
	{Status999, "999", "failure", "validation_failed", "validation", false},
}

// Faults of the body.
const (
	HugeBody       Fault = "huge-body"
	EndlessBody    Fault = "endless-body"
	EndlessChunks  Fault = "endless-chunks"
	GzipBomb       Fault = "gzip-bomb"
	BrotliBomb     Fault = "brotli-bomb"
	ZstdBomb       Fault = "zstd-bomb"
	DeflateBomb    Fault = "deflate-bomb"
	NestedBomb     Fault = "gzip-in-gzip-bomb"
	TruncatedGzip  Fault = "truncated-gzip"
	FalseGzip      Fault = "false-gzip"
	TooManyCodings Fault = "too-many-codings"
)

var bodyCases = []Case{
	{HugeBody, "Content-Length of 10 GB", "failure", "response_too_large", "body", false},
	{EndlessBody, "a body without end", "failure", "response_too_large", "body", false},
	{EndlessChunks, "chunks without end", "failure", "response_too_large", "body", false},
	{GzipBomb, "gzip of 1 GiB of zeros", "failure", "response_too_large", "body", false},
	{BrotliBomb, "the same in brotli", "failure", "response_too_large", "body", false},
	{ZstdBomb, "the same in zstd", "failure", "response_too_large", "body", false},
	{DeflateBomb, "the same in deflate", "failure", "response_too_large", "body", false},
	{NestedBomb, "the gzip bomb compressed once more", "failure", "response_too_large", "body", false},
	{TruncatedGzip, "gzip that ends in the middle", "failure", "protocol_error", "body", false},
	{FalseGzip, "text that claims to be gzip", "failure", "protocol_error", "body", false},
	{TooManyCodings, "five codings", "failure", "protocol_error", "body", false},
}

// Redirects.
const (
	RedirectOnce       Fault = "redirect-once"
	RedirectCookie     Fault = "redirect-until-cookie"
	RedirectOtherHost  Fault = "redirect-other-host"
	RedirectDowngrade  Fault = "tls-redirect-to-http"
	RedirectLoop       Fault = "redirect-loop"
	RedirectEndless    Fault = "redirect-endless"
	RedirectNoLocation Fault = "redirect-no-location"
	RedirectScheme     Fault = "redirect-ftp"
	RedirectRefused    Fault = "redirect-refused"
	RedirectSlow       Fault = "redirect-slow"
)

var redirectCases = []Case{
	{RedirectOnce, "one redirect on the same host", "success", "", "", false},
	{RedirectCookie, "to itself until its cookie comes back", "success", "", "", false},
	{RedirectOtherHost, "to another origin", "success", "", "", false},
	{RedirectDowngrade, "from https to http", "success", "", "", false},
	{RedirectLoop, "A to B to A", "failure", "redirect_limit", "redirect", false},
	{RedirectEndless, "always to a new URL", "failure", "redirect_limit", "redirect", false},
	{RedirectNoLocation, "302 without Location", "failure", "protocol_error", "redirect", false},
	{RedirectScheme, "to ftp", "failure", "protocol_error", "redirect", false},
	{RedirectRefused, "to a port that refuses", "failure", "connection_refused", "connect", false},
	{RedirectSlow, "to new URLs, slowly", "timeout", "headers_timeout", "headers", true},
}

// Faults of HTTP/2.
const (
	H2Silent       Fault = "h2-silent"
	H2GoAway       Fault = "h2-goaway"
	H2ResetStream  Fault = "h2-reset-stream"
	H2Garbage      Fault = "h2-garbage"
	H2Close        Fault = "h2-close"
	H2StalledBody  Fault = "h2-stalled-body"
	H2ResetInBody  Fault = "h2-reset-in-body"
	H2EndlessBody  Fault = "h2-endless-body"
	H2HugeHeaders  Fault = "h2-huge-headers"
	H2PingFlood    Fault = "h2-ping-flood"
	H2SettingFlood Fault = "h2-settings-flood"
	H2PingStorm    Fault = "h2-ping-storm"
	H2SettingStorm Fault = "h2-settings-storm"
	H2WindowStorm  Fault = "h2-window-storm"
	H2UnknownStorm Fault = "h2-unknown-storm"
	H2EmptyStorm   Fault = "h2-empty-data-storm"
)

var h2Cases = []Case{
	{H2Silent, "no frame at all", "timeout", "headers_timeout", "headers", true},
	{H2GoAway, "GOAWAY at once", "failure", "protocol_error", "headers", false},
	{H2ResetStream, "RST_STREAM instead of a response", "failure", "protocol_error", "headers", false},
	{H2Garbage, "noise", "failure", "protocol_error", "headers", false},
	{H2Close, "FIN instead of a response", "failure", "protocol_error", "headers", false},
	{H2StalledBody, "stops within the body", "timeout", "body_timeout", "body", true},
	{H2ResetInBody, "RST within the body", "failure", "connection_reset", "body", false},
	{H2EndlessBody, "a body without end", "failure", "response_too_large", "body", false},
	{H2HugeHeaders, "CONTINUATION without end", "failure", "protocol_error", "headers", false},
	{H2PingFlood, "PINGs without end", "timeout", "headers_timeout", "headers", true},
	{H2SettingFlood, "SETTINGS without end", "timeout", "headers_timeout", "headers", true},
	{H2PingStorm, "PINGs as fast as they go", "failure", "protocol_error", "headers", false},
	{H2SettingStorm, "SETTINGS as fast as they go", "failure", "protocol_error", "headers", false},
	{H2WindowStorm, "WINDOW_UPDATEs as fast as they go", "failure", "protocol_error", "headers", false},
	{H2UnknownStorm, "frames of an unknown type as fast as they go", "failure", "protocol_error", "headers", false},
	{H2EmptyStorm, "a body of empty frames as fast as they go", "failure", "protocol_error", "body", false},
}
