package gateway

import (
	"net/http"
	"time"
)

// SetProberTimes sets how often open streams of probers are looked at, and how long one that is cut off may take to read so.
func (g *Gateway) SetProberTimes(recheck, cut time.Duration) {
	g.agents.recheck, g.agents.cut = recheck, cut
}

// ForgetProbers empties the cache of whose certificates are.
func (g *Gateway) ForgetProbers() {
	g.agents.owners.mu.Lock()
	defer g.agents.owners.mu.Unlock()
	g.agents.owners.held = nil
}

// The limits, and what reads a head.
const (
	MaxCallsOfProber = maxCallsOfProber
	MaxJoinMessage   = maxJoinMessage
	ProberCallTime   = proberCallTime
)

func TimeoutOf(r *http.Request) (time.Duration, bool) { return timeoutOf(r) }

func EncodeMessage(text string) string { return encodeMessage(text) }
