package nettest

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// line is an open connection, with TLS on it or not.
type line struct {
	*handshake // nil without TLS
	tcp        tcpConn
	secured    *tls.Conn
	greeting   string // what the service said before TLS
	unguard    func() bool
}

// openLine resolves c.at, connects and, if o is given, makes the connection
// secure, after the dialogue of s. It takes a second connection if the server
// knows none of FastCurves.
func (c *check) openLine(v IPVersion, o *TLSOptions, s StartTLS) (line, *failure) {
	for again := false; ; again = true {
		tcp, failed := c.open(v)
		if failed != nil {
			return line{}, failed
		}
		l := line{tcp: tcp}
		if o == nil {
			return l, nil
		}
		l.unguard = c.guard(tcp)
		if failed = c.secureLine(&l, *o, s.on(c.at.port)); failed == nil {
			return l, nil
		}
		c.watch.stop()
		l.close(false)
		if again || !wantsOtherCurves(failed) {
			return line{}, failed
		}
	}
}

func (c *check) secureLine(l *line, o TLSOptions, s StartTLS) *failure {
	c.watch.enter(slotTLS)
	if s != StartTLSNone {
		var err error
		if l.greeting, err = s.negotiate(l.tcp); err != nil {
			return &failure{phase: PhaseTLS, err: err}
		}
	}
	l.handshake = c.newHandshake(nil, o, c.at.host)
	var failed *failure
	l.secured, failed = l.run(l.tcp, nil)
	return failed
}

// conn is what data goes over.
func (l *line) conn() net.Conn {
	if l.secured != nil {
		return l.secured
	}
	return l.tcp
}

// close ends the connection, saying goodbye within TLS if asked to. Not more
// than a few bytes are waiting to be sent then, so that this does not wait for
// the peer.
func (l *line) close(politely bool) {
	if l.unguard != nil {
		l.unguard()
	}
	if politely && l.secured != nil {
		_ = l.secured.Close()
	}
	_ = l.tcp.Close()
}

const (
	// settlePatience bounds how long a server that asked for a client certificate
	// is listened to after the handshake.
	settlePatience = time.Second
	// settleWork is what it may need beside the way there and back.
	settleWork = 250 * time.Millisecond
)

// settle finds out whether the peer accepted what it asked for. In TLS 1.3 the
// client's part of the handshake is over before the server has seen its
// certificate; the alert that refuses it comes afterwards. Only a server that
// asked for one is waited for. It is told that nothing more will come, which
// makes one that is content hang up at once; one that says nothing is content.
func (l *line) settle() *failure {
	if l.secured == nil || !l.asked || l.secured.ConnectionState().Version != tls.VersionTLS13 {
		return nil
	}
	if err := l.secured.CloseWrite(); err != nil {
		return nil // it has hung up; what it said may still be there, but does not come through
	}
	patience := time.Now().Add(min(settlePatience, settleWork+2*l.watch.spent[slotConnect]))
	if l.deadline.Before(patience) {
		patience = l.deadline
	}
	_ = l.tcp.SetReadDeadline(patience)
	if l.ctx.Err() == context.Canceled { // its signal may just have been overwritten
		return &failure{phase: PhaseTLS, err: context.Canceled}
	}
	_, err := l.secured.Read(make([]byte, 1))
	switch _, refused := alertOf(err); {
	case l.ctx.Err() == context.Canceled:
		return &failure{phase: PhaseTLS, err: context.Canceled}
	case refused:
		return l.failed(err)
	default:
		return nil
	}
}
