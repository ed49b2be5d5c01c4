package monitors

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// DNSConfig is who resolves the names of a monitor's checks, and for how long an answer is used again.
type DNSConfig struct {
	Servers []string `json:"servers,omitempty"` // canonical, in the order in which they are asked; none: the prober's own
	MaxTTL  Seconds  `json:"max_ttl_seconds"`   // 0: every check asks
}

const (
	maxDNSServers  = 4
	maxDNSTTL      = Seconds(86_400)
	defaultDNSTTL  = Seconds(60)
	dnsPort        = 53
	maxServerBytes = 64
)

func (d *DNSConfig) validate(p *problems) {
	if d == nil {
		return
	}
	between(p, "dns_config.max_ttl_seconds", d.MaxTTL, 0, maxDNSTTL)
	if len(d.Servers) > maxDNSServers {
		p.add("dns_config.servers", "must have at most %d entries, and there are %d", maxDNSServers, len(d.Servers))
		return
	}
	for i, text := range d.Servers {
		field := fmt.Sprintf("dns_config.servers[%d]", i)
		server, err := canonicalServer(text)
		if err != nil {
			p.add(field, "%s: %s", shown(text), err.Error())
			continue
		}
		if first := slices.Index(d.Servers[:i], server); first >= 0 {
			p.add(field, "%s: is the same as dns_config.servers[%d]", shown(text), first)
		}
		d.Servers[i] = server
	}
}

// shown is what somebody gave, bounded and safe to repeat.
func shown(text string) string {
	if len(text) > maxServerBytes {
		text = text[:maxServerBytes] + "…"
	}
	return strconv.Quote(text)
}

// canonicalServer is the address of a name server in its one spelling: address if the port is 53, else address:port, with
// an IPv6 address in brackets only there. The prober's own parser (nettest.ParseServer) takes what this returns.
func canonicalServer(text string) (string, error) {
	host, port := text, uint16(dnsPort)
	if at := strings.LastIndexByte(text, ':'); strings.HasPrefix(text, "[") || at >= 0 && strings.Count(text, ":") == 1 {
		if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			at = len(text)
		}
		if at < 0 || strings.HasPrefix(text, "[") && (at < 2 || text[at-1] != ']') {
			return "", textError("must be address or address:port, with an IPv6 address before a port in brackets")
		}
		host = text[:at]
		if strings.HasPrefix(host, "[") {
			if host = host[1 : len(host)-1]; !strings.Contains(host, ":") {
				return "", textError("has brackets, which are for IPv6 addresses")
			}
		}
		if at < len(text) {
			n, err := strconv.ParseUint(text[at+1:], 10, 16)
			if err != nil || n == 0 || strings.HasPrefix(text[at+1:], "0") {
				return "", textError("must have a port between 1 and 65535")
			}
			port = uint16(n)
		}
	}
	if strings.Contains(host, "%") {
		return "", textError("must not have a zone")
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "", textError("must be an IP address, not a name, with or without a port")
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return "", textError("must be the address of one server")
	}
	if port == dnsPort {
		return addr.String(), nil
	}
	return netip.AddrPortFrom(addr, port).String(), nil
}
