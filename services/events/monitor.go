package events

import (
	"slices"
	"time"
)

// Monitor is what this service knows of a monitor's configuration: the catalogue's entry.
type Monitor struct {
	ID             uint32
	OrganizationID string
	Name           string
	Kind           CheckKind
	URL            string
	Enabled        bool
	Regions        []string
	ConfirmDown    uint32        // consecutive target faults that make a region down
	ConfirmUp      uint32        // consecutive successes that bring it up
	Interval       time.Duration // longest time between two due slots
	Timeout        time.Duration // of a whole slot
	Quorum         Quorum
	DegradedAbove  time.Duration // a slower success is degraded; 0 is never
	Version        uint64
	CreatedAt      time.Time
	UpdatedAt      time.Time // for a pause, when it began
	Deleted        bool
}

// patience is how long a region may go without a word on the target before nothing is known of it.
func (m *Monitor) patience() time.Duration { return 2*m.Interval + m.Timeout }

// watches reports whether the monitor is checked from region.
func (m *Monitor) watches(region string) bool { return slices.Contains(m.Regions, region) }

// same reports whether nothing differs that this service keeps.
func (m *Monitor) same(o *Monitor) bool {
	return m.ID == o.ID && m.OrganizationID == o.OrganizationID && m.Name == o.Name && m.Kind == o.Kind && m.URL == o.URL &&
		m.Enabled == o.Enabled && slices.Equal(m.Regions, o.Regions) && m.ConfirmDown == o.ConfirmDown &&
		m.ConfirmUp == o.ConfirmUp && m.Interval == o.Interval && m.Timeout == o.Timeout && m.Quorum == o.Quorum &&
		m.DegradedAbove == o.DegradedAbove && m.Version == o.Version && m.CreatedAt.Equal(o.CreatedAt) &&
		m.UpdatedAt.Equal(o.UpdatedAt) && m.Deleted == o.Deleted
}
