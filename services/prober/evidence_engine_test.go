package prober

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// explainedCheck is a fakeCheck that leaves something behind.
type explainedCheck struct{ fakeCheck }

func (c explainedCheck) explained(ctx context.Context, r *checkv1.CheckResult, _ bool) *failing {
	c.run(ctx, r)
	if !blames(r) {
		return nil
	}
	return &failing{test: &nettest.TestResult{}}
}

func (explainedCheck) left(*nettest.TestResult) *failing { return nil }

// TestFirstFailuresAreExamined: those and no others, neither what follows in the same streak nor what is this prober's own fault.
func TestFirstFailuresAreExamined(t *testing.T) {
	const (
		ok    = checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		fail  = checkv1.ResultStatus_RESULT_STATUS_FAILURE
		late  = checkv1.ResultStatus_RESULT_STATUS_TIMEOUT
		fault = checkv1.ResultStatus_RESULT_STATUS_ERROR
	)
	for name, tt := range map[string]struct {
		outcomes         []checkv1.ResultStatus // one every ten minutes, and what confirms
		examined, letOut int
	}{
		"nothing fails":             {[]checkv1.ResultStatus{ok, ok, ok}, 0, 0},
		"the first of all":          {[]checkv1.ResultStatus{fail, fail, fail, fail}, 1, 0},
		"after others that worked":  {[]checkv1.ResultStatus{ok, ok, fail, late, fail}, 1, 0},
		"a timeout":                 {[]checkv1.ResultStatus{ok, late, late}, 1, 0},
		"our own fault":             {[]checkv1.ResultStatus{ok, fault, fault, ok}, 0, 0},
		"our own fault in a streak": {[]checkv1.ResultStatus{ok, fail, fault, fail, fault, fail}, 1, 0},
		"twice, long apart":         {[]checkv1.ResultStatus{fail, fail, ok, ok, ok, fail, fail}, 2, 0},
		"twice within a minute":     {[]checkv1.ResultStatus{ok, fail, ok, ok, fail, ok}, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				b := startEngine(t, Config{}, success)
				x, err := newExaminer(nil, nil, func(*eventsv1.RecordEvidenceRequest) {})
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				b.engine.examiner = x
				b.engine.prepare = func(*checkv1.CheckSpec) (check, error) {
					return explainedCheck{fakeCheck{"h", func() (time.Duration, checkv1.ResultStatus) {
						status := tt.outcomes[min(n, len(tt.outcomes)-1)]
						n++
						return 0, status
					}}}, nil
				}
				b.assign(assignment(7, 600), nil, true)
				pass(time.Duration(len(tt.outcomes)) * 10 * time.Minute)
				synctest.Wait()
				if len(x.queue) != tt.examined || int(x.leftOut.Load()) != tt.letOut {
					t.Errorf("%d are to be examined and %d left out, want %d and %d", len(x.queue), x.leftOut.Load(), tt.examined, tt.letOut)
				}
				for range len(x.queue) {
					if q := <-x.queue; q.left == nil || !blames(q.result) || q.result.GetMonitorId() != 7 {
						t.Errorf("to be examined: %v", q.result)
					}
				}
				b.stopAndRead(t)
			})
		})
	}
}
