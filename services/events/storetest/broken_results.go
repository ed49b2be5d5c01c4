package storetest

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/events"
)

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
	if b.what == "pages anew" {
		q.Before.Region = ""
	}
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

func (b *brokenResults) Count(ctx context.Context, q events.ResultQuery) (int64, error) {
	n, err := b.ResultStore.Count(ctx, q)
	if b.what == "counts one too many" && q.ErrorType != "" {
		n++
	}
	return n, err
}

func (b *brokenResults) MeanResponses(ctx context.Context, ids []uint32, since time.Time) (map[uint32]events.Mean, error) {
	if b.what == "means of all" {
		since = since.AddDate(-1, 0, 0)
	}
	return b.ResultStore.MeanResponses(ctx, ids, since)
}

func (b *brokenResults) LastSlots(ctx context.Context, q events.SlotQuery) (map[uint32]time.Time, error) {
	out, err := b.ResultStore.LastSlots(ctx, q)
	if b.what == "last slots are first" {
		for id := range out {
			out[id] = out[id].Add(-time.Second)
		}
	}
	return out, err
}

func (b *brokenResults) Prune(ctx context.Context, before time.Time) error {
	if b.what == "prunes nothing" {
		return nil
	}
	return b.ResultStore.Prune(ctx, before)
}

func (b *brokenResults) Summarize(ctx context.Context, id uint32, region string, edges []time.Time) ([]events.Summary, error) {
	out, err := b.ResultStore.Summarize(ctx, id, region, edges)
	switch {
	case len(out) == 0:
	case b.what == "forgets a sum":
		out[len(out)-1] = events.Summary{}
	case b.what == "shows before it has" && out[0].Successes > 200:
		out[0].Successes -= 100
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
