package alerts

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
)

// Store keeps what this service owns. Every engine passes the suite in storetest.
//
// Each method is atomic, and what it returned is durable. Times come back in UTC with whole milliseconds. Callbacks run
// inside the transaction, perhaps more than once; they must not do I/O. An error from a callback undoes everything and is
// returned as it is. Audit rows that a callback returns are written in the same transaction.
type Store interface {
	RuleStore
	ChannelStore
	IncidentStore
	NoteStore
	EvaluationStore
	CatalogStore
	WindowStore
	OutboxStore
	FallbackStore
	ReminderStore
	CanaryStore
	DeliveryStore
	NoticeStore
	GroupStore
	AuditStore
}

// The faults that stores return for what is not there, or is another organization's.
var (
	ErrRuleNotFound    = fault.NotFound("alert not found")
	ErrChannelNotFound = fault.NotFound("notification channel not found")
	ErrMonitorNotFound = fault.NotFound("monitor not found")

	ErrDeliveryNotFound = fault.NotFound("delivery not found")
)

// Limits on what an organization may create.
var (
	ErrTooManyRules    = fault.Exhausted("the monitor has as many alerts as it may have").Because("LIMIT_REACHED")
	ErrTooManyChannels = fault.Exhausted("the organization has as many channels as it may have").Because("LIMIT_REACHED")
)

// RuleStore keeps alert rules and their history.
type RuleStore interface {
	// Rules returns the rules of a monitor, oldest first.
	Rules(ctx context.Context, organization string, monitorID uint32) ([]Rule, error)
	// Rule returns one rule, or ErrRuleNotFound.
	Rule(ctx context.Context, organization string, monitorID, id uint32) (Rule, error)
	// CreateRule gives r an id that was never given before, lets finish complete it, and stores it. It returns
	// ErrTooManyRules when the monitor has MaxRulesPerMonitor.
	CreateRule(ctx context.Context, r Rule, finish func(*Rule) (audit.Row, error)) (Rule, error)
	// UpdateRule stores what change makes of the rule. A rule that comes out disabled ends its open trigger at time at,
	// without a message, and its undelivered messages become dead.
	UpdateRule(ctx context.Context, organization string, monitorID, id uint32, at time.Time, change func(*Rule) (audit.Row, error)) (Rule, error)
	// DeleteRule removes the rule and its history; its undelivered messages become dead and are counted in the result.
	DeleteRule(ctx context.Context, organization string, monitorID, id uint32, record func(Rule) (audit.Row, error)) (dropped int, err error)
	// Triggers returns history, newest first, and how many rows match in all.
	Triggers(ctx context.Context, f TriggerFilter) ([]Trigger, int, error)
}

// TriggerFilter chooses rows of history.
type TriggerFilter struct {
	Organization string
	MonitorID    uint32 // 0 means all
	Window       Window
}

// Window is a stretch of a list that is ordered by time and id, newest first.
type Window struct {
	After  Place // rows that follow this one; the zero place is before the first
	Offset int   // rows to skip
	Limit  int   // rows to return; positive
}

// Place is where a row stands in such a list.
type Place struct {
	At time.Time `json:"at"`
	ID uint64    `json:"id"`
}

// ChannelStore keeps notification channels.
type ChannelStore interface {
	// Channels returns all channels, oldest first.
	Channels(ctx context.Context, organization string) ([]Channel, error)
	// Channel returns one channel, or ErrChannelNotFound.
	Channel(ctx context.Context, organization string, id uint32) (Channel, error)
	// CreateChannel gives c an id that was never given before, lets finish complete it, and stores it. It returns
	// ErrTooManyChannels when the organization has MaxChannels, or what CheckFallback says of it.
	CreateChannel(ctx context.Context, c Channel, finish func(*Channel) (audit.Row, error)) (Channel, error)
	// UpdateChannel stores what change makes of the channel, but for its Canary, unless CheckFallback refuses that. The undelivered messages of a channel
	// that comes out disabled become dead.
	UpdateChannel(ctx context.Context, organization string, id uint32, change func(*Channel) (audit.Row, error)) (Channel, error)
	// DeleteChannel removes the channel, unless CheckUnused refuses that; its undelivered messages become dead and are counted in
	// the result.
	DeleteChannel(ctx context.Context, organization string, id uint32, record func(Channel) (audit.Row, error)) (dropped int, err error)
}

// IncidentStore keeps incidents. They are opened and settled by Advance alone.
type IncidentStore interface {
	// Incidents returns incidents, newest first, and how many match in all.
	Incidents(ctx context.Context, f IncidentFilter) ([]Incident, int, error)
	// Incident returns one incident, or ErrIncidentNotFound.
	Incident(ctx context.Context, organization string, id uint32) (Incident, error)
	// ChangeIncident stores what change makes of the incident, as Advance does, and the note that it returns, as CreateNote does. A
	// change that returns no audit row changed nothing of the incident.
	ChangeIncident(ctx context.Context, organization string, id uint32, change func(*Incident) (Handling, error)) (Incident, error)
	// Chronicle returns everything that is stored of the course of an incident up to now, as of one moment; or ErrIncidentNotFound.
	// Of messages it has the first and the last TimelineAtMost, of triggers the first.
	Chronicle(ctx context.Context, organization string, id uint32, now time.Time) (Chronicle, error)
}

// NoteStore keeps what people write about incidents. Its methods return ErrIncidentNotFound for an incident that is not there.
type NoteStore interface {
	// Notes returns the notes of an incident, oldest first.
	Notes(ctx context.Context, organization string, incidentID uint32) ([]Note, error)
	// CreateNote gives n an id that was never given before and stores it; or returns ErrTooManyNotes when the incident has
	// MaxNotesPerIncident.
	CreateNote(ctx context.Context, n Note, record func(Note) (audit.Row, error)) (Note, error)
	// UpdateNote stores what change makes of the text of the note, or returns ErrNoteNotFound. A change that returns no audit row changed nothing.
	UpdateNote(ctx context.Context, organization string, incidentID, id uint32, change func(*Note) (*audit.Row, error)) (Note, error)
	// DeleteNote removes the note, or returns ErrNoteNotFound.
	DeleteNote(ctx context.Context, organization string, incidentID, id uint32, record func(Note) (audit.Row, error)) error
}

// IncidentFilter chooses incidents.
type IncidentFilter struct {
	Organization string
	MonitorID    uint32           // 0 means all
	Statuses     []IncidentStatus // empty means all
	Window       Window           // by start time
}

// EvaluationStore is how evaluation remembers.
type EvaluationStore interface {
	// Progress returns how far evaluation has come; zero at first.
	Progress(ctx context.Context) (Progress, error)
	// Advance reads the progress and the states of the monitors, calls step, and stores the batch that it returns, with the
	// messages pending and due at now. Two calls never run at the same time, on any replica, so that step's progress is
	// the stored one. Every state has its monitor's id and organization, even if nothing else is known. Monitors that are held and
	// depend on one of those have states too.
	//
	// With an incident that is not active any more, its undelivered reminders go, but for one that is being sent; that one goes if the
	// attempt fails. A new reminder takes the place of an older one that waits.
	//
	// A message whose id is in the outbox already is left out. A closing message takes the place of an undelivered one that
	// opened its thread, if that was tried before, or is about a notice, and is not being sent just now. A new message makes the
	// first one that waits for the same target and monitor due, since it cannot be sent before that.
	Advance(ctx context.Context, monitors []MonitorRef, now time.Time, step func(Progress, map[uint32]State) Batch) error
	// UptimeRules returns those of the monitors that have an enabled rule about uptime.
	UptimeRules(ctx context.Context, monitorIDs []uint32) ([]MonitorRef, error)
	// DueSilences returns at most limit monitors of which nothing has been known for as long as an enabled rule of theirs waits
	// that is not triggered by that yet.
	DueSilences(ctx context.Context, now time.Time, limit int) ([]MonitorRef, error)
}

// MonitorRef names a monitor and its owner.
type MonitorRef struct {
	ID             uint32
	OrganizationID string
	// Family asks Advance for State.Children too.
	Family bool
}

// CatalogStore keeps the local copy of the monitors.
type CatalogStore interface {
	// Monitor returns one monitor, deleted ones included, or ErrMonitorNotFound.
	Monitor(ctx context.Context, id uint32) (Monitor, error)
	// UnknownMonitors returns those of the ids that are not live monitors of the organization in the copy, ascending.
	UnknownMonitors(ctx context.Context, organization string, ids []uint32) ([]uint32, error)
	// Monitors returns live monitors with an id above after, ascending, at most limit.
	Monitors(ctx context.Context, after uint32, limit int) ([]Monitor, error)
	// PutMonitors adds or replaces.
	PutMonitors(ctx context.Context, monitors []Monitor) error
	// MonitorsExcept returns the live monitors that are not named.
	MonitorsExcept(ctx context.Context, ids []uint32) ([]MonitorRef, error)
	// RemoveMonitors marks monitors as deleted, together with what step makes of their states; see Advance.
	RemoveMonitors(ctx context.Context, monitors []MonitorRef, now time.Time, step func(Progress, map[uint32]State) Batch) error
}

// WindowStore keeps the local copy of the maintenance windows, every version of them.
type WindowStore interface {
	// HoldingWindows returns the versions that hold.
	HoldingWindows(ctx context.Context) ([]MaintenanceWindow, error)
	// PutWindows adds versions, or notes when they ended. Monitors of their organizations that are in maintenance are to be looked at
	// again at now. It takes turns with Advance, whose states have the windows that are for their monitors.
	PutWindows(ctx context.Context, windows []MaintenanceWindow, now time.Time) error
	// LookAgain says that those of the monitors that are in maintenance are to be looked at again at now, unless they are earlier.
	LookAgain(ctx context.Context, monitorIDs []uint32, now time.Time) error
	// DueMaintenance returns at most limit live monitors in maintenance that are to be looked at by now, the longest due first.
	DueMaintenance(ctx context.Context, now time.Time, limit int) ([]MonitorRef, error)
	// PruneWindows removes versions that ended before the time given.
	PruneWindows(ctx context.Context, endedBefore time.Time) error
}

// OutboxStore is the queue of messages. Within a target and monitor messages are sent in the order they were written, one
// after the other; and one target is sent one message at a time.
type OutboxStore interface {
	// Claim leases at most limit messages that are due, each of another target. A claim that is neither settled nor released
	// by the end of its lease is free again. Channels are told at their Pace: what Pace.Next merges becomes one new message, and
	// those it tells stay pending until that is final, and then are what it is. When there is nothing to claim, next says when there may be; zero means not
	// before something is written.
	Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) (claims []Claim, next time.Time, err error)
	// The time of trying of a message begins when it was written or, if its target has accepted another since, when it is first
	// claimed: it has waited for its turn, not for the receiver.
	//
	// Settle records an attempt and its verdict, and ends the claim; or returns ErrLeaseLost and changes nothing. If an
	// attempt failed and the message that closes its thread waits already, that takes its place. After a delivery, one
	// message of the same target that is waiting for another attempt becomes due, because the receiver is back.
	Settle(ctx context.Context, c Claim, a Attempt, v Verdict) error
	// Release ends the claim as if it had never been made; or returns ErrLeaseLost.
	Release(ctx context.Context, c Claim) error
	// Prune removes at most limit final messages that were written before the times given, and says how many.
	Prune(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (int, error)
	// Backlog says what waits. It is asked every few seconds.
	Backlog(ctx context.Context) (Backlog, error)
}

// FallbackStore tells fallback channels what others did not take.
type FallbackStore interface {
	// FallBack writes the copies of at most limit messages that are to go to the fallback channel of theirs and have not yet, due at
	// now, the oldest first, and says how many. A message is to go there, if that channel is enabled,
	//
	//   - when it is pending and has not been delivered for the FallbackAfter of its channel since it was first to be tried. While it
	//     waits for its turn with a receiver that accepts others, or for the end of a window, it is not to be tried yet; behind one
	//     that went to the fallback it is;
	//   - when it was given up;
	//   - when it is the end of something whose beginning went there, whatever became of it since.
	//
	// Digests stay behind, and what they tell goes by itself. No two calls make a copy of the same message.
	FallBack(ctx context.Context, now time.Time, limit int) (int, error)
}

// ReminderStore knows who has to be told again that a monitor is down.
type ReminderStore interface {
	// DueReminders returns at most limit reminders that are due at now, by the position of what they follow, which is above after: of
	// enabled channels with a Reminder that announce the outages of the monitor, and active incidents of monitors that are neither in
	// maintenance nor held nor unknown, where the last message about the monitor that was for the channel itself told that it is down,
	// and was delivered, there or to the fallback, or given up, so long ago.
	DueReminders(ctx context.Context, now time.Time, after uint64, limit int) ([]Reminder, error)
}

// CanaryStore keeps the test messages that channels are sent by a schedule.
type CanaryStore interface {
	// ClaimCanaries leases at most limit enabled channels whose next canary is due at now: there was none since the interval or the
	// configuration was changed, or the time that SettleCanary gave has come. One that is not settled by the end of its lease is due
	// again.
	ClaimCanaries(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]CanaryClaim, error)
	// SettleCanary records a canary and when the next is due; or returns ErrLeaseLost and changes nothing, when the channel is another
	// by then or is claimed by somebody else.
	SettleCanary(ctx context.Context, c CanaryClaim, last Canary, next time.Time) error
	// FailingCanaries returns the enabled channels with canaries of which the last was not taken, of every organization, by id.
	FailingCanaries(ctx context.Context) ([]Channel, error)
}

// DeliveryStore is what people see of the outbox, and may do to it.
type DeliveryStore interface {
	// Deliveries returns messages, newest first, and how many match in all. Window.After uses the position as id.
	Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, int, error)
	// Attempts returns the last KeptAttempts attempts at a message, oldest first, and how many were made in all; or
	// ErrDeliveryNotFound.
	Attempts(ctx context.Context, organization, id string) ([]Attempt, int, error)
	// Replay makes a message pending again, due at now and with its whole time of trying before it, unless allow returns an
	// error; or returns ErrDeliveryNotFound.
	Replay(ctx context.Context, organization, id string, now time.Time, allow func(Delivery, TargetState) (audit.Row, error)) (Delivery, error)
}

// TargetState is what became of the rule or channel of a message.
type TargetState string

// The states of a target.
const (
	TargetEnabled  TargetState = "enabled"
	TargetDisabled TargetState = "disabled"
	TargetGone     TargetState = "gone"
)

// Backlog is what of the outbox is not final yet.
type Backlog struct {
	Messages int
	Oldest   time.Time // when the first of them was written, or replayed; zero when there is none
	Due      time.Time // when some message may be, or might have been, claimed; zero when none may before something is written
}

// NoticeStore keeps the notices about this installation itself.
type NoticeStore interface {
	// Notice returns the notice of the key that is not settled; nil if there is none.
	Notice(ctx context.Context, key string) (*Notice, error)
	// ChangeNotice calls step with the notice of the key and stores what it returns, with the messages pending and due at now.
	// It takes turns with Advance, and with all that changes channels. An empty change writes nothing.
	ChangeNotice(ctx context.Context, key string, now time.Time, step func(NoticeState) NoticeChange) error
	// DueNotices returns the keys of at most limit notices of which there is something to tell at now, the longest due first.
	// When there are none, next says when there will be; zero means not before something changes.
	DueNotices(ctx context.Context, now time.Time, limit int) (keys []string, next time.Time, err error)
	// Notices returns notices, those that began last first.
	Notices(ctx context.Context, f NoticeFilter) ([]Notice, error)
	// OpenNotices is how many last.
	OpenNotices(ctx context.Context) (int, error)
	// PruneNotices removes at most limit settled notices that ended before the time given, and says how many.
	PruneNotices(ctx context.Context, endedBefore time.Time, limit int) (int, error)
}

// NoticeFilter chooses notices.
type NoticeFilter struct {
	Open  *bool // only those that last, or only those that ended; nil means all
	Limit int   // positive
}

// DeliveryFilter chooses messages.
type DeliveryFilter struct {
	Organization string
	MonitorID    uint32          // 0 means all
	States       []DeliveryState // empty means all
	Window       Window
}

// AuditStore reads the audit rows.
type AuditStore interface {
	// AuditRows returns the rows that f chooses, newest first.
	AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error)
}
