package monitors

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
)

// Store keeps monitors. Everything that is returned belongs to the caller; times are UTC in whole milliseconds, and a store
// cuts finer ones. Methods that take an organization see nothing of any other, and answer ErrNotFound for what is its.
type Store interface {
	Configurations
	Fleet
	Leases
	Placements
	Rechecks
	Enrolments
	WindowStore
	Badges
}

// Configurations are the monitors and what belongs to changing them.
type Configurations interface {
	// Write runs fn in one transaction, which is committed if fn returns nil and else leaves no trace; then the error is
	// fn's own. Concurrent writes behave as if they came one after the other. fn may be run again after a conflict, so what
	// it sets outside must not depend on what an earlier run left there. It must not keep tx, nor call Write.
	Write(ctx context.Context, fn func(tx Tx) error) error
	// Monitor returns a monitor that is not deleted, or ErrNotFound.
	Monitor(ctx context.Context, organizationID string, id uint32) (Monitor, error)
	// Monitors returns what f chooses of those not deleted, by falling id.
	Monitors(ctx context.Context, f Filter) ([]Monitor, error)
	// Changes returns monitors of all organizations, deleted ones too, whose last change is after rev, in the order of
	// their last changes, at most limit. Whoever reads on from the last Rev returned, from 0, until a page is short, has
	// seen every monitor that was committed before the last call, and misses no change by going on: a change that becomes
	// visible always has a greater Rev than every change that was visible before.
	Changes(ctx context.Context, rev int64, limit int) ([]Monitor, error)
	// Answer returns what was stored under k at or after since; false if nothing was.
	Answer(ctx context.Context, k AnswerKey, since time.Time) (Answer, bool, error)
	// AuditRows returns what f chooses, newest first.
	AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error)
}

// Tx is a transaction of Write.
type Tx interface {
	// Monitor is as in Configurations. Until the transaction ends, nobody else changes that monitor.
	Monitor(ctx context.Context, organizationID string, id uint32) (Monitor, error)
	// Insert adds m under a new id, greater than any before and never used again, which it returns; m.ID, m.Rev and
	// m.DeletedAt are not read. ErrExternalIDTaken if another monitor of the organization has m's external id.
	Insert(ctx context.Context, m Monitor) (uint32, error)
	// Update replaces all of the monitor that has m's id and organization and is not deleted, save for its creation and
	// m.Rev. ErrNotFound, or ErrExternalIDTaken.
	Update(ctx context.Context, m Monitor) error
	// Delete marks a monitor as deleted at the given time. Its external id becomes free. ErrNotFound if there is none.
	Delete(ctx context.Context, organizationID string, id uint32, at time.Time) error
	// Dependencies returns what the organization's monitors that are not deleted depend on, those that depend on none left out.
	Dependencies(ctx context.Context, organizationID string) (map[uint32][]uint32, error)
	// Answer is as in Configurations.
	Answer(ctx context.Context, k AnswerKey, since time.Time) (Answer, bool, error)
	// KeepAnswer stores a under k, in place of one that may be there, and forgets all those stored before forget.
	KeepAnswer(ctx context.Context, k AnswerKey, a Answer, forget time.Time) error
	// Audit adds a row.
	Audit(ctx context.Context, r audit.Row) error

	WindowTx
	BadgeTx
}

// Fleet is the regions and the probers in them.
type Fleet interface {
	// Regions returns all regions by code. LocalRegion is always there.
	Regions(ctx context.Context) ([]Region, error)
	// Probers returns all probers by region and id.
	Probers(ctx context.Context) ([]Prober, error)
	// ProberArrived stores p as connected under a session of its own, and its region if that is new.
	ProberArrived(ctx context.Context, p Prober, session string) error
	// ProberSeen moves the prober's last sign of life to at, if the session is still its newest.
	ProberSeen(ctx context.Context, id, session string, at time.Time) error
	// ProberLeft marks the prober as not connected, if the session is still its newest: a stream that ends late must not
	// undo the one that replaced it.
	ProberLeft(ctx context.Context, id, session string, at time.Time) error
}

// The answers to a request that a store cannot fulfil.
var (
	ErrNotFound        = fault.NotFound("monitor not found")
	ErrExternalIDTaken = &fault.Error{
		Kind: fault.KindConflict, Public: "another monitor has this external_id", Reason: "EXTERNAL_ID_TAKEN",
		Fields: []fault.Field{{Name: "external_id", Message: "is used by another monitor of the organization"}},
	}
)

// Filter chooses monitors. Zero fields choose all, except OrganizationID and Limit, which are required.
type Filter struct {
	OrganizationID string
	Enabled        *bool
	Type           Type
	Region         string
	Text           string // in SearchText; lower case
	Labels         []LabelFilter
	ExternalID     string
	IDs            *IDFilter
	Before         uint32 // only smaller ids; 0 means from the greatest
	Limit          int    // positive
}

// LabelFilter chooses monitors with a label.
type LabelFilter struct {
	Key   string
	Value *string // nil: any
}

// IDFilter chooses monitors by a list that another service made.
type IDFilter struct {
	In []uint32
	// Others, if set, also chooses those that are enabled, or that are not, and are not in NotIn.
	Others *bool
	NotIn  []uint32
}

// AnswerKey is an idempotency key within its organization.
type AnswerKey struct {
	OrganizationID string
	Key            string
}

// Answer is the first answer to a request, and what the request was.
type Answer struct {
	Fingerprint []byte // of the request
	Body        []byte // the answer as sent
	ETag        string
	At          time.Time
}

// Region is a place that checks run from.
type Region struct {
	Code string
	Name string
}

// Prober is a process that runs checks.
type Prober struct {
	ID         string
	Region     string
	Version    string
	Connected  bool // as far as this store was told; see Live
	LastSeenAt time.Time
}

// signOfLife is how long a prober counts as live after it was last seen: three heartbeats and some travel. A service that
// is killed cannot say that its streams ended.
const signOfLife = 15 * time.Second

// Live reports whether p's stream is open.
func (p Prober) Live(now time.Time) bool {
	return p.Connected && now.Sub(p.LastSeenAt) < signOfLife
}
