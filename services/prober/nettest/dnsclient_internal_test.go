package nettest

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func startNameServer(t testing.TB) *faulttest.DNS {
	t.Helper()
	d, err := faulttest.StartDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestClientReplies(t *testing.T) {
	d := startNameServer(t)
	r := &SystemResolver{Servers: []netip.AddrPort{d.Addr()}}
	for _, tt := range []struct {
		name  string
		reply faulttest.Reply
		addrs int
		asked int
		typ   ErrorType
		keep  time.Duration
	}{
		{"forged.test", faulttest.Forged, 1, 1, "", faulttest.DefaultTTL},
		{"no-edns.test", faulttest.NoEDNS, 1, 2, "", faulttest.DefaultTTL},
		{"tcp.test", faulttest.OnlyTCP, 1, 2, "", faulttest.DefaultTTL},
		{"missing.test", faulttest.NXDomain, 0, 1, ErrDNSNXDomain, faulttest.DefaultTTL},
		{"lame.test", faulttest.LameReferral, 0, 2, ErrDNSFailure, 0},
		{"trouble.test", faulttest.ServFail, 0, 2, ErrDNSFailure, 0},
	} {
		d.Set(tt.name, tt.reply, "192.0.2.1")
		found := r.resolve(t.Context(), tt.name, IPv4)
		typ := ErrorType("")
		if found.err != nil {
			typ = classify(PhaseDNS, found.err)
		}
		if len(found.addrs) != tt.addrs || typ != tt.typ || found.keep != tt.keep || d.Asked(tt.name) != tt.asked || !found.fromServer {
			t.Errorf("%s: %+v (%s), asked %d times; want %+v", tt.name, found, typ, d.Asked(tt.name), tt)
		}
	}
}

// TestClientHostileAnswers: what a name server sends costs bounded time and is
// judged, or asked for again, until the time is up.
func TestClientHostileAnswers(t *testing.T) {
	head := func(q []byte, answers int) []byte {
		m := append([]byte(nil), q[:len(q)-11]...) // without EDNS
		m[2], m[3] = 0x81, 0x80
		binary.BigEndian.PutUint16(m[6:], uint16(answers))
		binary.BigEndian.PutUint16(m[10:], 0)
		return m
	}
	fill := func(q []byte, size int, record ...byte) []byte {
		m := head(q, 0)
		n := 0
		for ; len(m)+len(record) <= size; n++ {
			m = append(m, record...)
		}
		binary.BigEndian.PutUint16(m[6:], uint16(n))
		return m
	}
	address := []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1}
	overTCP := func(f func(q []byte) []byte) func([]byte, bool) []byte {
		return func(q []byte, tcp bool) []byte {
			if tcp {
				return f(q)
			}
			m := head(q, 0)
			m[2] |= 2
			return m
		}
	}
	for name, tt := range map[string]struct {
		answer func(q []byte, tcp bool) []byte
		addrs  int
		want   ErrorType
	}{
		"64 kB of addresses": {overTCP(func(q []byte) []byte { return fill(q, 65535, address...) }), maxAddresses, ""},
		"64 kB of texts": {overTCP(func(q []byte) []byte {
			return fill(q, 65535, 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 1, 'x')
		}), 0, ErrDNSNXDomain},
		"64 kB of aliases": {overTCP(func(q []byte) []byte {
			return fill(q, 65535, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12)
		}), 0, ErrDNSNXDomain},
		"64 kB of nothing": {overTCP(func(q []byte) []byte { return append(head(q, 65535), make([]byte, 60000)...) }), 0, ErrDNSFailure},
		"pointer to itself": {func(q []byte, _ bool) []byte {
			m := head(q, 1)
			return append(m, 0xc0|byte(len(m)>>8), byte(len(m)), 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4)
		}, 0, ErrDNSFailure},
		"short address": {func(q []byte, _ bool) []byte {
			return append(head(q, 1), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 2, 1, 2)
		}, 0, ErrDNSFailure},
		"promises more": {func(q []byte, _ bool) []byte { return append(head(q, 9), address...) }, 1, ""},
		"empty":         {func([]byte, bool) []byte { return []byte{} }, 0, ErrDNSTimeout},
		"the question":  {func(q []byte, _ bool) []byte { return q }, 0, ErrDNSTimeout},
		"noise":         {func([]byte, bool) []byte { return []byte(strings.Repeat("\xff", 4000)) }, 0, ErrDNSTimeout},
		"TCP empty":     {overTCP(func([]byte) []byte { return []byte{} }), 0, ErrDNSFailure},
		"TCP foreign": {overTCP(func(q []byte) []byte {
			m := fill(q, 600, address...)
			m[0]++
			return m
		}), 0, ErrDNSFailure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startNameServer(t)
			d.SetRaw("name.test", tt.answer)
			r := &SystemResolver{Servers: []netip.AddrPort{d.Addr()}}
			const patience = 400 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			found := r.resolve(ctx, "name.test", IPv4)
			typ := ErrorType("")
			if found.err != nil {
				typ = classify(PhaseDNS, found.err)
			}
			if typ != tt.want || len(found.addrs) != tt.addrs || time.Since(began) > patience+100*time.Millisecond {
				t.Errorf("%d addresses, %v (%s) after %s, want %d, %s", len(found.addrs), found.err, typ, time.Since(began), tt.addrs, tt.want)
			}
		})
	}
}

// TestClientFiles: /etc/hosts comes first, names without dots are completed, and
// both files are read again when they change.
func TestClientFiles(t *testing.T) {
	d := startNameServer(t)
	d.Set("db.corp.test", faulttest.Records, "192.0.2.1")
	d.Set("db.lan.test", faulttest.Records, "192.0.2.2")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := &SystemResolver{Servers: []netip.AddrPort{d.Addr()}}
	r.files.hosts = write("hosts", "192.0.2.9 printer Printer.corp.test # a comment\n2001:db8::9 printer\n")
	r.files.resolv = write("resolv.conf", "search corp.test\n")
	n := &Network{Resolver: r}
	check := func(name, want string, v IPVersion) {
		t.Helper()
		found, err := n.ownNames().lookup(t.Context(), name, v)
		got := ""
		for _, a := range found.addrs {
			got += a.String() + " "
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, want)
		}
	}
	// Both families are looked up at once, and one of them reads the files.
	changed := func() {
		r.files.checked.Add(-int64(settingsRecheck))
		r.files.generation(monotonic())
	}
	check("printer", "2001:db8::9 192.0.2.9", IPAny)
	check("printer.", "192.0.2.9", IPv4)
	check("PRINTER.corp.test", "192.0.2.9", IPv4)
	check("db", "192.0.2.1", IPv4)
	check("db.", "", IPv4)
	if d.Asked("printer") != 0 || d.Asked("printer.corp.test") != 0 || d.Asked("db.corp.test") != 1 {
		t.Error("the server was asked for what the file knows")
	}
	// A family that the file does not know is missing; nobody is accused of it.
	if _, err := n.ownNames().lookup(t.Context(), "printer.corp.test", IPv6); classify(PhaseDNS, err) == ErrResolverUnavailable || err == nil {
		t.Errorf("%v", err)
	}

	write("hosts", "192.0.2.10 printer\n")
	write("resolv.conf", "search lan.test\n")
	check("printer", "2001:db8::9 192.0.2.9", IPAny) // not looked at again yet
	changed()
	check("printer", "192.0.2.10", IPAny)
	check("db", "192.0.2.2", IPv4)

	if err := os.Remove(r.files.hosts); err != nil {
		t.Fatal(err)
	}
	changed()
	check("printer", "", IPv4)
}

// TestClientUnreadableFiles: what this machine cannot read is its own fault.
func TestClientUnreadableFiles(t *testing.T) {
	r := &SystemResolver{Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}
	r.files.hosts = t.TempDir() // reading a folder fails
	found := r.resolve(t.Context(), "name.test", IPv4)
	var contact *ResolverContactError
	if !errors.As(found.err, &contact) || classify(PhaseDNS, found.err).Status() != StatusError {
		t.Errorf("%v", found.err)
	}
}

// TestClientTriesTheNextServer: one that refuses, and one that has trouble, are
// no reason to fail.
func TestClientTriesTheNextServer(t *testing.T) {
	gone, ill, well := startNameServer(t), startNameServer(t), startNameServer(t)
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	ill.SetDefault(faulttest.ServFail)
	well.Set("name.test", faulttest.Records, "192.0.2.1")
	r := &SystemResolver{Servers: []netip.AddrPort{gone.Addr(), ill.Addr(), well.Addr()}}
	for range 3 {
		if found := r.resolve(t.Context(), "name.test", IPv4); found.err != nil || len(found.addrs) != 1 {
			t.Errorf("%+v", found)
		}
	}
	if ill.Asked("name.test") != 2 || well.Asked("name.test") != 3 {
		t.Errorf("asked %d and %d times, not in turn", ill.Asked("name.test"), well.Asked("name.test"))
	}
}

func TestQuestionsCannotBeGuessed(t *testing.T) {
	ids := make(chan uint16, 64)
	d := startNameServer(t)
	d.SetRaw("name.test", func(q []byte, _ bool) []byte {
		var m dns.Msg
		if err := m.Unpack(q); err != nil || m.IsEdns0() == nil || m.IsEdns0().UDPSize() != udpSize || !m.RecursionDesired {
			t.Errorf("question %v, %v", &m, err)
		}
		ids <- m.Id
		m.Response, m.Rcode = true, dns.RcodeNameError
		raw, _ := m.Pack()
		return raw
	})
	r := &SystemResolver{Servers: []netip.AddrPort{d.Addr()}}
	seen := map[uint16]bool{}
	for range 50 {
		r.resolve(t.Context(), "name.test", IPv4)
		seen[<-ids] = true
	}
	if len(seen) < 45 {
		t.Errorf("%d identifiers in 50 questions", len(seen))
	}
}
