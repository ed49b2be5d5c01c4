package monitors_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/postgres"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

var (
	histories = flag.Int("histories", 12, "random histories of leases")
	traced    = flag.Bool("history-trace", false, "tell what happens in histories")
	firstSeed = flag.Uint64("history-seed", 1, "seed of the first history")
)

// TestLeaseHistories lets replicas and probers live through pauses, lost messages, jumping clocks, crashes and twins. In no
// history may a monitor have two owners under one epoch, a slot be run under an epoch after one was run under a greater, or
// an account begin elsewhere than where the one before ends; and a crash is made good within two times to live.
func TestLeaseHistories(t *testing.T) {
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	const lanes = 2
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			for i := lane; i < *histories; i += lanes {
				seed := *firstSeed + uint64(i)
				if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { oneHistory(t, seed, box) }) {
					return
				}
			}
		})
	}
}

// memory is a folder whose files need no disk, where there is one.
func memory(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "frogstats"); err == nil { //nolint:usetesting // t.TempDir is on a disk
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

func oneHistory(t *testing.T, seed uint64, box *secret.Box) {
	dir := memory(t)
	if _, err := template(); err != nil { // outside the bubble
		t.Fatal(err)
	}
	bubbletest.Test(t, func(t *testing.T) {
		store := openTemplate(t, dir)
		w := newWorld(t, seed, 10*time.Second, box, func(int) monitors.Store { return store })
		w.live(store, 15)
	})
}

// TestLeaseHistoriesOnPostgres is TestLeaseHistories with replicas that share a database, by everybody's clock.
func TestLeaseHistoriesOnPostgres(t *testing.T) {
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dsn := postgrestest.DSN(t)
			open := func(int) monitors.Store {
				s, err := postgres.Open(t.Context(), dsn)
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
			first := open(0)
			w := newWorld(t, seed, time.Second, box, open)
			w.real = true
			w.live(first, 6)
		})
	}
}

// live is a whole history: so many times to live of trouble, then calm, then a crash.
func (w *world) live(store monitors.Store, trouble int) {
	ids := w.populate(store)
	w.torment(time.Duration(trouble) * w.ttl)
	w.heal()
	w.within(4*w.ttl, func() []string { return w.settled(ids) })
	w.crash()
	for _, p := range w.probers {
		p.kill()
	}
	for _, r := range w.replicas {
		r.stop()
	}
	w.all.Wait()
	w.verdict(ids)
}

// populate makes monitors, and the first probers.
func (w *world) populate(store monitors.Store) []uint32 {
	var ids []uint32
	p := monitors.Prober{ID: "founder", Region: w.region, LastSeenAt: time.Now()}
	if err := store.ProberArrived(context.Background(), p, "x"); err != nil {
		w.t.Fatal(err)
	}
	for range 4 {
		m := storetest.Example("org")
		m.Config.Regions, m.Config.ExternalID, m.Sealed = []string{w.region}, "", nil
		m.Config.HTTP.Headers, m.Config.HTTP.Auth, m.Config.HTTP.Proxy = nil, monitors.Auth{Type: monitors.AuthNone}, nil
		if err := store.Write(context.Background(), func(tx monitors.Tx) error {
			id, err := tx.Insert(context.Background(), m)
			ids = append(ids, id)
			return err
		}); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range 2 + w.pick(3) {
		w.start(fmt.Sprint("p", i), fmt.Sprint("s", i), "", w.chance(75))
	}
	return ids
}

// torment does one bad thing after the other.
func (w *world) torment(d time.Duration) {
	for n := 0; w.now() < d; n++ {
		pass(w.upTo(w.ttl))
		p := w.probers[w.pick(len(w.probers))]
		p.mu.Lock()
		session := p.session
		p.mu.Unlock()
		r := w.replicas[w.pick(len(w.replicas))]
		hour := time.Duration(w.pick(7200)-3600) * time.Second
		switch w.pick(10) {
		case 0: // a prober stands still
			p.mu.Lock()
			p.pausedTo = w.now() + w.upTo(3*w.ttl)
			p.mu.Unlock()
		case 1: // a replica does
			r.pause.Store(int64(w.now() + w.upTo(3*w.ttl)))
		case 2:
			p.clock.by.Store(int64(hour))
		case 3:
			r.clock.by.Store(int64(hour))
		case 4: // a clock is set right
			p.clock.by.Store(0)
			r.clock.by.Store(0)
		case 5: // killed, and started again on its folder
			p.kill()
			w.start(p.id, fmt.Sprint(session, "+", n), session, p.durable)
		case 6: // a second process under the same name, on another folder, while the first may live
			w.start(p.id, fmt.Sprint(session, "'", n), "", p.durable)
		case 7:
			p.leave()
			w.start(p.id, fmt.Sprint(session, "*", n), "", p.durable)
		case 8: // the store stands still
			w.frozen.Store(true)
			pass(w.upTo(2 * w.ttl))
			w.frozen.Store(false)
		case 9:
			p.mu.Lock()
			p.reopen()
			p.mu.Unlock()
		}
	}
}

// heal ends all trouble, and leaves one process under each name.
func (w *world) heal() {
	w.calm.Store(true)
	w.frozen.Store(false)
	for _, r := range w.replicas {
		r.pause.Store(0)
		r.clock.by.Store(0)
	}
	newest := map[string]*process{}
	for _, p := range w.probers {
		p.clock.by.Store(0)
		p.mu.Lock()
		p.pausedTo = 0
		p.mu.Unlock()
		if old := newest[p.id]; old != nil {
			old.kill()
		}
		newest[p.id] = p
		if p.ctx.Err() != nil {
			delete(newest, p.id)
		}
	}
	if len(newest) < 2 {
		w.start("late1", "late1", "", true)
		w.start("late2", "late2", "", true)
	}
}

// within wants nothing to be complained of after d, or soon.
func (w *world) within(d time.Duration, complaints func() []string) {
	pass(d)
	left := complaints()
	for late := 0; w.real && len(left) > 0 && late < 100; late++ {
		pass(d / 10)
		left = complaints()
	}
	for _, c := range left {
		w.breach("%s", c)
	}
}

// settled wants every monitor to be held by somebody who lives and runs it.
func (w *world) settled(ids []uint32) (complaints []string) {
	for _, id := range ids {
		w.mu.Lock()
		rows := w.rows[id]
		w.mu.Unlock()
		if len(rows) == 0 {
			complaints = append(complaints, fmt.Sprintf("monitor %d was never placed", id))
			continue
		}
		last := rows[len(rows)-1]
		if !slices.ContainsFunc(w.probers, func(p *process) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.ctx.Err() == nil && p.id == last.Holder && p.held[id] == uint64(last.Epoch) && w.now() < p.until
		}) {
			complaints = append(complaints, fmt.Sprintf("monitor %d is not run by %q, who holds it under %d", id, last.Holder, last.Epoch))
		}
	}
	return complaints
}

// crash kills one prober that holds something, for good, and wants others to hold that soon.
func (w *world) crash() {
	var victim *process
	lost := map[uint32]bool{}
	for _, p := range w.probers {
		p.mu.Lock()
		if p.ctx.Err() == nil && len(p.held) > 0 && victim == nil {
			victim = p
			for id := range p.held {
				lost[id] = true
			}
		}
		p.mu.Unlock()
	}
	if victim == nil {
		w.breach("nobody holds anything")
		return
	}
	at := w.now()
	victim.kill()
	w.within(2*w.ttl, func() (complaints []string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for id := range lost {
			last := w.rows[id][len(w.rows[id])-1]
			if last.Holder == victim.id || !w.real && last.at-at >= 2*w.ttl {
				complaints = append(complaints,
					fmt.Sprintf("monitor %d is held by %q since %v, after a crash of %s at %v", id, last.Holder, last.at, victim.id, at))
			}
		}
		return complaints
	})
}

// verdict looks at the history as a whole.
func (w *world) verdict(ids []uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.accounts(id)
		w.chain(id)
	}
	w.claims()
	if !porcupine.CheckOperations(leaseModel, w.history) {
		w.broken = append(w.broken, "the history is not one of a lease")
	}
	grants := 0
	for _, rows := range w.rows {
		grants += len(rows)
	}
	w.t.Logf("seed %d: %d replicas, %d processes, %d assignments, %d losses, %d handed over, %d slots, %d refused, %d faults", w.seed,
		len(w.replicas), len(w.probers), grants, len(w.lost), len(w.given), len(w.history), w.stale, w.faults)
	for _, b := range w.broken {
		w.t.Errorf("seed %d: %s", w.seed, b)
	}
}

// accounts wants each holder's account to begin where the one before ended. The lock is held.
func (w *world) accounts(id uint32) {
	var last grant
	for _, g := range w.rows[id] {
		if g.Holder == "" || g.Epoch == last.Epoch {
			continue
		}
		if last.Epoch != 0 {
			w.meets(last, g)
		}
		last = g
	}
}

func (w *world) meets(last, next grant) {
	key := lossKey{last.Holder, last.MonitorID, last.Epoch}
	complain := func(what string, args ...any) {
		w.broken = append(w.broken, fmt.Sprintf("monitor %d, from %s under %d to %s under %d: account from %v, ", last.MonitorID, last.Holder, last.Epoch,
			next.Holder, next.Epoch, next.AccountFrom)+fmt.Sprintf(what, args...))
	}
	if next.Epoch <= last.Epoch {
		complain("and the epoch is not greater")
	}
	if !next.AccountFrom.IsZero() && next.AccountFrom.Before(last.AccountFrom) {
		complain("before the one before began at %v", last.AccountFrom)
	}
	if until, lost := w.lost[key]; lost {
		if next.AccountFrom.IsZero() != until.Equal(time.UnixMilli(0)) || !next.AccountFrom.IsZero() && !next.AccountFrom.Equal(until) {
			complain("the one before ends at %v", until)
		}
	}
}
