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
	return resp, s.fillCurrent(ctx, resp, m, now)
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

// fillCurrent adds how long the monitor has been up without a break.
func (s *Service) fillCurrent(ctx context.Context, resp *eventsv1.Uptime, m Monitor, now time.Time) error {
	rows, err := s.state.Statuses(ctx, []uint32{m.ID})
	if err != nil || len(rows) == 0 {
		return err
	}
	if row := &rows[0]; row.Status == Up || row.Status == Degraded {
		since := row.Since
		broken, err := s.state.Transitions(ctx, TransitionQuery{MonitorID: m.ID, To: now, Limit: maxIntervals})
		if err != nil {
			return err
		}
		for i := range broken { // up and degraded in turn are one stretch
			if st := broken[i].Status; st != Up && st != Degraded {
				break
			}
			since = earlier(since, broken[i].Since)
		}
		seconds := max(now.Sub(since), 0).Seconds()
		resp.CurrentUptimeSeconds = &seconds
	}
	return nil
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
		return nil, err
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
		AvgResponseTime: meanMS(s.Response.Mean),
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
