package postgres

import (
	"context"
	"fmt"

	"github.com/frogstats/uptime/services/events"
)

// Both read the entries and, as of the same moment, how far the feed goes and what is missing of it: a statement sees one
// state of the database. The second goes by the organization's own index.
const (
	readFeed = `
SELECT o.feed_seq, COALESCE((SELECT seq FROM feed_pruned WHERE kind = 1), 0), COALESCE((SELECT seq FROM feed_pruned WHERE kind = 2), 0),
  f.seq, f.organization_id, f.monitor_id, f.kind, f.body
FROM ownership o LEFT JOIN LATERAL (
  SELECT seq, organization_id, monitor_id, kind, body FROM feed
  WHERE seq > $1 AND ($2::bigint[] IS NULL OR monitor_id = ANY ($2))
  ORDER BY seq LIMIT $3) f ON TRUE
ORDER BY f.seq`
	readFeedOf = `
SELECT o.feed_seq, COALESCE((SELECT seq FROM feed_pruned WHERE kind = 1), 0), COALESCE((SELECT seq FROM feed_pruned WHERE kind = 2), 0),
  f.seq, f.organization_id, f.monitor_id, f.kind, f.body
FROM ownership o LEFT JOIN LATERAL (
  SELECT seq, organization_id, monitor_id, kind, body FROM feed
  WHERE seq > $1 AND ($2::bigint[] IS NULL OR monitor_id = ANY ($2)) AND organization_id = $4
  ORDER BY seq LIMIT $3) f ON TRUE
ORDER BY f.seq`
)

// Feed reads entries in one query.
func (s *State) Feed(ctx context.Context, q events.FeedQuery) (events.FeedPage, error) {
	var page events.FeedPage
	var seq *uint64
	var organization *string
	var monitor *uint32
	var kind *int16
	var body []byte
	query, args := readFeed, []any{int64(q.After), []int64(nil), q.Limit}
	if len(q.MonitorIDs) > 0 {
		args[1] = distinct(q.MonitorIDs)
	}
	if q.OrganizationID != "" {
		query, args = readFeedOf, append(args, text(q.OrganizationID))
	}
	targets := []any{&page.Head, &page.PrunedTransitions, &page.PrunedObservations, &seq, &organization, &monitor, &kind, &body}
	err := each(ctx, s.db, targets, func() error {
		if seq != nil {
			page.Rows = append(page.Rows, events.FeedRow{
				Seq: *seq, OrganizationID: *organization, MonitorID: *monitor, Kind: events.FeedKind(*kind), Body: body,
			})
		}
		return nil
	}, query, args...)
	if err != nil {
		return events.FeedPage{}, fmt.Errorf("read feed: %w", err)
	}
	return page, nil
}
