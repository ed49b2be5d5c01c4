package prober

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// missedReason is why a due slot did not run; its values are error types of the contract.
type missedReason string

const (
	missedOverlap  missedReason = "overlap"          // the slot before still ran
	missedOverload missedReason = "overload"         // no permit, or no processor, in time
	missedOffline  missedReason = "observer_offline" // the prober was not running
	missedInvalid  missedReason = "internal_error"   // the configuration cannot be run by this prober
)

var missedMessages = map[missedReason]string{
	missedOverlap:  "The check before was still running; raise the interval, lower the timeout, or set overlap to parallel.",
	missedOverload: "The prober had no capacity for this slot in time; give it more, or spread the load.",
	missedOffline:  "The prober was not running when this slot was due.",
	missedInvalid:  "This prober cannot run the monitor's configuration; update the prober.",
}

// maxMissedAge bounds how long a run of missed slots is held back to become one row.
const maxMissedAge = 10 * time.Second

// plan is what is kept of a monitor's configuration. It does not change: a check in
// flight goes by the one with which it began.
type plan struct {
	row      []byte // the fields that all its rows have, encoded
	digest   digest // of the assignment
	held     uint64 // epoch of the assignment; 0 without a lease
	epoch    uint64 // of the rows
	check    check  // nil when the configuration cannot be run
	plain    *nettest.TCPCheck
	schedule schedule.Schedule
	every    int64 // of a grid, in milliseconds; else 0
	host     *hostLimit

	retryInterval time.Duration
	confirmDown   uint32
	port          uint16 // if plain
	judged        bool   // plain, with conditions
	parallel      bool   // slots may overlap
}

// entry is one monitor that this prober runs. Its shard's lock guards all of it.
// Times are milliseconds since 1970, and 0 is never: a million entries have to be small.
type entry struct {
	plan *plan

	placedAt  int64 // where it is in the shard's wheel; 0 when it is not
	gridAt    int64 // next slot of the schedule; 0 when it never fires again
	confirmAt int64 // next confirming slot; 0 when none is wanted
	waitingAt int64 // slot that waits for a permit; 0 when none does
	waitingIn *waitQueue

	running  int32  // checks in flight
	failures uint32 // consecutive target faults, as far as this prober knows
	removed  bool
	holding  bool // rows of it wait for the observer; see heldRow
	first    bool // it waits for its first check, unless a slot comes before; see firsts

	missedCount uint32
	missedFrom  int64 // first slot of the held run
	missedWhy   missedReason
}

// due is when the entry wants to be looked at next; 0 is never.
func (e *entry) due() int64 {
	if e.gridAt == 0 || (e.confirmAt != 0 && e.confirmAt < e.gridAt) {
		return e.confirmAt
	}
	return e.gridAt
}

// take consumes the slot that is due, and says how many whole slots before it had
// already gone by when the engine got to it. Of a late run only the newest is worth
// running: the target's state then is gone.
func (e *entry) take(now int64) (slot, skippedFrom int64, skipped int) {
	slot = e.due()
	if slot == e.confirmAt {
		e.confirmAt = 0
		if e.gridAt == 0 || e.gridAt > now {
			return slot, 0, 0
		}
		slot = e.gridAt // two at once would be one too many
	}
	if every := e.plan.every; every > 0 {
		// The slot is on the grid, so the rest is counting.
		e.gridAt = slot + every
		if e.gridAt > now {
			return slot, 0, 0
		}
		n := (now - slot) / every
		last := slot + n*every
		e.gridAt = last + every
		return last, slot, int(n)
	}
	at := instant(slot)
	e.gridAt = milli(e.plan.schedule.Next(at))
	if e.gridAt == 0 || e.gridAt > now {
		return slot, 0, 0
	}
	last := e.plan.schedule.Last(at, instant(now))
	e.gridAt = milli(e.plan.schedule.Next(last))
	return milli(last), slot, 1 + e.plan.schedule.Count(at, last)
}

// finished folds an outcome into the run of failures, asks for a confirming check if
// that run is young, and says whether a run has begun or ended with it.
func (e *entry) finished(status checkv1.ResultStatus, now time.Time) (changed bool) {
	switch status {
	case checkv1.ResultStatus_RESULT_STATUS_SUCCESS:
		changed = e.failures > 0
		e.failures = 0
		e.confirmAt = 0
	case checkv1.ResultStatus_RESULT_STATUS_FAILURE, checkv1.ResultStatus_RESULT_STATUS_TIMEOUT:
		e.failures++
		changed = e.failures == 1
		if e.failures < e.plan.confirmDown {
			e.confirmAt = now.Add(e.plan.retryInterval).UnixMilli()
			if wait := e.gridAt - e.confirmAt; e.gridAt != 0 && wait >= 0 && wait <= soon.Milliseconds() {
				e.confirmAt = 0 // that slot confirms as well, and must not find this check running
			}
		}
	}
	return changed
}

// instant is the time of ms milliseconds since 1970.
func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// milli is t in milliseconds since 1970, and 0 for the zero time.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// stampOf is ms for a result row; nil for never.
func stampOf(ms int64) *timestamppb.Timestamp {
	if ms == 0 {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: seconds(ms), Nanos: int32(ms-seconds(ms)*1000) * 1e6}
}

// seconds are the whole ones of ms, rounded down also before 1970.
func seconds(ms int64) int64 {
	s := ms / 1000
	if ms%1000 < 0 {
		s--
	}
	return s
}
