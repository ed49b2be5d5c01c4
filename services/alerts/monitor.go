package alerts

import "time"

// Status is the state of a monitor as the events service derives it.
type Status string

// The states. The empty status is none of them: nothing was ever said.
const (
	StatusUp          Status = "up"
	StatusDegraded    Status = "degraded"
	StatusDown        Status = "down"
	StatusUnknown     Status = "unknown"
	StatusPaused      Status = "paused"
	StatusMaintenance Status = "maintenance"
)

// Monitor is the local copy of what the monitors service says about one, kept so that alerting goes on while that
// service is away.
type Monitor struct {
	ID             uint32
	OrganizationID string
	Name           string
	URL            string
	Enabled        bool
	Regions        []string // where it is checked from
	Labels         map[string]string
	Version        uint64 // of its configuration
	Deleted        bool   // its incidents and history stay readable

	DependsOn   []uint32      // monitors without which it cannot work, ascending
	DetectsDown time.Duration // the longest time from a failure until it is seen to be down
	DetectsUp   time.Duration // the longest time from its end until that is seen
}
