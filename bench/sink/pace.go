package sink

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	"github.com/frogstats/uptime/bench/measure"
)

// Pace is how evenly and how punctually checks were started since the last reset.
type Pace struct {
	Checks   int    `json:"checks"`
	LateP50  int64  `json:"late_p50"` // of starts, nanoseconds
	LateP99  int64  `json:"late_p99"`
	LateP999 int64  `json:"late_p999"`
	LateMax  int64  `json:"late_max"`
	Seconds  int    `json:"seconds"` // whole seconds in which something started, first and last left out
	Least    int    `json:"least"`   // starts in a second
	Most     int    `json:"most"`
	Mean     int    `json:"mean"`
	Phases   string `json:"phases"` // digest of every monitor's place in its interval
	Monitors int    `json:"monitors"`
	Moved    int    `json:"moved"` // checks at another place in the interval than the one of their monitor before
}

// pace collects it.
type pace struct {
	interval int64 // milliseconds
	late     []int64
	seconds  map[int64]int
	phases   map[uint32]int64
	moved    int
}

func newPace(interval int64) *pace {
	return &pace{interval: interval, seconds: map[int64]int{}, phases: map[uint32]int64{}}
}

func (p *pace) add(r row) {
	if r.missedRow() {
		return
	}
	p.late = append(p.late, int64(r.late))
	p.seconds[(r.at+int64(r.late)/1_000_000)/1000]++
	phase := r.at % p.interval
	if was, ok := p.phases[r.monitor]; ok && was != phase {
		p.moved++
	}
	p.phases[r.monitor] = phase
}

func (p *pace) report() Pace {
	out := Pace{Checks: len(p.late), Monitors: len(p.phases), Phases: p.digest(), Moved: p.moved}
	slices.Sort(p.late)
	out.LateP50, out.LateP99 = measure.Quantile(p.late, .5), measure.Quantile(p.late, .99)
	out.LateP999, out.LateMax = measure.Quantile(p.late, .999), measure.Quantile(p.late, 1)
	all := slices.Sorted(maps.Keys(p.seconds))
	if len(all) < 3 {
		return out
	}
	sum := 0
	for at := all[0] + 1; at < all[len(all)-1]; at++ { // a second without any start counts too
		n := p.seconds[at]
		if out.Seconds == 0 || n < out.Least {
			out.Least = n
		}
		out.Most = max(out.Most, n)
		sum += n
		out.Seconds++
	}
	out.Mean = sum / out.Seconds
	return out
}

func (p *pace) digest() string {
	h := fnv.New64a()
	for _, id := range slices.Sorted(maps.Keys(p.phases)) {
		_, _ = h.Write(strconv.AppendInt(strconv.AppendUint(nil, uint64(id), 10), p.phases[id], 36)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return strconv.FormatUint(h.Sum64(), 16)
}
