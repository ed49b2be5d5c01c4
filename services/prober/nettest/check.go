package nettest

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// stallLimit is how late the end of the time may be noticed before the lateness
// itself is the finding: a process that was suspended or starved cannot say that
// the target was slow.
const stallLimit = 500 * time.Millisecond

// check is one run of a test: its clock, its deadline and the result it fills.
type check struct {
	network  *Network
	names    *names
	ctx      context.Context
	cancel   context.CancelFunc
	timeout  time.Duration
	deadline time.Time
	watch    stopwatch
	result   *TestResult
	at       target // what messages name: the hop being worked on
	plain    bool   // only connects; see Network.reach
	via      string // the proxy through which at is reached; empty without one
}

// begin starts the clock.
func begin(ctx context.Context, network *Network, config TestConfig, protocol string) *check {
	now := time.Now()
	c := &check{
		network: network.orShared(),
		timeout: timeoutOf(config),
		result: &TestResult{
			Timestamp: now.UTC(), EndpointID: config.Name, Protocol: protocol, Attempt: 1,
		},
	}
	c.names = c.network.namesFor(config.DNS)
	c.deadline = now.Add(c.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(c.deadline) {
		c.deadline, c.timeout = d, max(d.Sub(now), 0)
	}
	own := newDeadlineContext(ctx, c.deadline)
	c.ctx, c.cancel = own, own.end
	c.watch.start(now)
	return c
}

// refuse is the result of a configuration that cannot be run.
func refuse(config TestConfig, protocol string, err error) (*TestResult, error) {
	return unrun(config, protocol, "The configuration cannot be run: "+err.Error(), err)
}

// tooLate is the result of a check whose caller had no time left for it.
func tooLate(config TestConfig, protocol string, err error) (*TestResult, error) {
	return unrun(config, protocol, "The check was cancelled before it began", err)
}

func unrun(config TestConfig, protocol, text string, err error) (*TestResult, error) {
	return &TestResult{
		Timestamp: time.Now().UTC(), EndpointID: config.Name, Protocol: protocol, Attempt: 1,
		Status: StatusError, ErrorType: ErrInternal, Error: text,
	}, &CheckError{Type: ErrInternal, Message: text, Err: err}
}

// open resolves c.at and connects. The connection's own time is set to the
// check's deadline; it also ends when the check's context does.
func (c *check) open(v IPVersion) (tcpConn, *failure) {
	var a attempt
	to := c.at
	// What an earlier hop connected to is not what failed if this one's name does.
	c.result.Port, c.result.ResolvedIP = to.port, netip.Addr{}
	if to.addr.IsValid() {
		c.watch.enter(slotConnect)
		a = c.network.attempt(c.ctx, to.addr, to.port, c.plain)
		c.result.Addresses = append(c.result.Addresses, a.entry())
	} else {
		ctx, cancel := context.WithCancel(c.ctx)
		defer cancel()
		first := !c.watch.seen[slotDNS]
		found, failed := c.resolve(ctx, v)
		if failed == nil {
			c.watch.enter(slotConnect)
			a = c.network.reach(ctx, found.addrs, found.late, to.port, c.plain)
			c.result.Addresses = append(c.result.Addresses, a.tried...)
			if !a.addr.IsValid() && len(found.addrs) > 0 { // there was no time to try any
				a.addr = found.addrs[0]
			}
		}
		c.result.DNSCached = found.keptFor(a.addr) && (first || c.result.DNSCached) // of every hop
		if failed != nil {
			return nil, failed
		}
	}
	c.result.ResolvedIP = a.addr
	if a.err != nil {
		c.watch.stop()
		return nil, &failure{phase: PhaseConnect, err: a.err}
	}
	_ = a.conn.SetDeadline(c.deadline)
	return a.conn, nil
}

// guard closes the connection's time, which ends at the deadline, when the caller's
// context ends before that. The returned function ends the watch.
func (c *check) guard(conn net.Conn) (stop func() bool) {
	return context.AfterFunc(callerOf(c.ctx), func() { _ = conn.SetDeadline(longAgo) })
}

// finish completes the result. f is nil for a success.
func (c *check) finish(f *failure) (*TestResult, error) {
	c.watch.stop()
	defer c.cancel()
	r := c.result
	r.Phases = c.watch.phases()
	r.Latency = r.Phases.Total
	if r.Protocol == ProtocolTCP {
		r.Latency = r.Phases.DNS.Duration + r.Phases.Connect.Duration
	}
	if f == nil {
		r.Status = StatusSuccess
		return r, nil
	}
	c.judge(f)
	detail := f.detail
	if detail == "" {
		detail = detailOf(f.typ, f.err)
	}
	r.ErrorType = f.typ
	if f.phase == PhaseConnect {
		r.settleAttempt()
	}
	r.Status = f.typ.Status()
	r.FailedPhase = f.phase
	r.Error = message(f.typ, f.phase, c.place(f.phase), detail, c.timeout)
	if f.sentence != "" {
		r.Error = withDetail(f.sentence, detail)
	}
	return r, &CheckError{Type: f.typ, Phase: f.phase, Message: r.Error, Err: f.err}
}

// settleAttempt gives the attempt whose failure is reported the type that was
// settled on: only then is it known whose fault it was.
func (r *TestResult) settleAttempt() {
	for i := len(r.Addresses) - 1; i >= 0; i-- {
		if a := &r.Addresses[i]; a.Addr == r.ResolvedIP && a.ErrorType != "" {
			a.ErrorType = r.ErrorType
			return
		}
	}
}

// judge settles the type of a failure, with the observer's own state as a
// witness for the target.
func (c *check) judge(f *failure) {
	// A check that its caller cancelled says nothing, whatever it looked like when
	// it was cut off.
	if c.ctx.Err() == context.Canceled {
		f.typ, f.detail, f.err = ErrInternal, "it was cancelled", context.Canceled
		return
	}
	if f.typ == "" {
		f.typ = classify(f.phase, f.err)
	}
	if f.phase == PhaseConnect && lacksFamily(f.err) {
		c.judgeRoute(f)
	}
	if f.typ.Status() == StatusTimeout && c.watch.last.Sub(c.deadline) > stallLimit {
		f.typ, f.detail = ErrOverload, "it stood still while the check was running"
	}
	if f.typ == ErrCertificateInvalid && isUnknownAuthority(f.err) && noSystemRoots() {
		f.typ, f.detail = ErrInternal, "it has no trusted certificate authorities"
	}
}

// judgeRoute decides what a connection that found no route or no local address
// says: about the target only if this machine has the way that was missing.
func (c *check) judgeRoute(f *failure) {
	family, other := IPv4, IPv6
	if c.result.IPFamily() == string(IPv6) {
		family, other = IPv6, IPv4
	}
	switch {
	case hasRoute(family):
	case !hasRoute(other), family == IPv4:
		f.typ = ErrObserverOffline
	default:
		f.typ = ErrNoIPv6
	}
}

// place is what the message of a failure names.
func (c *check) place(phase Phase) string {
	switch {
	case phase == PhaseDNS:
		return c.at.host
	case c.via != "":
		return c.at.String() + " (through the proxy " + c.via + ")"
	case !c.at.addr.IsValid() && c.result.ResolvedIP.IsValid() && phase == PhaseConnect:
		return c.at.String() + " (" + c.result.ResolvedIP.String() + ")"
	default:
		return c.at.String()
	}
}
