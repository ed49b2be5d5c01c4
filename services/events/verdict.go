package events

import (
	"strconv"
	"time"
)

// Status is the state of a monitor, or of a monitor as one region sees it. The numbers are those of the wire and of the
// stores.
type Status uint8

// The states.
const (
	Up          Status = 1
	Degraded    Status = 2 // works for some regions, or slowly
	Down        Status = 3 // the target's fault, confirmed
	Unknown     Status = 4 // nobody looked lately; never up and never down
	Paused      Status = 5 // switched off
	Maintenance Status = 6 // in a maintenance window
)

// Known reports whether s says something of the target.
func (s Status) Known() bool { return s == Up || s == Degraded || s == Down }

// String names the state as the API does.
func (s Status) String() string {
	switch s {
	case Up:
		return "up"
	case Degraded:
		return "degraded"
	case Down:
		return "down"
	case Unknown:
		return "unknown"
	case Paused:
		return "paused"
	case Maintenance:
		return "maintenance"
	}
	return "none"
}

// Quorum says how many of the regions that can see make a monitor down: "any", "majority", "all" or a number. Anything else
// is read as majority.
type Quorum string

// need is the number of regions out of n that must see the monitor down. A number larger than n asks for all: a region that
// has lost its prober must not make an outage invisible.
func (q Quorum) need(n int) int {
	switch q {
	case "any":
		return 1
	case "all":
		return n
	}
	if k, err := strconv.Atoi(string(q)); err == nil && k > 0 {
		return min(k, n)
	}
	return n/2 + 1
}

// verdict is a monitor's state from what its regions see. A region that sees nothing has no vote, unless it is held: see
// RegionState.GraceUntil.
func verdict(q Quorum, regions []*RegionState, now time.Time) Status {
	fresh, votes, down, degraded := 0, 0, 0, 0
	for _, r := range regions {
		if r.Status.Known() {
			fresh++
		}
		switch r.vote(now) {
		case Up:
			votes++
		case Degraded:
			votes++
			degraded++
		case Down:
			votes++
			down++
		}
	}
	switch {
	case fresh == 0:
		return Unknown
	case down >= q.need(votes):
		return Down
	case down > 0 || degraded > 0:
		return Degraded
	}
	return Up
}
