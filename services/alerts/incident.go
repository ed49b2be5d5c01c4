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
//
// While a monitor is unstable its outages are one incident, which is not settled while the monitor is up in between.
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

	// Of a monitor that was, or is, unstable in its course. All are zero of any other.
	UnstableSince time.Time // when that was found
	UnstableUntil time.Time // when it had not changed for long enough; zero while it is unstable
	Changes       int       // how often it went down or came up again, with the changes that made it unstable
	DownSince     time.Time // when it went down last; zero if that is StartTime
	UpSince       time.Time // since when it works, if it does and the incident is not settled for all that, or was not then
}

// Down reports whether the target is down, as far as an incident that is not settled says.
func (i Incident) Down() bool { return i.UpSince.IsZero() }

// downSince is when it went down last.
func (i Incident) downSince() time.Time {
	if i.DownSince.IsZero() {
		return i.StartTime
	}
	return i.DownSince
}

// isDown reports whether the monitor is down. That it has an incident which is not settled does not say so.
func (s State) isDown() bool { return s.Incident != nil && s.Incident.Down() }

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

// count adds a failing check. Of a long streak the feed leaves checks out; the streak's length tells how many.
func (i *Incident) count(streak uint32) {
	added := uint32(1)
	if streak > i.Streak {
		added = streak - i.Streak
	}
	i.Streak = streak
	i.FailureCount += added
}

func (i *Incident) lastFault(kind, message string) {
	if kind != "" {
		i.LastErrorType, i.LastError = kind, message
	}
}

func (i Incident) content() *ContentIncident {
	c := &ContentIncident{
		ID: i.ID, Status: i.Status, StartTime: Stamp(i.StartTime), EndTime: stampOf(i.EndTime),
		AffectedRegions: i.AffectedRegions, FailureCount: i.FailureCount, LastErrorType: i.LastErrorType, LastError: i.LastError,
		DownSince: stampOf(i.DownSince),
	}
	if !i.UnstableSince.IsZero() {
		c.Unstable = &ContentIncidentUnstable{Since: Stamp(i.UnstableSince), Until: stampOf(i.UnstableUntil), Changes: i.Changes}
	}
	return c
}
