package alerts_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// inMaintenance says, before a replay, that there was maintenance from one second of the past to another.
func inMaintenance(pairs ...int) *eventsv1.ReplayFeedResponse {
	out := &eventsv1.ReplayFeedResponse{}
	for i := 0; i < len(pairs); i += 2 {
		out.Maintenance = append(out.Maintenance, &eventsv1.ReplayStretch{Start: pastAt(pairs[i]), End: pastAt(pairs[i+1])})
	}
	return out
}

// What live rules would not have told in a window does not fire: not at all if it was over by the end, and at the end if it held.
func TestBacktestInMaintenance(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	for name, tt := range map[string]struct {
		windows  []int
		fired    []string
		silenced uint32
	}{
		"none":                   {nil, []string{"60-120"}, 0}, // the outage lasts from 60 to 120
		"around it":              {[]int{50, 130}, nil, 1},
		"that ends before it":    {[]int{10, 60}, []string{"60-120"}, 0},
		"that ends within":       {[]int{50, 100}, []string{"100-120"}, 0},
		"that begins within":     {[]int{70, 200}, []string{"60-200"}, 0},
		"from before the range":  {[]int{-900, 90}, []string{"90-120"}, 0},
		"beyond its end":         {[]int{50, 9000}, nil, 1},
		"that begins later":      {[]int{500, 600}, []string{"60-120"}, 0},
		"several in the outage":  {[]int{50, 65, 75, 85}, []string{"65-120"}, 0},
		"the end in another one": {[]int{50, 65, 110, 300}, []string{"65-300"}, 0},
	} {
		w.events.replay = func(context.Context, *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
			return []*eventsv1.ReplayFeedResponse{inMaintenance(tt.windows...), {Entries: pastFailures(6), Summary: pastSummary}}, nil
		}
		got, err := w.backtests().Backtest(editor(t), backtestOf(failuresOf(1)))
		if err != nil {
			t.Fatal(err)
		}
		var fired []string
		for _, f := range got.GetProposed().GetFirings() {
			fired = append(fired, fmt.Sprintf("%.0f-%.0f", f.GetTriggeredAt().AsTime().Sub(pastDay).Seconds(), f.GetResolvedAt().AsTime().Sub(pastDay).Seconds()))
		}
		if diff := cmp.Diff(tt.fired, fired); diff != "" || got.GetProposed().GetSilenced() != tt.silenced || int(got.GetProposed().GetTimes()) != len(tt.fired) {
			t.Errorf("%s: %d silenced (-want +got):\n%s", name, got.GetProposed().GetSilenced(), diff)
		}
		if n := len(tt.windows) / 2; int(got.GetMaintenanceStretches()) != n || len(got.GetMaintenance()) != n {
			t.Errorf("%s: maintenance %v", name, got.GetMaintenance())
		}
		for _, m := range got.GetMaintenance() {
			if m.GetStart().AsTime().Before(got.GetStartDate().AsTime()) || m.GetEnd().AsTime().After(got.GetEndDate().AsTime()) {
				t.Errorf("%s: %v lies beyond the range", name, m)
			}
		}
	}
}

// The proposal is judged with its quorum and window, what there is without.
func TestBacktestWhatIf(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	w.createAlert(rule(`"consecutive_failures": 2`))
	var mu sync.Mutex
	asked := map[bool]*eventsv1.ReplayFeedRequest{}
	w.events.replay = func(_ context.Context, in *eventsv1.ReplayFeedRequest) ([]*eventsv1.ReplayFeedResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		proposed := in.Quorum != nil || len(in.GetWindows()) > 0
		asked[proposed] = in
		out := []*eventsv1.ReplayFeedResponse{inMaintenance(), {Entries: pastFailures(6), Summary: pastSummary}}
		if proposed {
			out[0] = inMaintenance(0, 300)
		}
		return out, nil
	}
	req := backtestOf(failuresOf(1))
	req.Quorum = proto.String("any")
	req.MaintenanceWindow = &alertsv1.BacktestWindow{Rrule: proto.String("FREQ=DAILY"), Timezone: proto.String("Europe/Berlin"), DurationSeconds: proto.Int32(300)}
	got, err := w.backtests().Backtest(editor(t), req)
	if err != nil {
		t.Fatal(err)
	}
	unchanged := &eventsv1.ReplayFeedRequest{OrganizationId: orgA, MonitorId: 7, Start: pastAt(0), End: pastAt(3600)}
	changed := proto.CloneOf(unchanged)
	changed.Quorum = proto.String("any")
	changed.Windows = []*eventsv1.ReplayWindow{{StartsAt: pastAt(0), Rrule: "FREQ=DAILY", Timezone: "Europe/Berlin", DurationSeconds: 300}}
	if diff := cmp.Diff(map[bool]*eventsv1.ReplayFeedRequest{false: unchanged, true: changed}, asked, protocmp.Transform()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	present := got.GetPresent()[0]
	if got.GetProposed().GetTimes() != 0 || got.GetProposed().GetSilenced() != 1 || present.GetOutcome().GetTimes() != 1 || present.GetDifference().GetDropped() != 1 {
		t.Errorf("proposed %v, present %v", got.GetProposed(), present)
	}
	for field, window := range map[string]*alertsv1.BacktestWindow{
		"maintenance_window.ends_at":          {},
		"maintenance_window.rrule":            {Rrule: proto.String("FREQ=SOMETIMES"), DurationSeconds: proto.Int32(300)},
		"maintenance_window.cron":             {Cron: proto.String("x"), DurationSeconds: proto.Int32(300)},
		"maintenance_window.timezone":         {Cron: proto.String("0 3 * * *"), DurationSeconds: proto.Int32(300), Timezone: proto.String("Mars/Olympus")},
		"maintenance_window.duration_seconds": {Cron: proto.String("0 3 * * *")},
	} {
		req.MaintenanceWindow = window
		_, err := w.backtests().Backtest(editor(t), req)
		if diff := cmp.Diff([]string{field}, fields(t, err)); diff != "" {
			t.Errorf("%v: %s", window, diff)
		}
	}
	req.MaintenanceWindow, req.Quorum = nil, proto.String("most")
	_, err = w.backtests().Backtest(editor(t), req)
	wantCode(t, err, codes.InvalidArgument)
}
