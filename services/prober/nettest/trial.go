package nettest

import (
	"context"
	"errors"
	"time"
)

// trial is the lookup of one name for a check, up to the verdict on whose fault it
// is if that fails otherwise than by NXDOMAIN.
//
// A resolver is believed to work when it answers a question for a name that has
// nothing to do with this one; and only of the moment when it was asked. So no
// failure is held against the name unless the resolver has proved itself between
// two questions for the name: it failed, the resolver worked, it failed again. A
// question that stays unanswered has to be asked after one proof, and another has
// to follow while it is still waiting. What fails on one side of a proof only may
// be the resolver's trouble, as it came or went.
type trial struct {
	names    *names
	ctx      context.Context
	host     string
	family   IPVersion
	deadline time.Time

	answers chan tried
	running int // questions under way, at most two
	failed  bool
	last    tried

	heard   chan bool
	hearing bool
	proofs  int
	dead    bool      // it had its chance to prove itself
	halfway time.Time // when the second proof was due
}

// tried is what came of one question.
type tried struct {
	found resolved
	err   error
	typ   ErrorType
	after bool // asked after the first proof
}

// doubtful reports whether it is a question whose fault a failed lookup is.
func (a *tried) doubtful() bool {
	return a.err != nil && (a.typ == ErrDNSFailure || a.typ == ErrDNSTimeout) && !isDecided(a.err)
}

func isDecided(err error) bool {
	var decided *failure
	return errors.As(err, &decided)
}

// look resolves a name, within deadline, which is ctx's too. The type is that of
// the error.
func (n *names) look(ctx context.Context, host string, v IPVersion, deadline time.Time) (resolved, ErrorType, error) {
	if len(n.network.witnessNames()) == 0 {
		return n.lookUnproved(ctx, host, v)
	}
	t := &trial{
		names: n, ctx: ctx, host: host, family: v, deadline: deadline,
		answers: make(chan tried, 2), heard: make(chan bool, 3),
	}
	return t.run()
}

// lookUnproved has nothing but many names' failures to go by, or not even that for
// the servers that a check was given.
func (n *names) lookUnproved(ctx context.Context, host string, v IPVersion) (resolved, ErrorType, error) {
	a := tried{}
	a.found, a.err = n.lookup(ctx, host, v)
	a.typ = typeOfLookup(a.err)
	if a.doubtful() {
		n.health.Observe(host, false)
		if len(n.given) > 0 || n.health.Unavailable() {
			a.typ = ErrResolverUnavailable
		}
	}
	return a.found, a.typ, a.err
}

func typeOfLookup(err error) ErrorType {
	if err == nil {
		return ""
	}
	return classify(PhaseDNS, err)
}

func (t *trial) run() (resolved, ErrorType, error) {
	hearing, enough := context.WithCancel(t.ctx)
	defer enough()
	slow := time.NewTimer(ahead(min(time.Until(t.deadline)/4, witnessHeadStart)))
	defer slow.Stop()
	t.ask()
	for {
		select {
		case got := <-t.answers:
			t.running--
			if !got.doubtful() {
				return got.found, got.typ, got.err
			}
			if t.note(got) {
				return t.verdict()
			}
			if t.running == 0 && !t.hearing {
				t.hear(hearing)
			}
		case <-slow.C:
			if !t.hearing && !t.dead {
				t.hear(hearing)
			}
		case alive := <-t.heard:
			t.hearing = false
			if alive {
				t.proofs++
			} else {
				t.dead = true
			}
			switch {
			case alive && t.proofs == 1:
				rest := ahead(time.Until(t.deadline) / 2)
				t.halfway = time.Now().Add(rest)
				slow.Reset(rest)
				t.ask()
			case t.running == 0, alive && t.last.after:
				return t.verdict()
			}
		case <-t.ctx.Done():
			// A resolver that does not heed its context must not hold the check up.
			if t.last.err == nil {
				t.last.err = endedDNSError(t.ctx, t.host)
				t.last.typ = typeOfLookup(t.last.err)
			}
			t.names.health.Observe(t.host, false)
			return t.verdict()
		}
	}
}

// ahead is d, or what never comes if that is over: the deadline decides then.
func ahead(d time.Duration) time.Duration {
	if d <= 0 {
		return time.Hour
	}
	return d
}

// ask asks for the name once more.
func (t *trial) ask() {
	t.running++
	after := t.proofs > 0
	go func() {
		a := tried{after: after}
		a.found, a.err = t.names.lookup(t.ctx, t.host, t.family)
		a.typ = typeOfLookup(a.err)
		t.answers <- a
	}()
}

// hear asks the resolver to prove itself.
func (t *trial) hear(ctx context.Context) {
	t.hearing = true
	since := time.Now()
	go func() { t.heard <- t.names.proves(ctx, since) }()
}

// note remembers a failure, and reports whether nothing more can be learnt.
func (t *trial) note(got tried) bool {
	if t.last.err == nil || got.after {
		t.last = got
	}
	if t.ctx.Err() != nil { // the end of the time is what it failed of
		t.names.health.Observe(t.host, false)
		return true
	}
	if !got.after {
		t.names.health.Observe(t.host, false)
		t.failed = t.failed || t.proofs == 0
	}
	if t.dead && t.running == 0 {
		return true
	}
	return got.after && (t.proofs > 1 || t.bracketed())
}

// bracketed reports whether the name failed at once on both sides of a proof.
func (t *trial) bracketed() bool {
	return t.proofs == 1 && t.failed && t.last.after && t.last.typ == ErrDNSFailure
}

// verdict is whose fault it is.
func (t *trial) verdict() (resolved, ErrorType, error) {
	proved := t.proofs > 1 || t.bracketed() || t.proofs == 1 && t.names.answeredAfter(t.halfway)
	typ := t.last.typ
	if !proved && t.last.doubtful() {
		typ = ErrResolverUnavailable
	}
	return t.last.found, typ, t.last.err
}
