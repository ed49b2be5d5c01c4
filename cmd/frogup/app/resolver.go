package app

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// parseResolvers reads the values of --resolver.
func parseResolvers(args []string) ([]netip.AddrPort, error) {
	var servers []netip.AddrPort
	for _, arg := range args {
		server, err := nettest.ParseServer(arg)
		if err != nil {
			return nil, fmt.Errorf("--resolver %q %w", arg, err)
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// resolverText is a name server as people write it: without the port that all have.
func resolverText(s netip.AddrPort) string {
	if s.Port() == 53 {
		return s.Addr().String()
	}
	return s.String()
}

func resolverTexts(servers []netip.AddrPort) []string {
	var texts []string
	for _, s := range servers {
		texts = append(texts, resolverText(s))
	}
	return texts
}

// dns is who resolves the names of p's check; nil for those of this machine, or of the prober.
func (p probe) dns() *nettest.DNSConfig {
	if len(p.resolvers) == 0 {
		return nil
	}
	return &nettest.DNSConfig{Servers: p.resolvers}
}

// resolvers shows who was asked for names, if somebody chose that.
func (t terminal) resolvers(servers []netip.AddrPort) {
	if len(servers) > 0 {
		t.fact("resolver", strings.Join(resolverTexts(servers), ", "))
	}
}

// newDNS is dns_config of a monitor.
type newDNS struct {
	Servers       []string `json:"servers,omitempty"`
	MaxTTLSeconds *int64   `json:"max_ttl_seconds,omitempty"`
}
