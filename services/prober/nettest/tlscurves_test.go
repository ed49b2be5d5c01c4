package nettest

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// hello is what a ClientHello says about key exchange.
type hello struct {
	groups, shares []tls.CurveID
	name           string
}

// helloOf is the first message of a check with the options.
func helloOf(t *testing.T, o TLSOptions, host string) hello {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := begin(context.Background(), &Network{}, TestConfig{Timeout: time.Second}, ProtocolTLS)
		defer c.cancel()
		_, _ = c.secure(client, o, host, nil)
		_ = client.Close()
	}()
	defer func() { _ = server.Close(); <-done }()
	raw := make([]byte, 16<<10)
	n := 0
	for n < 5 || n < 5+int(raw[3])<<8+int(raw[4]) {
		more, err := server.Read(raw[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	return parseHello(t, raw[5:n])
}

func parseHello(t *testing.T, message []byte) hello {
	t.Helper()
	var (
		h                                      hello
		body, session, suites, methods, extend cryptobyte.String
		kind                                   uint8
	)
	s := cryptobyte.String(message)
	if !s.ReadUint8(&kind) || kind != 1 || !s.ReadUint24LengthPrefixed(&body) || !body.Skip(2+32) ||
		!body.ReadUint8LengthPrefixed(&session) || !body.ReadUint16LengthPrefixed(&suites) ||
		!body.ReadUint8LengthPrefixed(&methods) || !body.ReadUint16LengthPrefixed(&extend) {
		t.Fatalf("no ClientHello: %x", message)
	}
	for !extend.Empty() {
		var id, group uint16
		var data, list, key cryptobyte.String
		if !extend.ReadUint16(&id) || !extend.ReadUint16LengthPrefixed(&data) {
			t.Fatal("broken extensions")
		}
		switch id {
		case 0: // server_name
			if data.ReadUint16LengthPrefixed(&list) && list.Skip(1) && list.ReadUint16LengthPrefixed(&key) {
				h.name = string(key)
			}
		case 10: // supported_groups
			for data.ReadUint16LengthPrefixed(&list); list.ReadUint16(&group); {
				h.groups = append(h.groups, tls.CurveID(group))
			}
		case 51: // key_share
			for data.ReadUint16LengthPrefixed(&list); list.ReadUint16(&group) && list.ReadUint16LengthPrefixed(&key); {
				h.shares = append(h.shares, tls.CurveID(group))
			}
		}
	}
	return h
}

// TestCurvesOnTheWire holds what FastCurves says of crypto/tls: a new version of
// Go that does otherwise shows here.
func TestCurvesOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name           string
		curves         []tls.CurveID
		groups, shares []tls.CurveID
	}{
		{"Go's default", nil,
			[]tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
			[]tls.CurveID{tls.X25519MLKEM768, tls.X25519}},
		{"fast", FastCurves, []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}, []tls.CurveID{tls.CurveP256}},
		{"P-256 first of many", []tls.CurveID{tls.CurveP256, tls.X25519, tls.X25519MLKEM768},
			[]tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256}, []tls.CurveID{tls.X25519MLKEM768, tls.X25519}},
		{"P-256 before X25519", []tls.CurveID{tls.CurveP256, tls.X25519}, []tls.CurveID{tls.X25519, tls.CurveP256}, []tls.CurveID{tls.X25519}},
		{"a hybrid of P-256", []tls.CurveID{tls.CurveP256, tls.SecP256r1MLKEM768},
			[]tls.CurveID{tls.SecP256r1MLKEM768, tls.CurveP256}, []tls.CurveID{tls.SecP256r1MLKEM768, tls.CurveP256}},
	} {
		h := helloOf(t, TLSOptions{Curves: c.curves}, "example.test")
		if !slices.Equal(h.groups, c.groups) || !slices.Equal(h.shares, c.shares) {
			t.Errorf("%s: groups %v with shares of %v, want %v with %v", c.name, h.groups, h.shares, c.groups, c.shares)
		}
	}
}

func TestServerNameOnTheWire(t *testing.T) {
	for _, c := range []struct{ host, configured, want string }{
		{"example.test", "", "example.test"},
		{"example.test.", "", "example.test"},
		{"192.0.2.1", "", ""},
		{"fe80::1%eth0", "", ""},
		{"192.0.2.1", "Name.Test", "name.test"},
		{"example.test", "bücher.test", "xn--bcher-kva.test"},
	} {
		if h := helloOf(t, TLSOptions{ServerName: c.configured}, c.host); h.name != c.want {
			t.Errorf("%q with %q: SNI %q, want %q", c.host, c.configured, h.name, c.want)
		}
	}
}

// TestFastCurvesFallBack: thrift of ours is never the target's fault.
func TestFastCurvesFallBack(t *testing.T) {
	s, err := faulttest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, c := range []struct {
		fault       faulttest.Fault
		curves      []tls.CurveID
		want        ErrorType
		first, next int64 // connections of the first check and of the second
	}{
		{faulttest.CertValid, FastCurves, "", 1, 1},
		{faulttest.OnlyP384, FastCurves, "", 1, 1}, // HelloRetryRequest
		{faulttest.OnlyX25519, FastCurves, "", 2, 1},
		{faulttest.OnlyX25519, nil, "", 1, 1},
		{faulttest.OnlyX25519, []tls.CurveID{tls.CurveP256}, ErrTLS, 1, 1}, // asked for, and so strict
		{faulttest.NoSharedCipher, FastCurves, ErrTLS, 2, 1},
		{faulttest.CertExpired, FastCurves, ErrCertificateExpired, 1, 1},
		{faulttest.ShakeClose, FastCurves, ErrTLS, 1, 1},
	} {
		network := &Network{}
		o := TLSOptions{RootCAs: s.Root.Pool(), Curves: c.curves}
		for i, want := range []int64{c.first, c.next} {
			for _, kind := range []string{"tls", "tcp"}[:1+i] {
				var test NetworkTest = &TLSTest{Network: network}
				config := TestConfig{Address: s.Addr(c.fault), Timeout: 5 * time.Second, Config: TLSConfig{TLS: o}}
				if kind == "tcp" {
					test, config.Config = &TCPTest{Network: network}, TCPConfig{TLS: &o}
				}
				before := s.Accepts(c.fault)
				r, err := test.Execute(t.Context(), config)
				if r.ErrorType != c.want {
					t.Fatalf("%s: %q (%v)", c.fault, r.ErrorType, err)
				}
				if n := s.Accepts(c.fault) - before; n != want {
					t.Errorf("%s, check %d by %s: %d connections, want %d", c.fault, i+1, kind, n, want)
				}
				if len(r.Certificates) > 1 {
					t.Errorf("%s: %d certificates", c.fault, len(r.Certificates))
				}
			}
		}
	}
}

// TestALPN: what is offered and chosen is seen, and a server that speaks none of
// it says so.
func TestALPN(t *testing.T) {
	s, err := faulttest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, c := range []struct {
		offer []string
		want  string
		typ   ErrorType
	}{
		{[]string{"pigeon", "h2"}, "pigeon", ""},
		{nil, "", ""},
		{[]string{"h2", "http/1.1"}, "", ErrTLS},
	} {
		to, _ := parseTCPAddress(s.Addr(faulttest.ALPNOther), 0)
		k := begin(t.Context(), nil, TestConfig{Timeout: 5 * time.Second}, ProtocolTLS)
		k.at = to
		conn, failed := k.open(IPAny)
		if failed != nil {
			t.Fatal(failed)
		}
		_, failed = k.secure(conn, TLSOptions{RootCAs: s.Root.Pool()}, to.host, c.offer)
		_ = conn.Close()
		r, _ := k.finish(failed)
		if r.ErrorType != c.typ || c.typ == "" && r.Certificates[0].ALPN != c.want {
			t.Errorf("%v: %q, %+v", c.offer, r.ErrorType, r.Certificates)
		}
	}
}

// TestCipherSuiteNames: they are those of crypto/tls, also for what it does not know, and the
// name of a known one takes no memory.
func TestCipherSuiteNames(t *testing.T) {
	ids := []uint16{0, 0x00ff, 0x1304, 0xfafa}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, suite.ID)
	}
	for _, id := range ids {
		if got, want := cipherSuiteName(id), tls.CipherSuiteName(id); got != want {
			t.Errorf("%#04x is %q, want %q", id, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { cipherSuiteName(tls.TLS_AES_128_GCM_SHA256) }); n != 0 {
		t.Errorf("a name takes %v pieces of memory", n)
	}
}
