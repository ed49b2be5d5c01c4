package alerts

import (
	"slices"
	"time"
)

// What happens in the course of an outage stands in the rows of the incident, of messages and of triggers, but for what leaves no
// trace there: when it was confirmed and where, which regions came and went, when and why nobody was told. That is kept as steps,
// which evaluation writes in the transaction in which it does them.

// StepKind is what a step tells.
type StepKind string

// The kinds of steps.
const (
	StepConfirmed        StepKind = "confirmed"
	StepRegionsDown      StepKind = "regions_down"
	StepRegionsUp        StepKind = "regions_up"
	StepHeld             StepKind = "held"
	StepReleased         StepKind = "released"
	StepMaintenanceBegan StepKind = "maintenance_began"
	StepMaintenanceEnded StepKind = "maintenance_ended"
	StepUnstableBegan    StepKind = "unstable_began"
	StepUnstableEnded    StepKind = "unstable_ended"
	StepCameUp           StepKind = "came_up"   // of an unstable monitor, which is no end
	StepWentDown         StepKind = "went_down" // and no beginning
	StepRecovered        StepKind = "recovered"
)

// MaxSteps is how many steps of an incident are kept. Its end, and that of being unstable, are kept in any case.
const MaxSteps = 500

// Step is one thing that happened in the course of an incident.
type Step struct {
	IncidentID uint32
	Number     uint32 // from 1, in the order in which they happened
	At         time.Time
	Kind       StepKind
	Facts      StepFacts
}

// StepFacts are what its kind has to tell.
type StepFacts struct {
	Regions   []string `json:"regions,omitempty"`
	ErrorType string   `json:"error_type,omitempty"`
	Error     string   `json:"error,omitempty"`
	Failures  uint32   `json:"failures,omitempty"`
	Changes   int      `json:"changes,omitempty"`
	MonitorID uint32   `json:"monitor_id,omitempty"`
	Confirmed *Stamp   `json:"confirmed,omitempty"`
}

// step notes something of the outage that goes on. Of one that began before steps were kept nothing is noted but its end: what came
// before it would be missing.
func (v *evaluation) step(kind StepKind, at time.Time, facts StepFacts) {
	inc := v.state.Incident
	if inc == nil || v.state.Past || kind != StepRecovered && (!inc.Open() || inc.Steps == 0 && kind != StepConfirmed) {
		return
	}
	if inc.Steps >= MaxSteps && kind != StepRecovered && kind != StepUnstableEnded {
		return
	}
	v.saveIncident(func(i *Incident) {
		i.Steps++
		v.out.Steps = append(v.out.Steps, Step{IncidentID: i.ID, Number: i.Steps, At: at, Kind: kind, Facts: facts})
	})
}

// confirmed notes how the outage was seen, and why nobody is told of it, if nobody is.
func (v *evaluation) confirmed(t Transition) {
	v.seenDown(StepConfirmed, t)
	if v.state.Past {
		return
	}
	if v.state.inWindow() {
		v.step(StepMaintenanceBegan, v.entry.At, StepFacts{})
	}
	if v.state.flaps() {
		v.step(StepUnstableBegan, v.entry.At, StepFacts{Changes: v.state.unstable().Changes})
	}
}

// seenDown notes that the monitor went down, where, and whether another that it depends on is why nobody is told.
func (v *evaluation) seenDown(kind StepKind, t Transition) {
	down := t.Down
	if len(down) == 0 {
		down = t.Regions
	}
	v.step(kind, v.entry.At, StepFacts{Regions: down, ErrorType: t.ErrorType, Error: t.ErrorMessage, Failures: t.Failures})
	if v.state.Past {
		return
	}
	v.saveIncident(func(i *Incident) { i.DownRegions = slices.Clone(down) })
	if h := v.state.held(); h != nil && h.By != 0 {
		v.step(StepHeld, v.entry.At, StepFacts{MonitorID: h.By})
	}
}

// regions notes which regions came and went, now that the monitor is seen down by those. fault is what the region of that name saw.
func (v *evaluation) regions(down []string, region, errorType, message string) {
	inc := v.state.Incident
	if inc == nil || !inc.Down() || v.state.Past || !inc.Open() || inc.Steps == 0 || slices.Equal(down, inc.DownRegions) {
		return
	}
	came, went := missing(down, inc.DownRegions), missing(inc.DownRegions, down)
	v.saveIncident(func(i *Incident) { i.DownRegions = slices.Clone(down) })
	if len(came) > 0 {
		facts := StepFacts{Regions: came}
		if len(came) == 1 && came[0] == region {
			facts.ErrorType, facts.Error = errorType, message
		}
		v.step(StepRegionsDown, v.entry.At, facts)
	}
	if len(went) > 0 {
		v.step(StepRegionsUp, v.entry.At, StepFacts{Regions: went})
	}
}

// missing are those of a that are not in b.
func missing(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// recovered notes the end of the outage, before the incident is settled.
func (v *evaluation) recovered(t Transition) {
	confirmed := Stamp(v.entry.At)
	end := t.Since
	if start := v.state.Incident.downSince(); end.Before(start) { // regions have clocks of their own
		end = start
	}
	v.step(StepRecovered, end, StepFacts{Confirmed: &confirmed})
}
