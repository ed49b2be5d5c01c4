package events_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// replays counts what is read again of single monitors.
type replays struct {
	events.ResultStore
	asked atomic.Int64
}

func (r *replays) Replay(ctx context.Context, id uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	r.asked.Add(1)
	return r.ResultStore.Replay(ctx, id, after, fn)
}

// A start does not ask the history for each monitor, only for those of which more was stored than judged.
func TestStartReadsAgainOnlyWhatIsAhead(t *testing.T) {
	const monitors = 50
	dir := t.TempDir()
	cat := &catalogue{}
	var first []*checkv1.CheckResult
	for id := range uint32(monitors) {
		cat.entries = append(cat.entries, entry(id+1, "o1"))
		first = append(first, result(id+1, "o1", t0, ok))
	}
	r := run(t, dir, cat)
	p := r.prober()
	p.send(first...)
	p.sync()
	p.close()
	r.stop()
	history, err := sqlite.OpenHistory(t.Context(), filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// What a process leaves behind that dies after it has stored and before it has judged.
	left := []events.Result{stored(7, t0.Add(time.Minute), events.Failure), stored(7, t0.Add(2*time.Minute), events.Failure)}
	if _, err := history.Append(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if err := history.Close(); err != nil {
		t.Fatal(err)
	}

	counted := &replays{}
	again := run(t, dir, &catalogue{entries: cat.entries, steps: make(chan *monitorsv1.WatchCatalogResponse)}, func(d *events.Deps) {
		counted.ResultStore = d.Results
		d.Results = counted
	})
	if s := again.status(7); s.GetCurrentStatus() != down {
		t.Errorf("what was stored before the end is not judged: %v", s)
	}
	if n := counted.asked.Load(); n != 1 {
		t.Errorf("%d monitors were read again, want the one that was ahead", n)
	}
}
