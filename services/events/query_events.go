package events

import (
	"context"
	"fmt"
	"slices"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/page"
)

const defaultEvents = 100

// eventPlace is where a page of events ends, as its token holds it.
type eventPlace struct {
	At     int64  `json:"at"` // Unix milliseconds
	Region string `json:"region"`
}

// ListEvents returns results, newest first.
func (s *Service) ListEvents(ctx context.Context, req *eventsv1.ListEventsRequest) (*eventsv1.ListEventsResponse, error) {
	m, err := s.monitor(ctx, req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	q, err := eventQuery(req)
	if err != nil {
		return nil, err
	}
	scope := eventScope(ctx, &q)
	if req.PageToken != nil && req.GetPageToken() != "" {
		if req.GetOffset() > 0 {
			return nil, fault.Invalid("", fault.Field{Name: "page_token", Message: "must not be given together with offset"})
		}
		var at eventPlace
		if err := s.pages.Decode(scope, req.GetPageToken(), &at); err != nil {
			return nil, err
		}
		q.Before = ResultPlace{ScheduledAt: time.UnixMilli(at.At).UTC(), Region: at.Region}
	}
	total, err := s.results.Count(ctx, q)
	if err != nil {
		return nil, delayed(err)
	}
	limit := q.Limit
	q.Limit++ // one more tells whether there is a next page
	results, err := s.results.List(ctx, q)
	if err != nil {
		return nil, delayed(err)
	}
	resp := &eventsv1.ListEventsResponse{Pagination: &eventsv1.Pagination{
		Total: count(total), Limit: uint32(limit), Offset: uint32(q.Offset),
	}}
	if len(results) > limit {
		results = results[:limit]
		last := &results[limit-1]
		token := s.pages.Encode(scope, eventPlace{last.ScheduledAt.UnixMilli(), last.Region})
		resp.Pagination.NextPageToken = &token
	}
	for i := range results {
		results[i].OrganizationID = m.OrganizationID
		resp.Events = append(resp.Events, eventOut(&results[i]))
	}
	return resp, nil
}

func eventQuery(req *eventsv1.ListEventsRequest) (ResultQuery, error) {
	span, err := parseSpan(req.StartDate, req.EndDate, time.UTC)
	if err != nil {
		return ResultQuery{}, err
	}
	if err := span.check(); err != nil {
		return ResultQuery{}, err
	}
	q := ResultQuery{
		MonitorID: req.GetMonitorId(), Region: req.GetRegion(), From: span.from, To: span.to, ErrorType: req.GetErrorType(),
		Limit: defaultEvents, Offset: int(req.GetOffset()),
	}
	if req.Limit != nil {
		q.Limit = int(req.GetLimit())
	}
	if q.ErrorType == "ssl_error" {
		q.ErrorType = "tls_error"
	}
	for _, o := range req.GetStatus() {
		if !slices.Contains(q.Outcomes, Outcome(o)) {
			q.Outcomes = append(q.Outcomes, Outcome(o))
		}
	}
	slices.Sort(q.Outcomes)
	return q, nil
}

// eventScope binds a token to the list that it was made for.
func eventScope(ctx context.Context, q *ResultQuery) string {
	caller, _ := identity.FromContext(ctx)
	return page.Scope("events", caller.OrganizationID, fmt.Sprint(q.MonitorID), q.Region,
		fmt.Sprint(q.From.UnixMilli()), fmt.Sprint(q.To.UnixMilli()), fmt.Sprint(q.Outcomes), q.ErrorType)
}

// count fits a number into the wire's; a monitor checked every second reaches its end after 136 years.
func count(n int64) uint32 { return uint32(min(max(n, 0), 1<<32-1)) }
