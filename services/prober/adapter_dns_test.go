package prober

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func nameServer(t *testing.T) *faulttest.DNS {
	t.Helper()
	d, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// listening is a port of 127.0.0.1 that is open.
func listening(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestNameServersOfAMonitor: the servers of dns_config are asked, their trouble is
// nobody's fault but theirs, and their word counts.
func TestNameServersOfAMonitor(t *testing.T) {
	port := listening(t)
	good, dead := nameServer(t), nameServer(t)
	good.SetTTL(60)
	good.Set("db.test", faulttest.Records, "127.0.0.1")
	dead.SetDefault(faulttest.ServFail)
	c := NewChecker(nil, nil)
	for _, tt := range []struct {
		host   string
		server *faulttest.DNS
		status checkv1.ResultStatus
		typ    string
	}{
		{"db.test", good, checkv1.ResultStatus_RESULT_STATUS_SUCCESS, ""},
		{"db.test", dead, checkv1.ResultStatus_RESULT_STATUS_ERROR, "resolver_unavailable"},
		{"missing.test", good, checkv1.ResultStatus_RESULT_STATUS_FAILURE, "dns_nxdomain"},
	} {
		spec := tcpSpec(t, tt.host+":"+port)
		spec.DnsConfig = &checkv1.DnsConfig{Servers: []string{tt.server.Addr().String()}}
		check, err := c.Prepare(spec)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			r := check.Run(t.Context(), true)
			if r.GetStatus() != tt.status || r.GetErrorType() != tt.typ {
				t.Errorf("%s: %v %s", tt.host, r.GetStatus(), r.GetErrorMessage())
			}
			if tt.typ == "" && (r.GetResolvedIp() != "127.0.0.1" || r.GetDetails().GetDnsCached() != (i > 0)) {
				t.Errorf("check %d: address %s, cached %v", i, r.GetResolvedIp(), r.GetDetails().GetDnsCached())
			}
			if tt.typ != "" && (r.GetFailedPhase() != checkv1.Phase_PHASE_DNS || r.ResolvedIp != nil) {
				t.Errorf("%s: failed in %v at %s", tt.host, r.GetFailedPhase(), r.GetResolvedIp())
			}
		}
	}
	if c.network.Health.Unavailable() {
		t.Error("the prober's own resolver is held responsible")
	}
}

// TestNameServersOfEveryKind: whatever the check, and however it runs.
func TestNameServersOfEveryKind(t *testing.T) {
	server := site(t)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := nameServer(t)
	d.Set("site.test", faulttest.Records, "127.0.0.1")
	c := NewChecker(nil, nil)
	for kind, spec := range map[string]*checkv1.CheckSpec{
		"tcp": tcpSpec(t, "site.test:"+port), "http": httpSpec("http://site.test:" + port + "/"), "tls": tlsSpec(t, "site.test:"+port),
	} {
		spec.DnsConfig = &checkv1.DnsConfig{Servers: []string{d.Addr().String()}, MaxTtlSeconds: ptr(int32(0))}
		check, err := c.Prepare(spec)
		if err != nil {
			t.Fatal(err)
		}
		before := d.Asked("site.test")
		for range 2 {
			if r := check.Run(t.Context(), true); r.GetResolvedIp() != "127.0.0.1" || r.GetDetails().GetDnsCached() {
				t.Errorf("%s: at %q, cached %v: %s", kind, r.GetResolvedIp(), r.GetDetails().GetDnsCached(), r.GetErrorMessage())
			}
		}
		if asked := d.Asked("site.test") - before; asked != 4 {
			t.Errorf("%s: asked %d times, want twice for each family", kind, asked)
		}
	}
	// As the loop runs it.
	spec := tcpSpec(t, "site.test:"+port)
	spec.DnsConfig = &checkv1.DnsConfig{Servers: []string{d.Addr().String()}}
	chk, err := c.prepare(spec)
	if err != nil {
		t.Fatal(err)
	}
	if config, plain := chk.plain(); !plain || config.DNS == nil || len(config.DNS.Servers) != 1 || config.DNS.MaxTTL != 0 {
		t.Errorf("the loop is told %+v", config.DNS)
	}
}

// TestNameServersUnderThePolicy: a monitor makes the prober talk to nobody that it
// may not dial.
func TestNameServersUnderThePolicy(t *testing.T) {
	d := nameServer(t)
	d.Set("db.test", faulttest.Records, "192.0.2.1")
	spec := tcpSpec(t, "db.test:5432")
	spec.DnsConfig = &checkv1.DnsConfig{Servers: []string{d.Addr().String()}}
	check, err := NewChecker(&egress.Policy{}, nil).Prepare(spec)
	if err != nil {
		t.Fatal(err)
	}
	r := check.Run(t.Context(), true)
	if r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_ERROR || r.GetErrorType() != "egress_denied" || r.GetFailedPhase() != checkv1.Phase_PHASE_DNS {
		t.Errorf("%v", r)
	}
	if d.Asked("db.test")+d.Asked("") > 0 {
		t.Error("it was asked")
	}
}

func TestDNSConfigIsCarriedOver(t *testing.T) {
	for _, tt := range []struct {
		config *checkv1.DnsConfig
		ttl    time.Duration
		want   string // servers, or the error
	}{
		{nil, 0, ""},
		{&checkv1.DnsConfig{}, 0, "[]"},
		{&checkv1.DnsConfig{Servers: []string{"192.0.2.1", "[2001:db8::1]:5353"}}, 0, "[192.0.2.1:53 [2001:db8::1]:5353]"},
		{&checkv1.DnsConfig{MaxTtlSeconds: ptr(int32(0))}, -1, "[]"},
		{&checkv1.DnsConfig{MaxTtlSeconds: ptr(int32(30))}, 30 * time.Second, "[]"},
		{&checkv1.DnsConfig{Servers: []string{"192.0.2.1", "dns.example"}}, 0, `prepare check: dns_config.servers[1]: "dns.example" must be an IP address, not a name, with or without a port`},
	} {
		spec := tcpSpec(t, "db.test:5432")
		spec.DnsConfig = tt.config
		chk, err := NewChecker(nil, nil).prepare(spec)
		if err != nil {
			if err.Error() != tt.want {
				t.Errorf("%v: %v", tt.config, err)
			}
			continue
		}
		got := chk.(*prepared).config.DNS
		switch {
		case got == nil:
			if tt.config != nil {
				t.Errorf("%v: lost", tt.config)
			}
		case fmt.Sprint(got.Servers) != tt.want || got.MaxTTL != tt.ttl:
			t.Errorf("%v: %+v", tt.config, got)
		}
	}
}

// TestNameServersOfAMonitorAreNotOurs: what they do not answer is no fault of this
// prober, which what its own do not answer is.
func TestNameServersOfAMonitorAreNotOurs(t *testing.T) {
	g, _, box, _ := startPlain(t)
	d := nameServer(t)
	d.SetDefault(faulttest.ServFail)
	a := assignment(1, 3600)
	a.Spec.TcpConfig = &checkv1.TcpConfig{Host: ptr("db.test"), Port: ptr(int32(5432))}
	a.Spec.DnsConfig = &checkv1.DnsConfig{Servers: []string{d.Addr().String()}}
	g.assign(a, nil, true)
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b, err := box.Read(limit, 0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := results(t, b)[0]
	if r.GetErrorType() != "resolver_unavailable" || !strings.Contains(r.GetErrorMessage(), d.Addr().String()) {
		t.Fatalf("row %v", r)
	}
	if list := g.observer.ailments(time.Now()); len(list) != 0 {
		t.Errorf("the prober reports %v", list)
	}
	spec := tcpSpec(t, "db.test:5432")
	own, err := NewChecker(nil, nil).prepare(spec)
	if err != nil {
		t.Fatal(err)
	}
	if ofGivenServers(own, r) {
		t.Error("the prober's own resolvers pass for a monitor's")
	}
}
