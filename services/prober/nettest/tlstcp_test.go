package nettest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// TestTCPWithTLS: the port's latency is told apart from the handshake, and data
// goes within TLS.
func TestTCPWithTLS(t *testing.T) {
	s := startTLSFaults(t)
	http := startFaults(t)
	trust := func(alter ...func(*nettest.TLSOptions)) *nettest.TLSOptions {
		o := &nettest.TLSOptions{RootCAs: s.Root.Pool()}
		for _, a := range alter {
			a(o)
		}
		return o
	}
	other := &nettest.TLSOptions{RootCAs: http.Roots()}
	const request = "GET / HTTP/1.0\r\n\r\n"
	for _, c := range []struct {
		name   string
		addr   string
		config nettest.TCPConfig
		want   nettest.ErrorType
		phase  nettest.Phase
		certs  int
	}{
		{"plain", s.Addr(faulttest.CertValid), nettest.TCPConfig{}, "", "", 0},
		{"good", s.Addr(faulttest.CertValid), nettest.TCPConfig{TLS: trust()}, "", "", 1},
		{"expired", s.Addr(faulttest.CertExpired), nettest.TCPConfig{TLS: trust()}, nettest.ErrCertificateExpired, nettest.PhaseTLS, 1},
		{"auto on another port", s.Addr(faulttest.CertValid), nettest.TCPConfig{TLS: trust(), StartTLS: nettest.StartTLSAuto}, "", "", 1},
		{"client certificate missing", s.Addr(faulttest.ClientCertTLS13), nettest.TCPConfig{TLS: trust()}, nettest.ErrTLS, nettest.PhaseTLS, 1},
		{"client certificate missing, data sent", s.Addr(faulttest.ClientCertTLS13), nettest.TCPConfig{TLS: trust(), SendData: "x"}, nettest.ErrTLS, nettest.PhaseTLS, 1},
		{"client certificate missing, data expected", s.Addr(faulttest.ClientCertTLS13), nettest.TCPConfig{TLS: trust(), ExpectResponse: true}, nettest.ErrTLS, nettest.PhaseTLS, 1},
		{"client certificate missing, banner wanted", s.Addr(faulttest.ClientCertTLS13), nettest.TCPConfig{TLS: trust(), Banner: true}, nettest.ErrTLS, nettest.PhaseTLS, 1},
		{"client certificate", s.Addr(faulttest.ClientCertTLS13), nettest.TCPConfig{TLS: trust(func(o *nettest.TLSOptions) {
			o.Certificates = []tls.Certificate{s.Client}
		})}, "", "", 1},
		{"data", http.Addr(faulttest.HealthyTLS), nettest.TCPConfig{TLS: other, SendData: request, ExpectedData: faulttest.Body}, "", "", 1},
		{"other data", http.Addr(faulttest.HealthyTLS), nettest.TCPConfig{TLS: other, SendData: request, ExpectedData: "nonsense"}, nettest.ErrValidationFailed, nettest.PhaseValidation, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := nettest.TestConfig{Name: c.name, Address: c.addr, Timeout: 5 * time.Second, Config: c.config}
			r, err := (&nettest.TCPTest{ResetOnClose: true}).Execute(context.Background(), config)
			checkResult(t, config, r, err)
			if r.ErrorType != c.want || r.FailedPhase != c.phase || len(r.Certificates) != c.certs {
				t.Errorf("got %q in %q with %d certificates: %s", r.ErrorType, r.FailedPhase, len(r.Certificates), r.Error)
			}
			if r.Latency != r.Phases.DNS.Duration+r.Phases.Connect.Duration || r.Phases.TLS.Valid != (c.certs > 0) {
				t.Errorf("latency %s of %+v", r.Latency, r.Phases)
			}
		})
	}
}

func TestTLSValidate(t *testing.T) {
	type options = nettest.TLSOptions
	for _, c := range []struct {
		name   string
		outer  nettest.TestConfig
		field  string
		tcpToo bool
	}{
		{"host and port", nettest.TestConfig{Address: "example.test:8443"}, "", true},
		{"host alone", nettest.TestConfig{Address: "example.test"}, "", false},
		{"address alone", nettest.TestConfig{Address: "::1"}, "", false},
		{"port in config", nettest.TestConfig{Address: "example.test", Config: nettest.TLSConfig{Port: 465}}, "", false},
		{"pointer", nettest.TestConfig{Address: "example.test", Config: &nettest.TLSConfig{Port: 465}}, "", false},
		{"nil pointer", nettest.TestConfig{Address: "example.test", Config: (*nettest.TLSConfig)(nil)}, "", false},
		{"protocol", nettest.TestConfig{Address: "example.test", Protocol: "TLS"}, "", false},
		{"other protocol", nettest.TestConfig{Address: "example.test", Protocol: "tcp"}, "Protocol", false},
		{"other config", nettest.TestConfig{Address: "example.test", Config: nettest.HTTPConfig{}}, "Config", false},
		{"no host", nettest.TestConfig{Address: ""}, "Address", false},
		{"URL", nettest.TestConfig{Address: "https://example.test/"}, "Address", false},
		{"port", nettest.TestConfig{Address: "example.test:0"}, "Address", false},
		{"port again", nettest.TestConfig{Address: "example.test", Config: nettest.TLSConfig{Port: 70000}}, "Config.Port", false},
		{"two ports", nettest.TestConfig{Address: "example.test:443", Config: nettest.TLSConfig{Port: 444}}, "Config.Port", false},
		{"family", nettest.TestConfig{Address: "[::1]:443", Config: nettest.TLSConfig{IPVersion: nettest.IPv4}}, "Config.IPVersion", false},
		{"negative timeout", nettest.TestConfig{Address: "example.test", Timeout: -1}, "Timeout", false},
		{"dialogue", tlsWith("gopher", options{}), "Config.StartTLS", true},
		{"auto", tlsWith(nettest.StartTLSAuto, options{}), "", true},
		{"name", tlsWith("", options{ServerName: "a b"}), "Config.TLS.ServerName", true},
		{"address as name", tlsWith("", options{ServerName: "192.0.2.1"}), "", true},
		{"SSL 3", tlsWith("", options{MinVersion: 0x0300}), "Config.TLS.MinVersion", true},
		{"TLS 1.4", tlsWith("", options{MinVersion: 0x0305}), "Config.TLS.MinVersion", true},
		{"TLS 1.0", tlsWith("", options{MinVersion: tls.VersionTLS10}), "", true},
		{"depth", tlsWith("", options{Revocation: "deep"}), "Config.TLS.Revocation", true},
		{"no key", tlsWith("", options{Certificates: []tls.Certificate{{Certificate: [][]byte{{1}}}}}), "Config.TLS.Certificates[0]", true},
		{"no curve", tlsWith("", options{Curves: []tls.CurveID{1}}), "Config.TLS.Curves", true},
		{"curves", tlsWith("", options{Curves: nettest.FastCurves}), "", true},
	} {
		check := func(test nettest.NetworkTest, outer nettest.TestConfig) {
			err := test.Validate(outer)
			var wrong *nettest.ConfigError
			switch {
			case c.field == "" && err != nil:
				t.Errorf("%s: %v", c.name, err)
			case c.field != "" && (!errors.Is(err, nettest.ErrInvalidConfig) || !errors.As(err, &wrong) || wrong.Field != c.field):
				t.Errorf("%s: %v, want something about %s", c.name, err, c.field)
			}
			if c.field == "" {
				return
			}
			r, err := test.Execute(t.Context(), outer)
			if r.Status != nettest.StatusError || r.Protocol != test.GetProtocol() || !errors.Is(err, nettest.ErrInternal) {
				t.Errorf("%s: executed to %+v", c.name, r)
			}
		}
		check(&nettest.TLSTest{}, c.outer)
		if own, ok := c.outer.Config.(nettest.TLSConfig); ok && c.tcpToo {
			c.outer.Address, c.outer.Config = "example.test:443", nettest.TCPConfig{StartTLS: own.StartTLS, TLS: &own.TLS}
			check(&nettest.TCPTest{}, c.outer)
		}
	}
	err := (&nettest.TCPTest{}).Validate(nettest.TestConfig{Address: "example.test:25", Config: nettest.TCPConfig{StartTLS: nettest.StartTLSSMTP}})
	if !errors.Is(err, nettest.ErrInvalidConfig) {
		t.Errorf("STARTTLS without TLS: %v", err)
	}
}

func tlsWith(s nettest.StartTLS, o nettest.TLSOptions) nettest.TestConfig {
	return nettest.TestConfig{Address: "example.test", Config: nettest.TLSConfig{StartTLS: s, TLS: o}}
}

// TestTLSExpect: the caller's judgement sees the certificate.
func TestTLSExpect(t *testing.T) {
	s := startTLSFaults(t)
	config := nettest.TestConfig{Address: s.Addr(faulttest.CertRSA1024), Timeout: 5 * time.Second}
	config.Config = nettest.TLSConfig{TLS: nettest.TLSOptions{RootCAs: s.Root.Pool()}, Expect: func(r *nettest.TestResult) []string {
		return r.Certificates[0].Problems
	}}
	r, err := (&nettest.TLSTest{}).Execute(t.Context(), config)
	checkResult(t, config, r, err)
	if r.ErrorType != nettest.ErrValidationFailed || len(r.ValidationErrors) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestTLSCancelled: a check that its caller ends is nobody's fault, wherever it is.
func TestTLSCancelled(t *testing.T) {
	s := startTLSFaults(t)
	for _, fault := range []faulttest.Fault{faulttest.ShakeStall, faulttest.ShakeStallMiddle, faulttest.ShakeDrip, faulttest.ClientCertSilent} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		config := nettest.TestConfig{Address: s.Addr(fault), Timeout: 5 * time.Second, Config: nettest.TLSConfig{
			TLS: nettest.TLSOptions{RootCAs: s.Root.Pool()},
		}}
		began := time.Now()
		r, err := (&nettest.TLSTest{}).Execute(ctx, config)
		checkResult(t, config, r, err)
		if took := time.Since(began); took > time.Second || r.ErrorType != nettest.ErrInternal {
			t.Errorf("%s: %q after %s", fault, r.ErrorType, took)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, _ := (&nettest.TLSTest{}).Execute(ctx, nettest.TestConfig{Address: s.Addr(faulttest.CertValid)}); r.Status != nettest.StatusError {
		t.Errorf("%+v", r)
	}
}
