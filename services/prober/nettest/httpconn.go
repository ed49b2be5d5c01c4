package nettest

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// watchedConn remembers how its reading ended, because what is stacked upon it
// does not always pass that on, and bounds what is read. Closing it never waits
// for the peer, as closing a tls.Conn may.
type watchedConn struct {
	net.Conn
	raw      tcpConn
	deadline time.Time
	secure   bool
	h2       bool
	fail     atomic.Pointer[error]
	// Of HTTP/2, whose frames are read by a library: how the peer's words begin,
	// whether that is HTTP/1, and how many bytes it may still send.
	start []byte
	http1 atomic.Bool
	left  atomic.Int64
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.h2 {
		if room := len(magic) - len(c.start); room > 0 {
			c.start = append(c.start, p[:min(n, room)]...)
			c.http1.Store(bytes.Equal(c.start, magic))
		}
		if err == nil && c.left.Add(-int64(n)) < 0 {
			n, err = 0, protocolError("it sends frames without end")
		}
	}
	if err != nil {
		if c.secure && !errors.Is(err, net.ErrClosed) && classify(PhaseHeaders, err) == ErrInternal {
			err = &brokenTLSError{err}
		}
		kept := err // a variable that only failures need memory for
		c.fail.CompareAndSwap(nil, &kept)
	}
	return n, err
}

// brokenTLSError is a breach of TLS after the handshake, such as new keys without
// end, for which crypto/tls has no type.
type brokenTLSError struct{ err error }

func (e *brokenTLSError) Error() string { return e.err.Error() }
func (e *brokenTLSError) Unwrap() error { return e.err }

// isTLSBreach reports whether it was TLS that failed while HTTP was spoken.
func isTLSBreach(err error) bool {
	var broken *brokenTLSError
	return isTLSAlert(err) || errors.As(err, &broken)
}

// failed returns the error that ended reading; nil if none did.
func (c *watchedConn) failed() error {
	if err := c.fail.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *watchedConn) Close() error { return c.raw.Close() }
