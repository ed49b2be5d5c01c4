package alerts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestJudgeAttempt(t *testing.T) {
	created := second(0)
	const middle = 0.5 // no jitter
	for _, tt := range []struct {
		name     string
		attempts int
		refusals int
		result   Result
		age      time.Duration
		want     Verdict
	}{
		{"accepted", 0, 0, Result{OK: true, StatusCode: 204}, 0, Verdict{State: DeliveryDelivered}},
		{"first failure", 0, 0, Result{StatusCode: 500}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(5)}},
		{"second", 1, 0, Result{}, 5 * time.Second, Verdict{State: DeliveryPending, NextAttemptAt: second(35)}},
		{"third", 2, 0, Result{}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(120)}},
		{"fourth", 3, 0, Result{}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(600)}},
		{"fifth", 4, 0, Result{}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(1800)}},
		{"sixth", 5, 0, Result{}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(3600)}},
		{"hundredth", 99, 0, Result{}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(3600)}},
		{"the last attempt is at the end", 9, 0, Result{}, 23*time.Hour + 30*time.Minute, Verdict{State: DeliveryPending, NextAttemptAt: created.Add(24 * time.Hour)}},
		{"and then it is over", 9, 0, Result{}, 24 * time.Hour, Verdict{State: DeliveryDead}},
		{"refused", 0, 0, Result{StatusCode: 404, Refused: true}, 0, Verdict{State: DeliveryPending, Refused: true, NextAttemptAt: second(5)}},
		{"refused for the third time", 7, 2, Result{StatusCode: 404, Refused: true}, 0, Verdict{State: DeliveryDead, Refused: true}},
		{"asked to wait", 0, 0, Result{StatusCode: 429, RetryAfter: 90 * time.Second}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(90), HoldUntil: second(90)}},
		{"asked to wait for less than we would", 3, 0, Result{StatusCode: 503, RetryAfter: time.Second}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(600), HoldUntil: second(1)}},
		{"asked to wait for too long", 0, 0, Result{StatusCode: 503, RetryAfter: 1000 * time.Hour}, 0, Verdict{State: DeliveryPending, NextAttemptAt: second(3600), HoldUntil: second(3600)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Delivery{Attempts: tt.attempts, Refusals: tt.refusals, CreatedAt: created}
			if diff := cmp.Diff(tt.want, judgeAttempt(d, tt.result, created.Add(tt.age), middle)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// However it goes, a message that always fails is tried for a day and no longer, at growing distances.
func TestScheduleEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Delivery{CreatedAt: second(0)}
		at := second(0)
		for {
			v := judgeAttempt(d, Result{StatusCode: 500}, at, rapid.Float64Range(0, 0.999).Draw(t, "jitter"))
			d.Attempts++
			if v.State == DeliveryDead {
				break
			}
			if !v.NextAttemptAt.After(at) {
				t.Fatalf("attempt %d is not after the one before", d.Attempts)
			}
			at = v.NextAttemptAt
		}
		if age := at.Sub(d.CreatedAt); age != DeliveryWindow {
			t.Errorf("the last attempt was after %s", age)
		}
		if d.Attempts < 20 || d.Attempts > 40 {
			t.Errorf("%d attempts", d.Attempts)
		}
	})
}
