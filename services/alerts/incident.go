package alerts

import (
	"slices"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// IncidentStatus is where the handling of an outage stands.
type IncidentStatus string

// The states of an incident.
const (
	IncidentActive       IncidentStatus = "active"
	IncidentAcknowledged IncidentStatus = "acknowledged"
	IncidentResolved     IncidentStatus = "resolved"
)

// resolvedBySystem stands in ResolvedBy when an incident ended because nobody looks any more, not because the target
// recovered.
const resolvedBySystem = "system"

// Incident is one outage of one monitor, and how people handle it.
//
// Handling and outage end apart: a person may resolve the incident while the target is still down. Settled says that the
// outage itself is over. There is at most one unsettled incident per monitor, so an outage that was resolved by hand
// does not open another.
type Incident struct {
	ID              uint32
	OrganizationID  string
	MonitorID       uint32
	MonitorName     string // when it went down; "" if it was not known then
	Status          IncidentStatus
	StartTime       time.Time // first failing check
	EndTime         time.Time // zero while open
	AffectedRegions []string
	LastError       string
	LastErrorType   string
	FailureCount    uint32
	AcknowledgedBy  string
	AcknowledgedAt  time.Time // zero when nobody did
	ResolvedBy      string    // "" when the monitor recovered by itself
	ResolvedAt      time.Time // zero while open
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Settled         bool
	CountedAt       time.Time // failing checks up to this moment are in FailureCount
	Streak          uint32    // consecutive failures at the last one that was counted
	Maintenance     bool      // it began in a maintenance window
	AffectedBy      uint32    // monitor that it depends on and that was down too, which is why nobody was told; 0 if none was
	DownRegions     []string  // that saw it down last; of an incident without steps unknown
	Steps           uint32    // that were noted; 0 if it began before steps were
}

// The faults of handling an incident.
var (
	errAlreadyResolved = fault.Precondition("the incident is already resolved").Because("ALREADY_RESOLVED")
	// ErrIncidentNotFound reports an incident that is not there, or is another organization's.
	ErrIncidentNotFound = fault.NotFound("incident not found")
)

// Open reports whether it still needs handling.
func (i Incident) Open() bool { return i.Status != IncidentResolved }

// acknowledge says that by has taken it, and reports whether that changed anything.
func (i *Incident) acknowledge(by string, now time.Time) (bool, error) {
	switch i.Status {
	case IncidentResolved:
		return false, errAlreadyResolved
	case IncidentAcknowledged:
		return false, nil
	}
	i.Status, i.AcknowledgedBy, i.AcknowledgedAt, i.UpdatedAt = IncidentAcknowledged, by, now, now
	return true, nil
}

// resolve closes it by hand. The outage may go on.
func (i *Incident) resolve(by string, now time.Time) error {
	if !i.Open() {
		return errAlreadyResolved
	}
	i.close(by, now, now)
	return nil
}

// close ends the handling: at end the outage was over, as far as anybody knows.
func (i *Incident) close(by string, end, now time.Time) {
	if end.Before(i.StartTime) { // regions have clocks of their own
		end = i.StartTime
	}
	i.Status, i.EndTime, i.ResolvedBy, i.ResolvedAt, i.UpdatedAt = IncidentResolved, end, by, now, now
}

// settle ends the outage, and with it the handling if nobody ended that before.
func (i *Incident) settle(by string, end, now time.Time) {
	i.Settled = true
	if i.Open() {
		i.close(by, end, now)
	}
}

// addRegions notes regions that see the outage.
func (i *Incident) addRegions(regions ...string) {
	for _, r := range regions {
		if at, found := slices.BinarySearch(i.AffectedRegions, r); !found && r != "" {
			// Clipped, because a copy of the incident shares the array.
			i.AffectedRegions = slices.Insert(slices.Clip(i.AffectedRegions), at, r)
		}
	}
}
