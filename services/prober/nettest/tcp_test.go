package nettest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// serveTCP answers every connection to a loopback address with f.
func serveTCP(t *testing.T, address string, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				f(c)
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestTCPOpenPort(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		if l, err := net.Listen("tcp", address); err != nil {
			t.Logf("not tried, this machine has no such address: %v", err)
			continue
		} else {
			_ = l.Close()
		}
		closed := make(chan error, 1)
		addr := serveTCP(t, address, func(c net.Conn) {
			_, err := c.Read(make([]byte, 1)) // EOF when the check has closed its side
			closed <- err
		})
		config := nettest.TestConfig{Name: "db", Address: addr, Timeout: time.Second, Protocol: "TCP"}
		r, err := (&nettest.TCPTest{}).Execute(context.Background(), config)
		checkResult(t, config, r, err)
		if err != nil {
			t.Fatal(err)
		}
		want := netip.MustParseAddrPort(addr)
		if r.ResolvedIP != want.Addr() || r.Port != want.Port() || r.Phases.DNS.Valid || !r.Phases.Connect.Valid {
			t.Errorf("got %+v", r)
		}
		if r.Latency != r.Phases.Connect.Duration || r.Latency <= 0 {
			t.Errorf("latency %s, connect %s", r.Latency, r.Phases.Connect.Duration)
		}
		if got := <-closed; !errors.Is(got, io.EOF) {
			t.Errorf("the service saw %v, want the connection closed", got)
		}
	}
}

func TestTCPName(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1:0", func(net.Conn) {})
	_, port, _ := net.SplitHostPort(addr)
	config := nettest.TestConfig{Address: "localhost:" + port, Config: &nettest.TCPConfig{IPVersion: nettest.IPv4}}
	r, err := (&nettest.TCPTest{}).Execute(context.Background(), config)
	checkResult(t, config, r, err)
	if err != nil || !r.Phases.DNS.Valid || r.Latency != r.Phases.DNS.Duration+r.Phases.Connect.Duration || r.IPFamily() != "ipv4" {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestTCPFaults(t *testing.T) {
	s := startFaults(t)
	for fault, want := range map[faulttest.Fault]nettest.ErrorType{
		faulttest.Refused:   nettest.ErrConnectionRefused,
		faulttest.BlackHole: nettest.ErrConnectionTimeout,
		faulttest.Silent:    "",
		faulttest.TLSStall:  "",
	} {
		config := nettest.TestConfig{Name: string(fault), Address: s.Addr(fault), Timeout: 300 * time.Millisecond}
		began := time.Now()
		r, err := (&nettest.TCPTest{}).Execute(context.Background(), config)
		checkResult(t, config, r, err)
		if r.ErrorType != want {
			t.Errorf("%s: got %q (%v), want %q", fault, r.ErrorType, err, want)
		}
		if took := time.Since(began); took > config.Timeout+grace {
			t.Errorf("%s: took %s", fault, took)
		}
	}
}

func TestTCPConversation(t *testing.T) {
	echo := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _, _ = io.Copy(c, io.LimitReader(c, 4)) })
	mute := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	greeter := serveTCP(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail\x1b[31m ready\r\n")
		_, _ = c.Read(make([]byte, 1))
	})
	hangUp := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite(); _, _ = io.Copy(io.Discard, c) })
	talker := serveTCP(t, "127.0.0.1:0", func(c net.Conn) { _, _ = io.WriteString(c, strings.Repeat("no ", 5000)) })
	expect := func(*nettest.TestResult) []string { return []string{"response_time less_than 0: got 1"} }

	for _, tt := range []struct {
		name, address string
		config        nettest.TCPConfig
		want          nettest.ErrorType
		phase         nettest.Phase
		size          int64
		banner        string
	}{
		{"sends and expects", echo, nettest.TCPConfig{SendData: "ping", ExpectedData: "ping"}, "", "", 4, ""},
		{"any response", echo, nettest.TCPConfig{SendData: "x", ExpectResponse: true}, "", "", 1, ""},
		{"another response", echo, nettest.TCPConfig{SendData: "pong", ExpectedData: "ping"}, nettest.ErrValidationFailed, nettest.PhaseValidation, 4, ""},
		{"no response in time", mute, nettest.TCPConfig{ExpectResponse: true}, nettest.ErrBodyTimeout, nettest.PhaseBody, 0, ""},
		{"closed without a response", hangUp, nettest.TCPConfig{ExpectResponse: true}, nettest.ErrProtocol, nettest.PhaseBody, 0, ""},
		{"not within 4096 bytes", talker, nettest.TCPConfig{ExpectedData: "yes"}, nettest.ErrValidationFailed, nettest.PhaseValidation, 4096, ""},
		{"banner", greeter, nettest.TCPConfig{Banner: true}, "", "", 21, "220 mail.[31m ready"},
		{"no banner", mute, nettest.TCPConfig{Banner: true}, "", "", 0, ""},
		{"banner of one that hangs up", hangUp, nettest.TCPConfig{Banner: true}, "", "", 0, ""},
		{"caller's expectation", echo, nettest.TCPConfig{Expect: expect}, nettest.ErrValidationFailed, nettest.PhaseValidation, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := nettest.TestConfig{Name: tt.name, Address: tt.address, Timeout: 300 * time.Millisecond, Config: tt.config}
			r, err := (&nettest.TCPTest{ResetOnClose: true}).Execute(context.Background(), config)
			checkResult(t, config, r, err)
			if r.ErrorType != tt.want || r.FailedPhase != tt.phase {
				t.Errorf("got %q in %q (%v), want %q in %q", r.ErrorType, r.FailedPhase, err, tt.want, tt.phase)
			}
			if r.Banner != tt.banner || r.ResponseSize != tt.size {
				t.Errorf("got banner %q of %d bytes, want %q of %d", r.Banner, r.ResponseSize, tt.banner, tt.size)
			}
		})
	}
}

func TestTCPValidate(t *testing.T) {
	for _, tt := range []struct {
		config nettest.TestConfig
		want   string // the field at fault; empty for none
	}{
		{nettest.TestConfig{Address: "db.example.com:5432"}, ""},
		{nettest.TestConfig{Address: "127.0.0.1:1"}, ""},
		{nettest.TestConfig{Address: "[::1]:65535"}, ""},
		{nettest.TestConfig{Address: "[fe80::1%eth0]:22"}, ""},
		{nettest.TestConfig{Address: "my_host:22"}, ""},
		{nettest.TestConfig{Address: "bücher.example:80"}, ""},
		{nettest.TestConfig{Address: "db", Config: nettest.TCPConfig{Port: 5432}}, ""},
		{nettest.TestConfig{Address: "db:5432", Config: nettest.TCPConfig{Port: 5432}}, ""},
		{nettest.TestConfig{Address: "db:1", Protocol: "tcp", Config: (*nettest.TCPConfig)(nil)}, ""},
		{nettest.TestConfig{}, "Address"},
		{nettest.TestConfig{Address: "db"}, "Address"},
		{nettest.TestConfig{Address: "db:"}, "Address"},
		{nettest.TestConfig{Address: ":80"}, "Address"},
		{nettest.TestConfig{Address: "db:0"}, "Address"},
		{nettest.TestConfig{Address: "db:65536"}, "Address"},
		{nettest.TestConfig{Address: "db:-1"}, "Address"},
		{nettest.TestConfig{Address: "db:+1"}, "Address"},
		{nettest.TestConfig{Address: "db:http"}, "Address"},
		{nettest.TestConfig{Address: "::1:80"}, "Address"},
		{nettest.TestConfig{Address: "tcp://db:80"}, "Address"},
		{nettest.TestConfig{Address: "a b:80"}, "Address"},
		{nettest.TestConfig{Address: "a\x00b:80"}, "Address"},
		{nettest.TestConfig{Address: "-a:80"}, "Address"},
		{nettest.TestConfig{Address: "a..b:80"}, "Address"},
		{nettest.TestConfig{Address: strings.Repeat("a", 64) + ".example:80"}, "Address"},
		{nettest.TestConfig{Address: strings.Repeat("abcdefg.", 32) + "example:80"}, "Address"},
		{nettest.TestConfig{Address: "127.1:80"}, "Address"},
		{nettest.TestConfig{Address: "2130706433:80"}, "Address"},
		{nettest.TestConfig{Address: "0x7f000001:80"}, "Address"},
		{nettest.TestConfig{Address: "0x7f.1:80"}, "Address"},
		{nettest.TestConfig{Address: "0177.0.0.1:80"}, "Address"},
		{nettest.TestConfig{Address: "256.256.256.256:80"}, "Address"},
		{nettest.TestConfig{Address: "db:1", Timeout: -1}, "Timeout"},
		{nettest.TestConfig{Address: "db:1", Protocol: "udp"}, "Protocol"},
		{nettest.TestConfig{Address: "db:1", Config: 7}, "Config"},
		{nettest.TestConfig{Address: "db", Config: nettest.TCPConfig{Port: 65536}}, "Config.Port"},
		{nettest.TestConfig{Address: "db:1", Config: nettest.TCPConfig{Port: 2}}, "Config.Port"},
		{nettest.TestConfig{Address: "db:1", Config: nettest.TCPConfig{IPVersion: "ipv5"}}, "Config.IPVersion"},
		{nettest.TestConfig{Address: "[::1]:1", Config: nettest.TCPConfig{IPVersion: nettest.IPv4}}, "Config.IPVersion"},
		{nettest.TestConfig{Address: "127.0.0.1:1", Config: nettest.TCPConfig{IPVersion: nettest.IPv6}}, "Config.IPVersion"},
		{nettest.TestConfig{Address: "db:1", Config: nettest.TCPConfig{Banner: true, ExpectResponse: true}}, "Config.Banner"},
		{nettest.TestConfig{Address: "db:1", Config: nettest.TCPConfig{ExpectedData: strings.Repeat("x", 4097)}}, "Config.ExpectedData"},
	} {
		test := &nettest.TCPTest{}
		err := test.Validate(tt.config)
		got := ""
		var problem *nettest.ConfigError
		if errors.As(err, &problem) {
			got = problem.Field
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != errors.Is(err, nettest.ErrInvalidConfig) {
			t.Errorf("Validate(%+v) = %v; field %s", tt.config, err, diff)
		}
		if tt.want == "" {
			continue
		}
		r, err := test.Execute(context.Background(), tt.config)
		if r.Status != nettest.StatusError || !errors.Is(err, nettest.ErrInvalidConfig) || !errors.Is(err, nettest.ErrInternal) {
			t.Errorf("Execute(%+v) = %+v, %v", tt.config, r, err)
		}
	}
}

func TestFullWidthDigitsAreAnAddress(t *testing.T) {
	policy := denyAll{}
	r, err := (&nettest.TCPTest{Network: &nettest.Network{Policy: policy}}).Execute(context.Background(),
		nettest.TestConfig{Address: "①②⑦.⓪.⓪.①:80"})
	if !errors.Is(err, nettest.ErrEgressDenied) || r.ResolvedIP != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%v, %+v", err, r)
	}
}

type denyAll struct{}

func (denyAll) Check(a netip.Addr) error { return errors.New("no " + a.String()) }

func TestTCPCancelled(t *testing.T) {
	s := startFaults(t)
	for _, tt := range []struct {
		name   string
		fault  faulttest.Fault
		config nettest.TCPConfig
	}{
		{"connect", faulttest.BlackHole, nettest.TCPConfig{}},
		{"read", faulttest.Silent, nettest.TCPConfig{ExpectResponse: true}},
		{"banner", faulttest.Silent, nettest.TCPConfig{Banner: true}},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		began := time.Now()
		r, err := (&nettest.TCPTest{}).Execute(ctx, nettest.TestConfig{Address: s.Addr(tt.fault), Config: tt.config})
		if !errors.Is(err, context.Canceled) || r.Status != nettest.StatusError || time.Since(began) > time.Second {
			t.Errorf("%s: %v, %+v after %s", tt.name, err, r, time.Since(began))
		}
	}
	for _, test := range []nettest.NetworkTest{&nettest.TCPTest{}, &nettest.HTTPTest{}} {
		ctx, cancel := context.WithTimeout(context.Background(), 0)
		defer cancel()
		address := map[string]string{"tcp": s.Addr(faulttest.Healthy), "http": s.URL(faulttest.Healthy)}[test.GetProtocol()]
		before := s.Accepts(faulttest.Healthy)
		r, err := test.Execute(ctx, nettest.TestConfig{Address: address})
		if !errors.Is(err, context.DeadlineExceeded) || r.Status != nettest.StatusError || s.Accepts(faulttest.Healthy) != before {
			t.Errorf("no time at all: %v, %+v", err, r)
		}
	}
	// A deadline of the caller is a deadline of the check.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, err := (&nettest.TCPTest{}).Execute(ctx, nettest.TestConfig{Address: s.Addr(faulttest.BlackHole)})
	if !errors.Is(err, nettest.ErrConnectionTimeout) || r.Status != nettest.StatusTimeout {
		t.Errorf("%v, %+v", err, r)
	}
}
