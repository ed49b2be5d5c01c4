package events_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/events"
)

// shelves is a result store that knows what it holds.
type shelves struct {
	events.ResultStore
	mu   sync.Mutex
	have map[string]int // by result, how often it was added
}

func (s *shelves) Append(ctx context.Context, results []events.Result) (int, error) {
	n, err := s.ResultStore.Append(ctx, results)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range results {
			s.have[results[i].ID()] = 1
		}
	}
	return n, err
}

func (s *shelves) has(r *checkv1.CheckResult) bool {
	in := events.ResultIn(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[in.ID()] > 0
}

// TestStreams sends what random checks find through streams that break, while either store fails for a while and has little
// room, and while the prober has to drop results. In the end every result is stored once, marks never said more than was
// true, and the timelines are those of somebody who was told everything in time.
func TestStreams(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dir := t.TempDir()
			bubbletest.Test(t, func(t *testing.T) { streams(t, dir, seed) })
		})
	}
}

type streamTrial struct {
	t      *testing.T
	rng    *rand.Rand
	r      *running
	f      *fakeProber
	store  *shelves
	all    []*checkv1.CheckResult // by sequence number - 1
	gone   map[uint64]bool        // dropped
	drops  bool
	begun  time.Time
	status [3]checkv1.ResultStatus
}

func streams(t *testing.T, dir string, seed uint64) {
	const seconds = 200
	s := &streamTrial{t: t, rng: rand.New(rand.NewPCG(seed, 1)), gone: map[uint64]bool{}, drops: seed%4 == 3, begun: time.Now().UTC().Truncate(time.Second)}
	cat := &catalogue{}
	for id := range uint32(3) {
		e := entry(id+1, "o1")
		e.CreatedAt, e.UpdatedAt, e.IntervalMs, e.TimeoutMs = timestamppb.New(s.begun), timestamppb.New(s.begun), 1000, 1000
		cat.entries = append(cat.entries, e)
		s.status[id] = ok
	}
	s.r = run(t, dir, cat, func(d *events.Deps) {
		s.store = &shelves{ResultStore: d.Results, have: map[string]int{}}
		d.Results = s.store
	})
	s.r.service.LimitQueues(60, 30)
	s.f = newFakeProber(s.r, 1)
	s.f.batch = 1 + s.rng.Uint64N(20)
	s.f.leads = s.check
	streaming := true
	for sec := range seconds {
		s.second(sec)
		switch s.rng.IntN(25) {
		case 0:
			s.r.results.failing.Store(!s.r.results.failing.Load())
		case 1:
			if streaming {
				s.f.stop()
			} else {
				s.f.open(s.liveFrom())
			}
			streaming = !streaming
		case 2:
			s.r.states.failing.Store(!s.r.states.failing.Load())
		case 3:
			s.drop()
		}
		time.Sleep(time.Until(s.begun.Add(time.Duration(sec+1) * time.Second))) //nolint:forbidigo // the bubble's clock, not ours
	}
	s.r.results.failing.Store(false)
	s.r.states.failing.Store(false)
	if !streaming {
		s.f.open(s.liveFrom())
	}
	deadline := time.Now().Add(5 * time.Minute)
	for s.f.pending() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not ours
		if s.f.ended() {        // who is told to begin anew does
			s.f.stop()
			s.f.open(s.liveFrom())
		}
	}
	if n := s.f.pending(); n > 0 {
		t.Errorf("%d of %d results are never acknowledged", n, len(s.all))
	}
	synctest.Wait()
	t.Logf("%d results, %d dropped, rewound %d times, timelines owed by %d monitors", len(s.all), len(s.gone), s.f.rewound, s.r.service.Mending())
	s.f.stop()
	if seed%2 == 0 { // what is acknowledged is owed, whoever has to pay
		s.r.stop()
		s.r = run(t, dir, cat)
	}
	for n := 0; n < 300 && s.r.service.Mending() > 0; n++ {
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not ours
	}
	time.Sleep(10 * time.Second) //nolint:forbidigo // deadlines that the last word has put off, and those of a start
	synctest.Wait()
	s.compare()
	s.r.stop()
}

// second checks every monitor once.
func (s *streamTrial) second(sec int) {
	for id := range uint32(3) {
		if s.rng.IntN(6) == 0 {
			s.status[id] = []checkv1.ResultStatus{ok, ok, fail, checkv1.ResultStatus_RESULT_STATUS_ERROR}[s.rng.IntN(4)]
		}
		r := result(id+1, "o1", s.begun.Add(time.Duration(sec)*time.Second), s.status[id])
		r.NextScheduledAt = nil
		s.all = append(s.all, r)
		s.f.add(r)
	}
}

// liveFrom is the first result that is young, as a prober's uplink has it.
func (s *streamTrial) liveFrom() uint64 {
	young := time.Now().Add(-5 * time.Second)
	i := slices.IndexFunc(s.all, func(r *checkv1.CheckResult) bool { return !r.GetScheduledAt().AsTime().Before(young) })
	if i < 0 {
		i = len(s.all)
	}
	return uint64(i) + 1
}

// drop loses the oldest results of the spool, as one does that is full.
func (s *streamTrial) drop() {
	if !s.drops {
		return
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	n := s.rng.IntN(30)
	for seq := uint64(1); seq <= s.f.last && n > 0; seq++ {
		if s.f.spool[seq] != nil {
			delete(s.f.spool, seq)
			s.gone[seq] = true
			n--
		}
	}
}

// check holds an acknowledgement to what is stored. The spool's lock is held.
func (s *streamTrial) check(ack *eventsv1.RecordResponse) {
	for seq, r := range s.f.spool {
		past := seq < s.f.live
		if (!past && seq <= ack.GetStoredSeq() || past && seq <= ack.GetBackfilledSeq()) && !s.store.has(r) {
			s.t.Errorf("%d is acknowledged as stored, and is not", seq)
		}
	}
}

// compare looks at what there is in the end.
func (s *streamTrial) compare() {
	t := s.t
	for id := range uint32(3) {
		list, err := s.r.results.List(t.Context(), events.ResultQuery{MonitorID: id + 1, Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(list)
		stored := map[int64]int{}
		for _, r := range list {
			stored[r.ScheduledAt.UnixMilli()]++
		}
		for i, r := range s.all {
			if r.GetMonitorId() != id+1 {
				continue
			}
			if n := stored[r.GetScheduledAt().AsTime().UnixMilli()]; n != 1 && !(n == 0 && s.gone[uint64(i)+1]) {
				t.Errorf("monitor %d: result %d is stored %d times", id+1, i+1, n)
			}
		}
		if len(s.gone) > 0 {
			continue // what was judged and then dropped, nobody can judge again
		}
		judge := events.NewJudge(events.Snapshot{})
		judge.Upsert(s.begun, events.MonitorIn(s.r.cat.entries[id]))
		for i := range list {
			judge.Result(list[i].StartedAt, &list[i])
		}
		judge.Tick(time.Now())
		want := shape(judge.Take().Transitions)
		got, err := s.r.states.Transitions(t.Context(), events.TransitionQuery{MonitorID: id + 1, To: time.Now().Add(time.Hour), Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(got)
		if shape(got) != want {
			t.Errorf("monitor %d\ngot  %s\nwant %s", id+1, shape(got), want)
		}
	}
}

// shape writes a monitor's timeline down without intervals that have no length.
func shape(list []events.Transition) string {
	list = slices.DeleteFunc(slices.Clone(list), func(t events.Transition) bool { return t.Region != "" })
	var out []string
	last := events.Status(0)
	for i, t := range list {
		if i+1 < len(list) && list[i+1].Since.Equal(t.Since) || t.Status == last {
			continue
		}
		last = t.Status
		out = append(out, fmt.Sprintf("%s@%s", t.Status, t.Since.Format("04:05")))
	}
	return strings.Join(out, " ")
}
