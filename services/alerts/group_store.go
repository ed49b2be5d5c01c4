package alerts

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/audit"
)

// GroupStore keeps groups of monitors.
//
// Who is in a group is kept beside it and follows from its target and the monitors of the copy that are not deleted. Advance lets the
// groups know the shifts of its batch, as FoldGroups says, in the same transaction; so does RemoveMonitors, and takes the monitors out
// of their groups then. All that changes groups takes turns with Advance, whose states say who is Grouped. Who was and is not any more
// is to be looked at again at now.
type GroupStore interface {
	// Groups returns the groups of an organization with their members, oldest first.
	Groups(ctx context.Context, organization string) ([]GroupView, error)
	// Group returns one group, or ErrGroupNotFound.
	Group(ctx context.Context, organization string, id uint32) (GroupView, error)
	// CreateGroup gives g an id that was never given before, stores it, and evaluates it. It returns ErrTooManyGroups when the
	// organization has MaxGroups.
	CreateGroup(ctx context.Context, g Group, now time.Time, record func(Group) (audit.Row, error)) (GroupView, error)
	// UpdateGroup stores what change makes of the group, but for its state, and evaluates it.
	UpdateGroup(ctx context.Context, organization string, id uint32, now time.Time, change func(*Group) (audit.Row, error)) (GroupView, error)
	// DeleteGroup removes the group. Nobody is told.
	DeleteGroup(ctx context.Context, organization string, id uint32, now time.Time, record func(Group) (audit.Row, error)) error
	// Regroup puts the monitors into the groups that they belong to by now, and evaluates those that they are in, or were. It reports
	// whether messages were written.
	Regroup(ctx context.Context, monitorIDs []uint32, now time.Time) (told bool, err error)
	// DueGroups returns at most limit groups of which something is to be told at now, the longest due first.
	DueGroups(ctx context.Context, now time.Time, limit int) ([]uint32, error)
	// EvaluateGroups evaluates those of the groups that are there, and reports whether messages were written.
	EvaluateGroups(ctx context.Context, ids []uint32, now time.Time) (told bool, err error)
}
