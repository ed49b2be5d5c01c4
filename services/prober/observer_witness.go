package prober

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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
	good      time.Time // when the newest round began in which enough of them answered
	silent    span      // when they did not
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
	switch {
	case fam.silent.lasts(), fam.silent.meets(f):
		return at
	case !fam.good.Before(f.ended):
		return stands
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

// round is one time of asking all witnesses of a family.
type round struct {
	fam            *family
	began          time.Time
	left           int
	answered, lost int // of those that are counted with
	decided        bool
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
	if o.took(r, w, err == nil) {
		o.review()
	}
}

// took counts what came of a witness, and says whether it decided the round.
func (o *observer) took(r *round, w *witness, answered bool) (decided bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.left--
	if answered {
		w.alive, r.fam.here = true, true
		r.answered++
	} else if w.alive {
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
	case alive > 0 && r.answered >= need:
		o.decide(r, true)
	case alive > 0 && r.lost > alive-need:
		o.decide(r, false)
	case r.left == 0:
		r.decided, r.fam.known = true, true
	}
	return r.decided
}

// decide takes in how a round turned out. The lock is held.
func (o *observer) decide(r *round, good bool) {
	r.decided, r.fam.known = true, true
	o.rounds.Add(1)
	fam := r.fam
	if r.began.Before(fam.judged) {
		return // a later one has been faster
	}
	fam.judged = r.began
	switch {
	case good:
		fam.good, fam.doubted = r.began, time.Time{}
		if fam.silent.lasts() {
			fam.silent.to = r.began
			o.log.Info("the witnesses answer again", "family", fam.version, "after", time.Since(fam.silent.from))
		}
	case time.Now().Before(fam.doubted):
	case !fam.silent.lasts():
		fam.silent, fam.answered = span{from: r.began}, map[string]bool{}
		o.log.Warn("the witnesses do not answer: results that blame targets for silence are errors until they do", "family", fam.version)
		o.suspect(time.Now())
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
	fam.silent.to, fam.good, fam.doubted = now, now, now.Add(doubtFor)
	o.log.Warn("the witnesses do not answer, but targets do: it is the witnesses", "family", fam.version)
}
