package nettest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// packed is an answer to q, with the sections given as zone-file lines; a line
// that begins with "!" goes to the authority section.
func packed(t testing.TB, q *question, change func(*dns.Msg), lines ...string) []byte {
	t.Helper()
	var m dns.Msg
	m.SetQuestion(q.name, q.kind)
	m.Id, m.Response, m.RecursionAvailable, m.Compress = q.id, true, true, true
	for _, line := range lines {
		rest, authority := strings.CutPrefix(line, "!")
		rr, err := dns.NewRR(rest)
		if err != nil {
			t.Fatal(err)
		}
		if authority {
			m.Ns = append(m.Ns, rr)
		} else {
			m.Answer = append(m.Answer, rr)
		}
	}
	if change != nil {
		change(&m)
	}
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func aliases(count int, last ...string) []string {
	lines := []string{"name.test. 60 IN CNAME a0.test."}
	for i := range count - 1 {
		lines = append(lines, fmt.Sprintf("a%d.test. 60 IN CNAME a%d.test.", i, i+1))
	}
	return append(lines, last...)
}

func TestReplies(t *testing.T) {
	const soa = "!test. 300 IN SOA ns.test. root.test. 1 2 3 4 30"
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("name.test. 60 IN A 10.0.%d.%d", i/256, i%256)
	}
	q := &question{name: "name.test.", kind: dns.TypeA, id: 4711}
	for _, tt := range []struct {
		name    string
		lines   []string
		change  func(*dns.Msg)
		addrs   int
		seconds uint32
		code    int
		err     error
	}{
		{"address", []string{"name.test. 60 IN A 192.0.2.1"}, nil, 1, 60, 0, nil},
		{"other case", []string{"NAME.test. 60 IN A 192.0.2.1"}, nil, 1, 60, 0, nil},
		{"least of the times", []string{"name.test. 60 IN CNAME x.test.", "x.test. 300 IN A 192.0.2.1", "x.test. 20 IN A 192.0.2.2"}, nil, 2, 20, 0, nil},
		{"time of the alias", []string{"name.test. 7 IN CNAME x.test.", "x.test. 300 IN A 192.0.2.1"}, nil, 1, 7, 0, nil},
		{"aliases out of order", []string{"y.test. 9 IN A 192.0.2.1", "x.test. 8 IN CNAME y.test.", "name.test. 60 IN CNAME x.test."}, nil, 1, 8, 0, nil},
		{"20 aliases", aliases(20, "a19.test. 60 IN A 192.0.2.1"), nil, 1, 60, 0, nil},
		{"too many aliases", aliases(maxAliases+1, "a64.test. 60 IN A 192.0.2.1"), nil, 0, 0, 0, errAliases},
		{"circle", []string{"name.test. 60 IN CNAME x.test.", "x.test. 60 IN CNAME name.test.", "x.test. 60 IN A 192.0.2.1"}, nil, 0, 0, 0, nil},
		{"somebody else's address", []string{"other.test. 60 IN A 192.0.2.1"}, nil, 0, 0, 0, nil},
		{"other family", []string{"name.test. 60 IN AAAA 2001:db8::1", soa}, nil, 0, 30, 0, nil},
		{"time of 0", []string{"name.test. 0 IN A 192.0.2.1"}, nil, 1, 0, 0, nil},
		{"time of 2^31-1", []string{"name.test. 2147483647 IN A 192.0.2.1"}, nil, 1, 1<<31 - 1, 0, nil},
		{"time of 2^31", []string{"name.test. 2147483648 IN A 192.0.2.1"}, nil, 1, 0, 0, nil},
		{"1000 addresses", many, nil, maxAddresses, 60, 0, nil},
		{"none", nil, nil, 0, 0, 0, nil},
		{"none for a while", []string{soa}, nil, 0, 30, 0, nil},
		{"none behind an alias", []string{"name.test. 5 IN CNAME x.test.", soa}, nil, 0, 5, 0, nil},
		{"no such name", []string{soa}, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, 0, 30, 3, nil},
		{"no such name behind an alias", []string{"name.test. 5 IN CNAME x.test.", soa}, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, 0, 5, 3, nil},
		{"trouble", nil, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }, 0, 0, 2, nil},
		{"extended code", nil, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadVers }, 0, 0, 16, nil},
		{"truncated", []string{"name.test. 60 IN A 192.0.2.1"}, func(m *dns.Msg) { m.Truncated = true }, 1, 0, 0, nil},
		{"other id", nil, func(m *dns.Msg) { m.Id++ }, 0, 0, 0, errForeign},
		{"a question", nil, func(m *dns.Msg) { m.Response = false }, 0, 0, 0, errForeign},
		{"other name", nil, func(m *dns.Msg) { m.Question[0].Name = "mane.test." }, 0, 0, 0, errForeign},
		{"other type", nil, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }, 0, 0, 0, errForeign},
		{"other class", nil, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, 0, 0, 0, errForeign},
		{"no question", nil, func(m *dns.Msg) { m.Question = nil }, 0, 0, 0, errForeign},
	} {
		r, err := parseReply(packed(t, q, tt.change, tt.lines...), q)
		if !errors.Is(err, tt.err) || len(r.addrs) != tt.addrs || r.seconds != tt.seconds || r.code != tt.code {
			t.Errorf("%s: %d addresses for %d s, code %d, %v; want %d for %d s, code %d, %v",
				tt.name, len(r.addrs), r.seconds, r.code, err, tt.addrs, tt.seconds, tt.code, tt.err)
		}
	}
}

// TestCutReply: whatever is missing at the end, it is noticed or was of no use,
// and what remains is not kept.
func TestCutReply(t *testing.T) {
	q := &question{name: "name.test.", kind: dns.TypeA, id: 1}
	whole := packed(t, q, nil, "name.test. 60 IN A 192.0.2.1", "name.test. 60 IN A 192.0.2.2")
	for n := range whole {
		r, err := parseReply(whole[:n], q)
		if r.seconds != 0 || err == nil && len(r.addrs) != 1 {
			t.Errorf("%d of %d octets: %+v, %v", n, len(whole), r, err)
		}
	}
}

// FuzzReply compares what is read with what a full parser reads of it.
func FuzzReply(f *testing.F) {
	q := &question{name: "name.test.", kind: dns.TypeA, id: 4711}
	good := packed(f, q, nil, "name.test. 60 IN CNAME x.test.", "x.test. 300 IN A 192.0.2.1", "x.test. 300 IN AAAA 2001:db8::1")
	f.Add(good)
	f.Add(packed(f, q, nil, "!test. 300 IN SOA ns.test. root.test. 1 2 3 4 30"))
	f.Add(packed(f, q, nil, aliases(20, "a19.test. 60 IN A 192.0.2.1")...))
	f.Add(packed(f, q, nil, "name.test. 60 IN CNAME name.test."))
	f.Add(packed(f, q, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadVers }))
	pointer := append([]byte(nil), good...)
	f.Add(append(pointer[:len(pointer)-20], 0xc0, 0xff, 0xc0, 0x0c))
	self := append(packed(f, q, nil), 0xc0, 27, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4)
	binary.BigEndian.PutUint16(self[6:], 1)
	f.Add(self)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		r, err := parseReply(raw, q)
		if errors.Is(err, errForeign) && r.addrs != nil || len(r.addrs) > maxAddresses || r.seconds == 1<<31 && len(r.addrs) > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if err != nil {
			return
		}
		var m dns.Msg
		if m.Unpack(raw) != nil {
			return // what is of no use here may be broken
		}
		sent := map[netip.Addr]uint32{}
		for _, rr := range m.Answer {
			if a, ok := rr.(*dns.A); ok {
				addr, _ := netip.AddrFromSlice(a.A.To4())
				sent[addr] = max(sent[addr], a.Hdr.Ttl)
			}
		}
		for _, addr := range r.addrs {
			if ttl, ok := sent[addr]; !ok || r.seconds > ttl {
				t.Fatalf("%v for %d s is not in %v", addr, r.seconds, &m)
			}
		}
	})
}

// FuzzSettings: whatever the files say, names can be made of it.
func FuzzSettings(f *testing.F) {
	f.Add("nameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch a.test b.test\noptions ndots:5 timeout:1 attempts:9 rotate use-vc\n", "db")
	f.Add("domain .\n#nameserver x\n;\noptions ndots:-1 timeout: attempts:99999999999999999999", "a.b.")
	f.Add("127.0.0.1 localhost x # y\n::1 LOCALHOST.\n999.1.1.1 z", "localhost")
	f.Fuzz(func(t *testing.T, text, name string) {
		var s dnsSettings
		s.parseResolv(text)
		parseHosts(text)
		if len(s.servers) == 0 || len(s.servers) > maxNameServers || s.attempts < 1 || s.attempts > 5 || s.timeout <= 0 || s.ndots < 0 {
			t.Fatalf("%+v", s)
		}
		for _, candidate := range s.candidates(name) {
			if !strings.HasSuffix(candidate, ".") {
				t.Fatalf("%q is not absolute", candidate)
			}
		}
	})
}

func TestCandidates(t *testing.T) {
	for _, tt := range []struct{ conf, name, want string }{
		{"search corp.test lan", "db", "db.corp.test. db.lan. db."},
		{"search corp.test lan", "db.", "db."},
		{"search corp.test", "www.example.com", "www.example.com. www.example.com.corp.test."},
		{"search corp.test\noptions ndots:5", "www.example.com", "www.example.com.corp.test. www.example.com."},
		{"search a.test\ndomain b.test", "db", "db.b.test. db."},
		{"search corp.test", "secret.onion", "secret.onion.corp.test."},
		{"search .\ndomain x.test", "x.onion.", ""},
	} {
		var s dnsSettings
		s.parseResolv(tt.conf)
		if got := strings.Join(s.candidates(tt.name), " "); got != tt.want {
			t.Errorf("%q, %s: %q, want %q", tt.conf, tt.name, got, tt.want)
		}
	}
}
