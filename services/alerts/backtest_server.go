package alerts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/internal/rpc"
)

const (
	// backtestTimeout bounds one; whoever asked over REST has a few seconds more.
	backtestTimeout = 25 * time.Second
	// backtestsAtOnce bounds what this process replays at a time, whoever asks.
	backtestsAtOnce = 2
)

// errBusy refuses a backtest for a moment.
var errBusy = fault.Exhausted("other backtests are running; ask again in a moment").Because("BUSY").After(2 * time.Second)

type backtestsServer struct {
	alertsv1.UnsafeBacktestsServiceServer
	*Service
}

var _ alertsv1.BacktestsServiceServer = (*backtestsServer)(nil)

// backtestSlots lets a few backtests run, and one of an organization.
type backtestSlots struct {
	mu      sync.Mutex
	running map[string]bool
}

// take reports whether the organization may run one; it then has to give it back.
func (b *backtestSlots) take(organization string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.running) >= backtestsAtOnce || b.running[organization] {
		return false
	}
	if b.running == nil {
		b.running = map[string]bool{}
	}
	b.running[organization] = true
	return true
}

func (b *backtestSlots) give(organization string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, organization)
}

// Backtest implements alertsv1.BacktestsServiceServer.
func (s *backtestsServer) Backtest(ctx context.Context, in *alertsv1.BacktestRequest) (*alertsv1.BacktestResponse, error) {
	m, err := s.liveMonitor(ctx, in.GetMonitorId())
	if err != nil {
		return nil, err
	}
	began := now()
	proposed, present, err := s.contestants(ctx, m, in)
	if err != nil {
		return nil, err
	}
	from, to, err := backtestRange(in, began)
	if err != nil {
		return nil, err
	}
	window, err := supposedWindow(in.GetMaintenanceWindow(), from)
	if err != nil {
		return nil, err
	}
	if !s.backtests.take(m.OrganizationID) {
		return nil, errBusy
	}
	defer s.backtests.give(m.OrganizationID)
	ctx, cancel := context.WithTimeout(ctx, backtestTimeout)
	defer cancel()
	tested, summary, err := s.backtest(ctx, in, window, m, from, to, proposed, present)
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return nil, fault.Unavailable("the backtest took too long; ask for a shorter range").Because("TOO_LONG")
	}
	if err != nil {
		return nil, fmt.Errorf("backtest of monitor %d: %w", m.ID, err)
	}
	out, err := backtestProto(m.ID, from, to, tested, present, summary)
	if err != nil {
		return nil, err
	}
	out.DurationMs = uint32(time.Since(began).Milliseconds())
	return out, nil
}

// contestants are the proposed rule and those that it is compared with.
func (s *backtestsServer) contestants(ctx context.Context, m Monitor, in *alertsv1.BacktestRequest) (Rule, []Rule, error) {
	proposed := Rule{ID: proposedID, OrganizationID: m.OrganizationID, MonitorID: m.ID, Enabled: true}
	if in.AlertId != nil {
		old, err := s.store.Rule(ctx, m.OrganizationID, m.ID, in.GetAlertId())
		if err != nil {
			return Rule{}, nil, err
		}
		proposed.Conditions = old.Conditions
		if in.GetConditions() != nil {
			proposed.Conditions = conditionsFrom(in.GetConditions())
		}
		return proposed, []Rule{old}, checked(proposed.Conditions)
	}
	proposed.Conditions = conditionsFrom(in.GetConditions())
	rules, err := s.store.Rules(ctx, m.OrganizationID, m.ID)
	if err != nil {
		return Rule{}, nil, err
	}
	return proposed, slices.DeleteFunc(rules, func(r Rule) bool { return !r.Enabled }), checked(proposed.Conditions)
}

func checked(c Conditions) error {
	if bad := c.check(); len(bad) > 0 {
		return fault.Invalid("", bad...)
	}
	return nil
}

// backtestRange is the range that a request means. What lies ahead is left out.
func backtestRange(in *alertsv1.BacktestRequest, now time.Time) (from, to time.Time, err error) {
	to = now
	if in.GetEndDate() != nil {
		to = timeFrom(in.GetEndDate())
	}
	from = to.AddDate(0, 0, -backtestDays)
	if in.GetStartDate() != nil {
		from = timeFrom(in.GetStartDate())
	}
	switch {
	case !from.Before(to):
		err = fault.Invalid("", fault.Field{Name: "start_date", Message: "must be before end_date"})
	case to.Sub(from) > backtestMaxDays*24*time.Hour:
		err = fault.Invalid("", fault.Field{Name: "start_date", Message: "must be at most 90 days before end_date"})
	case !from.Before(now):
		err = fault.Invalid("", fault.Field{Name: "start_date", Message: "must not be in the future"})
	}
	if to.After(now) {
		to = now
	}
	return from, to, err
}

// supposedWindow is the window that a request proposes, with what is absent filled in; nil if it proposes none.
func supposedWindow(in *alertsv1.BacktestWindow, from time.Time) (*eventsv1.ReplayWindow, error) {
	if in == nil {
		return nil, nil
	}
	w := &eventsv1.ReplayWindow{
		StartsAt: in.GetStartsAt(), EndsAt: in.GetEndsAt(), Rrule: in.GetRrule(), Cron: in.GetCron(), Timezone: in.GetTimezone(),
		DurationSeconds: int64(in.GetDurationSeconds()),
	}
	if w.GetStartsAt() == nil {
		w.StartsAt = timestamppb.New(from)
	}
	_, err := maintenance.Read(maintenance.Spec{
		Start: timeFrom(w.GetStartsAt()), End: timeFrom(w.GetEndsAt()), RRule: w.GetRrule(), Cron: w.GetCron(), Timezone: w.GetTimezone(),
		Length: maintenance.Seconds(w.GetDurationSeconds()),
	})
	var wrong *maintenance.Error
	if errors.As(err, &wrong) {
		return nil, fault.Invalid("", fault.Field{Name: "maintenance_window." + wrong.Field, Message: wrong.Rule})
	}
	return w, err
}

// backtest replays the past of the monitor through the rules. It is judged twice if the proposal changes how outages are
// confirmed, or when there is maintenance, since the present rules know the present way.
func (s *backtestsServer) backtest(ctx context.Context, in *alertsv1.BacktestRequest, window *eventsv1.ReplayWindow, m Monitor, from, to time.Time, proposed Rule, present []Rule) (*backtest, *eventsv1.ReplaySummary, error) {
	unchanged := &eventsv1.ReplayFeedRequest{
		OrganizationId: m.OrganizationID, MonitorId: m.ID, Start: timestamppb.New(from), End: timestamppb.New(to),
	}
	if in.ConfirmDown == nil && in.ConfirmUp == nil && in.Quorum == nil && window == nil {
		b := newBacktest(m, from, append([]Rule{proposed}, present...)...)
		summary, err := s.replay(ctx, unchanged, b)
		return b, summary, err
	}
	changed := &eventsv1.ReplayFeedRequest{
		OrganizationId: m.OrganizationID, MonitorId: m.ID, Start: unchanged.GetStart(), End: unchanged.GetEnd(),
		ConfirmDown: in.ConfirmDown, ConfirmUp: in.ConfirmUp, Quorum: in.Quorum,
	}
	if window != nil {
		changed.Windows = []*eventsv1.ReplayWindow{window}
	}
	b, other := newBacktest(m, from, proposed), newBacktest(m, from, present...)
	var summary *eventsv1.ReplaySummary
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		summary, err = s.replay(ctx, changed, b)
		return err
	})
	if len(present) > 0 {
		g.Go(func() error {
			_, err := s.replay(ctx, unchanged, other)
			return err
		})
	}
	err := g.Wait()
	for id, f := range other.fired {
		b.fired[id] = f
	}
	return b, summary, err
}

// replay has the events service replay a range into b.
func (s *backtestsServer) replay(ctx context.Context, req *eventsv1.ReplayFeedRequest, b *backtest) (*eventsv1.ReplaySummary, error) {
	for _, r := range b.state.Rules {
		req.SampleUptime = req.GetSampleUptime() || r.Rule.Conditions.Uptime > 0
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The caller may see this monitor's history; only services are let into the replay itself.
	stream, err := s.replays.ReplayFeed(rpc.AsService(ctx), req)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	var summary *eventsv1.ReplaySummary
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if summary == nil {
				return nil, errors.New("replay: it ended without a summary")
			}
			b.take(Entry{At: timeFrom(req.GetEnd())}) // a silence may last
			return summary, nil
		}
		if err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
		if resp.GetSummary() != nil {
			summary = resp.GetSummary()
		}
		for _, w := range resp.GetMaintenance() {
			b.windows = append(b.windows, span{timeFrom(w.GetStart()), timeFrom(w.GetEnd())})
		}
		eachReplayed(resp, b.take)
	}
}

// eachReplayed calls take with the entries of a response, and with its samples in their places.
func eachReplayed(resp *eventsv1.ReplayFeedResponse, take func(Entry)) {
	samples := resp.GetSamples()
	for i, e := range resp.GetEntries() {
		for len(samples) > 0 && int(samples[0].GetAfter()) <= i {
			takeSample(samples[0], take)
			samples = samples[1:]
		}
		take(entryFrom(e))
	}
	for _, x := range samples {
		takeSample(x, take)
	}
}

// takeSample leaves out what would not have been evaluated: without data there is no uptime.
func takeSample(x *eventsv1.ReplaySample, take func(Entry)) {
	if x.UptimePercentage_24H != nil {
		take(Entry{At: timeFrom(x.GetAt()), Uptime: x.UptimePercentage_24H})
	}
}
