package prober

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

const (
	// guardGrace is how long after its time a check may end before it is given up.
	guardGrace = 2 * time.Second
	// maxStuck is how many checks of a kind may be given up and still run; then no more of that kind are begun.
	maxStuck = 64
)

// timed is a check that says how long it may take.
type timed interface {
	// longest is the time of all attempts and the pauses between them.
	longest() time.Duration
}

func (p *prepared) longest() time.Duration {
	if !p.eachAttempt {
		return p.config.Timeout
	}
	n := time.Duration(p.attempts)
	return n*p.config.Timeout + (n-1)*p.pause
}

// guard sees to it that a check which does not end holds nothing up: its slot is closed as an error of ours, its permits are
// given back and the next slot runs. The goroutine cannot be ended; it is counted until it returns. The zero value is ready.
type guard struct {
	mu      sync.Mutex
	running map[*guarded]struct{}
	stuck   [8]atomic.Int64 // by kind
}

// guarded is a job that runs.
type guarded struct {
	job   job
	kind  checkv1.MonitorType
	until time.Time // zero: it has no time of its own
	given bool      // it was given up
}

// enter begins to watch a job; nil refuses it.
func (w *guard) enter(j job, kind checkv1.MonitorType, began time.Time) *guarded {
	if w.stuck[kindIndex(kind)].Load() >= maxStuck {
		return nil
	}
	x := &guarded{job: j, kind: kind}
	if t, ok := j.plan.check.(timed); ok {
		x.until = began.Add(t.longest() + guardGrace)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		w.running = map[*guarded]struct{}{}
	}
	w.running[x] = struct{}{}
	return x
}

// leave ends the watch, and says whether the job's end still matters.
func (w *guard) leave(x *guarded) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.given {
		w.stuck[kindIndex(x.kind)].Add(-1)
		return false
	}
	delete(w.running, x)
	return true
}

// overdue gives up the jobs whose time is over.
func (w *guard) overdue(now time.Time) (list []*guarded) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for x := range w.running {
		if !x.until.IsZero() && now.After(x.until) {
			x.given = true
			delete(w.running, x)
			w.stuck[kindIndex(x.kind)].Add(1)
			list = append(list, x)
		}
	}
	return list
}

// count is the number of checks that were given up and still run.
func (w *guard) count() (n int64) {
	for i := range w.stuck {
		n += w.stuck[i].Load()
	}
	return n
}

func kindIndex(kind checkv1.MonitorType) int { return int(kind) & 7 }

// sweep closes the slots of checks that do not end.
func (g *engine) sweep(now time.Time) {
	for _, x := range g.guard.overdue(now) {
		j := x.job
		r := &checkv1.CheckResult{}
		began := x.until.Add(-guardGrace - j.plan.check.(timed).longest())
		g.fillIn(r, j.plan, j.slot, began)
		r.Status = checkv1.ResultStatus_RESULT_STATUS_ERROR
		r.ErrorType = proto.String(string(nettest.ErrInternal))
		r.ErrorMessage = proto.String("The check did not end within its time and was given up: this is an error of the prober; if it happens again, restart it and report it")
		r.ResponseTimeNs = uint64(now.Sub(began))
		g.log.Error("a check does not end", "monitor_id", r.GetMonitorId(), "type", typeName(x.kind), "stuck", g.guard.count())
		g.finishJob(j, func(at time.Time) { j.shard.ended(j.entry, ending{result: r, began: began, ended: now, own: true}, at) })
	}
}

// refuse misses the slot of a job because too many of its kind do not end. The lock is held.
func (s *shard) refuse(j job, now time.Time) {
	j.entry.running--
	s.missNow(j.entry, j.slot, missedOverload, now)
}
