package events

import (
	"context"
	"time"
)

// ResultStore keeps results. All methods may be called at once from many goroutines. Times are UTC in whole milliseconds,
// durations whole microseconds; finer ones are rounded.
//
// What a store may leave out: NextScheduledAt of results that ran, and, of a success, response headers whose values differ
// from answer to answer (dates, request identifiers, tokens), so that a header set need not be kept per result. It never
// gives a result the headers of another answer.
type ResultStore interface {
	// Append adds the results that are not there yet: one with the same monitor, region and slot is the same result,
	// whatever else it says. It returns how many it added. A result is seen by every read that begins after Append has
	// returned. If Append fails, some may have been added; repeating does no harm. It keeps nothing of the slice itself.
	Append(ctx context.Context, results []Result) (added int, err error)

	// List returns a monitor's results, newest slot first, and of one slot the regions in falling order.
	List(ctx context.Context, q ResultQuery) ([]Result, error)

	// Count is the number of results that List would find without Before, Limit and Offset. Its cost does not grow with
	// their number.
	Count(ctx context.Context, q ResultQuery) (int64, error)

	// Summarize returns, for each pair of neighbours in edges, which must rise, the summary of the results with slots from
	// the first up to, not including, the second. An empty region is all regions. It counts every result that Append has
	// added exactly once, at a cost that grows with the number of edges and of days, not of results.
	Summarize(ctx context.Context, monitorID uint32, region string, edges []time.Time) ([]Summary, error)

	// MeanResponses returns the sum and number of the response times of successes with slots at or after since, for those
	// of the monitors that have any. The number of queries does not depend on the number of monitors.
	MeanResponses(ctx context.Context, monitorIDs []uint32, since time.Time) (map[uint32]Mean, error)

	// Replay calls fn with a monitor's results whose slot is after that of its region in after, in the order of their
	// slots; regions that are not in after are left out. An error of fn ends it and is returned. The result is fn's only until
	// it returns, and what its maps and slices hold is shared with other results.
	Replay(ctx context.Context, monitorID uint32, after map[string]time.Time, fn func(*Result) error) error

	// LastSlots returns, for each monitor with a result from the region in the last two months that have any, the LastSlot
	// of its newest. With Until it is of the monitors named, however old: the LastSlot of the newest of which the slot is not
	// after that. The number of queries to a server does not depend on the number of monitors.
	LastSlots(ctx context.Context, q SlotQuery) (map[uint32]time.Time, error)

	// Maintain does the store's own work that is due, such as roll-ups; with all, also what is not due yet. It never changes
	// what the other methods answer.
	Maintain(ctx context.Context, all bool) error

	// Prune forgets results with slots before before. It may forget a little less, to drop whole files or partitions.
	Prune(ctx context.Context, before time.Time) error
}

// Batching may be implemented by a ResultStore whose appends cost much, however few results they have.
type Batching interface {
	// BatchSize is how many results one Append should have, at best; at least 1. It may be given more or fewer.
	BatchSize() int

	// BatchDelay is how long results should wait for so many. What is acknowledged waits as long.
	BatchDelay() time.Duration
}

// SlotQuery says whose last slots.
type SlotQuery struct {
	Region     string
	Until      time.Time // zero: whatever there is
	MonitorIDs []uint32  // with Until alone
}

// ResultQuery says which results. Zero fields do not restrict.
type ResultQuery struct {
	MonitorID uint32
	Region    string
	From, To  time.Time // From is included, To is not
	Outcomes  []Outcome
	ErrorType string
	Before    ResultPlace // only what comes after this place in the list
	Limit     int         // at least 1
	Offset    int
}

// ResultPlace is a place in a list of one monitor's results.
type ResultPlace struct {
	ScheduledAt time.Time
	Region      string
}

// StateStore keeps what is known now, how it came about, and what was announced. All methods may be called at once.
type StateStore interface {
	// Load returns everything that judging goes on from.
	Load(ctx context.Context) (Snapshot, error)

	// Commit stores everything in c or nothing, and numbers the entries of the feed in their order, above all numbers ever
	// given: whoever sees an entry also sees every one with a smaller number, and the states and transitions of its commit.
	// Storing a transition with the same monitor, region, start and number again replaces it.
	Commit(ctx context.Context, c Commit) error

	// Statuses returns the stored states of those of the monitors that are known and not deleted, in no order. It takes one
	// query however many there are.
	Statuses(ctx context.Context, monitorIDs []uint32) ([]MonitorStatus, error)

	// MonitorIDs returns the monitors of an organization that are in a state and not deleted, ascending.
	MonitorIDs(ctx context.Context, organizationID string, s Status) ([]uint32, error)

	// Timelines returns, for each of the monitors and each of the moments, the newest interval that began before the
	// moment; a zero one if there was none. An empty region is the monitor itself. It takes one query.
	Timelines(ctx context.Context, monitorIDs []uint32, region string, moments []time.Time) (map[uint32][]Timeline, error)

	// Transitions returns the beginnings of the intervals that overlap a range, newest first.
	Transitions(ctx context.Context, q TransitionQuery) ([]Transition, error)

	// Feed returns entries in the order of their numbers.
	Feed(ctx context.Context, q FeedQuery) (FeedPage, error)

	// Prune forgets what is older than its bounds.
	Prune(ctx context.Context, p PruneBefore) error
}

// Exclusive may be implemented by a StateStore.
type Exclusive interface {
	// Exclusive reports whether no other process reads or writes the store. Then states need not be stored with every result:
	// what merely counts is asked of the judge, and judged again from the history after a crash.
	Exclusive() bool
}

// Commit is what is stored in one transaction.
type Commit struct {
	Monitors    []Monitor
	States      []MonitorState
	Regions     []RegionState
	Mended      []Mended // done before Transitions are stored
	Owed        []Owed   // of those of the same monitor the last counts
	Transitions []Transition
	Feed        []FeedRow // Seq is given by the store
	At          time.Time
}

// Mended says that a timeline is written anew from an interval on: those numbered First or above, which begin at From or after
// it, are forgotten.
type Mended struct {
	MonitorID uint32
	Region    string // empty is the monitor itself
	First     uint64
	From      time.Time
}

// Owed says that results of a monitor from From on are stored which its timelines do not tell of yet, or, if From is zero, that
// there are none any more.
type Owed struct {
	MonitorID uint32
	From      time.Time
}

// MonitorStatus is a monitor's state with those of all regions that ever watched it, by name.
type MonitorStatus struct {
	MonitorState
	Regions []RegionState
}

// TransitionQuery says which intervals of a timeline. From may be zero.
type TransitionQuery struct {
	MonitorID uint32
	Region    string // empty is the monitor itself
	From, To  time.Time
	Status    Status // 0 is any
	Limit     int
}

// FeedKind tells the kinds of feed entries apart, which are kept for different times.
type FeedKind uint8

// The kinds.
const (
	FeedTransition  FeedKind = 1
	FeedObservation FeedKind = 2
)

// FeedRow is one entry of the feed; Body is its encoded content.
type FeedRow struct {
	Seq            uint64
	OrganizationID string
	MonitorID      uint32
	Kind           FeedKind
	Body           []byte
}

// FeedQuery asks for the entries after a number. Zero fields do not restrict.
type FeedQuery struct {
	After          uint64
	OrganizationID string
	MonitorIDs     []uint32
	Limit          int // at least 1
}

// FeedPage is a run of entries. If it holds fewer than Limit, there are no more up to Head.
type FeedPage struct {
	Rows []FeedRow
	Head uint64 // greatest number ever given

	// The greatest numbers of each kind that were pruned; 0 when none was. A reader whose number is below one of them has
	// missed entries of that kind, and none of the other on its account.
	PrunedTransitions, PrunedObservations uint64
}

// PruneBefore says what is too old, by the time of its commit. Zero times keep everything.
type PruneBefore struct {
	Observations  time.Time // entries of the feed
	Announcements time.Time // transitions in the feed; the timelines stay
	Deleted       time.Time // everything of monitors that were deleted before this

	// Of evidence, by its slot: that of failures that were no outage, of which no more than EvidencePerMonitor stay in any case;
	// and of what is pinned, what the target said.
	Evidence, EvidenceRaw time.Time
}
