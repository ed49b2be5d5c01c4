package alerts

import (
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// DeliveryState is where a message stands.
type DeliveryState string

// The states of a delivery. All but pending are final.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryDead      DeliveryState = "dead"
	// DeliverySuperseded is a message that could not be delivered before one that tells the same and more took its place.
	DeliverySuperseded DeliveryState = "superseded"
)

// Delivery is a row of the outbox: a message and how its delivery goes.
type Delivery struct {
	Message
	Position       uint64 // order in which messages were written
	State          DeliveryState
	Attempts       int
	AttemptsBefore int // those of them that were made before it was last tried anew
	Refusals       int // attempts since then that the receiver answered with a refusal for good
	CreatedAt      time.Time
	BegunAt        time.Time // when the time of trying began; zero until it is taken for the first time
	NextAttemptAt  time.Time
	DeliveredAt    time.Time // zero unless delivered
	LastStatusCode int       // 0 when the receiver did not answer
	LastError      string    // "" when nothing went wrong
	DigestID       string    // the message that tells this one; "" if it goes by itself
	FallbackID     string    // its copy to the fallback channel; "" if there is none
	FallbackOf     string    // the message to another channel that this one is a copy of; "" if it is none
}

// Claim is a message that one worker may send until its lease ends, with what it needs for that.
type Claim struct {
	Delivery
	Lease  string // proves to Settle and Release that the claim is still held
	Via    string // key of Notifiers
	Config Config
}

// begun is when the time of trying began.
func (d Delivery) begun() time.Time {
	if d.BegunAt.IsZero() {
		return d.CreatedAt
	}
	return d.BegunAt
}

// Attempt is one row of delivery_attempt.
type Attempt struct {
	Number     int // from 1; given by the store
	At         time.Time
	Duration   time.Duration
	StatusCode int
	Error      string
	Response   string // the beginning of the answer, without secrets
}

// KeptAttempts is how many attempts of a message are kept, the last ones. A receiver that is away for a day gets about 28.
const KeptAttempts = 50

// Verdict is what an attempt means for the message.
type Verdict struct {
	State         DeliveryState
	Refused       bool
	NextAttemptAt time.Time // unless final
	HoldUntil     time.Time // until when nothing is sent to the target; zero means no hold
}

// The limits of delivery.
const (
	// DeliveryWindow is how long a message is tried; the last attempt is at its end.
	DeliveryWindow = 24 * time.Hour
	// SendTimeout bounds one attempt.
	SendTimeout = 10 * time.Second

	maxRefusals   = 3
	maxRetryAfter = time.Hour // a receiver cannot silence its alerts for longer
	jitterShare   = 0.2       // of the pause, up and down
)

// pauses follow the failed attempts; the last one repeats.
var pauses = [...]time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

// judgeAttempt decides how to go on after an attempt that ended at now. jitter, from 0 up to 1, spreads the messages that
// failed together.
func judgeAttempt(d Delivery, r Result, now time.Time, jitter float64) Verdict {
	if r.OK {
		return Verdict{State: DeliveryDelivered}
	}
	end := d.begun().Add(DeliveryWindow)
	v := Verdict{State: DeliveryPending, Refused: r.Refused}
	if r.Refused && d.Refusals+1 >= maxRefusals || !now.Before(end) {
		v.State = DeliveryDead
		return v
	}
	pause := pauses[min(d.Attempts-d.AttemptsBefore, len(pauses)-1)]
	pause += time.Duration((2*jitter - 1) * jitterShare * float64(pause))
	if asked := min(r.RetryAfter, maxRetryAfter); asked > 0 {
		pause, v.HoldUntil = max(pause, asked), now.Add(asked)
	}
	v.NextAttemptAt = now.Add(pause)
	if v.NextAttemptAt.After(end) {
		v.NextAttemptAt = end
	}
	return v
}

// ErrLeaseLost reports a claim that another worker holds by now, or a message that is no longer pending.
var ErrLeaseLost = fault.Aborted("the message is no longer claimed by this worker")
