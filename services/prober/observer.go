package prober

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

const (
	// holdFor is the longest that a result waits for word of whether this prober itself was well. A witness that is asked
	// at once has answered, or has not, by then.
	holdFor = 2500 * time.Millisecond
	// maxHeld bounds the results that wait; further ones are judged by what is known.
	maxHeld = 10_000
	// proofAge is the longest that an answer proves the network before the end of a check that got none, and half of that
	// check's time is another bound: a target that is well had that long to answer.
	proofAge = time.Second
	// settling is how long after a silence of everything a target's own silence says nothing yet: who it is reached by has to be
	// found anew, and a neighbour that did not answer is asked once a second, three times.
	settling = 3 * time.Second
	// watchEvery is how often the observer looks at itself, and heldEvery while results wait.
	watchEvery = time.Second
	heldEvery  = 50 * time.Millisecond
)

// observer knows how well this prober itself is, and so whether a target's silence says anything about the target.
//
// Of a check that got no answer, for want of a connection or of an address, it asks: did something else answer on the same
// way at the same time? If not, the result is held for a moment, and witnesses are asked that have nothing to do with any
// target. What came of a check while they were silent is an error of ours. Answers of any kind, refusals included, are
// never doubted.
//
// Locks: a shard's may be held when the observer's is taken, never the other way round.
type observer struct {
	engine *engine
	log    *slog.Logger
	clock  slotClock
	boot   func() int64            // nanoseconds of a clock that goes on while the machine sleeps
	names  *nettest.ResolverHealth // nil: nothing is known about names
	share  float64                 // of hosts that fail together; negative: the breaker is off
	memory memoryWatch
	load   loadWatch

	window  atomic.Pointer[window] // nil: nothing is suspected
	held    atomic.Int64
	excused atomic.Int64 // results that blame us instead of a target
	rounds  atomic.Int64
	knock   chan struct{} // capacity 1: a round is wanted, or results wait

	mu       sync.Mutex
	families [2]family // IPv4, IPv6
	asked    time.Time // when the newest round began
	wanted   bool      // a round that begins later than asked
	nth      uint32    // of the windows
	blind    span      // nothing answered at all, without a witness to ask
	slept    span      // the machine
	faults   map[nettest.ErrorType]*ownFault
}

// span is a time that lasts while to is zero; the zero span never was.
type span struct{ from, to time.Time }

func (s span) lasts() bool { return !s.from.IsZero() && s.to.IsZero() }

// meets says whether the span has a moment in common with the one from began to ended, or comes right after it.
func (s span) meets(f *finding) bool {
	return !s.from.IsZero() && (s.to.IsZero() || s.to.After(f.began) && s.from.Before(f.ended))
}

// shadows is meets, or comes in the moment after it in which a network is found again, destination by destination.
func (s span) shadows(f *finding) bool {
	return s.meets(f) || !s.to.IsZero() && s.from.Before(f.ended) && s.to.Add(settling).After(f.began)
}

func newObserver(g *engine) *observer {
	o := &observer{
		engine: g, log: g.log, boot: sinceFirst(), share: defaultShare, knock: make(chan struct{}, 1), faults: map[nettest.ErrorType]*ownFault{},
	}
	o.families[0].version, o.families[1].version = nettest.IPv4, nettest.IPv6
	return o
}

// set gives the observer what it knows this machine by; before start.
func (o *observer) set(cfg Config, names *nettest.ResolverHealth) error {
	v4, v6, err := witnessesOf(cfg.Witnesses)
	if err != nil {
		return err
	}
	o.families[0].witnesses, o.families[1].witnesses = v4, v6
	o.names, o.boot, o.share = names, monotonic, cfg.MassFailure
	return nil
}

func sinceFirst() func() int64 {
	first := time.Now()
	return func() int64 { return int64(time.Since(first)) }
}

// now is the present on the axis of slots.
func (g *engine) now() time.Time { return g.observer.clock.now() }

// finding is a result that blames a target for its silence.
type finding struct {
	began, ended time.Time
	place        place
	naming       bool // the name was not resolved
	silent       bool // nothing came within the time
}

// silences are the types of error that say no more than that nothing, or nobody but a router, answered.
var silences = map[nettest.ErrorType]bool{
	nettest.ErrDNSFailure: true, nettest.ErrDNSTimeout: true, nettest.ErrConnectionTimeout: true, nettest.ErrHostUnreachable: true,
	nettest.ErrNetworkUnreachable: true, nettest.ErrTLSTimeout: true, nettest.ErrHeadersTimeout: true, nettest.ErrBodyTimeout: true,
	// Of these the cause is not told; a proxy or a token's server that cannot be reached looks the same.
	nettest.ErrProxy: true, nettest.ErrAuth: true,
}

// findingOf is what r, of a check that ran from began to ended, says of its target's silence; false when it was answered.
func findingOf(r *checkv1.CheckResult, began, ended time.Time) (finding, bool) {
	failed := r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_FAILURE || r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_TIMEOUT
	typ := nettest.ErrorType(r.GetErrorType())
	if !failed || !silences[typ] {
		return finding{}, false
	}
	f := finding{
		began: began, ended: ended, naming: typ == nettest.ErrDNSFailure || typ == nettest.ErrDNSTimeout,
		silent: r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, place: everywhere,
	}
	if r.ResolvedIp != nil {
		f.place = placeOfText(r.GetResolvedIp())
	}
	return f, f.place != here
}

// verdict is what becomes of a finding.
type verdict struct {
	wait bool
	typ  nettest.ErrorType // "": the target is to blame
	why  string
}

var (
	toWait = verdict{wait: true}
	stands verdict
)

// judge decides about a finding; known is what has answered at the same place. It waits only before the finding's
// time is over.
func (o *observer) judge(f *finding, known proof, now time.Time) verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f.silent && o.memory.near {
		return verdict{typ: nettest.ErrOverload, why: "The prober is short of memory and was too slow to tell whether the target answered: give it more, or raise GOMEMLIMIT"}
	}
	if o.slept.meets(f) {
		return verdict{typ: nettest.ErrObserverOffline, why: "The prober's machine slept while this check ran, so it says nothing about the target"}
	}
	for i := range o.families {
		if fam := &o.families[i]; !known.last.IsZero() && f.place != everywhere && f.place.public() && f.place.in(fam.version) {
			fam.seen = true
		}
	}
	w := o.window.Load()
	tripped := w != nil && w.tripped.Load()
	proven := !f.naming && !tripped && known.covers(f)
	v := o.network(f, proven, w)
	if f.naming && v.typ == "" && o.names != nil && o.names.Unavailable() {
		return verdict{typ: nettest.ErrResolverUnavailable, why: "No name has been resolved of late, whatever its zone: check the prober's resolver"}
	}
	if !v.wait {
		return v
	}
	if now.Sub(f.ended) >= holdFor {
		return o.atLast(w)
	}
	o.want(f.ended)
	return toWait
}

// network decides by witnesses and other targets. The lock is held.
func (o *observer) network(f *finding, proven bool, w *window) verdict {
	if o.blind.shadows(f) {
		return verdict{typ: nettest.ErrObserverOffline, why: "Nothing that this prober checks answered any more, so it says nothing about the target: check the prober's own network"}
	}
	if proven && f.place.private() {
		return stands
	}
	usable, unknown := false, false
	for i := range o.families {
		fam := &o.families[i]
		if !f.place.in(fam.version) || len(fam.witnesses) == 0 {
			continue
		}
		v := fam.judge(f)
		switch {
		case v.typ != "":
			if f.place != everywhere {
				return v
			}
		case !fam.known:
			unknown = true
		case fam.here && !v.wait:
			return stands
		}
		usable = usable || fam.here
	}
	if f.place == everywhere && o.allBad() {
		return verdict{typ: nettest.ErrObserverOffline, why: offlineText("IPv4 and IPv6")}
	}
	if proven {
		return stands
	}
	if v := o.lacking(f); v.typ != "" {
		return v
	}
	if usable || unknown || o.wary(f, w) {
		return toWait
	}
	return stands
}

// allBad says whether the witnesses of every family that is here are silent. The lock is held.
func (o *observer) allBad() bool {
	bad := false
	for i := range o.families {
		if fam := &o.families[i]; fam.here {
			if !fam.silent.lasts() {
				return false
			}
			bad = true
		}
	}
	return bad
}

// lacking is the verdict about a target of a family that this prober has never had, while it has the other. The lock is held.
func (o *observer) lacking(f *finding) verdict {
	for i := range o.families {
		fam, other := &o.families[i], &o.families[1-i]
		if !f.place.public() || f.place == everywhere || !f.place.in(fam.version) {
			continue
		}
		if !fam.known || fam.here || fam.seen || len(fam.witnesses) == 0 || !other.here {
			continue
		}
		if fam.version == nettest.IPv6 {
			return verdict{typ: nettest.ErrNoIPv6, why: "This prober has no IPv6: nothing has ever answered it there. Check the target from one that has, or give this one IPv6"}
		}
		return verdict{typ: nettest.ErrObserverOffline, why: "This prober has no IPv4: nothing has ever answered it there. Check the target from one that has, or give this one IPv4"}
	}
	return stands
}

// wary says whether it is worth waiting to see if the others fall silent too, without a witness to ask. The lock is held.
func (o *observer) wary(f *finding, w *window) bool {
	if f.naming && o.names != nil && o.names.Suspected() {
		return true
	}
	return w != nil && o.share >= 0 && o.engine.limits.size() >= leastGroups
}

// atLast decides when the time to wait is over. The lock is held.
func (o *observer) atLast(w *window) verdict {
	if o.usable() || w == nil || !w.tripped.Load() || w.answered.Load() > 0 {
		return stands
	}
	o.blind = span{from: w.opened}
	o.log.Warn("nothing that is checked answers any more, and there is no witness to ask: results are errors until something does")
	return verdict{typ: nettest.ErrObserverOffline, why: "All that this prober checks fell silent at once, so it says nothing about the target: check the prober's own network"}
}

func (o *observer) usable() bool { return o.families[0].here || o.families[1].here }

// blame makes r an error of ours.
func (o *observer) blame(r *checkv1.CheckResult, v verdict, now time.Time) {
	o.excused.Add(1)
	text := v.why
	if own := r.GetErrorMessage(); own != "" {
		text += " (" + own + ")"
	}
	typ := string(v.typ)
	r.Status, r.ErrorType, r.ErrorMessage = checkv1.ResultStatus_RESULT_STATUS_ERROR, &typ, &text
	o.note(v.typ, v.why, now)
}
