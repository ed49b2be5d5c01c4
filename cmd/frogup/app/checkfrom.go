package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

// elsewhere makes checks from a region, by way of a server.
func (cfg *checkConfig) elsewhere(flags *pflag.FlagSet, p probe) (func(context.Context) (checked, error), error) {
	cl, err := cfg.server.client()
	if err != nil {
		return nil, err
	}
	m, err := (&createConfig{interval: time.Minute, regions: []string{cfg.from}}).describe("check", p, flags)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write the check: %w", err)
	}
	if slot := p.timeout + requestTimeout; cl.http.Timeout < slot {
		cl.http.Timeout = slot // the server waits for its prober, and the prober for the target
	}
	return func(ctx context.Context) (checked, error) {
		answer, _, err := cl.do(ctx, http.MethodPost, "monitors/test", url.Values{"region": {cfg.from}}, body)
		switch {
		case ctx.Err() != nil:
			return checked{}, context.Canceled
		case err != nil:
			return checked{}, err
		}
		var r checkRecord
		if err := json.Unmarshal(answer, &r); err != nil {
			return checked{}, fmt.Errorf("read the server's result: %w", err)
		}
		c := r.checked()
		c.resolvers = p.resolvers
		return c, nil
	}, nil
}

// checked is the result that an event tells of.
func (r checkRecord) checked() checked {
	c := checked{TestResult: &nettest.TestResult{
		Timestamp: instant(&r.Timestamp), Protocol: r.MonitorType, Status: nettest.Status(r.Status), Attempt: r.Attempt,
		Latency: duration(&r.ResponseTimeUS).Duration, ErrorType: nettest.ErrorType(value(r.ErrorType)), Error: value(r.ErrorMessage),
		FailedPhase: nettest.Phase(value(r.FailedPhase)), ValidationErrors: r.ValidationErrors, TLSVersion: value(r.TLSVersion),
		CertExpiresAt: instant(r.CertExpiresAt), StatusCode: value(r.StatusCode), HTTPVersion: value(r.HTTPVersion),
		FinalURL: value(r.FinalURL), ResponseSize: value(r.ResponseSizeBytes), WireSize: value(r.ResponseSizeBytes),
		Banner: value(r.Details.Banner), DNSCached: r.Details.DNSCached, Warnings: r.Details.Warnings,
	}}
	p := nettest.Phases{
		DNS: duration(r.DNSTimeUS), Connect: duration(r.TCPTimeUS), TLS: duration(r.TLSTimeUS),
		TTFB: duration(r.TTFBUS), Transfer: duration(r.TransferTimeUS),
	}
	p.Total = p.DNS.Duration + p.Connect.Duration + p.TLS.Duration + p.TTFB.Duration + p.Transfer.Duration
	c.Phases = p
	c.ResolvedIP, _ = netip.ParseAddr(value(r.ResolvedIP)) // invalid if there was none
	c.Port = uint16(value(r.Port))
	if u, err := url.Parse(r.MonitorURL); c.Port == 0 && err == nil {
		c.Port = map[string]uint16{"http": 80, "https": 443}[u.Scheme]
		if t, ok := parseHostPort(u.Host); ok {
			c.Port = uint16(t.port)
		}
	}
	for name, v := range r.ResponseHeaders {
		c.Headers = append(c.Headers, nettest.HeaderField{Name: name, Value: v})
	}
	if len(r.Details.Redirects) > 0 {
		r.Redirects = r.Details.Redirects
	}
	for _, hop := range r.Redirects {
		c.Redirects = append(c.Redirects, nettest.Redirect{StatusCode: hop.StatusCode, URL: hop.URL})
	}
	if r.Details.HTTPVersion != nil {
		c.HTTPVersion = *r.Details.HTTPVersion
	}
	if r.Details.FinalURL != nil {
		c.FinalURL = *r.Details.FinalURL
	}
	r.Details.into(&c)
	return c
}

func (d detailsRecord) into(c *checked) {
	for _, x := range d.Certificates {
		c.Certificates = append(c.Certificates, nettest.Certificate{
			Peer: x.Peer, Subject: x.Subject, Issuer: x.Issuer, Names: x.Names, NotBefore: instant(x.NotBefore), NotAfter: instant(x.NotAfter),
			ChainExpiresAt: instant(x.ChainExpiresAt), Serial: x.Serial, SHA256: x.SHA256, Key: x.Key, SignatureAlgorithm: x.SignatureAlgorithm,
			ChainLength: x.ChainLength, Trusted: x.Trusted, NameMatches: x.NameMatches, Valid: x.Valid, Problems: x.Problems,
			OCSPStatus: value(x.OCSPStatus), OCSPSource: value(x.OCSPSource), TLSVersion: x.TLSVersion, CipherSuite: x.CipherSuite, ALPN: value(x.ALPN),
		})
	}
	for _, a := range d.Addresses {
		addr, _ := netip.ParseAddr(a.IP)
		c.Addresses = append(c.Addresses, nettest.AddressAttempt{Addr: addr, Duration: duration(&a.DurationUS).Duration, ErrorType: nettest.ErrorType(value(a.ErrorType))})
	}
	for _, o := range d.Assertions {
		c.rules = append(c.rules, rules.Outcome{
			Assertion: rules.Assertion{Type: o.Type, Operator: o.Operator, Name: value(o.Name), Value: o.Value},
			Actual:    o.Actual, Passed: o.Passed, Problem: value(o.Problem),
		})
	}
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func instant(text *string) time.Time {
	t, err := time.Parse(time.RFC3339, value(text))
	if err != nil {
		return time.Time{}
	}
	return t
}

func duration(us *float64) nettest.Span {
	if us == nil {
		return nettest.Span{}
	}
	return nettest.Span{Duration: time.Duration(*us * float64(time.Microsecond)), Valid: true}
}
