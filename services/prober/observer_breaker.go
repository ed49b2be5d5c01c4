package prober

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/publicsuffix"
)

const (
	// windowFor is how long it is counted who answers and who does not, from the first that fell silent on.
	windowFor = 10 * time.Second
	// leastGroups is how many unrelated hosts have to fall silent to be remarkable, and defaultShare which part of all
	// that were checked.
	leastGroups  = 5
	defaultShare = 0.5
)

// window counts hosts from a suspicion on. Most of the time there is none, and then a success pays a look at a pointer.
type window struct {
	nth      uint32
	opened   time.Time
	answered atomic.Int64 // hosts
	tripped  atomic.Bool

	// The observer's lock guards these.
	silent map[*hostLimit]bool // hosts that answered before
	groups map[string]bool     // of them
}

// suspect opens a window unless there is one. The lock is held.
func (o *observer) suspect(now time.Time) *window {
	w := o.window.Load()
	if w == nil {
		o.nth++
		w = &window{nth: o.nth, opened: now, silent: map[*hostLimit]bool{}, groups: map[string]bool{}}
		o.window.Store(w)
	}
	return w
}

// unsuspect closes a window whose time is over.
func (o *observer) unsuspect(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.window.Load()
	if w == nil || now.Sub(w.opened) < windowFor || o.blind.lasts() || o.families[0].silent.lasts() || o.families[1].silent.lasts() {
		return
	}
	o.window.Store(nil)
}

// answers is told of everything that was answered while there is a window.
func (o *observer) answers(w *window, h *hostLimit, p place, began, now time.Time) {
	if p == here {
		return
	}
	if h.window.Swap(w.nth) != w.nth {
		w.answered.Add(1)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blind.lasts() && !began.Before(o.blind.from) {
		o.blind.to = now
		o.log.Info("something answers again", "after", now.Sub(o.blind.from))
	}
	for i := range o.families {
		if p.public() && p.in(o.families[i].version) {
			o.families[i].seen = true
			o.overrule(&o.families[i], h, began, now)
		}
	}
}

// fellSilent is told of a host that answered before and now does not.
func (o *observer) fellSilent(h *hostLimit, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.suspect(now)
	w.silent[h], w.groups[h.group] = true, true
	silent := float64(len(w.silent))
	if o.share < 0 || len(w.groups) < leastGroups || silent <= o.share*(silent+float64(w.answered.Load())) || w.tripped.Swap(true) {
		return
	}
	o.log.Warn("many targets fell silent at once: it is looked into whether it is this prober", "hosts", len(w.silent))
}

// groupOf is what hosts have in common that may share their fate: the registrable domain of a name, and of an address
// the network of the size that sites have.
func groupOf(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if zone, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
			return zone
		}
		return host
	}
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return host
	}
	return p.String()
}
