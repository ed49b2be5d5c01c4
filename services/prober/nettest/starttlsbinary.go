package nettest

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// postgresRequest asks for TLS: length 8 and the code 80877103.
const postgresRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

// postgres is the SSLRequest of the frontend/backend protocol, which one byte answers.
func (d *dialogue) postgres() (string, error) {
	if err := d.say(postgresRequest); err != nil {
		return "", err
	}
	answer, err := d.r.ReadByte()
	switch {
	case err != nil:
		return "", err
	case answer == 'S':
		return "", nil
	case answer == 'N':
		return "", protocolError("it refused TLS: check ssl in postgresql.conf")
	case answer == 'E':
		return "", protocolError("it answered the request for TLS with an error")
	default:
		return "", foreign("PostgreSQL")
	}
}

// Capabilities of the MySQL protocol.
const (
	mysqlProtocol41 = 1 << 9
	mysqlSSL        = 1 << 11
	mysqlSecure     = 1 << 15
)

// mysqlRequest is the SSLRequest packet: length 32, number 1; capabilities, the
// largest packet, character set utf8mb4, 23 zero bytes.
var mysqlRequest = func() string {
	b := []byte{32, 0, 0, 1}
	b = binary.LittleEndian.AppendUint32(b, mysqlProtocol41|mysqlSSL|mysqlSecure)
	b = binary.LittleEndian.AppendUint32(b, 1<<24)
	b = append(b, 45)
	return string(append(b, make([]byte, 23)...))
}()

// mysql reads the server's greeting and answers that TLS begins.
func (d *dialogue) mysql() (string, error) {
	head, err := d.packet(4)
	if err != nil {
		return "", err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n == 0 || n > dialogueLine || head[3] > 1 {
		return "", foreign("MySQL")
	}
	payload, err := d.packet(n)
	if err != nil {
		return "", err
	}
	version, offers, err := mysqlGreeting(payload)
	switch {
	case err != nil:
		return "", err
	case head[3] != 0:
		return "", foreign("MySQL")
	case !offers:
		return "", protocolError("it does not offer TLS: check ssl_cert and ssl_key of the server")
	case d.r.Buffered() > 0: // the server waits for us now
		return "", foreign("MySQL")
	}
	return version, d.say(mysqlRequest)
}

// mysqlGreeting reads the payload of the first packet: protocol 10 or an error.
func mysqlGreeting(p []byte) (version string, offersTLS bool, err error) {
	switch {
	case p[0] == 0xff && len(p) >= 3:
		text := p[3:]
		if len(text) >= 6 && text[0] == '#' {
			text = text[6:]
		}
		return "", false, refused("error " + strconv.Itoa(int(binary.LittleEndian.Uint16(p[1:]))) + " " + string(text))
	case p[0] != 10:
		return "", false, foreign("MySQL")
	}
	raw, rest, ok := bytes.Cut(p[1:], []byte{0})
	// After the version: thread 4, challenge 8, zero 1, capabilities 2.
	if !ok || len(rest) < 15 || rest[12] != 0 {
		return "", false, foreign("MySQL")
	}
	return string(raw), binary.LittleEndian.Uint16(rest[13:])&mysqlSSL != 0, nil
}

// ldapRequest is RFC 4511, section 4.14: an extended request, number 1, with the
// name of StartTLS.
const ldapRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

// Tags of LDAP's messages.
const (
	berInteger      = 0x02
	berOctets       = 0x04
	berEnumerated   = 0x0a
	berSequence     = 0x30
	ldapExtResponse = 0x78
)

// ldapResults are the result codes that servers give to StartTLS.
var ldapResults = map[int]string{
	1: "operationsError: TLS may be on already", 2: "protocolError: TLS is not supported", 8: "strongerAuthRequired",
	10: "referral", 13: "confidentialityRequired", 51: "busy", 52: "unavailable: TLS is not set up", 53: "unwillingToPerform", 80: "other",
}

// ldap asks for StartTLS and reads the response.
func (d *dialogue) ldap() (string, error) {
	if err := d.say(ldapRequest); err != nil {
		return "", err
	}
	message, err := d.berMessage()
	if err != nil {
		return "", err
	}
	id, code, text, ok := ldapResponse(message)
	switch {
	case !ok || id != 1 && id != 0:
		return "", foreign("LDAP")
	case code == 0 && id == 1:
		return "", nil
	case id == 0: // a notice that it hangs up
		return "", refused("it disconnects: " + text)
	}
	name := ldapResults[code]
	if name == "" {
		name = "result code " + strconv.Itoa(code)
	}
	if text != "" {
		name += ", " + text
	}
	return "", refused(name)
}

// berMessage reads one SEQUENCE and returns its content.
func (d *dialogue) berMessage() ([]byte, error) {
	// Tag, length and at most four bytes of a long length.
	head := make([]byte, 0, 6)
	for len(head) < 2 || head[1] > 0x80 && len(head) < 2+int(head[1]-0x80) {
		b, err := d.r.ReadByte()
		if err != nil {
			return nil, err
		}
		head = append(head, b)
		if head[0] != berSequence || len(head) == 2 && (b == 0x80 || b > 0x84) {
			return nil, foreign("LDAP")
		}
	}
	n, _, ok := berLength(head[1:])
	if !ok || n > dialogueLine {
		return nil, foreign("LDAP")
	}
	return d.packet(n)
}

// berLength reads a definite length (LDAP allows no other) of at most four bytes.
// BER lets it have leading zeros, which Active Directory makes use of.
func berLength(b []byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	if b[0] < 0x80 {
		return int(b[0]), b[1:], true
	}
	count := int(b[0] - 0x80)
	if count == 0 || count > 4 || len(b) < 1+count {
		return 0, nil, false
	}
	var long uint32
	for _, c := range b[1 : 1+count] {
		long = long<<8 | uint32(c)
	}
	return int(long & 0xffff), b[1+count:], long <= dialogueLine
}

// berElement takes the element with the tag off the beginning of b.
func berElement(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != tag {
		return nil, nil, false
	}
	n, rest, ok := berLength(b[1:])
	if !ok || n > len(rest) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// berNumber is the value of a short INTEGER or ENUMERATED that is not negative.
func berNumber(content []byte) (int, bool) {
	if len(content) == 0 || len(content) > 4 || content[0] >= 0x80 {
		return 0, false
	}
	n := 0
	for _, c := range content {
		n = n<<8 | int(c)
	}
	return n, true
}

// ldapResponse reads the content of a message with an extended response. What
// may follow the diagnostic text (referral, name, value, controls) is not needed,
// but must be well formed.
func ldapResponse(message []byte) (id, code int, text string, ok bool) {
	number, rest, ok := berElement(message, berInteger)
	if !ok {
		return 0, 0, "", false
	}
	if id, ok = berNumber(number); !ok {
		return 0, 0, "", false
	}
	response, controls, ok := berElement(rest, ldapExtResponse)
	if !ok || !wellFormed(controls) {
		return 0, 0, "", false
	}
	result, rest, ok := berElement(response, berEnumerated)
	if !ok {
		return 0, 0, "", false
	}
	if code, ok = berNumber(result); !ok {
		return 0, 0, "", false
	}
	if _, rest, ok = berElement(rest, berOctets); !ok { // the matched name
		return 0, 0, "", false
	}
	diagnostic, rest, ok := berElement(rest, berOctets)
	return id, code, string(diagnostic), ok && wellFormed(rest)
}

// wellFormed reports whether b is a run of whole elements.
func wellFormed(b []byte) bool {
	for len(b) > 0 {
		_, rest, ok := berElement(b, b[0])
		if !ok {
			return false
		}
		b = rest
	}
	return true
}
