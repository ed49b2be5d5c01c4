package nettest

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Defaults of ResolverHealth.
const (
	DefaultHealthWindow    = time.Minute
	DefaultHealthThreshold = 3
)

// maxFailingZones bounds the memory of ResolverHealth; far beyond any threshold.
const maxFailingZones = 64

// ResolverHealth draws conclusions about the resolver from many lookups: when
// names that have nothing to do with each other fail and none is answered, it is
// not the names. It does no I/O. The zero value is ready; it is safe for
// concurrent use.
type ResolverHealth struct {
	// Window is how long a failure counts; 0 means DefaultHealthWindow.
	Window time.Duration
	// Threshold is how many unrelated names must fail; 0 means DefaultHealthThreshold.
	Threshold int

	mu         sync.Mutex
	failing    map[string]time.Time // zone → latest failure since the last answer
	lastAnswer time.Time
}

// Observe records the end of one lookup: answered if any name server gave an
// answer, NXDOMAIN included; not answered for SERVFAIL, REFUSED, silence and the
// like.
func (h *ResolverHealth) Observe(host string, answered bool) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if answered {
		h.lastAnswer = now
		clear(h.failing)
		return
	}
	h.expire(now)
	if len(h.failing) >= maxFailingZones {
		return
	}
	if h.failing == nil {
		h.failing = make(map[string]time.Time)
	}
	h.failing[zoneOf(host)] = now
}

// Unavailable reports whether at least Threshold unrelated names failed within
// Window and none was answered since the first of them.
func (h *ResolverHealth) Unavailable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expire(time.Now())
	threshold := h.Threshold
	if threshold == 0 {
		threshold = DefaultHealthThreshold
	}
	return len(h.failing) >= threshold
}

// Suspected reports whether a name failed within Window and none was answered
// since: too little to convict the resolver, and enough not to trust it blindly.
func (h *ResolverHealth) Suspected() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expire(time.Now())
	return len(h.failing) > 0
}

// AnsweredSince reports whether any lookup was answered after t.
func (h *ResolverHealth) AnsweredSince(t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastAnswer.After(t)
}

func (h *ResolverHealth) expire(now time.Time) {
	window := h.Window
	if window == 0 {
		window = DefaultHealthWindow
	}
	for zone, at := range h.failing {
		if now.Sub(at) >= window {
			delete(h.failing, zone)
		}
	}
}

// zoneOf returns the registrable domain, under which names share their fate.
// Names of no public zone (db, db.internal) stand for themselves.
func zoneOf(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if zone, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return zone
	}
	return host
}
