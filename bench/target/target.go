// Package target is what probers are measured against: many loopback listeners in one
// process, which notes when each is connected to.
package target

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/measure"
)

// Layout is where the listeners are: Ports ports from FirstPort on each of the
// addresses 127.0.1.1 to 127.0.1.Addresses, so that no pair of addresses runs out of
// ephemeral ports.
type Layout struct {
	Addresses int
	Ports     int
}

// FirstPort lies below the ephemeral ports of Linux.
const FirstPort = 20000

// Size is the number of listeners.
func (l Layout) Size() int { return l.Addresses * l.Ports }

// At is the address of the listener with index i. Successive ones are on different addresses.
func (l Layout) At(i int) netip.AddrPort {
	i %= l.Size()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + i%l.Addresses)}), uint16(FirstPort+i/l.Addresses))
}

// For is a layout of at least n listeners on 50 addresses, at most 10,000.
func For(n int) Layout { return Layout{50, max(min((n+49)/50, 200), 1)} }

// log keeps arrivals; the loop that accepts adds to it, commands read it.
type log struct {
	mu     sync.Mutex
	total  int
	on     bool
	since  int64 // when recording began
	list   []measure.Arrival
	seen   []bool // of each listener since recording began
	nSeen  int
	curves map[string]int // key exchanges of TLS handshakes
}

func newLog(size int) *log { return &log{seen: make([]bool, size), curves: map[string]int{}} }

// add notes an arrival. The lock is held.
func (l *log) add(port uint32, at int64) {
	l.total++
	if !l.on {
		return
	}
	l.list = append(l.list, measure.Arrival{At: at, Port: port})
	if !l.seen[port] {
		l.seen[port] = true
		l.nSeen++
	}
}

func (l *log) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on, l.nSeen, l.since = true, 0, measure.Now()
	l.list = slices.Grow(l.list[:0], 1<<20)
	clear(l.seen)
	clear(l.curves)
}

// Count is how much has arrived.
type Count struct {
	Total int `json:"total"` // since the target started
	Seen  int `json:"seen"`  // different listeners since the last reset
}

func (l *log) handlers() map[string]control.Handler {
	return map[string]control.Handler{
		"reset": func(string) (any, error) { l.reset(); return nil, nil },
		"count": func(string) (any, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return Count{l.total, l.nSeen}, nil
		},
		"curves": func(string) (any, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.curves, nil
		},
		"report": func(ms string) (any, error) {
			n, err := strconv.Atoi(ms)
			if err != nil {
				return nil, fmt.Errorf("interval in milliseconds: %w", err)
			}
			l.mu.Lock()
			list, end := l.list, measure.Now()
			recorded := end - l.since
			l.on, l.list = false, nil
			l.mu.Unlock()
			a := measure.Analyse(list, time.Duration(n)*time.Millisecond, end)
			a.Recorded = recorded
			return a, nil
		},
	}
}
