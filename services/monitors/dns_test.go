package monitors_test

import (
	"slices"
	"strings"
	"testing"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

func resolvers(servers ...string) func(*body) {
	return func(m *body) { m.DnsConfig = &checkv1.DnsConfig{Servers: servers} }
}

// badResolvers is what can be wrong with dns_config.
func badResolvers() (all []bad) {
	for server, name := range map[string]string{
		"dns.example": "a name", "localhost:53": "a name with a port", "https://192.0.2.1/dns-query": "a URL", "192.0.2.1:": "no port after the colon",
		"192.0.2.1:0": "port 0", "192.0.2.1:65536": "port 65536", "192.0.2.1:+53": "port with a sign", "192.0.2.1:053": "port with a zero before it",
		"192.0.2.1:domain": "port that is a word", "fe80::1%eth0": "a zone", "[fe80::1%25eth0]:53": "a zone before a port", "[192.0.2.1]:53": "brackets around IPv4",
		"[2001:db8::1": "half a bracket", "2001:db8::1]:53": "the other half", "[2001:db8::1]53": "no colon before the port", "[]:53": "no address",
		":53": "a port alone", "192.0.2.256": "no such address", "192.0.2": "three numbers", "0300.0.2.1": "octal", "0.0.0.0": "unspecified", "[::]:53": "unspecified IPv6",
		"224.0.0.251": "multicast", "ff02::fb": "multicast IPv6", "255.255.255.255": "broadcast", "::ffff:0.0.0.0": "unspecified in IPv6", " 192.0.2.1": "a space before it",
		"192.0.2.1\n": "a line break", "192.0.2.1,192.0.2.2": "two in one",
	} {
		all = append(all, bad{"resolver: " + name, "dns_config.servers[0]", resolvers(server)})
	}
	for name, servers := range map[string][]string{
		"with its own port": {"192.0.2.1", "192.0.2.1:53"}, "in brackets": {"[2001:db8::1]", "2001:DB8:0::1"}, "in IPv6": {"192.0.2.1:5353", "[::ffff:192.0.2.1]:5353"},
	} {
		all = append(all, bad{"resolver twice, " + name, "dns_config.servers[1]", resolvers(servers...)})
	}
	all = append(all,
		bad{"five resolvers", "dns_config.servers", resolvers("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5")},
		bad{"resolver written twice", "dns_config.servers", resolvers("192.0.2.1", "192.0.2.1")},
		bad{"empty resolver", "dns_config.servers[0]", resolvers("")},
		bad{"long resolver", "dns_config.servers[0]", resolvers(strings.Repeat("1", 65))},
		bad{"answers kept for a negative time", "dns_config.max_ttl_seconds", func(m *body) { m.DnsConfig = &checkv1.DnsConfig{MaxTtlSeconds: ptr(int32(-1))} }},
		bad{"answers kept for more than a day", "dns_config.max_ttl_seconds", func(m *body) { m.DnsConfig = &checkv1.DnsConfig{MaxTtlSeconds: ptr(int32(86_401))} }},
	)
	return all
}

// TestResolversOfAMonitor: given in any spelling, they are read, merged and handed to probers in one.
func TestResolversOfAMonitor(t *testing.T) {
	h := newHouse(t)
	m := httpMonitor()
	m.DnsConfig = &checkv1.DnsConfig{Servers: []string{"192.0.2.1:53", "[2001:DB8::1]", "[2001:db8:0::1]:5353", "::ffff:192.0.2.2"}}
	got := h.create(m)
	want := []string{"192.0.2.1", "2001:db8::1", "[2001:db8::1]:5353", "192.0.2.2"}
	if d := got.GetDnsConfig(); !slices.Equal(d.GetServers(), want) || d.MaxTtlSeconds == nil || d.GetMaxTtlSeconds() != 60 {
		t.Errorf("created %v", d)
	}
	if d := h.check(got.GetId()).GetDnsConfig(); !slices.Equal(d.GetServers(), want) || d.GetMaxTtlSeconds() != 60 {
		t.Errorf("a prober is told %v", d)
	}
	change := func(d *checkv1.DnsConfig, paths ...string) *checkv1.DnsConfig {
		t.Helper()
		after, err := h.update(got.GetId(), &monitorsv1.Monitor{DnsConfig: d}, paths...)
		if err != nil {
			t.Fatal(err)
		}
		return after.GetDnsConfig()
	}
	if d := change(&checkv1.DnsConfig{MaxTtlSeconds: ptr(int32(0))}, "dns_config.max_ttl_seconds"); d.GetMaxTtlSeconds() != 0 || d.MaxTtlSeconds == nil || !slices.Equal(d.GetServers(), want) {
		t.Errorf("with another time: %v", d)
	}
	if d := change(nil, "dns_config.servers"); len(d.GetServers()) != 0 || d.MaxTtlSeconds == nil || d.GetMaxTtlSeconds() != 0 {
		t.Errorf("without servers: %v", d)
	}
	if d := change(&checkv1.DnsConfig{Servers: []string{"192.0.2.9"}}, "dns_config.servers"); len(d.GetServers()) != 1 || d.GetMaxTtlSeconds() != 0 {
		t.Errorf("with another server: %v", d)
	}
	if d := change(nil, "dns_config"); d != nil {
		t.Errorf("cleared: %v", d)
	}
	if spec := h.check(got.GetId()); spec.DnsConfig != nil {
		t.Errorf("a prober is told %v of a monitor that has none", spec.GetDnsConfig())
	}
	if d := change(&checkv1.DnsConfig{}, "dns_config"); d != nil {
		t.Errorf("nothing asked for: %v", d)
	}
}
