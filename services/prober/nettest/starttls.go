package nettest

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

const (
	// dialogueLimit bounds what a service may say before TLS, in bytes.
	dialogueLimit = 64 << 10
	// dialogueLine bounds a line or a packet of it.
	dialogueLine = 4096
)

// startTLSPorts are where StartTLSAuto upgrades, and how. Any other port is
// taken to speak TLS from the first byte.
var startTLSPorts = map[uint16]StartTLS{
	5432: StartTLSPostgres, 3306: StartTLSMySQL, 25: StartTLSSMTP, 587: StartTLSSMTP,
	143: StartTLSIMAP, 110: StartTLSPOP3, 389: StartTLSLDAP,
}

// startTLSDialogues are what is said until a service agrees to TLS. Each returns
// how the service greeted, if it does.
var startTLSDialogues = map[StartTLS]func(*dialogue) (string, error){
	StartTLSPostgres: (*dialogue).postgres,
	StartTLSMySQL:    (*dialogue).mysql,
	StartTLSSMTP:     (*dialogue).smtp,
	StartTLSIMAP:     (*dialogue).imap,
	StartTLSPOP3:     (*dialogue).pop3,
	StartTLSLDAP:     (*dialogue).ldap,
}

// on resolves auto and the empty value; StartTLSNone is TLS from the first byte.
func (s StartTLS) on(port uint16) StartTLS {
	if s == StartTLSAuto {
		s = startTLSPorts[port]
	}
	if s == "" {
		s = StartTLSNone
	}
	return s
}

// check says what is wrong with the setting; empty if nothing is.
func (s StartTLS) check() string {
	if _, ok := startTLSDialogues[s]; ok || s == "" || s == StartTLSNone || s == StartTLSAuto {
		return ""
	}
	return `must be "none", "auto", "postgres", "mysql", "smtp", "imap", "pop3" or "ldap"`
}

// negotiate speaks the service's protocol on conn until the service agrees to
// TLS; the next byte of either side belongs to the handshake. A service that
// refuses, or that speaks something else, is a protocolError; conn's own errors
// are passed on.
//
// What comes in plain text after the service has agreed is an error too: it may
// have been put there by somebody on the way, to be believed as if it had come
// under TLS.
func (s StartTLS) negotiate(conn io.ReadWriter) (greeting string, err error) {
	bounded := &io.LimitedReader{R: conn, N: dialogueLimit}
	d := &dialogue{w: conn, r: bufio.NewReaderSize(bounded, dialogueLine)}
	greeting, err = startTLSDialogues[s](d)
	switch {
	case err == nil && d.r.Buffered() > 0:
		err = protocolError("it sent data in plain text after it had agreed to TLS")
	case err != nil && bounded.N <= 0:
		err = protocolError("it said more than 64 KiB before TLS")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = protocolError("it closed the connection before it had agreed to TLS")
	}
	return printable(greeting, bannerLimit), err
}

// dialogue is the plain part of a connection.
type dialogue struct {
	w io.Writer
	r *bufio.Reader
}

func (d *dialogue) say(text string) error {
	_, err := io.WriteString(d.w, text)
	return err
}

// line reads a line without its end, which may lack the CR. It is valid until
// the next one is read.
func (d *dialogue) line() (string, error) {
	raw, err := d.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", protocolError("it sent a line longer than 4096 bytes")
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(raw[:len(raw)-1]), "\r"), nil
}

// packet reads exactly n bytes, which must be within the limit of a packet.
func (d *dialogue) packet(n int) ([]byte, error) {
	raw := make([]byte, n)
	_, err := io.ReadFull(d.r, raw)
	return raw, err
}

// refused is the error of a service that understood and said no.
func refused(answer string) error {
	return protocolError("it refused TLS: " + printable(answer, 200))
}

// foreign is the error of a service that speaks another protocol.
func foreign(protocol string) error {
	return protocolError("what answers does not speak " + protocol)
}

// notOffered is the error of a service whose list of abilities lacks TLS.
const notOffered = protocolError("it does not offer STARTTLS: switch it on, and check that nothing on the way removes the offer")
