package events

import (
	"context"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	maxBuckets       = 5000
	histogramClasses = 24
)

// GetStats returns uptime, counts, response times and their distribution.
func (s *Service) GetStats(ctx context.Context, req *eventsv1.GetStatsRequest) (*eventsv1.Stats, error) {
	m, err := s.monitor(ctx, req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	loc, err := loadZone(req.Tz)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	period, r, err := statsSpan(req, loc, now)
	if err != nil {
		return nil, err
	}
	width := Width(req.GetBucket())
	if width == 0 {
		width = usualWidth(r.to.Sub(r.from))
	}
	buckets, ok := Cut(r.from, r.to, width, loc, maxBuckets)
	if !ok {
		return nil, fault.Invalid("", fault.Field{Name: "bucket", Message: "is so narrow that there would be more than 5000 buckets"})
	}
	if last := len(buckets.Edges) - 1; r.to.Equal(now) { // nothing is due after now, and roll-ups answer for full hours
		buckets.Edges[last] = now.Truncate(time.Hour).Add(time.Hour)
	}
	parts, err := s.results.Summarize(ctx, m.ID, req.GetRegion(), buckets.Edges)
	if err != nil {
		return nil, delayed(err)
	}
	tallies, err := s.tallies(ctx, m.ID, req.GetRegion(), []time.Time{r.from, r.passed(now)})
	if err != nil {
		return nil, err
	}
	var whole Summary
	resp := &eventsv1.Stats{
		MonitorId: m.ID, Period: period, StartDate: timestamp(r.from), EndDate: timestamp(r.to), Region: req.Region, Bucket: eventsv1.Bucket(width),
	}
	for i := range parts {
		whole.Merge(&parts[i])
		resp.Distribution = append(resp.Distribution, distribution(buckets.Starts[i], &parts[i]))
	}
	known := tallies[1].Sub(tallies[0])
	resp.UptimePercentage, resp.CoveragePercentage = percentage(known, DegradedPolicy(max(req.GetPolicy(), 1)-1)), coverage(known)
	fillCounts(resp, &whole)
	return resp, nil
}

// statsSpan is the range that is asked for, and its name.
func statsSpan(req *eventsv1.GetStatsRequest, loc *time.Location, now time.Time) (string, span, error) {
	r, err := parseSpan(req.StartDate, req.EndDate, loc)
	if err != nil {
		return "", r, err
	}
	period := req.GetPeriod()
	dated := req.StartDate != nil || req.EndDate != nil
	switch {
	case req.Hours != nil && (period != "" || dated):
		return "", r, fault.Invalid("", fault.Field{Name: "hours", Message: "must not be given together with period or dates"})
	case req.Hours != nil:
		return "custom", span{now.Add(-time.Duration(req.GetHours()) * time.Hour), now}, nil
	case dated && period != "" && period != "custom":
		return "", r, fault.Invalid("", fault.Field{Name: "period", Message: `must be "custom" when dates are given`})
	case period == "custom" || dated:
		if r.from.IsZero() {
			return "", r, fault.Invalid("", fault.Field{Name: "start_date", Message: "must be given for a custom period"})
		}
		if r.to.IsZero() {
			r.to = now
		}
		return "custom", r, r.check()
	}
	lengths := map[string]time.Duration{"": day, "24h": day, "7d": week, "30d": month}
	if period == "" {
		period = "24h"
	}
	// From the full hour on: a named period says about how long, and the first minutes of it would cost as much as all the rest.
	return period, span{now.Add(-lengths[period]).Truncate(time.Hour), now}, nil
}

func fillCounts(resp *eventsv1.Stats, all *Summary) {
	resp.TotalChecks, resp.SuccessfulChecks, resp.FailedChecks = count(all.Checks()), count(all.Successes), count(all.Failures)
	resp.TimeoutChecks, resp.ErrorChecks, resp.MissedChecks = count(all.Timeouts), count(all.ObserverFaults), count(all.MissedSlots)
	resp.ResponseTime = responseTime(all)
	for _, c := range all.Histogram.Classes(histogramClasses) {
		resp.Histogram = append(resp.Histogram, &eventsv1.HistogramClass{FromMs: milliseconds(c.From), ToMs: milliseconds(c.To), Count: count(c.Count)})
	}
}

func responseTime(s *Summary) *eventsv1.ResponseTime {
	out := &eventsv1.ResponseTime{Avg: meanMS(s.Response.Mean)}
	if s.Response.Count > 0 {
		least, most := milliseconds(s.Response.Min), milliseconds(s.Response.Max)
		out.Min, out.Max = &least, &most
	}
	out.P50, out.P75, out.P90 = quantileMS(s, .5), quantileMS(s, .75), quantileMS(s, .9)
	out.P95, out.P99 = quantileMS(s, .95), quantileMS(s, .99)
	return out
}

func quantileMS(s *Summary, q float64) *float64 {
	d, ok := s.Quantile(q)
	if !ok {
		return nil
	}
	ms := milliseconds(d)
	return &ms
}

func meanMS(m Mean) *float64 {
	d, ok := m.Value()
	if !ok {
		return nil
	}
	ms := milliseconds(d)
	return &ms
}

func distribution(start time.Time, s *Summary) *eventsv1.DistributionBucket {
	out := &eventsv1.DistributionBucket{
		TimeBucket: timestamp(start), CheckCount: count(s.Checks()), SuccessCount: count(s.Successes), FailureCount: count(s.Failures),
		TimeoutCount: count(s.Timeouts), ErrorCount: count(s.ObserverFaults), MissedCount: count(s.MissedSlots),
		AvgResponseTime: meanMS(s.Response.Mean), AvgDnsTime: meanMS(s.DNS), AvgTcpTime: meanMS(s.TCP), AvgTlsTime: meanMS(s.TLS),
		AvgTtfb: meanMS(s.TTFB), AvgTransferTime: meanMS(s.Transfer), P95ResponseTime: quantileMS(s, .95),
	}
	if s.Response.Count > 0 {
		least, most := milliseconds(s.Response.Min), milliseconds(s.Response.Max)
		out.MinResponseTime, out.MaxResponseTime = &least, &most
	}
	return out
}

func coverage(t Tally) *float64 {
	v, ok := t.Coverage()
	if !ok {
		return nil
	}
	return &v
}

// passed is the end of the part of the range that has passed; the start, if none has.
func (s span) passed(now time.Time) time.Time { return later(s.from, earlier(s.to, now)) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// tallies is what the states of a monitor, or of one region of it, add up to at each of the moments, which ascend, with what there
// was of maintenance since the first. An interval that begins at a moment adds nothing to it, so the one before is as good.
func (s *Service) tallies(ctx context.Context, id uint32, region string, moments []time.Time) ([]Tally, error) {
	if err := s.awaitWindows(ctx); err != nil {
		return nil, err
	}
	lines, err := s.state.Timelines(ctx, []uint32{id}, region, moments)
	if err != nil {
		return nil, err
	}
	maintained, err := s.maintained(ctx, []uint32{id}, region, span{moments[0], moments[len(moments)-1]})
	if err != nil {
		return nil, err
	}
	out := make([]Tally, len(moments))
	for i, line := range lines[id] {
		out[i] = overlay(line.tally(moments[i]), moments[i], maintained[id])
	}
	return out, nil
}
