package nettest

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

const (
	// udpSize is how large an answer over UDP may be (RFC 6891): what passes
	// everywhere without fragments.
	udpSize = 1232
	// maxAliases bounds the CNAME records that are looked at in one answer.
	maxAliases = 64

	messageHeader = 12 // octets of a message before its question
	recordHeader  = 10 // octets of a record between its owner's name and its data
)

var (
	errForeign     = errors.New("the answer is to another question")
	errMalformed   = errors.New("the answer cannot be read")
	errAliases     = errors.New("the answer has too many aliases")
	errMisbehaving = errors.New("the name server had trouble")
	errLame        = errors.New("the name server does not answer for others")
)

// question is one question to a name server. Its identifier and the local port
// are random, and the question must come back; the case of its letters is not
// made random as well, because a server that does not keep it would look silent,
// and its names be blamed.
type question struct {
	name string // absolute
	kind uint16 // dns.TypeA or dns.TypeAAAA
	id   uint16
}

// pack writes the question, after two octets for the length that TCP needs.
func (q *question) pack(edns bool) ([]byte, error) {
	var m dns.Msg
	m.SetQuestion(q.name, q.kind)
	m.Id = q.id
	if edns {
		m.SetEdns0(udpSize, false)
	}
	raw, err := m.PackBuffer(make([]byte, 512))
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, len(raw)+2), uint16(len(raw))), raw...), nil
}

// reply is what an answer says.
type reply struct {
	code      int // RCODE, extended if the answer has EDNS
	truncated bool
	lame      bool
	addrs     []netip.Addr // of the family asked for; at most maxAddresses
	// seconds is how long this may be kept: the least of the alias chain and the
	// addresses, or, of an answer without addresses, what RFC 2308 says.
	seconds uint32
	asked   int64 // when the question was sent first (monotonic)
}

// parseReply reads an answer to q record by record, so that what it keeps does
// not depend on what is sent. errForeign means that it is no answer to q.
func parseReply(raw []byte, q *question) (reply, error) {
	if len(raw) < messageHeader || binary.BigEndian.Uint16(raw) != q.id || raw[2]&0x80 == 0 {
		return reply{}, errForeign
	}
	name, at, err := dns.UnpackDomainName(raw, messageHeader)
	if err != nil || binary.BigEndian.Uint16(raw[4:]) != 1 || len(raw) < at+4 ||
		binary.BigEndian.Uint16(raw[at:]) != q.kind || binary.BigEndian.Uint16(raw[at+2:]) != dns.ClassINET ||
		!strings.EqualFold(name, q.name) {
		return reply{}, errForeign
	}
	r := reply{code: int(raw[3] & 0x0f), truncated: raw[2]&0x02 != 0}
	const authoritative, recursion = 0x04, 0x80
	r.lame = r.code == dns.RcodeSuccess && raw[2]&authoritative == 0 && raw[3]&recursion == 0 &&
		binary.BigEndian.Uint16(raw[6:]) == 0 && binary.BigEndian.Uint16(raw[10:]) == 0
	if r.truncated && len(raw) <= at+4 {
		return r, nil
	}
	err = r.read(records{raw: raw, at: at + 4}, q)
	return r, err
}

// read takes from the records what is of use.
func (r *reply) read(all records, q *question) error {
	answers := int(binary.BigEndian.Uint16(all.raw[6:]))
	negative, extended := all.trailer(answers)
	r.code |= extended << 4
	owner, least, err := follow(all, answers, q.name)
	if r.code != dns.RcodeSuccess {
		if r.seconds = min(negative, least); err != nil {
			r.seconds = 0
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.seconds = least
	for range answers {
		record, err := all.next()
		if err != nil {
			r.seconds = 0
			if len(r.addrs) > 0 {
				return nil // what could be read is good, but nothing to keep
			}
			return err
		}
		if record.kind != q.kind || !strings.EqualFold(record.owner, owner) || len(r.addrs) == maxAddresses {
			continue
		}
		addr, ok := netip.AddrFromSlice(record.data)
		if !ok || addr.Is4() != (q.kind == dns.TypeA) {
			return errMalformed
		}
		r.addrs = append(r.addrs, addr.Unmap())
		r.seconds = min(r.seconds, record.seconds)
	}
	if len(r.addrs) == 0 {
		r.seconds = min(r.seconds, negative)
	}
	if r.truncated {
		r.seconds = 0
	}
	return nil
}

// follow returns where the aliases of name end, and the least of their times.
// Aliases that lead in a circle end nowhere; no record has that owner.
func follow(all records, answers int, name string) (owner string, least uint32, err error) {
	type alias struct {
		to      string
		seconds uint32
	}
	var aliases map[string]alias
	for range answers {
		record, err := all.next()
		if err != nil {
			break // the addresses before it may still be of use
		}
		if record.kind != dns.TypeCNAME {
			continue
		}
		to, _, err := dns.UnpackDomainName(all.raw, record.dataAt)
		if err != nil {
			return "", 0, errMalformed
		}
		if aliases == nil {
			aliases = make(map[string]alias)
		}
		if len(aliases) == maxAliases {
			return "", 0, errAliases
		}
		aliases[strings.ToLower(record.owner)] = alias{to, record.seconds}
	}
	owner, least = name, ^uint32(0)
	for range len(aliases) + 1 {
		next, ok := aliases[strings.ToLower(owner)]
		if !ok {
			return owner, least, nil
		}
		owner, least = next.to, min(least, next.seconds)
	}
	return "", 0, nil
}

// records reads the records of a message in their order.
type records struct {
	raw []byte
	at  int
}

type record struct {
	owner   string
	kind    uint16
	seconds uint32 // TTL
	rawTTL  uint32 // which has another meaning in OPT
	data    []byte
	dataAt  int
}

func (r *records) next() (record, error) {
	owner, at, err := dns.UnpackDomainName(r.raw, r.at)
	if err != nil || len(r.raw) < at+recordHeader {
		return record{}, errMalformed
	}
	head := r.raw[at:]
	found := record{
		owner: owner, kind: binary.BigEndian.Uint16(head),
		rawTTL: binary.BigEndian.Uint32(head[4:]), dataAt: at + recordHeader,
	}
	end := found.dataAt + int(binary.BigEndian.Uint16(head[8:]))
	if len(r.raw) < end {
		return record{}, errMalformed
	}
	found.data, r.at = r.raw[found.dataAt:end], end
	found.seconds = seconds(found.rawTTL)
	return found, nil
}

// trailer reads the authority and additional sections behind the answers: how
// long a missing address may be kept (0 without an SOA), and the upper bits of
// the code.
func (r records) trailer(answers int) (negative uint32, extended int) {
	authorities := answers + int(binary.BigEndian.Uint16(r.raw[8:]))
	additionals := authorities + int(binary.BigEndian.Uint16(r.raw[10:]))
	for i := range additionals {
		record, err := r.next()
		switch {
		case err != nil:
			return negative, extended
		case i < answers:
		case i < authorities:
			if record.kind == dns.TypeSOA && len(record.data) >= 4 {
				negative = min(record.seconds, seconds(binary.BigEndian.Uint32(record.data[len(record.data)-4:])))
			}
		case record.kind == dns.TypeOPT:
			extended = int(record.rawTTL >> 24)
		}
	}
	return negative, extended
}

// seconds reads a TTL: beyond 31 bits it counts as zero (RFC 2181, section 8).
func seconds(ttl uint32) uint32 {
	if ttl >= 1<<31 {
		return 0
	}
	return ttl
}
