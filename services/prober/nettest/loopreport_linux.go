//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"context"
	"time"
)

// report is the one result that the loop fills again and again, with the check
// whose methods judge it.
type report struct {
	result TestResult
	tries  []AddressAttempt
	check  check
	wall   time.Time // a moment by the wall clock
	mono   int64     // the same by the loop's
}

func (r *report) init(l *nativeLoop) {
	r.check.network, r.check.ctx, r.check.cancel = l.network, l.ctx, func() {}
	r.check.result = &r.result
	r.wall, r.mono = l.base, 0
}

// setClock reads the wall clock, which may have been set since.
func (r *report) setClock(base time.Time) {
	r.wall = time.Now()
	r.mono = int64(r.wall.Sub(base))
}

func (r *report) moment(at int64) time.Time { return r.wall.Add(time.Duration(at - r.mono)) }

// won ends an attempt's flight as connected.
func (l *nativeLoop) won(s int32, end int64) {
	l.hangUp(s, false)
	sock := l.socks.at(s)
	sock.took = end - sock.began
	flight := &l.flights.list[sock.flight]
	for other := flight.first; other >= 0; other = l.socks.at(other).next {
		if l.socks.at(other).fd >= 0 {
			l.hangUp(other, true)
			loser := l.socks.at(other)
			loser.took, loser.typ = max(end-loser.began, 0), cutShort
		}
	}
	l.report.result.ResolvedIP = flight.addrs[sock.index]
	l.conclude(sock.flight, end, nil)
}

// fail records that an attempt has ended without a connection.
func (l *nativeLoop) fail(s int32, err error, now int64) {
	sock := l.socks.at(s)
	flight := &l.flights.list[sock.flight]
	a := attempt{addr: flight.addrs[sock.index], err: err, index: int(sock.index)}
	sock.took, sock.typ = now-sock.began, a.errorType()
	flight.open--
	flight.worstAt = now
	if flight.worst.err == nil || a.saysMore(flight.worst) {
		flight.worst = a
	}
}

// lost ends a flight none of whose attempts succeeded.
func (l *nativeLoop) lost(f int32) {
	flight := &l.flights.list[f]
	l.report.result.ResolvedIP = flight.worst.addr
	l.conclude(f, flight.worstAt, &failure{phase: PhaseConnect, err: flight.worst.err})
}

// abandon ends a flight because the loop is closed.
func (l *nativeLoop) abandon(f int32) {
	now := l.clock()
	flight := &l.flights.list[f]
	for s := flight.first; s >= 0; s = l.socks.at(s).next {
		if l.socks.at(s).fd >= 0 {
			l.hangUp(s, true)
			l.fail(s, l.wrap(s, context.Canceled), now)
		}
	}
	l.lost(f)
}

// conclude reports a flight whose address is set, and frees its place.
func (l *nativeLoop) conclude(f int32, end int64, failed *failure) {
	fl := &l.flights.list[f]
	run, check := fl.run, fl.run.Check
	r, c := &l.report, &l.report.check
	began := r.moment(fl.began)
	r.result = TestResult{
		Timestamp: began.UTC(), EndpointID: check.config.Name, Protocol: ProtocolTCP, Attempt: 1,
		ResolvedIP: r.result.ResolvedIP, Port: check.at.port, DNSCached: fl.named,
	}
	r.tries = r.tries[:0]
	for s := fl.first; s >= 0; {
		sock := l.socks.at(s)
		r.tries = append(r.tries, AddressAttempt{
			Addr: fl.addrs[sock.index], Duration: time.Duration(sock.took), ErrorType: sock.typ,
		})
		l.socks.free = append(l.socks.free, s)
		s = sock.next
	}
	r.result.Addresses = r.tries

	c.at, c.timeout, c.deadline = check.at, check.timeout, r.moment(fl.deadline)
	c.watch = stopwatch{}
	c.watch.start(began)
	if fl.named {
		c.watch.enterAt(slotDNS, began)
	}
	c.watch.enterAt(slotConnect, r.moment(fl.dialed))
	c.watch.enterAt(slotNone, r.moment(end))

	l.wakes.remove(f)
	l.flights.list[f] = flight{}
	l.flights.free = append(l.flights.free, f)

	if failed == nil {
		failed = c.expect(check.expect)
	}
	result, err := c.finish(failed)
	run.Sink.Done(run.Tag, result, err)
}
