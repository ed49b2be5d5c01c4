package alerts_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// ReplayFeed answers what the test says.
func (f *fakeEvents) ReplayFeed(in *eventsv1.ReplayFeedRequest, stream grpc.ServerStreamingServer[eventsv1.ReplayFeedResponse]) error {
	out, err := f.replay(stream.Context(), in)
	for _, resp := range out {
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
	return err
}

// pastDay is a range of stored history, a while ago.
var pastDay = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -3)

func pastAt(seconds int) *timestamppb.Timestamp {
	return timestamppb.New(pastDay.Add(time.Duration(seconds) * time.Second))
}

func backtestOf(c *alertsv1.Conditions) *alertsv1.BacktestRequest {
	return &alertsv1.BacktestRequest{MonitorId: 7, Conditions: c, StartDate: pastAt(0), EndDate: pastAt(3600)}
}

func failuresOf(n int32) *alertsv1.Conditions { return &alertsv1.Conditions{ConsecutiveFailures: &n} }

func rule(conditions string) string {
	return `{"alert_type": "webhook", "alert_config": {"url": "https://example.com/hook"}, "conditions": {` + conditions + `}}`
}

func (w *world) backtests() alertsv1.BacktestsServiceClient {
	return alertsv1.NewBacktestsServiceClient(w.conn)
}

// pastFailures is an outage of so many checks from 60 s on, of which the first confirm-1 are not confirmed yet, and its end.
func pastFailures(n int) []*eventsv1.FeedEntry {
	var out []*eventsv1.FeedEntry
	for i := range n {
		e := checked(0, 0, checkv1.ResultStatus_RESULT_STATUS_FAILURE, uint32(i+1))
		e.OrganizationId, e.MonitorId, e.At = "", 0, pastAt(60+10*i)
		out = append(out, e)
	}
	e := checked(0, 0, checkv1.ResultStatus_RESULT_STATUS_SUCCESS, 0)
	e.OrganizationId, e.MonitorId, e.At = "", 0, pastAt(60+10*n)
	return append(out, e)
}

var pastSummary = &eventsv1.ReplaySummary{
	Checks: 120, FirstCheck: pastAt(0), KnownSeconds: 2700, UnknownSeconds: 600, PausedSeconds: 300, UnknownStretches: 1,
	Unknown: []*eventsv1.StateInterval{{Status: stateUnknown, Start: pastAt(1000), End: pastAt(1900)}},
}

func TestBacktest(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	w.createAlert(rule(`"consecutive_failures": 3`))
	w.createAlert(rule(`"uptime_percentage_threshold": 99`))
	off := w.createAlert(rule(`"consecutive_failures": 1`))
	if _, err := w.alerts.UpdateAlert(editor(t), &alertsv1.UpdateAlertRequest{MonitorId: 7, AlertId: off.GetId(), Alert: &alertsv1.Alert{Enabled: proto.Bool(false)}}); err != nil {
		t.Fatal(err)
	}
	var asked []*eventsv1.ReplayFeedRequest
	w.events.replay = func(_ context.Context, in *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
		asked = append(asked, in)
		outage := pastFailures(4)
		return []*eventsv1.ReplayFeedResponse{
			{Entries: outage[:2], Samples: []*eventsv1.ReplaySample{{After: 1, At: pastAt(61), UptimePercentage_24H: proto.Float64(98)}}},
			{Entries: outage[2:], Samples: []*eventsv1.ReplaySample{{After: 0, At: pastAt(75)}, {After: 3, At: pastAt(121), UptimePercentage_24H: proto.Float64(99.5)}}},
			{Summary: pastSummary},
		}, nil
	}
	got, err := w.backtests().Backtest(editor(t), backtestOf(failuresOf(2)))
	if err != nil {
		t.Fatal(err)
	}
	want := []*eventsv1.ReplayFeedRequest{{OrganizationId: orgA, MonitorId: 7, Start: pastAt(0), End: pastAt(3600), SampleUptime: true}}
	if diff := cmp.Diff(want, asked, protocmp.Transform()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if got.GetChecks() != 120 || got.GetCoveragePercentage() != 75 || got.GetUnknownSeconds() != 900 || got.GetUnknownStretches() != 1 || len(got.GetUnknown()) != 1 {
		t.Errorf("coverage: %v", got)
	}
	p := got.GetProposed()
	if p.GetTimes() != 1 || p.GetTriggeredSeconds() != 30 || p.GetLongestSeconds() != 30 || p.GetTruncated() {
		t.Errorf("proposed: %v", p)
	}
	f := p.GetFirings()[0]
	if !proto.Equal(f.GetTriggeredAt(), pastAt(70)) || !proto.Equal(f.GetResolvedAt(), pastAt(100)) || f.GetSeconds() != 30 ||
		f.GetAlertData().AsMap()["condition"] != "consecutive_failures" || f.GetAlertData().AsMap()["value"] != 2.0 {
		t.Errorf("fired: %v", f)
	}
	if len(got.GetPresent()) != 2 {
		t.Fatalf("compared with %v", got.GetPresent())
	}
	three, uptime := got.GetPresent()[0], got.GetPresent()[1]
	if o := three.GetOutcome(); o.GetTimes() != 1 || !proto.Equal(o.GetFirings()[0].GetTriggeredAt(), pastAt(80)) {
		t.Errorf("three failures: %v", o)
	}
	if d := three.GetDifference(); d.GetAdded() != 0 || d.GetDropped() != 0 || d.GetTriggeredSeconds() != 10 || d.GetSoonerSeconds() != 10 {
		t.Errorf("two failures less three: %v", d)
	}
	if o := uptime.GetOutcome(); o.GetTimes() != 1 || !proto.Equal(o.GetFirings()[0].GetTriggeredAt(), pastAt(61)) || !proto.Equal(o.GetFirings()[0].GetResolvedAt(), pastAt(121)) {
		t.Errorf("uptime: %v", o)
	}
	if d := uptime.GetDifference(); d.GetSoonerSeconds() != -9 || d.GetTriggeredSeconds() != -30 {
		t.Errorf("two failures less uptime: %v", d)
	}
	if rows, err := w.alerts.ListAlertHistory(editor(t), &alertsv1.ListAlertHistoryRequest{}); err != nil || len(rows.GetHistory()) != 0 {
		t.Errorf("a backtest wrote history: %v, %v", rows, err)
	}
}

// With another confirmation the past is judged twice: the present rules know the present one.
func TestBacktestOfAnotherConfirmation(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	old := w.createAlert(rule(`"consecutive_failures": 3`))
	w.createAlert(rule(`"consecutive_failures": 1`))
	var asked int
	w.events.replay = func(_ context.Context, in *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
		w.events.mu.Lock()
		defer w.events.mu.Unlock()
		asked++
		n := 5
		if in.ConfirmDown != nil {
			if n = int(in.GetConfirmDown()); in.GetConfirmUp() != 3 {
				t.Errorf("asked %v", in)
			}
		}
		return []*eventsv1.ReplayFeedResponse{{Entries: pastFailures(n), Summary: pastSummary}}, nil
	}
	in := backtestOf(nil)
	in.AlertId, in.ConfirmDown, in.ConfirmUp = proto.Uint32(old.GetId()), proto.Uint32(4), proto.Uint32(3)
	got, err := w.backtests().Backtest(editor(t), in)
	if err != nil {
		t.Fatal(err)
	}
	if asked != 2 || len(got.GetPresent()) != 1 || got.GetPresent()[0].GetAlertId() != old.GetId() {
		t.Fatalf("asked %d times, compared with %v", asked, got.GetPresent())
	}
	if a, b := got.GetProposed().GetTriggeredSeconds(), got.GetPresent()[0].GetOutcome().GetTriggeredSeconds(); a != 20 || b != 30 {
		t.Errorf("triggered for %v s and %v s", a, b)
	}
}

func TestBacktestRefusals(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	w.events.replay = func(context.Context, *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
		return nil, errors.New("must not be asked")
	}
	for name, tt := range map[string]struct {
		change func(*alertsv1.BacktestRequest)
		field  string
	}{
		"no condition":       {func(q *alertsv1.BacktestRequest) { q.Conditions = nil }, "conditions"},
		"an empty condition": {func(q *alertsv1.BacktestRequest) { q.Conditions = &alertsv1.Conditions{} }, "conditions"},
		"too many failures":  {func(q *alertsv1.BacktestRequest) { q.Conditions = failuresOf(101) }, "conditions.consecutive_failures"},
		"backwards":          {func(q *alertsv1.BacktestRequest) { q.StartDate = pastAt(7200) }, "start_date"},
		"91 days":            {func(q *alertsv1.BacktestRequest) { q.StartDate = pastAt(-90 * 86400) }, "start_date"},
		"ahead": {func(q *alertsv1.BacktestRequest) {
			q.StartDate, q.EndDate = timestamppb.New(time.Now().Add(time.Hour)), timestamppb.New(time.Now().Add(2*time.Hour))
		}, "start_date"},
		"confirming nothing": {func(q *alertsv1.BacktestRequest) { q.ConfirmDown = proto.Uint32(0) }, "confirm_down"},
	} {
		in := backtestOf(failuresOf(1))
		tt.change(in)
		_, err := w.backtests().Backtest(editor(t), in)
		if diff := cmp.Diff([]string{tt.field}, fields(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := w.backtests().Backtest(stranger(t), backtestOf(failuresOf(1))); status.Code(err) != codes.NotFound {
		t.Errorf("a stranger: %v", err)
	}
	in := backtestOf(nil)
	in.AlertId = proto.Uint32(99)
	if _, err := w.backtests().Backtest(editor(t), in); status.Code(err) != codes.NotFound {
		t.Errorf("a rule that is not there: %v", err)
	}
	if _, err := w.backtests().Backtest(editor(t), backtestOf(failuresOf(1))); status.Code(err) != codes.Unknown && status.Code(err) != codes.Internal {
		t.Errorf("a replay that fails: %v", err)
	}
}

// A second one of an organization is refused while the first runs, and let in after.
func TestBacktestsTakeTurns(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	let, began := make(chan struct{}), make(chan struct{}, 2)
	w.events.replay = func(ctx context.Context, _ *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
		began <- struct{}{}
		select {
		case <-let:
		case <-ctx.Done():
		}
		return []*eventsv1.ReplayFeedResponse{{Summary: pastSummary}}, nil
	}
	first := make(chan error, 1)
	go func() {
		_, err := w.backtests().Backtest(editor(t), backtestOf(failuresOf(1)))
		first <- err
	}()
	<-began
	_, err := w.backtests().Backtest(editor(t), backtestOf(failuresOf(1)))
	wantCode(t, err, codes.ResourceExhausted)
	close(let)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, err := w.backtests().Backtest(editor(t), backtestOf(failuresOf(1))); err != nil {
		t.Errorf("after the other: %v", err)
	}
}
