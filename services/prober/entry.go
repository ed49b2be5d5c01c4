package prober

import (
	"container/heap"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
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

// entry is one monitor that this prober runs. The engine's lock guards all of it.
type entry struct {
	assignment *monitorsv1.Assignment
	check      check // nil when the configuration cannot be run
	schedule   schedule.Schedule

	gridAt    time.Time // next slot of the schedule; zero when it never fires again
	confirmAt time.Time // next confirming slot; zero when none is wanted
	index     int       // place in the engine's heap; -1 when not in it

	running  int    // checks in flight
	failures uint32 // consecutive target faults, as far as this prober knows
	removed  bool

	missedFrom  time.Time // first slot of the held run; zero when there is none
	missedCount uint32
	missedWhy   missedReason
}

// due is when the entry wants to be looked at next; the zero time is never.
func (e *entry) due() time.Time {
	if e.gridAt.IsZero() || (!e.confirmAt.IsZero() && e.confirmAt.Before(e.gridAt)) {
		return e.confirmAt
	}
	return e.gridAt
}

// take consumes the slot that is due, and says how many whole slots before it had
// already gone by when the engine got to it. Of a late run only the newest is worth
// running: the target's state then is gone.
func (e *entry) take(now time.Time) (slot time.Time, skippedFrom time.Time, skipped int) {
	slot = e.due()
	if slot.Equal(e.confirmAt) {
		e.confirmAt = time.Time{}
		if !slot.Equal(e.gridAt) {
			return slot, time.Time{}, 0
		}
	}
	if last := e.schedule.Last(slot, now); !last.IsZero() {
		skippedFrom = slot
		skipped = 1 + e.schedule.Count(slot, last)
		slot = last
	}
	e.gridAt = e.schedule.Next(slot)
	return slot, skippedFrom, skipped
}

// finished folds an outcome into the run of failures, asks for a confirming check if
// that run is young, and says whether a run has begun or ended with it.
func (e *entry) finished(status checkv1.ResultStatus, now time.Time) (changed bool) {
	switch status {
	case checkv1.ResultStatus_RESULT_STATUS_SUCCESS:
		changed = e.failures > 0
		e.failures = 0
		e.confirmAt = time.Time{}
	case checkv1.ResultStatus_RESULT_STATUS_FAILURE, checkv1.ResultStatus_RESULT_STATUS_TIMEOUT:
		e.failures++
		changed = e.failures == 1
		if e.failures < e.assignment.GetConfirmDown() {
			e.confirmAt = now.Add(time.Duration(e.assignment.GetRetryIntervalSeconds()) * time.Second).UTC().Truncate(time.Millisecond)
		}
	}
	return changed
}

// nextSlot is the entry's next due time for the result row, or nil.
func (e *entry) nextSlot() *timestamppb.Timestamp {
	if at := e.due(); !at.IsZero() {
		return timestamppb.New(at)
	}
	return nil
}

// dueHeap orders entries by their next due time.
type dueHeap []*entry

var _ heap.Interface = (*dueHeap)(nil)

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due().Before(h[j].due()) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push and Pop are for container/heap alone.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}

// place puts e where its due time says, or takes it out when it has none.
func (h *dueHeap) place(e *entry) {
	in := e.index >= 0
	switch want := !e.removed && !e.due().IsZero(); {
	case want && in:
		heap.Fix(h, e.index)
	case want:
		heap.Push(h, e)
	case in:
		heap.Remove(h, e.index)
	}
}
