package rules

import (
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// Facts are what conditions look at.
type Facts struct {
	StatusCode    int // 0 without a response
	ResponseTime  time.Duration
	Headers       []nettest.HeaderField // names in any case
	Body          []byte                // decoded; as much as was kept
	BodyTruncated bool                  // whether that is not all
	Size          int64                 // of the whole decoded body in bytes

	HTTPVersion string               // "HTTP/1.1" and the like; empty without a response
	TLSVersion  string               // "1.3" and the like; empty without TLS
	TTFB        nettest.Span         // from the start to the first byte, connecting included
	Certificate *nettest.Certificate // of the first handshake; nil without one
	Now         time.Time            // zero means the present

	broken    bool // the exchange did not end well; what is measured to its end cannot be told
	connected truth
	secured   truth
	latency   nettest.Span // name resolution and connecting
}

// truth is yes, no, or that it cannot be told.
type truth uint8

const (
	untold truth = iota
	no
	yes
)

// FactsOf takes the facts from the result of a check that got its answer. Within
// Expect of a nettest test the headers are still whole.
func FactsOf(r *nettest.TestResult) Facts { return factsOf(r, nil) }

// factsOf takes the facts from a result, whatever came of it. Of what is the
// observer's fault nothing is told.
func factsOf(r *nettest.TestResult, err error) Facts {
	f := Facts{ResponseTime: r.Latency, broken: err != nil}
	if err != nil && r.Status == nettest.StatusError {
		return f
	}
	f.StatusCode, f.Headers, f.HTTPVersion = r.StatusCode, r.Headers, r.HTTPVersion
	f.Body, f.BodyTruncated, f.Size = r.Body, r.BodyTruncated, r.ResponseSize
	f.TLSVersion, f.Certificate = r.TLSVersion, certificateOf(r)
	p := r.Phases
	if f.connected = connectedOf(r, err); f.connected == yes && p.Connect.Valid {
		f.latency = nettest.Span{Duration: p.DNS.Duration + p.Connect.Duration, Valid: true}
	}
	switch {
	case r.FailedPhase == nettest.PhaseTLS:
		f.secured = no
	case r.TLSVersion != "":
		f.secured = yes
	}
	if p.TTFB.Valid && r.StatusCode != 0 {
		f.TTFB = nettest.Span{Duration: p.DNS.Duration + p.Connect.Duration + p.TLS.Duration + p.TTFB.Duration, Valid: true}
	}
	return f
}

func connectedOf(r *nettest.TestResult, err error) truth {
	switch {
	case err == nil:
		return yes
	case r.FailedPhase == nettest.PhaseDNS, r.FailedPhase == nettest.PhaseConnect:
		return no
	case r.Phases.Connect.Valid:
		return yes
	}
	return untold
}

// certificateOf is the certificate whose expiry the result gives: that of the
// first handshake with the target.
func certificateOf(r *nettest.TestResult) *nettest.Certificate {
	for i := range r.Certificates {
		if r.Certificates[i].NotAfter.Equal(r.CertExpiresAt) {
			return &r.Certificates[i]
		}
	}
	if len(r.Certificates) > 0 {
		return &r.Certificates[0]
	}
	return nil
}

// now is when the facts are judged.
func (f *Facts) now() time.Time {
	if f.Now.IsZero() {
		return time.Now().UTC()
	}
	return f.Now.UTC()
}

// daysLeft are the whole days until the first of the leaf and the certificates
// above it expires.
func (f *Facts) daysLeft() int {
	end := f.Certificate.NotAfter
	if chain := f.Certificate.ChainExpiresAt; !chain.IsZero() && chain.Before(end) {
		end = chain
	}
	return wholeDays(end.Sub(f.now()))
}

// httpVersion is "1.0", "1.1" or "2".
func (f *Facts) httpVersion() string {
	switch f.HTTPVersion {
	case "HTTP/2.0", "HTTP/2":
		return "2"
	}
	if len(f.HTTPVersion) > len("HTTP/") {
		return f.HTTPVersion[len("HTTP/"):]
	}
	return ""
}
