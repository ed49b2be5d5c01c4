package nettest

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// Numbers of SOCKS5 (RFC 1928 and 1929).
const (
	socksVersion   = 5
	socksNoAuth    = 0
	socksPassword  = 2
	socksConnect   = 1
	socksIPv4      = 1
	socksName      = 3
	socksIPv6      = 4
	socksLoginTask = 1 // the version of the negotiation of RFC 1929
)

// socksReplies are the replies other than success.
var socksReplies = map[byte]struct {
	typ  ErrorType
	text string
}{
	1: {ErrProxy, "general failure"},
	2: {ErrProxy, "its rules do not allow the connection"},
	3: {ErrNetworkUnreachable, "network unreachable"},
	4: {ErrHostUnreachable, "host unreachable"},
	5: {ErrConnectionRefused, "connection refused"},
	6: {ErrHostUnreachable, "TTL expired"},
	7: {ErrProxy, "it does not know the command"},
	8: {ErrProxy, "it does not know the type of address"},
}

// tunnelSOCKS asks a SOCKS5 proxy for a connection to a name, which the proxy
// resolves, or an address. It reads no byte beyond the reply.
func (r *httpRun) tunnelSOCKS(conn net.Conn, to target) *failure {
	if err := r.socksLogin(conn); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = protocolError("it closed the connection during the SOCKS greeting")
		}
		return r.proxyFailed(&failure{phase: PhaseConnect, err: err})
	}
	request := []byte{socksVersion, socksConnect, 0}
	switch addr := to.addr; {
	case !addr.IsValid():
		request = append(request, socksName, byte(len(to.host)))
		request = append(request, to.host...)
	case addr.Is4():
		request = append(append(request, socksIPv4), addr.AsSlice()...)
	default:
		request = append(append(request, socksIPv6), addr.AsSlice()...)
	}
	request = append(request, byte(to.port>>8), byte(to.port))
	if _, err := conn.Write(request); err != nil {
		return r.proxyFailed(&failure{phase: PhaseConnect, err: err})
	}
	code, err := readSOCKSReply(conn)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	switch {
	case err != nil:
		return r.proxySilent(err, to)
	case code == 0:
		return nil
	}
	reply, known := socksReplies[code]
	if !known {
		reply.typ, reply.text = ErrProxy, "a reply without a meaning"
	}
	if reply.typ == ErrProxy {
		return &failure{phase: PhaseConnect, typ: ErrProxy, detail: fmt.Sprintf("SOCKS reply %d: %s", code, reply.text)}
	}
	r.at, r.via = to, r.proxy.to.String()
	return &failure{phase: PhaseConnect, typ: reply.typ, detail: fmt.Sprintf("the proxy says: %s", reply.text)}
}

func (r *httpRun) socksLogin(conn io.ReadWriter) error {
	greeting := []byte{socksVersion, 1, socksNoAuth}
	if r.proxy.username != "" {
		greeting = []byte{socksVersion, 2, socksNoAuth, socksPassword}
	}
	if _, err := conn.Write(greeting); err != nil {
		return err
	}
	var answer [2]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	switch {
	case answer[0] != socksVersion:
		return protocolError("it does not speak SOCKS5")
	case answer[1] == socksNoAuth:
		return nil
	case answer[1] == 0xff && r.proxy.username == "":
		return protocolError("it asks for a user name and password")
	case answer[1] != socksPassword || r.proxy.username == "":
		return protocolError("it accepts no way of logging in that we offered")
	}
	login := []byte{socksLoginTask, byte(len(r.proxy.username))}
	login = append(login, r.proxy.username...)
	login = append(login, byte(len(r.proxy.password)))
	login = append(login, r.proxy.password...)
	if _, err := conn.Write(login); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return protocolError("it does not accept the user name and password")
	}
	return nil
}

// readSOCKSReply returns the reply's code and passes over the address.
func readSOCKSReply(conn io.Reader) (byte, error) {
	var head [5]byte // up to the address's first byte
	if _, err := io.ReadFull(conn, head[:2]); err != nil {
		return 0, err
	}
	if head[0] != socksVersion {
		return 0, protocolError("its reply is not SOCKS5")
	}
	if head[1] != 0 {
		return head[1], nil // what else it says does not matter
	}
	if _, err := io.ReadFull(conn, head[2:]); err != nil {
		return 0, err
	}
	rest := 0
	switch head[3] {
	case socksIPv4:
		rest = 4 - 1 + 2
	case socksIPv6:
		rest = 16 - 1 + 2
	case socksName:
		rest = int(head[4]) + 2
	default:
		return 0, protocolError("its reply has an unknown type of address")
	}
	_, err := io.ReadFull(conn, make([]byte, rest))
	return 0, err
}
