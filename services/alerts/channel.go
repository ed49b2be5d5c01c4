package alerts

import (
	"slices"
	"time"
)

// MaxChannels bounds what one outage can set off in an organization.
const MaxChannels = 100

// MaxChannelMonitors is how many monitors a channel may name.
const MaxChannelMonitors = 1000

// Event is what a channel announces.
type Event string

// The events.
const (
	EventDown     Event = "down"
	EventRecovery Event = "recovery"
	EventDegraded Event = "degraded"
	EventOperator Event = "operator" // trouble of this installation itself, whatever the channel's monitors
)

// defaultEvents are announced by a channel that does not say.
var defaultEvents = []Event{EventDown, EventRecovery}

// Channel is where an organization is told about outages.
type Channel struct {
	ID             uint32
	OrganizationID string
	Type           string // key of Notifiers
	Name           string
	Config         Config
	MonitorIDs     []uint32 // nil means all
	Events         []Event  // never empty
	Enabled        bool
	DigestWindow   time.Duration // 0 means that nothing is merged
	PerMinute      int           // messages in any minute; 0 means any number
	FallbackID     uint32        // channel that is told in the place of this one; 0 means none
	FallbackAfter  time.Duration // how long this one may leave a message undelivered before that
	Reminder       time.Duration // how long after it was last told that a monitor is down it is told so again; 0 means never
	CanaryEvery    time.Duration // how often a test message is sent to it; 0 means never
	Canary         Canary        // the last of them; changed by SettleCanary alone
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// covers reports whether the channel is about the monitor.
func (c Channel) covers(monitorID uint32) bool {
	return c.MonitorIDs == nil || slices.Contains(c.MonitorIDs, monitorID)
}

// wants reports whether the channel announces e.
func (c Channel) wants(e Event) bool { return slices.Contains(c.Events, e) }
