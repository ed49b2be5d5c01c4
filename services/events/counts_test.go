package events_test

import (
	"context"
	"sync"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/events"
)

// writes counts the region states that are stored.
type writes struct {
	events.StateStore
	exclusive bool

	mu      sync.Mutex
	regions int
}

func (w *writes) Exclusive() bool { return w.exclusive }

func (w *writes) Commit(ctx context.Context, c events.Commit) error {
	w.mu.Lock()
	w.regions += len(c.Regions)
	w.mu.Unlock()
	return w.StateStore.Commit(ctx, c)
}

func (w *writes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.regions
}

// Successes that only count are not written one by one if the store is nobody else's; they are acknowledged, shown, and there
// after an orderly end. Others have to read them in the store.
func TestCountsAreShownAndKeptBeforeTheyAreWritten(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		dir := t.TempDir()
		often := entry(7, "o1")
		often.IntervalMs = 9999
		cat := &catalogue{entries: []*monitorsv1.CatalogEntry{often}}
		counted := &writes{exclusive: exclusive}
		r := run(t, dir, cat, func(d *events.Deps) { counted.StateStore, d.State = d.State, counted })
		p := r.prober()
		const checks = 8
		begin := time.Now().UTC().Truncate(time.Second) // a monitor that is checked often is soon taken for silent
		var list []*checkv1.CheckResult
		for i := range checks {
			list = append(list, result(7, "o1", begin.Add(time.Duration(i)*time.Second), ok))
		}
		before := 0
		for i, x := range list {
			if i == 1 {
				before = counted.count()
			}
			p.send(x)
			p.sync()
		}
		if n := counted.count() - before; exclusive && n != 0 || !exclusive && n < 2 {
			t.Errorf("exclusive %v: %d states of %d successes were written", exclusive, n, checks-1)
		}
		last := begin.Add((checks-1)*time.Second + 2*time.Millisecond)
		check := func(r *running, when string) {
			t.Helper()
			if s := r.status(7).GetStatus(); s.GetConsecutiveSuccesses() != checks || !s.GetLastCheckedAt().AsTime().Equal(last) {
				t.Errorf("exclusive %v, %s: %v", exclusive, when, s)
			}
		}
		check(r, "while it runs")
		p.close()
		r.stop()
		check(run(t, dir, &catalogue{entries: cat.entries}, func(d *events.Deps) { d.State = &writes{StateStore: d.State} }), "after an end")
	}
}
