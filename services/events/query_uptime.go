package events

import (
	"context"
	"slices"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	maxIntervals = 1000
	defaultDays  = 7
)

// GetUptime returns the uptime over a range, with the intervals behind it.
func (s *Service) GetUptime(ctx context.Context, req *eventsv1.GetUptimeRequest) (*eventsv1.Uptime, error) {
	m, err := s.monitor(ctx, req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	loc, err := loadZone(req.Tz)
	if err != nil {
		return nil, err
	}
	r, err := parseSpan(req.StartDate, req.EndDate, loc)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	if r.from.IsZero() {
		r.from = m.CreatedAt
	}
	if r.to.IsZero() {
		r.to = later(now, r.from.Add(time.Millisecond)) // a monitor made this instant has a range too
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	until := r.passed(now) // the future is nobody's
	tallies, err := s.tallies(ctx, m.ID, req.GetRegion(), []time.Time{r.from, until})
	if err != nil {
		return nil, err
	}
	t := tallies[1].Sub(tallies[0])
	resp := &eventsv1.Uptime{
		MonitorId: m.ID, StartDate: timestamp(r.from), EndDate: timestamp(r.to), MonitoringSince: timestamp(m.CreatedAt),
		UptimePercentage: percentage(t, DegradedPolicy(max(req.GetPolicy(), 1)-1)), CoveragePercentage: coverage(t),
		UpSeconds: t.Up.Seconds(), DegradedSeconds: t.Degraded.Seconds(), DownSeconds: t.Down.Seconds(),
		UnknownSeconds: (t.Unknown + t.Paused).Seconds(), MaintenanceSeconds: t.Maintenance.Seconds(), Outages: count(t.Outages),
	}
	if err := s.fillIntervals(ctx, resp, m.ID, req.GetRegion(), r.from, until); err != nil {
		return nil, err
	}
	return resp, s.fillCurrent(ctx, resp, m.ID, req.GetRegion(), now)
}

// fillIntervals adds the newest intervals, and the start of the newest outage.
func (s *Service) fillIntervals(ctx context.Context, resp *eventsv1.Uptime, id uint32, region string, from, until time.Time) error {
	list, err := s.state.Transitions(ctx, TransitionQuery{MonitorID: id, Region: region, From: from, To: until, Limit: maxIntervals})
	if err != nil {
		return err
	}
	end := until
	for i := range list {
		t := &list[i]
		start := later(t.Since, from)
		if start.Before(end) {
			resp.Intervals = append(resp.Intervals, &eventsv1.StateInterval{Status: statusOut(t.Status), Start: timestamp(start), End: timestamp(end)})
			end = start
		}
	}
	slices.Reverse(resp.Intervals)
	down, err := s.state.Transitions(ctx, TransitionQuery{MonitorID: id, Region: region, From: from, To: until, Status: Down, Limit: 1})
	if err != nil {
		return err
	}
	if len(down) > 0 {
		resp.LastDowntime = timestamp(down[0].Since)
	}
	return nil
}

// fillCurrent adds how long ago the last outage ended.
func (s *Service) fillCurrent(ctx context.Context, resp *eventsv1.Uptime, id uint32, region string, now time.Time) error {
	list, err := s.state.Transitions(ctx, TransitionQuery{MonitorID: id, Region: region, To: now, Limit: maxIntervals})
	if err != nil {
		return err
	}
	if since, ok := upSince(list); ok {
		seconds := now.Sub(since).Seconds()
		resp.CurrentUptimeSeconds = &seconds
	}
	return nil
}

// upSince is when the last outage among transitions, newest first, ended, or if there was none, when the target was first seen;
// false if it is not up now. Time in which nobody looked does not end an outage, nor begin one.
func upSince(list []Transition) (time.Time, bool) {
	if len(list) == 0 || list[0].Status != Up && list[0].Status != Degraded {
		return time.Time{}, false
	}
	since := list[0].Since
	for i := range list {
		t := &list[i]
		if t.Status == Down && list[i-1].Since.After(t.Since) {
			return list[i-1].Since, true
		}
		if t.Status == Up || t.Status == Degraded {
			since = t.Since
		}
	}
	return since, true
}

// ListBuckets returns uptime and counts per bucket, oldest first, without gaps.
func (s *Service) ListBuckets(ctx context.Context, req *eventsv1.ListBucketsRequest) (*eventsv1.ListBucketsResponse, error) {
	m, err := s.monitor(ctx, req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	loc, err := loadZone(req.Tz)
	if err != nil {
		return nil, err
	}
	width, days := Width(req.GetBucket()), int(req.GetDays())
	if width == 0 {
		width = Day
	}
	if req.Days == nil {
		days = defaultDays
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	y, mo, d := now.In(loc).Date()
	from := width.Floor(midnight(y, mo, d-days+1, loc), loc)
	to := width.Next(width.Floor(now, loc), loc)
	buckets, ok := Cut(from, to, width, loc, 2*maxBuckets)
	if !ok {
		return nil, fault.Invalid("", fault.Field{Name: "bucket", Message: "is too narrow for so many days"})
	}
	parts, err := s.results.Summarize(ctx, m.ID, "", buckets.Edges)
	if err != nil {
		return nil, delayed(err)
	}
	moments := slices.Clone(buckets.Edges)
	for i := range moments {
		moments[i] = earlier(moments[i], now)
	}
	tallies, err := s.tallies(ctx, m.ID, "", moments)
	if err != nil {
		return nil, err
	}
	resp := &eventsv1.ListBucketsResponse{MonitorId: m.ID, Bucket: eventsv1.Bucket(width), Days: uint32(days)}
	policy := DegradedPolicy(max(req.GetPolicy(), 1) - 1)
	for i, start := range buckets.Starts {
		resp.Buckets = append(resp.Buckets, uptimeBucket(start, tallies[i+1].Sub(tallies[i]), &parts[i], policy))
	}
	return resp, nil
}

func uptimeBucket(start time.Time, t Tally, s *Summary, policy DegradedPolicy) *eventsv1.UptimeBucket {
	b := &eventsv1.UptimeBucket{
		BucketTime: timestamp(start), UptimePercentage: percentage(t, policy), CoveragePercentage: coverage(t), DownSeconds: t.Down.Seconds(),
		MaintenanceSeconds: t.Maintenance.Seconds(), AvgResponseTime: meanMS(s.Response.Mean),
	}
	if s.Checks()+s.MissedSlots > 0 {
		n := func(v int64) *uint32 {
			c := count(v)
			return &c
		}
		b.TotalChecks, b.SuccessfulChecks, b.FailedChecks = n(s.Checks()), n(s.Successes), n(s.Failures)
		b.TimeoutChecks, b.ErrorChecks, b.MissedChecks = n(s.Timeouts), n(s.ObserverFaults), n(s.MissedSlots)
	}
	return b
}
