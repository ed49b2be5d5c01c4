// Package events is what happened: results are kept, verdicts derived from them, changes announced, questions about the past
// answered.
//
// A result takes two roads. The judge folds it into what is known of its region and its monitor, and announces what that
// changes (judge.go); the history keeps it (ResultStore). Neither waits for the other.
package events

import (
	"fmt"
	"reflect"
	"time"
)

// Outcome is what came of one due slot. The numbers are those of the wire and of the stores.
type Outcome uint8

// The outcomes.
const (
	Success       Outcome = 1 // the target answered and every rule held
	Failure       Outcome = 2 // the target's fault
	Timeout       Outcome = 3 // the target's fault: no answer in time
	ObserverFault Outcome = 4 // ours: resolver, network, permission, policy; says nothing of the target
	Missed        Outcome = 5 // due slots that did not run
)

const outcomes = 5

// Valid reports whether o is one of the outcomes.
func (o Outcome) Valid() bool { return o >= Success && o <= outcomes }

// TargetFault reports whether o counts against the target.
func (o Outcome) TargetFault() bool { return o == Failure || o == Timeout }

// String names the outcome as the API does.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Timeout:
		return "timeout"
	case ObserverFault:
		return "error"
	case Missed:
		return "missed"
	}
	return "invalid"
}

// Phase is the stage of a check that failed; 0 is none. Family is the address family that was used; 0 is none.
// CheckKind is the kind of check. The numbers are those of the wire.
type (
	Phase     uint8
	Family    uint8
	CheckKind uint8
)

// Absent stands in the duration and size fields of a Result for a phase that did not happen or a size that nobody measured.
// It differs from zero, which is a measurement.
const Absent = -1

// Result is what came of one due slot. A repeat with the same monitor, region and slot is the same result.
//
// Times are UTC in whole milliseconds; durations are kept to the microsecond.
type Result struct {
	MonitorID      uint32
	OrganizationID string
	Region         string
	ScheduledAt    time.Time // the slot; for Missed the first of the run
	StartedAt      time.Time // for Missed when the miss was noted
	Outcome        Outcome

	ResponseTime time.Duration
	DNS          time.Duration // Absent if there was none, like the other phases
	TCP          time.Duration
	TLS          time.Duration
	TTFB         time.Duration
	Transfer     time.Duration

	StatusCode       uint32 // 0 is none
	Size             int64  // of the decoded body in bytes; Absent if there was none
	ValidationErrors []string
	Headers          map[string]string // nil is none; a store may leave out those that differ from answer to answer, see ResultStore
	ErrorType        string
	ErrorMessage     string
	FailedPhase      Phase
	Attempt          uint32

	ProberID      string
	ResolvedIP    string
	Family        Family
	TLSVersion    string
	CertExpiresAt time.Time // zero without TLS

	MissedCount     uint32    // slots that a Missed row stands for; else 0
	NextScheduledAt time.Time // zero when no slot is planned; not kept by the store, except for Missed

	Epoch         uint64 // of the lease under which it ran; 0 is a check that needs none
	ConfigVersion uint64
	Kind          CheckKind
	URL           string
	Name          string
	Port          uint32 // 0 is none
}

// LastSlot is the last slot that the result accounts for. A missed row stands for every slot before the next one due.
func (r *Result) LastSlot() time.Time {
	if r.Outcome == Missed && r.NextScheduledAt.After(r.ScheduledAt) {
		return r.NextScheduledAt.Add(-time.Millisecond)
	}
	return r.ScheduledAt
}

// ID identifies the result: its monitor, region and slot.
func (r *Result) ID() string {
	return fmt.Sprintf("%d-%s-%d", r.MonitorID, r.Region, r.ScheduledAt.UnixMilli())
}

// weigh is about how many bytes of memory results take, nothing they share with others deducted.
func weigh(results []Result) int {
	const perText, perMap, perEntry = 16, 320, 48 // what the runtime adds
	n := len(results) * int(reflect.TypeFor[Result]().Size())
	for i := range results {
		r := &results[i]
		n += len(r.OrganizationID) + len(r.Region) + len(r.ErrorType) + len(r.ErrorMessage) + len(r.ProberID) + len(r.ResolvedIP) +
			len(r.TLSVersion) + len(r.URL) + len(r.Name)
		for _, text := range r.ValidationErrors {
			n += perText + len(text)
		}
		if len(r.Headers) > 0 {
			n += perMap
		}
		for name, value := range r.Headers {
			n += perEntry + len(name) + len(value)
		}
	}
	return n
}
