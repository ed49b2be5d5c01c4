package gateway

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/gateway/wire"
)

// request is what the edge knows of the request in hand. It is made first and filled on the way in.
type request struct {
	id     string
	start  time.Time
	url    *url.URL // as it came
	client client

	route     *route // nil for files
	principal identity.Principal
	secret    credential

	params  map[string]string // of the path
	meta    metadata.MD       // for the service
	form    url.Values        // query parameters, and the field mask once the body is read
	refused *wire.Error       // what is wrong with the body
	cause   error             // of an answer that tells less than the log may
}

type requestKey struct{}

// requestOf returns the request of a context; a blank one outside of the edge.
func requestOf(ctx context.Context) *request {
	if q, ok := ctx.Value(requestKey{}).(*request); ok {
		return q
	}
	return &request{}
}

// client is where a request really comes from.
type client struct {
	ip     string // "" if unknown
	host   string // that the client asked for
	secure bool   // the client's own connection is encrypted
}

// clientOf believes X-Forwarded-* only as far as proxies that we trust wrote it.
func clientOf(r *http.Request, trusted []netip.Prefix) client {
	c := client{host: r.Host, secure: r.TLS != nil}
	peer, ok := parseIP(r.RemoteAddr)
	if !ok {
		return c
	}
	c.ip = peer.String()
	if !isTrusted(peer, trusted) {
		return c
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseIP(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		c.ip = hop.String()
		if !isTrusted(hop, trusted) {
			break
		}
	}
	// The proxy next to us is the one whose word counts; whatever stands before it came from further away.
	if proto := last(r.Header.Values("X-Forwarded-Proto")); proto != "" {
		c.secure = strings.EqualFold(proto, "https")
	}
	if host := last(r.Header.Values("X-Forwarded-Host")); host != "" {
		c.host = host
	}
	return c
}

// last returns the last element of a header that is a list.
func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	v := values[len(values)-1]
	return strings.TrimSpace(v[strings.LastIndexByte(v, ',')+1:])
}

// parseIP reads an address with or without a port.
func parseIP(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
