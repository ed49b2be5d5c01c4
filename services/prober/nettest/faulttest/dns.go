package faulttest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Reply is how the DNS server treats a name.
type Reply int

// Replies. Records gives the addresses set for the name; all others ignore them
// unless they say otherwise.
const (
	Records      Reply = iota
	NXDomain           // the name does not exist
	ServFail           // the server has trouble
	RefusedQuery       // the server does not want to
	Mute               // no answer
	MuteAAAA           // Records for A, no answer for AAAA
	MuteA              // Records for AAAA, no answer for A
	LateA              // Records, those for A after three times Delay
	Truncated          // truncated, over TCP too
	OnlyTCP            // truncated over UDP, Records over TCP
	AliasLoop          // an alias of itself
	WrongID            // Records under another question's id
	BadPointer         // a name that points outside the message
	NoEDNS             // Records, but FORMERR for questions with EDNS
	Forged             // Records, after answers with another id, name and type
	LameReferral       // no answer, from a server that does not recurse
	LosesFirst         // Records, but no answer to the first question of each type
)

// DNS is a name server on loopback, over UDP and TCP. Names that were not set
// get the reply of SetDefault, NXDomain at first.
type DNS struct {
	udp  *net.UDPConn
	tcp  *net.TCPListener
	stop chan struct{}
	work sync.WaitGroup

	mu       sync.Mutex
	names    map[string]entry
	ttl      uint32
	fallback Reply
	asked    map[string]int
	lost     map[string]int
	conns    map[net.Conn]struct{}
}

type entry struct {
	reply Reply
	addrs []netip.Addr
	ttl   uint32
	raw   func(question []byte, tcp bool) []byte
}

// DefaultTTL is the time of all records, and of all answers that there are none.
const DefaultTTL = 5 * time.Second

// StartDNS opens the server on a free port of 127.0.0.1.
func StartDNS() (*DNS, error) {
	var lastErr error
	for range 10 { // the port must be free for both protocols
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, fmt.Errorf("listen for DNS: %w", err)
		}
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: udp.LocalAddr().(*net.UDPAddr).Port})
		if err != nil {
			lastErr = err
			_ = udp.Close()
			continue
		}
		d := &DNS{
			udp: udp, tcp: tcp, stop: make(chan struct{}), fallback: NXDomain, ttl: uint32(DefaultTTL / time.Second),
			names: map[string]entry{}, asked: map[string]int{}, lost: map[string]int{}, conns: map[net.Conn]struct{}{},
		}
		d.work.Go(d.serveUDP)
		d.work.Go(d.serveTCP)
		return d, nil
	}
	return nil, fmt.Errorf("listen for DNS over TCP: %w", lastErr)
}

// Addr is where the server listens.
func (d *DNS) Addr() netip.AddrPort { return d.udp.LocalAddr().(*net.UDPAddr).AddrPort() }

// Set scripts the reply for a name, and the addresses it may hold.
func (d *DNS) Set(name string, reply Reply, addrs ...string) {
	e := entry{reply: reply}
	for _, a := range addrs {
		e.addrs = append(e.addrs, netip.MustParseAddr(a))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e.ttl = d.ttl
	d.names[key(name)] = e
}

// SetTTL sets the time, in seconds, of what is set after it.
func (d *DNS) SetTTL(seconds uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ttl = seconds
}

// SetRaw lets f answer the questions for a name; nil is no answer. f may be
// called by several goroutines at once.
func (d *DNS) SetRaw(name string, f func(question []byte, tcp bool) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[key(name)] = entry{raw: f}
}

// SetDefault scripts the reply for names that were not set.
func (d *DNS) SetDefault(reply Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fallback = reply
}

// Asked counts the questions for a name, of both families; for "" those for
// names that were not set.
func (d *DNS) Asked(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" {
		n := 0
		for asked, times := range d.asked {
			if _, known := d.names[asked]; !known {
				n += times
			}
		}
		return n
	}
	return d.asked[key(name)]
}

// Close ends the server and waits for its goroutines.
func (d *DNS) Close() error {
	d.mu.Lock()
	select {
	case <-d.stop:
		d.mu.Unlock()
		return nil
	default:
	}
	close(d.stop)
	_ = d.udp.Close()
	_ = d.tcp.Close()
	for c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.work.Wait()
	return nil
}

func key(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (d *DNS) serveUDP() {
	for {
		buf := make([]byte, 1500)
		n, from, err := d.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		d.work.Go(func() {
			answer, forged := d.answer(buf[:n], false)
			for _, raw := range append(forged, answer) {
				if raw != nil {
					_, _ = d.udp.WriteToUDPAddrPort(raw, from)
				}
			}
		})
	}
}

func (d *DNS) serveTCP() {
	for {
		c, err := d.tcp.Accept()
		if err != nil {
			return
		}
		if !d.admit(c) {
			return
		}
		d.work.Go(func() { d.serveConn(c) })
	}
}

// admit registers a connection, or closes it if the server is stopping.
func (d *DNS) admit(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.stop:
		_ = c.Close()
		return false
	default:
		d.conns[c] = struct{}{}
		return true
	}
}

func (d *DNS) serveConn(c net.Conn) {
	defer func() {
		_ = c.Close()
		d.mu.Lock()
		delete(d.conns, c)
		d.mu.Unlock()
	}()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer, _ := d.answer(question, true)
		if answer == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer returns nil for no answer, and what is sent before it.
func (d *DNS) answer(raw []byte, tcp bool) (answer []byte, forged [][]byte) {
	var p dnsmessage.Parser
	header, err := p.Start(raw)
	if err != nil {
		return nil, nil
	}
	question, err := p.Question()
	if err != nil {
		return nil, nil
	}
	name := key(question.Name.String())
	d.mu.Lock()
	d.asked[name]++
	e, known := d.names[name]
	if !known {
		e = entry{reply: d.fallback, ttl: d.ttl}
	}
	d.mu.Unlock()

	if e.raw != nil {
		return e.raw(raw, tcp), nil
	}
	switch {
	case e.reply == Mute,
		e.reply == MuteA && question.Type == dnsmessage.TypeA,
		e.reply == MuteAAAA && question.Type == dnsmessage.TypeAAAA:
		return nil, nil
	case e.reply == LosesFirst && d.first(name, question.Type):
		return nil, nil
	case e.reply == LateA && question.Type == dnsmessage.TypeA:
		select {
		case <-d.stop:
			return nil, nil
		case <-time.After(3 * Delay):
		}
	case e.reply == NoEDNS && raw[11] > 0: // an additional record
		e.reply = formErr
	case e.reply == Forged:
		other := question
		other.Name = dnsmessage.MustNewName("other.test.")
		kind := question
		kind.Type = dnsmessage.TypeTXT
		e.reply = Records
		forged = [][]byte{
			{0}, e.message(header.ID+1, question, tcp), e.message(header.ID, other, tcp), e.message(header.ID, kind, tcp), raw,
		}
	}
	return e.message(header.ID, question, tcp), forged
}

const formErr Reply = -1

// first reports whether nobody has asked for the type of a name before.
func (d *DNS) first(name string, kind dnsmessage.Type) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := name + " " + kind.String()
	d.lost[k]++
	return d.lost[k] == 1
}

func (e entry) message(id uint16, q dnsmessage.Question, tcp bool) []byte {
	h := dnsmessage.Header{ID: id, Response: true, RecursionAvailable: true, RecursionDesired: true}
	addrs := e.addrs
	switch e.reply {
	case NXDomain:
		h.RCode = dnsmessage.RCodeNameError
	case ServFail:
		h.RCode = dnsmessage.RCodeServerFailure
	case RefusedQuery:
		h.RCode = dnsmessage.RCodeRefused
	case formErr:
		h.RCode = dnsmessage.RCodeFormatError
	case LameReferral:
		h.RecursionAvailable, addrs = false, nil
	case WrongID:
		h.ID++
	case Truncated:
		h.Truncated, addrs = true, nil
	case OnlyTCP:
		if !tcp {
			h.Truncated, addrs = true, nil
		}
	}
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	_ = b.StartQuestions()
	_ = b.Question(q)
	_ = b.StartAnswers()
	resource := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: e.ttl}
	found := false
	for _, a := range addrs {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			found = true
			_ = b.AResource(resource, dnsmessage.AResource{A: a.As4()})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			found = true
			_ = b.AAAAResource(resource, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	if e.reply == AliasLoop {
		_ = b.CNAMEResource(resource, dnsmessage.CNAMEResource{CNAME: q.Name})
	}
	if e.reply == NXDomain || (e.reply <= LateA || e.reply == LosesFirst) && !found && h.RCode == dnsmessage.RCodeSuccess {
		_ = b.StartAuthorities()
		resource.Name = dnsmessage.MustNewName("test.")
		_ = b.SOAResource(resource, dnsmessage.SOAResource{NS: resource.Name, MBox: resource.Name, MinTTL: e.ttl})
	}
	raw, err := b.Finish()
	if err != nil {
		return nil
	}
	if e.reply == BadPointer {
		raw = append(raw, 0xc0, 0xff) // a name that points behind the end …
		binary.BigEndian.PutUint16(raw[6:], 1)
	}
	return raw
}
