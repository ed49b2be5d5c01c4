package monitors

import (
	"context"
	"hash/fnv"
	"math"
	"slices"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// plan is what is to change in a region.
type plan struct {
	at       Placement
	now      time.Time
	ttl      time.Duration
	sessions map[string]Session // by prober
	members  []member
	equal    bool // all weigh the same

	assigned []Assigned
	losses   []Loss
	ended    map[string]bool
}

// member is a prober that monitors may go to.
type member struct {
	id     string
	hash   uint64
	weight float64
	can    map[string]bool // nil: everything
}

func newPlan(at Placement, sessions []Session, now time.Time, ttl time.Duration) *plan {
	p := &plan{at: at, now: now, ttl: ttl, sessions: make(map[string]Session, len(sessions)), equal: true, ended: map[string]bool{}}
	for _, s := range sessions {
		p.sessions[s.ProberID] = s
		if s.Live() {
			p.members = append(p.members, memberOf(s))
			p.equal = p.equal && p.members[0].weight == float64(s.Capacity)
		}
	}
	return p
}

func memberOf(s Session) member {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.ProberID)) // never fails
	m := member{id: s.ProberID, hash: h.Sum64(), weight: float64(s.Capacity)}
	if len(s.Capabilities) > 0 {
		m.can = make(map[string]bool, len(s.Capabilities))
		for _, c := range s.Capabilities {
			m.can[c] = true
		}
	}
	return m
}

// fits reports whether m can check what c is.
func (m member) fits(c Candidate) bool {
	return m.can == nil || m.can[string(c.Type)] && (c.IPVersion != "ipv6" || m.can["ipv6"])
}

// draw is m's number for a monitor.
func (m member) draw(id uint32) uint64 { return mix(m.hash ^ mix(uint64(id)+0x9e3779b97f4a7c15)) }

// mix is the finalizer of splitmix64: every bit of x changes every bit of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// best is the prober that c belongs to; "" if there is none that can check it.
func (p *plan) best(c Candidate) string {
	var id string
	var most uint64
	greatest := math.Inf(-1)
	for _, m := range p.members {
		if !m.fits(c) {
			continue
		}
		n := m.draw(c.MonitorID)
		if p.equal {
			if id == "" || n > most {
				id, most = m.id, n
			}
			continue
		}
		// The first of a Poisson process whose rate is the weight comes from each in proportion to it.
		if score := math.Log((float64(n>>11)+0.5)/(1<<53)) / m.weight; score > greatest {
			id, greatest = m.id, score
		}
	}
	return id
}

// decide says who is to hold c.
func (p *plan) decide(c Candidate) {
	a := c.Assigned
	if !c.Wanted {
		if c.Known && a.Wanted {
			a.Wanted, a.Holder, a.Releasing, a.AccountFrom = false, "", false, time.Time{}
			p.assigned = append(p.assigned, a)
		}
		return
	}
	to := p.best(c)
	switch holder, known := p.sessions[a.Holder]; {
	case !c.Known || !a.Wanted:
		p.first(c, to)
	case a.Holder == "":
		if to != "" {
			p.give(a, to, a.AccountFrom)
		}
	case known && holder.Live():
		p.move(a, holder, to)
	case to != "":
		p.takeOver(a, holder, to)
	}
}

// first places what has no holder because it is new here, or enabled anew.
func (p *plan) first(c Candidate, to string) {
	a := c.Assigned
	a.Wanted, a.Releasing, a.AccountFrom = true, false, time.Time{}
	if to != "" {
		p.give(a, to, time.Time{})
		return
	}
	if p.at.Cursor > 0 { // whoever comes accounts for the time without anybody, unless we have not been watching either
		a.AccountFrom = c.UpdatedAt.Add(-time.Millisecond)
	}
	a.Holder = ""
	p.assigned = append(p.assigned, a)
}

// give makes another the holder.
func (p *plan) give(a Assigned, to string, from time.Time) {
	p.at.Epoch++
	a.Holder, a.Epoch, a.AccountFrom, a.Releasing = to, p.at.Epoch, from, false
	p.assigned = append(p.assigned, a)
}

// move asks a holder that lives to give up what belongs to another. What it was asked for once it gives up, whatever comes.
func (p *plan) move(a Assigned, holder Session, to string) {
	if to == "" || to == a.Holder || a.Releasing {
		return
	}
	if holder.Stream { // it cannot confirm: its stream tells it to stop
		p.give(a, to, time.Time{})
		return
	}
	a.Releasing = true
	p.assigned = append(p.assigned, a)
}

// takeOver gives away what a session held that is over.
func (p *plan) takeOver(a Assigned, holder Session, to string) {
	until := p.accounted(a, holder)
	if holder.Name != "" && !holder.Stream && (holder.State == SessionOver || holder.State == SessionEnded) {
		told := until
		if told.IsZero() {
			told = time.UnixMilli(0).UTC()
		}
		p.losses = append(p.losses, Loss{ProberID: a.Holder, MonitorID: a.MonitorID, Epoch: a.Epoch, From: a.AccountFrom, Until: told})
		p.ended[a.Holder] = p.ended[a.Holder] || holder.State == SessionOver
	}
	p.give(a, to, until)
}

// accounted is the last moment whose slots a former holder accounts for; zero if its results died with it, or are not
// taken any more, so that the next one accounts for all that is not stored.
func (p *plan) accounted(a Assigned, holder Session) time.Time {
	until := holder.ValidUntil
	switch {
	case holder.State == SessionLeft:
		if holder.Heard != 0 && a.Epoch > holder.Heard {
			return a.AccountFrom // it has run none of its slots
		}
	case holder.Name == "" || holder.Stream || !holder.Durable || holder.State == SessionRemoved || holder.Marked:
		return time.Time{}
	case holder.Sole && p.now.After(until): // it went on, until now
		until = p.now
	}
	return latest(sane(until, p.now, p.ttl), a.AccountFrom)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// released frees what its holder has confirmed not to run any more, and places it.
func (p *plan) released(c Candidate, r *monitorsv1.Released) {
	if !c.Wanted {
		p.decide(c)
		return
	}
	until := p.now
	if r.GetUntil() != nil {
		until = sane(r.GetUntil().AsTime(), p.now, p.ttl)
	}
	a := c.Assigned
	a.AccountFrom, a.Releasing = latest(until, a.AccountFrom), false
	if to := p.best(c); to != "" {
		p.give(a, to, a.AccountFrom)
		return
	}
	a.Holder = ""
	p.assigned = append(p.assigned, a)
}

func (p *plan) changed() bool { return len(p.assigned) > 0 }

// store writes what was planned.
func (p *plan) store(ctx context.Context, tx PlaceTx, settled func() (Placement, bool)) error {
	if len(p.assigned) > 0 {
		if err := tx.Assign(ctx, p.assigned); err != nil {
			return err
		}
	}
	if len(p.losses) > 0 {
		if err := tx.Lose(ctx, p.losses); err != nil {
			return err
		}
	}
	var ended []string
	for id, was := range p.ended {
		if was {
			ended = append(ended, id)
		}
	}
	if len(ended) > 0 {
		slices.Sort(ended)
		if err := tx.End(ctx, ended); err != nil {
			return err
		}
	}
	at, need := settled()
	if !need {
		return nil
	}
	at.Epoch = p.at.Epoch
	return tx.Settle(ctx, at)
}
