package events

import (
	"context"
	"math"
	"sync"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// marks are how far one stream's results have come. They only rise.
type marks struct {
	mu                         sync.Mutex
	judged, stored, backfilled uint64
	rewind                     *uint64       // to be said with the next acknowledgement
	moved                      chan struct{} // capacity 1
}

func (m *marks) move(to *uint64, seq uint64) {
	m.mu.Lock()
	*to = max(*to, seq)
	m.mu.Unlock()
	m.wake()
}

// ask has results above seq sent again.
func (m *marks) ask(seq uint64) {
	m.mu.Lock()
	m.rewind = &seq
	m.mu.Unlock()
	m.wake()
}

func (m *marks) wake() {
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

func (m *marks) read() *eventsv1.RecordResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	resp := &eventsv1.RecordResponse{JudgedSeq: m.judged, StoredSeq: m.stored, BackfilledSeq: m.backfilled, RewindTo: m.rewind}
	m.rewind = nil
	return resp
}

// ledger moves a mark as far as everything is done, in whatever order it is.
type ledger struct {
	mu      sync.Mutex
	entries []*ledgerEntry
	move    func(seq uint64)
}

type ledgerEntry struct {
	seq  uint64
	done bool
}

// open adds what reaches to seq, behind what was opened before; done says that it is done.
func (l *ledger) open(seq uint64) (done func()) {
	e := &ledgerEntry{seq: seq}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		e.done = true
		n := 0
		for n < len(l.entries) && l.entries[n].done {
			n++
		}
		if n > 0 {
			l.move(l.entries[n-1].seq)
			clear(l.entries[:n])
			l.entries = l.entries[n:]
		}
	}
}

// road is one of the two that a stream's live results take. One that is full takes nothing more, so that its mark stays below
// what it left out, until that has come again. The other goes on: judging does not end because the history cannot be written.
type road struct {
	upTo  uint64 // sequence number of the newest that was taken
	out   bool
	after uint64 // what is above was left out
}

// rest is how many of n results from first on it has taken, or leaves out, so many that none is left.
func (r *road) rest(first uint64, n int) int {
	if r.out {
		return n
	}
	if r.upTo < first {
		return 0
	}
	return int(min(r.upTo-first+1, uint64(n)))
}

// leave takes nothing more from first on.
func (r *road) leave(first uint64) { r.out, r.after = true, max(r.upTo, first-1) }

// inflow is one stream of results.
type inflow struct {
	hello  *eventsv1.RecordHello
	opened time.Time
	marks  marks
	stored ledger
	filled ledger

	mu           sync.Mutex
	judge, store road
	seen         uint64    // newest live result that came
	rewinding    bool      // what comes is on its way from before, until what was asked for begins
	asked        time.Time // for it
	owed         past      // to be mended once what is up to owedTo is stored
	owedTo       uint64

	past    []pastBatch   // that waits for room
	waiting int           // results of past
	more    chan struct{} // capacity 1
	over    chan struct{} // capacity 1; receives when the prober does better to begin anew
}

// pastBatch is a batch from below the live lane.
type pastBatch struct {
	results []Result
	done    func()
}

func newInflow(hello *eventsv1.RecordHello) *inflow {
	in := &inflow{hello: hello, opened: time.Now(), marks: marks{moved: make(chan struct{}, 1)}, more: make(chan struct{}, 1), over: make(chan struct{}, 1)}
	in.stored.move = func(seq uint64) { in.marks.move(&in.marks.stored, seq) }
	in.filled.move = func(seq uint64) { in.marks.move(&in.marks.backfilled, seq) }
	return in
}

// parting is the moment before which an old prober's results are of the past; zero for one that says so itself.
func (in *inflow) parting() time.Time {
	if in.hello.GetLiveFrom() > 0 {
		return time.Time{}
	}
	return in.opened
}

const (
	relieveEvery = 200 * time.Millisecond // how often room is looked for
	askAgain     = 5 * time.Second        // how long what was asked for may take to come
	rewindAtMost = 200_000                // results; who has more to send again does better to part past from present anew
	pastAtMost   = 100_000                // results of the past of one stream that wait for room
)

var (
	// errBehind ends a stream of which something was left out for want of room.
	errBehind = fault.Unavailable("there is room again; send again what is not acknowledged")
	errFull   = fault.Unavailable("too many results of the past are not acknowledged yet")
)

// take puts a batch where it belongs.
func (s *Service) take(in *inflow, b *eventsv1.ResultBatch) error {
	first, n := b.GetFirstSeq(), len(b.GetResults())
	if first > math.MaxUint64-uint64(n) {
		return fault.Invalid("first_seq is too large")
	}
	s.metrics.received.Add(int64(n))
	last := first + uint64(n) - 1
	switch from := in.hello.GetLiveFrom(); {
	case last < from:
		return s.takePast(in, b, last)
	case first < from:
		return fault.Invalid("a batch is of one lane")
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.hello.GetLiveFrom() == 0 && (in.judge.out && s.court.relieved() || in.store.out && s.archive.relieved()) {
		return errBehind
	}
	if in.rewinding {
		if first > in.seen { // it was on its way
			in.seen = last
			return nil
		}
		in.rewinding, in.seen = false, last
	}
	in.seen = max(in.seen, last)
	return s.takeLive(in, b, last)
}

// takeLive puts a batch on both roads, as far as it was not on them before. in.mu is held.
func (s *Service) takeLive(in *inflow, b *eventsv1.ResultBatch, last uint64) error {
	began := time.Now()
	first, n := b.GetFirstSeq(), len(b.GetResults())
	judge, store := in.judge.rest(first, n), in.store.rest(first, n)
	results, from, err := s.resultsIn(in.hello, b, min(judge, store))
	if err != nil {
		return err
	}
	toJudge, toStore := results, results
	if judge != store {
		if toJudge, _, err = s.resultsIn(in.hello, b, judge); err != nil {
			return err
		}
		if toStore, _, err = s.resultsIn(in.hello, b, store); err != nil {
			return err
		}
	}
	var late past
	if judge < n {
		late, in.judge.out = s.submitLive(in, toJudge, from, last)
		if in.judge.out {
			in.judge.leave(first + uint64(judge))
			s.log.Error("no room to judge results", "prober_id", in.hello.GetProberId(), "from_seq", in.judge.after+1)
		} else {
			in.judge.upTo = last
		}
		s.tracer.recorded(from, began, !in.judge.out)
	}
	if store < n {
		s.storeLive(in, toStore, from, late, first+uint64(store), last)
	} else if in.store.out {
		in.owe(late, last)
		s.court.miss(toJudge)
	} else {
		s.owe(late, func() {}) // they were stored before
	}
	s.metrics.leftOut(n, in)
	return nil
}

// submitLive has results judged; out if there is no room.
func (s *Service) submitLive(in *inflow, results []Result, from origins, last uint64) (late past, out bool) {
	late, ok := s.court.submit(results, from, in.parting(), func() { in.marks.move(&in.marks.judged, last) })
	return late, !ok
}

// storeLive has results stored, and what is late of them, and of those that went before, mended after that. in.mu is held.
func (s *Service) storeLive(in *inflow, results []Result, from origins, late past, first, last uint64) {
	if last >= in.owedTo {
		late = late.join(in.owed)
	}
	done := in.stored.open(last)
	if s.archive.submit(results, from, func() { s.owe(late, done) }) {
		in.store.upTo = last
		if last >= in.owedTo {
			in.owed = nil
		}
		return
	}
	in.stored.cancel()
	in.store.leave(first)
	in.owe(late, last)
	s.court.miss(results)
	s.log.Error("no room to store results", "prober_id", in.hello.GetProberId(), "from_seq", in.store.after+1)
}

// cancel takes back the newest entry.
func (l *ledger) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = l.entries[:len(l.entries)-1]
}

// owe notes what has to be mended when the results up to last have come again.
func (in *inflow) owe(late past, last uint64) {
	if len(late) > 0 {
		in.owed, in.owedTo = in.owed.join(late), max(in.owedTo, last)
	}
}

// relieve has what was left out sent again when there is room.
func (s *Service) relieve(ctx context.Context, in *inflow) {
	ticker := time.NewTicker(relieveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			in.rewind(s.court.relieved, s.archive.relieved)
		}
	}
}

// rewind asks for what a road left out that has room again; once more if what was asked for does not come.
func (in *inflow) rewind(judge, store func() bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.rewinding {
		if time.Since(in.asked) >= askAgain {
			in.ask()
		}
		return
	}
	for _, r := range []struct {
		road *road
		room func() bool
	}{{&in.judge, judge}, {&in.store, store}} {
		if r.road.out && r.room() {
			r.road.out = false
			in.rewinding = true
		}
	}
	if in.rewinding {
		in.ask()
	}
}

// ask asks for everything above what a road that is open has taken.
func (in *inflow) ask() {
	to := uint64(math.MaxUint64)
	for _, r := range []*road{&in.judge, &in.store} {
		if !r.out {
			to = min(to, max(r.upTo, r.after))
		}
	}
	in.asked = time.Now()
	if in.seen > to && in.seen-to > rewindAtMost {
		select {
		case in.over <- struct{}{}:
		default:
		}
		return
	}
	in.marks.ask(to)
}
