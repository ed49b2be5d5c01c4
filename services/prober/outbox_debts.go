package prober

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// debts are the slots of results that a full outbox did not take. Of each monitor they become one missed row, which is
// written before any later result of it, and as soon as there is room. A crash forgets them; the start that follows finds
// those slots without rows.
type debts struct {
	write func(row []byte) bool // false: no room

	mu    sync.Mutex
	by    map[uint32]*checkv1.CheckResult
	slots uint64 // all that were ever owed
}

func newDebts(write func([]byte) bool) *debts {
	return &debts{write: write, by: map[uint32]*checkv1.CheckResult{}}
}

// paid reports whether nothing is owed of row's monitor, after trying to write it.
func (d *debts) paid(row []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.by) == 0 {
		return true
	}
	x, ok := glance(row)
	return !ok || d.payOf(x.monitor)
}

// payOf writes what is owed of a monitor; false if there is no room. The lock is held.
func (d *debts) payOf(id uint32) bool {
	r := d.by[id]
	if r == nil {
		return true
	}
	r.StartedAt = timestamppb.New(time.Now())
	row, err := appendResult(nil, r)
	if err == nil && !d.write(row) {
		return false
	}
	delete(d.by, id)
	return true
}

// pay writes what there is room for.
func (d *debts) pay() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.by {
		if !d.payOf(id) {
			return
		}
	}
}

// owe notes that there was no room for row. Its slots follow those that its monitor is owed already.
func (d *debts) owe(row []byte) {
	var r checkv1.CheckResult
	if err := proto.Unmarshal(row, &r); err != nil || r.GetMonitorId() == 0 {
		return // not a CheckResult; Append's caller must know why
	}
	n := uint32(1)
	if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
		n = max(r.GetMissedCount(), 1)
	}
	missed := &checkv1.CheckResult{
		MonitorId: r.GetMonitorId(), OrganizationId: r.GetOrganizationId(), Region: r.GetRegion(), ProberId: r.GetProberId(),
		ConfigVersion: r.GetConfigVersion(), MonitorType: r.GetMonitorType(), MonitorUrl: r.GetMonitorUrl(),
		MonitorName: r.GetMonitorName(), Epoch: r.GetEpoch(), ScheduledAt: r.GetScheduledAt(), NextScheduledAt: r.GetNextScheduledAt(),
		Status: checkv1.ResultStatus_RESULT_STATUS_MISSED, MissedCount: n,
		ErrorType: new(string), ErrorMessage: new(string),
	}
	*missed.ErrorType, *missed.ErrorMessage = string(missedOverload), missedMessages[missedOverload]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slots += uint64(n)
	if before := d.by[missed.MonitorId]; before != nil {
		missed.MissedCount += before.MissedCount
		if before.GetScheduledAt().AsTime().Before(missed.GetScheduledAt().AsTime()) {
			missed.ScheduledAt = before.ScheduledAt
		}
	}
	d.by[missed.MonitorId] = missed
}

// counted is how many slots were ever owed.
func (d *debts) counted() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slots
}
