package egress

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// HTTPOptions adjust HTTPClient. The zero value is right for webhooks.
type HTTPOptions struct {
	Timeout         time.Duration // of the whole exchange, body included; default 15 s
	DialTimeout     time.Duration // of finding and connecting; default 5 s
	FollowRedirects int           // how many to follow, each judged anew; default none: the redirect is the answer
	Resolver        *net.Resolver // nil means the system's
	TLS             *tls.Config   // nil means the system's trust
}

// The limits of a guarded client.
const (
	defaultTimeout     = 15 * time.Second
	defaultDialTimeout = 5 * time.Second
	tlsTimeout         = 5 * time.Second
	idleTimeout        = 30 * time.Second
	maxHeaderBytes     = 64 << 10
	maxIdlePerHost     = 2
)

// HTTPClient makes a client that obeys the policy on every connection, that of a redirect included. It uses no proxy, since
// the policy would then judge the proxy's address instead of the target's, and it keeps no cookies. Bound what you
// read of a body yourself.
func (p *Policy) HTTPClient(o HTTPOptions) *http.Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = defaultDialTimeout
	}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            p.Dialer(net.Dialer{Timeout: o.DialTimeout, Resolver: o.Resolver}).DialContext,
			TLSClientConfig:        o.TLS,
			TLSHandshakeTimeout:    tlsTimeout,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeaderBytes,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			IdleConnTimeout:        idleTimeout,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > o.FollowRedirects {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}
