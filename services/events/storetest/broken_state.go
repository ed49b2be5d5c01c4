package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/events"
)

type brokenState struct {
	events.StateStore
	what string
}

func (b *brokenState) Load(ctx context.Context) (events.Snapshot, error) {
	out, err := b.StateStore.Load(ctx)
	switch {
	case b.what == "starts with something":
		out.Deleted = append(out.Deleted, 1)
	case b.what == "loads deleted monitors":
		out.Deleted = nil
	case b.what == "forgets a deadline":
		for i := range out.Regions {
			out.Regions[i].UnknownAt = time.Time{}
		}
	}
	return out, err
}

func (b *brokenState) Commit(ctx context.Context, c events.Commit) error {
	switch b.what {
	case "loses the feed's order":
		slices.Reverse(c.Feed)
	case "keeps the first":
		if have, err := b.StateStore.Load(ctx); err != nil || len(have.Monitors) > 0 {
			c.Monitors = nil
		}
	case "refuses a repeated key":
		if len(c.States) == 2 && c.States[0].MonitorID == c.States[1].MonitorID {
			return errors.New("a row cannot be changed twice")
		}
	case "refuses odd texts":
		for _, r := range c.Regions {
			if strings.ContainsRune(r.LastError, 0) {
				return errors.New("invalid byte sequence")
			}
		}
	case "stores the first thousand":
		c.Regions = c.Regions[:min(len(c.Regions), 1000)]
	case "stores half":
		if err := b.StateStore.Commit(context.WithoutCancel(ctx), events.Commit{Monitors: c.Monitors}); err != nil {
			return err
		}
	}
	return b.StateStore.Commit(ctx, c)
}

func (b *brokenState) Prune(ctx context.Context, p events.PruneBefore) error {
	switch b.what {
	case "keeps what was pruned":
		p.Observations = time.Time{}
	case "keeps what deleted ones had":
		p.Deleted = time.Time{}
	}
	return b.StateStore.Prune(ctx, p)
}

func (b *brokenState) Statuses(ctx context.Context, ids []uint32) ([]events.MonitorStatus, error) {
	out, err := b.StateStore.Statuses(ctx, ids)
	switch {
	case len(out) == 0:
	case b.what == "shows deleted monitors":
		again := out[0]
		again.MonitorID = 6
		out = append(out, again)
	case b.what == "forgets a region":
		out[0].Regions = out[0].Regions[1:]
	}
	return out, err
}

func (b *brokenState) MonitorIDs(ctx context.Context, organizationID string, st events.Status) ([]uint32, error) {
	if b.what == "mixes organizations" {
		organizationID = "org-1"
	}
	return b.StateStore.MonitorIDs(ctx, organizationID, st)
}

func (b *brokenState) Transitions(ctx context.Context, q events.TransitionQuery) ([]events.Transition, error) {
	out, err := b.StateStore.Transitions(ctx, q)
	if b.what == "cuts the oldest" && len(out) > 1 {
		out = out[:len(out)-1]
	}
	return out, err
}

func (b *brokenState) Feed(ctx context.Context, q events.FeedQuery) (events.FeedPage, error) {
	if b.what == "shows others' entries" {
		q.OrganizationID = ""
	}
	page, err := b.StateStore.Feed(ctx, q)
	if b.what == "skips in the feed" {
		page.Rows = slices.DeleteFunc(page.Rows, func(r events.FeedRow) bool { return r.Seq%20 == 7 })
	}
	return page, err
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
