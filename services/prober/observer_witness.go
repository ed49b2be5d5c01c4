package prober

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// publicWitnesses are resolvers of three operators, with addresses that they announce from everywhere, by the port that
// networks let out. They are opened and closed again, every half a minute and when something falls silent.
var publicWitnesses = []string{
	"1.1.1.1:443", "8.8.8.8:443", "9.9.9.9:443",
	"[2606:4700:4700::1111]:443", "[2001:4860:4860::8888]:443", "[2620:fe::fe]:443",
}

const (
	// witnessPatience is the time of a witness to answer: a SYN that was lost once is repeated within it.
	witnessPatience = 2 * time.Second
	// quietRound is the time between two rounds while nothing is suspected, and alarmRound while witnesses are silent.
	quietRound = 30 * time.Second
	alarmRound = time.Second
	// roundPause is the least time between two rounds. With witnessPatience it is within holdFor.
	roundPause = 250 * time.Millisecond
	// repeated is when a SYN is sent again that got no answer: a witness that answers later was out of reach at first.
	repeated = 950 * time.Millisecond
	// recentRounds is how many rounds are remembered: those that began within holdFor, and more.
	recentRounds = 16
	// overruledBy is how many unrelated hosts have to answer for the witnesses' silence to be their own trouble, which they
	// are taken to have for doubtFor.
	overruledBy = 3
	doubtFor    = time.Minute
)

// family is what is known of one family of addresses. The observer's lock guards it.
type family struct {
	version   nettest.IPVersion
	witnesses []*witness
	known     bool      // a round has ended
	here      bool      // a witness has answered since the start
	seen      bool      // or a target out in the world has
	judged    time.Time // when the newest round began that has been decided
	rounds    []*round  // the newest ones, in order
	silent    span      // when too few of them answered
	doubted   time.Time // until when their silence is their own
	answered  map[string]bool
}

// witness is a service that has nothing to do with any target.
type witness struct {
	address string
	dial    func(ctx context.Context) error
	alive   bool // it has answered since the start; the others are not counted with
}

// witnessesOf prepares Config.Witnesses. A name is a witness of either family.
func witnessesOf(addresses []string) (v4, v6 []*witness, err error) {
	if addresses == nil {
		addresses = publicWitnesses
	}
	network := &nettest.Network{NoDNSCache: true} // chosen by the operator: no policy is asked
	for _, address := range addresses {
		versions := []nettest.IPVersion{nettest.IPv4, nettest.IPv6}
		if to, err := netip.ParseAddrPort(address); err == nil {
			versions = versions[:1]
			if to.Addr().Unmap().Is6() {
				versions = []nettest.IPVersion{nettest.IPv6}
			}
		}
		for _, v := range versions {
			w, err := newWitness(network, address, v)
			if err != nil {
				return nil, nil, err
			}
			if v == nettest.IPv4 {
				v4 = append(v4, w)
			} else {
				v6 = append(v6, w)
			}
		}
	}
	return v4, v6, nil
}

func newWitness(network *nettest.Network, address string, v nettest.IPVersion) (*witness, error) {
	test := &nettest.TCPTest{Network: network}
	config := nettest.TestConfig{Name: "witness", Address: address, Timeout: witnessPatience, Config: nettest.TCPConfig{IPVersion: v}}
	if err := test.Validate(config); err != nil {
		return nil, fmt.Errorf("witness %q: %w", address, err)
	}
	return &witness{address: address, dial: func(ctx context.Context) error {
		_, err := test.Execute(ctx, config)
		return err
	}}, nil
}

// judge decides about a finding by the witnesses of its family.
func (fam *family) judge(f *finding) verdict {
	at := verdict{typ: nettest.ErrObserverOffline, why: offlineText(string(fam.version))}
	if fam.version == nettest.IPv6 && fam.silent.lasts() {
		at.typ = nettest.ErrNoIPv6
	}
	if fam.silent.lasts() || fam.silent.shadows(f) {
		return at
	}
	// The first round after the check is its witness: a later one may already tell of another time.
	for _, r := range fam.rounds {
		switch {
		case r.began.Before(f.ended):
		case !r.decided:
			return toWait
		case r.good:
			return stands
		case r.bad:
			return at
		}
	}
	return toWait
}

var familyNames = map[string]string{string(nettest.IPv4): "IPv4", string(nettest.IPv6): "IPv6"}

func offlineText(version string) string {
	if name := familyNames[version]; name != "" {
		version = name
	}
	return "The prober's witnesses could not be reached over " + version +
		" while this check ran, so it says nothing about the target: check the prober's own network"
}

// round is one time of asking all witnesses of a family. It is good when enough of them answered at once, and bad when too few
// did, or too late.
type round struct {
	fam            *family
	began          time.Time
	left           int
	quick          int // answered at once
	answered, lost int // of those that are counted with
	decided        bool
	good, bad      bool
}

// want asks for a round that begins after t. The lock is held.
func (o *observer) want(t time.Time) {
	if o.wanted || o.asked.After(t) {
		return
	}
	o.wanted = true
	o.wake()
}

func (o *observer) wake() {
	select {
	case o.knock <- struct{}{}:
	default:
	}
}

// untilRound is the time to the next round.
func (o *observer) untilRound(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	pause := quietRound
	for i := range o.families {
		if o.families[i].silent.lasts() {
			pause = alarmRound
		}
	}
	if o.wanted {
		pause = roundPause
	}
	if o.asked.IsZero() {
		return 0
	}
	return max(o.asked.Add(pause).Sub(now), 0)
}

// ask begins a round. What it finds is taken in as soon as it is decided.
func (o *observer) ask(ctx context.Context, now time.Time, running func(func())) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked, o.wanted = now, false
	for i := range o.families {
		fam := &o.families[i]
		if len(fam.witnesses) == 0 {
			continue
		}
		r := &round{fam: fam, began: now, left: len(fam.witnesses)}
		if len(fam.rounds) == recentRounds {
			fam.rounds = slices.Delete(fam.rounds, 0, 1)
		}
		fam.rounds = append(fam.rounds, r)
		for _, w := range fam.witnesses {
			running(func() { o.hear(ctx, r, w) })
		}
	}
}

// hear asks one witness.
func (o *observer) hear(ctx context.Context, r *round, w *witness) {
	err := w.dial(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if o.took(r, w, err == nil, time.Now()) {
		o.review()
	}
}

// took counts what came of a witness, and says whether it decided the round.
func (o *observer) took(r *round, w *witness, answered bool, now time.Time) (decided bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.left--
	switch {
	case answered:
		w.alive, r.fam.here = true, true
		r.answered++
		if now.Sub(r.began) < repeated {
			r.quick++
		}
	case w.alive:
		r.lost++
	}
	if r.decided {
		return false
	}
	alive := 0
	for _, w := range r.fam.witnesses {
		if w.alive {
			alive++
		}
	}
	need := (alive + 1) / 2
	switch {
	case alive == 0:
		r.decided = r.left == 0
	case r.quick >= need:
		r.decided, r.good = true, true
	case r.quick+r.left < need && (r.answered >= need || r.lost > alive-need), r.left == 0:
		r.decided, r.bad = true, true
	}
	if r.decided {
		o.decide(r, r.answered >= need, now)
	}
	return r.decided
}

// decide takes in how a round turned out; back says that enough witnesses answer by now. The lock is held.
func (o *observer) decide(r *round, back bool, now time.Time) {
	fam := r.fam
	fam.known = true
	if !r.good && !r.bad || r.began.Before(fam.judged) {
		return // there is nobody to ask, or a later round has been faster
	}
	o.rounds.Add(1)
	fam.judged = r.began
	switch {
	case back && fam.silent.lasts():
		fam.silent.to = now
		o.log.Info("the witnesses answer again", "family", fam.version, "after", now.Sub(fam.silent.from))
	case back && r.bad:
		fam.silent = span{from: r.began, to: now}
	case back:
		fam.doubted = time.Time{}
	case now.Before(fam.doubted):
		r.bad, r.good = false, false
	case !fam.silent.lasts():
		fam.silent, fam.answered = span{from: r.began}, map[string]bool{}
		o.log.Warn("the witnesses do not answer: results that blame targets for silence are errors until they do", "family", fam.version)
		o.suspect(now)
	}
}

// overrule hears that a host answered a check that began while the witnesses of its family were silent. The lock is held.
func (o *observer) overrule(fam *family, h *hostLimit, began, now time.Time) {
	if !fam.silent.lasts() || began.Before(fam.silent.from) {
		return
	}
	if fam.answered[h.group] = true; len(fam.answered) < overruledBy {
		return
	}
	fam.silent.to, fam.doubted = now, now.Add(doubtFor)
	o.log.Warn("the witnesses do not answer, but targets do: it is the witnesses", "family", fam.version)
}
