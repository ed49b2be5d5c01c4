package alerts

import "time"

// Entry is one thing that happened to a monitor. One of Transition, Observation and Uptime is set; without any it is a tick, which
// says only how late it is.
type Entry struct {
	Seq            uint64 // place in the feed; 0 for what was asked, not announced
	OrganizationID string
	MonitorID      uint32
	At             time.Time // by the check's time

	Transition  *Transition
	Observation *Observation
	Uptime      *float64 // percent of the last 24 hours
}

// Transition is a change of a monitor's state.
type Transition struct {
	From, To     Status
	Since        time.Time // for down, the first failing check
	Regions      []string
	ErrorType    string
	ErrorMessage string
	Failures     uint32   // consecutive target faults, the most of any region
	Down         []string // regions that see it down
}

// Outcome is what came of a check.
type Outcome string

// The outcomes.
const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
	OutcomeTimeout Outcome = "timeout"
	OutcomeError   Outcome = "error"  // the observer's fault
	OutcomeMissed  Outcome = "missed" // the check did not run
)

// aboutTarget reports whether the outcome says anything about the target.
func (o Outcome) aboutTarget() bool { return o == OutcomeSuccess || o.fault() }

// fault reports whether the outcome is the target's fault.
func (o Outcome) fault() bool { return o == OutcomeFailure || o == OutcomeTimeout }

// Observation is what a check found.
type Observation struct {
	Region       string
	Outcome      Outcome
	StatusCode   *uint32
	ErrorType    string
	ErrorMessage string
	Failures     uint32 // consecutive target faults, the most of any region
	Status       Status // of the monitor after this check
	Successes    uint32 // since the region's last observation
	Slowest      time.Duration
	Mean         time.Duration // of those successes; 0 if it is not known
	Down         []string      // regions that see the monitor down after this check

	CertificateExpires time.Time // zero without one
}

// works reports whether the entry shows that the monitor works, from wherever it is checked.
func (e Entry) works() bool {
	switch {
	case e.Transition != nil:
		return e.Transition.To == StatusUp
	case e.Observation != nil:
		o := e.Observation
		return o.Outcome == OutcomeSuccess && o.Failures == 0 && len(o.Down) == 0 && (o.Status == StatusUp || o.Status == StatusDegraded)
	}
	return false
}
