package nettest

import (
	"context"
	"crypto/tls"
)

// HTTPCheck is a check whose configuration has been read and whose request has
// been built, to be executed any number of times. It is safe for concurrent use
// and holds no connection.
type HTTPCheck struct {
	shared *Network
	tls    *tls.Config
	config TestConfig
	own    *HTTPConfig
	first  *hop
	proxy  *proxyRoute
	// fields and head are the first request's headers and, over HTTP/1.1, its
	// whole head; nil if they differ from time to time.
	fields []HeaderField
	head   []byte
}

// Prepare reads config once for many executions. The error is a *ConfigError.
// What config points to must not change afterwards.
func (t *HTTPTest) Prepare(config TestConfig) (*HTTPCheck, error) {
	first, own, err := parseHTTP(config)
	if err != nil {
		return nil, err
	}
	c := &HTTPCheck{shared: t.Network.orShared(), tls: t.TLS, config: config, own: own, first: first}
	if c.proxy, err = parseProxy(own.Proxy, own.IPVersion); err != nil {
		return nil, err
	}
	switch own.Auth.Type {
	case AuthDigest, AuthOAuth2: // these prove themselves anew each time
	default:
		r := httpRun{HTTPCheck: c, trusted: true}
		c.fields = r.buildFields(first)
		c.head = appendRequest(nil, first, c.fields, r.absolute(first))
	}
	return c, nil
}

// Execute runs the check once, as HTTPTest.Execute does.
func (p *HTTPCheck) Execute(ctx context.Context) (*TestResult, error) {
	if err := ctx.Err(); err != nil {
		return tooLate(p.config, ProtocolHTTP, err)
	}
	c := begin(ctx, p.shared, p.config, ProtocolHTTP)
	r := httpRun{check: c, HTTPCheck: p, trusted: true}
	failed := r.run(p.first)
	if failed == nil {
		judge := p.own.Expect
		if judge == nil {
			judge = expectOK
		}
		failed = c.expect(judge)
	}
	r.settleBody(failed != nil)
	capHeaders(c.result)
	return c.finish(failed)
}
