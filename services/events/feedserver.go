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

// ReadFeed sends the entries of all organizations.
func (s *Service) ReadFeed(req *eventsv1.ReadFeedRequest, stream eventsv1.FeedService_ReadFeedServer) error {
	return s.follow(stream.Context(), FeedQuery{After: min(req.GetAfterSeq(), math.MaxInt64)}, stream.Send)
}

// Subscribe sends the entries of the caller's organization.
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
	return s.follow(stream.Context(), q, stream.Send)
}

// follow sends what there is after q.After, and then what comes, until ctx ends. What it sends is always read from the store:
// a slow reader holds a cursor, not a queue.
func (s *Service) follow(ctx context.Context, q FeedQuery, send func(*eventsv1.ReadFeedResponse) error) error {
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
		resp := &eventsv1.ReadFeedResponse{HeadSeq: page.Head, Truncated: q.After < page.Pruned}
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
