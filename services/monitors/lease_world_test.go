package monitors_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/sqlite"
)

// world is an installation in which everything goes wrong, and the one who watches it: replicas of the service on one
// store, probers that keep to the contract, links between all of them that lose and delay, clocks that jump. It knows what
// nobody in it does: the time.
type world struct {
	t      testing.TB
	seed   uint64
	ttl    time.Duration
	began  time.Time
	region string
	real   bool        // its clock is everybody's: what is to happen soon may happen late
	calm   atomic.Bool // nothing goes wrong any more
	frozen atomic.Bool // the store does not answer

	replicas []*replica
	probers  []*process
	all      sync.WaitGroup

	mu      sync.Mutex
	rng     *rand.Rand
	owners  map[holdingKey]string   // who ran slots under an epoch
	judged  map[uint32]uint64       // greatest epoch that a slot was run under, by monitor
	stale   int                     // slots that the fence refused
	rows    map[uint32][]grant      // holders of each monitor, in the order of their commits
	lost    map[lossKey]time.Time   // what probers are to be told
	given   map[lossKey][]time.Time // what probers have confirmed
	newest  map[string]string       // session of each prober
	heard   map[heardKey]bool       // what probers have heard that they lost
	ledger  *ledger
	history []porcupine.Operation
	faults  int
	broken  []string // promises
}

type holdingKey struct {
	monitor uint32
	epoch   uint64
}

type lossKey struct {
	prober  string
	monitor uint32
	epoch   int64
}

type heardKey struct {
	lossKey
	session string
}

// grant is an assignment as it was committed.
type grant struct {
	monitors.Assigned
	before monitors.Assigned // as the transaction found it
	rev    int64             // of the region, before it
	at     time.Duration
}

// trace says what happens, if somebody wants to know.
func (w *world) trace(format string, args ...any) {
	if *traced {
		w.t.Logf("%v "+format, append([]any{w.now()}, args...)...)
	}
}

func (w *world) breach(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, fmt.Sprintf("%v: ", w.now())+fmt.Sprintf(format, args...))
}

// now is the time since the world began, which only it knows.
func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) chance(percent int) bool { return w.pick(100) < percent }

// pick is a number below n.
func (w *world) pick(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

// upTo is a time below d.
func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.pick(1000)) * d / 1000
}

// trouble reports whether something goes wrong now, in so many of a thousand cases.
func (w *world) trouble(perMille int) bool {
	if w.calm.Load() || w.pick(1000) >= perMille {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults++
	return true
}

var errLost = errors.New("lost on the way")

// skewed is a wall clock that can be turned.
type skewed struct{ by atomic.Int64 }

func (c *skewed) now() time.Time { return time.Now().Add(time.Duration(c.by.Load())) }

// replica is one process of the service.
type replica struct {
	service *monitors.Service
	clock   skewed
	pause   atomic.Int64 // since the world began, until when the process does nothing
	stop    context.CancelFunc
}

// template is an empty store, made once.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "monitors.db")
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func openTemplate(t testing.TB, dir string) monitors.Store {
	t.Helper()
	empty, err := template()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "monitors.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newWorld begins a world on one store, or on a store for each replica that share a database.
func newWorld(t testing.TB, seed uint64, ttl time.Duration, box *secret.Box, open func(i int) monitors.Store) *world {
	w := &world{
		t: t, seed: seed, ttl: ttl, began: time.Now(), region: "eu", rng: rand.New(rand.NewPCG(seed, 1)),
		owners: map[holdingKey]string{}, judged: map[uint32]uint64{}, rows: map[uint32][]grant{}, lost: map[lossKey]time.Time{},
		given: map[lossKey][]time.Time{}, ledger: newLedger(), newest: map[string]string{}, heard: map[heardKey]bool{},
	}
	for i := range 1 + w.pick(3) {
		r := &replica{}
		store := &brittle{Store: open(i), world: w, replica: r}
		var err error
		r.service, err = monitors.New(monitors.Deps{
			Store: store, Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: []byte("k"), LeaseTTL: ttl,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.service.SetWall(r.clock.now)
		ctx, cancel := context.WithCancel(context.Background())
		r.stop = cancel
		w.replicas = append(w.replicas, r)
		w.all.Go(func() { _ = r.service.Run(ctx) })
	}
	return w
}

// pausable waits until the process is not paused, and the store answers.
func (w *world) ready(ctx context.Context, r *replica) error {
	for w.frozen.Load() || time.Duration(r.pause.Load()) > w.now() {
		if err := sleep(ctx, w.ttl/50); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// committed notes what a placement has changed.
func (w *world) committed(tx *observed, called time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range tx.losses {
		w.lost[lossKey{l.ProberID, l.MonitorID, l.Epoch}] = l.Until
		w.trace("lost %+v", l)
	}
	rev := tx.Placement().Rev
	for _, a := range tx.assigned {
		rows := w.rows[a.MonitorID]
		// Who committed first may come to this later: another replica has the lock as soon as it is free.
		at := len(rows)
		for at > 0 && rows[at-1].rev > rev {
			at--
		}
		w.trace("assigned %+v", a)
		if a.Holder != "" && (at == 0 || rows[at-1].Epoch != a.Epoch) {
			w.history = append(w.history, porcupine.Operation{
				ClientId: 0, Input: step{monitor: a.MonitorID, grant: true}, Output: reply{epoch: uint64(a.Epoch)},
				Call: int64(called), Return: int64(w.now()) + 1,
			})
		}
		w.rows[a.MonitorID] = slices.Insert(rows, at, grant{a, tx.before[a.MonitorID].Assigned, rev, w.now()})
		w.begins(tx, a)
	}
}

// take is a slot that a prober runs, if its lease, until until, still lasts. The fence is where the result comes to be judged.
func (w *world) take(p *process, monitor uint32, epoch uint64, sole bool, until time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !sole && w.now() >= until {
		return
	}
	key, who := holdingKey{monitor, epoch}, p.id+"/"+p.session
	if owner, known := w.owners[key]; known && owner != who {
		w.broken = append(w.broken, fmt.Sprintf("%v: monitor %d has two owners under epoch %d: %s and %s", w.now(), monitor, epoch, owner, who))
	}
	w.owners[key] = who
	accepted := epoch >= w.judged[monitor]
	if !accepted {
		w.stale++
		if !sole {
			w.broken = append(w.broken, fmt.Sprintf("%v: %s runs monitor %d under epoch %d, after %d was begun", w.now(), who, monitor, epoch, w.judged[monitor]))
		}
	}
	w.judged[monitor] = max(w.judged[monitor], epoch)
	at := int64(w.now())
	w.history = append(w.history, porcupine.Operation{
		ClientId: 1 + p.number, Input: step{monitor: monitor, epoch: epoch}, Output: reply{accepted: accepted}, Call: at, Return: at + 1,
	})
}

// step and reply are an operation on the register that each monitor is: a grant draws an epoch, a slot is accepted or not.
type step struct {
	monitor uint32
	grant   bool
	epoch   uint64
}

type reply struct {
	epoch    uint64
	accepted bool
}

type register struct{ granted, judged uint64 }

// leaseModel is what a history must be equivalent to, one operation after the other.
var leaseModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[uint32][]porcupine.Operation{}
		for _, o := range history {
			m := o.Input.(step).monitor
			by[m] = append(by[m], o)
		}
		var out [][]porcupine.Operation
		for _, ops := range by {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		r, in, out := state.(register), input.(step), output.(reply)
		if in.grant {
			ok := out.epoch > r.granted
			r.granted = out.epoch
			return ok, r
		}
		ok := out.accepted == (in.epoch >= r.judged)
		r.judged = max(r.judged, in.epoch)
		return ok, r
	},
}

// proberContext is a context in which a prober calls.
func proberContext(ctx context.Context, id, region string) context.Context {
	return identity.NewContext(ctx, identity.Principal{Kind: identity.KindProber, Name: id, Region: region})
}
