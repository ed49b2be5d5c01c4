package alerts

import (
	"fmt"
	"time"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

func backtestProto(id uint32, from, to time.Time, b *backtest, present []Rule, sum *eventsv1.ReplaySummary) (*alertsv1.BacktestResponse, error) {
	out := &alertsv1.BacktestResponse{
		MonitorId: id, StartDate: stamp(from), EndDate: stamp(to), Checks: sum.GetChecks(), FirstCheck: sum.GetFirstCheck(),
		UnknownSeconds: sum.GetUnknownSeconds() + sum.GetPausedSeconds(), UnknownStretches: sum.GetUnknownStretches(),
		CoveragePercentage: coverage(sum), MaintenanceSeconds: sum.GetMaintenanceSeconds(),
	}
	for _, w := range b.windows {
		if w.from.Before(from) {
			w.from = from
		}
		if w.to.After(to) {
			w.to = to
		}
		if !w.from.Before(w.to) {
			continue
		}
		if out.MaintenanceStretches++; len(out.Maintenance) < stretchesAtMost {
			out.Maintenance = append(out.Maintenance, &alertsv1.BacktestStretch{Start: stamp(w.from), End: stamp(w.to)})
		}
	}
	for _, x := range sum.GetUnknown() {
		out.Unknown = append(out.Unknown, &alertsv1.BacktestStretch{Start: x.GetStart(), End: x.GetEnd()})
	}
	var err error
	if out.Proposed, err = outcomeProto(b.fired[proposedID], to); err != nil {
		return nil, err
	}
	mine := b.fired[proposedID].until(to)
	for _, r := range present {
		c := &alertsv1.BacktestComparison{AlertId: r.ID, Conditions: conditionsProto(r.Conditions)}
		if c.Outcome, err = outcomeProto(b.fired[r.ID], to); err != nil {
			return nil, err
		}
		c.Difference = differenceProto(compare(mine, b.fired[r.ID].until(to)))
		out.Present = append(out.Present, c)
	}
	return out, nil
}

// coverage is absent when there was no time to look. Maintenance is no such time.
func coverage(sum *eventsv1.ReplaySummary) *float64 {
	all := sum.GetKnownSeconds() + sum.GetUnknownSeconds() + sum.GetPausedSeconds()
	if all <= 0 {
		return nil
	}
	part := sum.GetKnownSeconds() / all * 100
	return &part
}

func outcomeProto(f *firings, end time.Time) (*alertsv1.BacktestOutcome, error) {
	list := f.until(end)
	out := &alertsv1.BacktestOutcome{
		Times: uint32(len(list)), TriggeredSeconds: total(list).Seconds(), Truncated: len(f.first) < len(list),
		Silenced: uint32(f.silenced),
	}
	var longest time.Duration
	for _, s := range list {
		longest = max(longest, s.length())
	}
	if len(list) > 0 {
		seconds := longest.Seconds()
		out.LongestSeconds = &seconds
	}
	for i := range f.first {
		x := &f.first[i]
		data, err := x.Data.proto()
		if err != nil {
			return nil, fmt.Errorf("alert data: %w", err)
		}
		out.Firings = append(out.Firings, &alertsv1.BacktestFiring{
			TriggeredAt: stamp(x.At), ResolvedAt: stamp(x.Until), Seconds: list[i].length().Seconds(), AlertData: data,
		})
	}
	return out, nil
}

func differenceProto(d difference) *alertsv1.BacktestDifference {
	out := &alertsv1.BacktestDifference{Added: uint32(d.added), Dropped: uint32(d.dropped), TriggeredSeconds: d.triggered.Seconds()}
	if d.shared > 0 {
		sooner := d.sooner.Seconds()
		out.SoonerSeconds = &sooner
	}
	return out
}
