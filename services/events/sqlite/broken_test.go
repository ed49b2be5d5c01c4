package sqlite_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// brokenEnv makes the suites of this test binary run on stores that break one promise, to show that the suites notice.
const brokenEnv = "EVENTS_TEST_BROKEN_STORE"

func TestSuitesNoticeBrokenStores(t *testing.T) {
	if os.Getenv(brokenEnv) != "" {
		return // this is the run on a broken store
	}
	for suite, breaks := range map[string][]string{
		"TestHistory": {"appends twice", "counts repeats", "misses the newest", "forgets a sum", "sums twice", "drops headers", "replays the first again", "maintains nothing away"},
		"TestState":   {"loses the feed's order", "keeps what was pruned", "shows deleted monitors", "reads timelines too late", "stores half"},
	} {
		for _, what := range breaks {
			t.Run(what, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+suite+"$", "-test.failfast", "-test.timeout=60s")
				cmd.Env = append(os.Environ(), brokenEnv+"="+what)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err == nil {
					t.Errorf("the suite passed:\n%s", out)
				} else if !asExit(err, &exit) || exit.ExitCode() != 1 {
					t.Errorf("%v:\n%s", err, out)
				}
			})
		}
	}
}

func asExit(err error, target **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // exec returns it as it is
	*target = e
	return ok
}

func breakResults(s events.ResultStore) events.ResultStore {
	if what := os.Getenv(brokenEnv); what != "" {
		return &brokenResults{ResultStore: s, what: what}
	}
	return s
}

func breakState(s events.StateStore) events.StateStore {
	if what := os.Getenv(brokenEnv); what != "" {
		return &brokenState{StateStore: s, what: what}
	}
	return s
}

type brokenResults struct {
	events.ResultStore
	what string
}

func (b *brokenResults) Append(ctx context.Context, results []events.Result) (int, error) {
	n, err := b.ResultStore.Append(ctx, results)
	switch b.what {
	case "counts repeats":
		n = len(results)
	case "appends twice":
		var moved []events.Result
		for _, r := range results {
			r.ScheduledAt = r.ScheduledAt.Add(time.Millisecond)
			moved = append(moved, r)
		}
		_, err = b.ResultStore.Append(ctx, moved)
	}
	return n, err
}

func (b *brokenResults) List(ctx context.Context, q events.ResultQuery) ([]events.Result, error) {
	out, err := b.ResultStore.List(ctx, q)
	switch {
	case len(out) == 0:
	case b.what == "misses the newest":
		out = out[1:]
	case b.what == "drops headers":
		for i := range out {
			out[i].Headers = nil
		}
	}
	return out, err
}

func (b *brokenResults) Summarize(ctx context.Context, id uint32, region string, edges []time.Time) ([]events.Summary, error) {
	out, err := b.ResultStore.Summarize(ctx, id, region, edges)
	switch {
	case len(out) == 0:
	case b.what == "forgets a sum":
		out[len(out)-1] = events.Summary{}
	case b.what == "sums twice":
		again := out[0]
		again.Histogram = events.Histogram{}
		out[0].Merge(&again)
	}
	return out, err
}

func (b *brokenResults) Replay(ctx context.Context, id uint32, after map[string]time.Time, fn func(*events.Result) error) error {
	first := b.what == "replays the first again"
	return b.ResultStore.Replay(ctx, id, after, func(r *events.Result) error {
		if first {
			first = false
			if err := fn(r); err != nil {
				return err
			}
		}
		return fn(r)
	})
}

func (b *brokenResults) Maintain(ctx context.Context, all bool) error {
	if b.what == "maintains nothing away" && all {
		return b.Prune(ctx, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	}
	return b.ResultStore.Maintain(ctx, all)
}

type brokenState struct {
	events.StateStore
	what string
}

func (b *brokenState) Commit(ctx context.Context, c events.Commit) error {
	switch b.what {
	case "loses the feed's order":
		if n := len(c.Feed); n > 1 {
			c.Feed[0], c.Feed[n-1] = c.Feed[n-1], c.Feed[0]
		}
	case "stores half":
		if err := b.StateStore.Commit(context.WithoutCancel(ctx), events.Commit{Monitors: c.Monitors}); err != nil {
			return err
		}
	}
	return b.StateStore.Commit(ctx, c)
}

func (b *brokenState) Prune(ctx context.Context, p events.PruneBefore) error {
	if b.what == "keeps what was pruned" {
		p.Observations = time.Time{}
	}
	return b.StateStore.Prune(ctx, p)
}

func (b *brokenState) Statuses(ctx context.Context, ids []uint32) ([]events.MonitorStatus, error) {
	out, err := b.StateStore.Statuses(ctx, ids)
	if b.what == "shows deleted monitors" && len(out) > 0 {
		again := out[0]
		again.MonitorID = 6
		out = append(out, again)
	}
	return out, err
}

func (b *brokenState) Timelines(ctx context.Context, ids []uint32, region string, moments []time.Time) (map[uint32][]events.Timeline, error) {
	if b.what == "reads timelines too late" {
		late := make([]time.Time, len(moments))
		for i, m := range moments {
			late[i] = m.Add(time.Millisecond)
		}
		moments = late
	}
	return b.StateStore.Timelines(ctx, ids, region, moments)
}
