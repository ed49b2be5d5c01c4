package nettest

import (
	"errors"
	"net/netip"
	"time"
)

// ErrNotPlain is what Prepare returns for a check that does more than connect:
// one that sends, reads or speaks TLS. TCPTest runs it.
var ErrNotPlain = errors.New("the check does more than connect")

// TCPLoop runs TCP checks that only connect, thousands at once, and gives the
// same results as TCPTest. On Linux it drives non-blocking sockets itself, with
// one goroutine for all of them; elsewhere, and with LoopOptions.Portable, each
// running check is a goroutine of its own with a net.Dialer.
//
// # Times
//
// On Linux the end of a connect is the moment at which the kernel had finished
// the handshake, not the one at which the loop noticed: the round trip that the
// kernel measured for SYN and SYN-ACK (tcpi_rtt) is added to the moment at which
// connect returned to the loop. What is reported is never longer than what the
// loop saw, and longer than the truth by no more than the system call connect
// itself took, some microseconds. If a SYN had to be repeated, the kernel knows
// the round trip no more; then the arrival of the last acknowledgement counts,
// which it keeps in ticks of 1 to 10 ms. So a loop that is kept waiting reports
// no slow target, and a handshake that ended before the check's deadline is a
// success, whenever it is noticed. The end of an attempt that failed is the
// moment at which it was noticed, at most some 2 ms late.
//
// # What goes another way
//
// A name whose addresses are not in the Network's cache, and an address with a
// zone, are run by TCPTest in a goroutine. There are never more than 256 of those
// at once, and as many again of checks that bring name servers of their own, so
// that the silence of somebody's servers holds up nobody else.
//
// # Bounds
//
// No more than LoopOptions.MaxInFlight connections are open at once. A run that
// finds none free waits for up to a second, and so does one that needs a
// goroutine; its time begins when its turn comes. Then it ends as ErrOverload.
// A run whose destination, an address and port, has as many connections open as
// there are local ports ends as ErrOverload at once, as one does for which the
// kernel finds no port.
//
// Connections are closed in order (FIN), which leaves a local port in TIME_WAIT
// for a minute. When half of all local ports may be in that state towards one
// destination, which takes more than 200 checks of it per second, further
// connections to it are reset instead, as with LoopOptions.Reset.
type TCPLoop struct {
	network *Network
	engine  loopEngine
}

// LoopOptions adjust a TCPLoop; the zero value is right for a prober.
type LoopOptions struct {
	// Portable runs each check in a goroutine, as on other systems than Linux.
	Portable bool
	// Reset closes with RST instead of FIN: it costs a tenth less and leaves no
	// TIME_WAIT, but may show up in the target's log.
	Reset bool
	// MaxInFlight bounds the connections that are open at once. 0 means half of the
	// descriptors that the process may open, 65,536 at most; with Portable 1,024.
	MaxInFlight int
}

// TCPCheck is a check that Prepare has parsed. It belongs to the loop that
// prepared it, and may be run again and again, several times at once too.
type TCPCheck struct {
	config  TestConfig // as given, for TCPTest
	at      target
	version IPVersion
	timeout time.Duration
	expect  func(*TestResult) []string

	plain plainCheck // the engine's own
}

// TCPRun is one run of a check.
type TCPRun struct {
	Check *TCPCheck
	// Tag is handed to the sink unchanged.
	Tag uint64
	// Sink gets the result; it must not be nil.
	Sink LoopSink
}

// LoopSink takes results.
type LoopSink interface {
	// Done is called exactly once for each run, from any goroutine, possibly before
	// Start has returned. It must not block and must not call Close; it may call
	// Start. r is complete as TCPTest.Execute's and valid only during the call,
	// what r refers to included; err is nil exactly for a success, else a
	// *CheckError, which may be kept.
	Done(tag uint64, r *TestResult, err error)
}

// loopEngine is one way of running checks.
type loopEngine interface {
	start(runs []TCPRun)
	close() error
}

// NewTCPLoop starts a loop; n may be nil, as for TCPTest. It fails if the process
// may open no more descriptors. Close ends it.
func NewTCPLoop(n *Network, o LoopOptions) (*TCPLoop, error) {
	l := &TCPLoop{network: n.orShared()}
	if o.Portable {
		l.engine = newPortableLoop(l.network, o)
		return l, nil
	}
	engine, err := newNativeLoop(l.network, o)
	if err != nil {
		return nil, err
	}
	l.engine = engine
	return l, nil
}

// Prepare parses a configuration once for many runs. The error is a *ConfigError
// as of TCPTest.Validate, or ErrNotPlain.
func (l *TCPLoop) Prepare(config TestConfig) (*TCPCheck, error) {
	to, own, err := parseTCP(config)
	if err != nil {
		return nil, err
	}
	if !own.onlyConnects() {
		return nil, ErrNotPlain
	}
	c := &TCPCheck{
		config: config, at: to, version: own.IPVersion, timeout: timeoutOf(config), expect: own.Expect,
	}
	if to.addr.IsValid() {
		c.plain.prepare(netip.AddrPortFrom(to.addr, to.port))
	}
	return c, nil
}

// Start runs checks. It does not wait for their ends, but on Linux it does the
// work of opening their connections itself, about 10 µs each: give it what is
// due in the present millisecond or two, not a whole fleet, if the caller has
// other things to do. After Close every run ends as cancelled.
func (l *TCPLoop) Start(runs []TCPRun) { l.engine.start(runs) }

// Close ends what is in flight or waiting as cancelled and returns when nothing
// is left: no connection, no descriptor, no goroutine.
func (l *TCPLoop) Close() error { return l.engine.close() }
