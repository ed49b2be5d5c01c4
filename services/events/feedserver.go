package events

import (
	"context"
	"math"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/identity"
)

const (
	feedPage      = 500
	feedHeartbeat = 10 * time.Second // the contract promises a sign of life every 15
)

// ReadFeed sends the entries of all organizations. It is for readers that act on transitions, each of which counts: it is
// truncated when transitions are gone, not when observations are, of which the next one makes up for those before.
func (s *Service) ReadFeed(req *eventsv1.ReadFeedRequest, stream eventsv1.FeedService_ReadFeedServer) error {
	return s.follow(stream.Context(), FeedQuery{After: min(req.GetAfterSeq(), math.MaxInt64)}, stream.Send, func(p *FeedPage) uint64 {
		return p.PrunedTransitions
	})
}

// Subscribe sends the entries of the caller's organization. It is for pages that show what there is now: for those, reading
// the states anew is better than a month of transitions, so it is truncated when anything is gone.
func (s *Service) Subscribe(req *eventsv1.SubscribeRequest, stream eventsv1.FeedService_SubscribeServer) error {
	caller, _ := identity.FromContext(stream.Context())
	q := FeedQuery{After: min(req.GetAfterSeq(), math.MaxInt64), OrganizationID: caller.OrganizationID, MonitorIDs: req.GetMonitorIds()}
	if req.AfterSeq == nil {
		head, err := s.state.Feed(stream.Context(), FeedQuery{After: math.MaxInt64, Limit: 1})
		if err != nil {
			return err
		}
		s.metrics.saw(head.Head)
		q.After = head.Head
	}
	return s.follow(stream.Context(), q, stream.Send, func(p *FeedPage) uint64 {
		return max(p.PrunedTransitions, p.PrunedObservations)
	})
}

// follow sends what there is after q.After, and then what comes, until ctx ends. What it sends is always read from the store:
// a slow reader holds a cursor, not a queue. A reader that is not past what lost says is told that it is truncated.
func (s *Service) follow(ctx context.Context, q FeedQuery, send func(*eventsv1.ReadFeedResponse) error, lost func(*FeedPage) uint64) error {
	s.metrics.readers.Add(1)
	defer s.metrics.readers.Add(-1)
	q.Limit = feedPage
	heartbeat := time.NewTicker(feedHeartbeat)
	defer heartbeat.Stop()
	alive := true // the first answer comes at once, to tell the reader where the feed stands
	for {
		told := s.court.told.wait()
		page, err := s.state.Feed(ctx, q)
		if err != nil {
			return err
		}
		s.metrics.saw(page.Head)
		resp := &eventsv1.ReadFeedResponse{HeadSeq: page.Head, Truncated: q.After < lost(&page)}
		for i := range page.Rows {
			e, err := decodeFeed(&page.Rows[i])
			if err != nil {
				return err
			}
			resp.Entries = append(resp.Entries, e)
		}
		if len(resp.Entries) > 0 || resp.Truncated || alive {
			if err := send(resp); err != nil {
				return err
			}
			alive = false
		}
		if n := len(page.Rows); n == feedPage {
			q.After = page.Rows[n-1].Seq
			continue
		}
		q.After = max(q.After, page.Head)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-told:
		case <-heartbeat.C:
			alive = true
		}
	}
}
