package app

import (
	"net"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestCheckResolver: the name server that somebody names is asked, and shown.
func TestCheckResolver(t *testing.T) {
	d, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.Set("db.test", faulttest.Records, "127.0.0.1")
	_, port, err := net.SplitHostPort(silentPort(t))
	if err != nil {
		t.Fatal(err)
	}
	target, server := "db.test:"+port, d.Addr().String()
	got := runVerb(t, t.Context(), nil, "", "check", target, "--resolver", server)
	if got.code != 0 || !strings.Contains(got.stdout, "\n  resolver     "+server+"\n") || !strings.Contains(got.stdout, "127.0.0.1 port "+port) {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = runVerb(t, t.Context(), nil, "", "check", target, "--resolver", server, "--json")
	if got.code != 0 || !strings.Contains(got.stdout, `"resolvers":["`+server+`"]`) {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = runVerb(t, t.Context(), nil, "", "check", target, "--resolver", server, "--egress", "public-only")
	if got.code != 2 || !strings.Contains(got.stdout, "egress_denied") || !strings.Contains(got.stdout, "failed in    dns") {
		t.Errorf("a forbidden name server: exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	for _, args := range [][]string{
		{"--resolver", "dns.example"}, {"--resolver", ""}, {"--resolver", "fe80::1%lo"}, {"--resolver", "192.0.2.1:0"},
		{"--resolver", "192.0.2.1", "--resolver", "192.0.2.1:53"},
		{"--resolver", "192.0.2.1", "--resolver", "192.0.2.2", "--resolver", "192.0.2.3", "--resolver", "192.0.2.4", "--resolver", "192.0.2.5"},
	} {
		got := runVerb(t, t.Context(), nil, "", append([]string{"check", target}, args...)...)
		if got.code != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "frogup: --resolver ") {
			t.Errorf("%q: exit code %d, %q, %q", args, got.code, got.stdout, got.stderr)
		}
	}
}
