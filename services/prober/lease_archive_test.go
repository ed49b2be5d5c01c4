package prober

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/services/prober/schedule"
)

// archive stands in for the events service: of the rows that begin with the same slot of a monitor it keeps the first.
type archive struct {
	eventsv1.UnimplementedRecorderServiceServer

	mu   sync.Mutex
	slow time.Duration // storing takes so long
	rows map[archiveKey]*checkv1.CheckResult
	all  []*checkv1.CheckResult // repetitions by the same prober left out
}

type archiveKey struct {
	monitor uint32
	slot    int64
}

func newArchive() *archive { return &archive{rows: map[archiveKey]*checkv1.CheckResult{}} }

func (r *archive) Record(s eventsv1.RecorderService_RecordServer) error {
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := req.GetBatch()
		if b == nil {
			continue
		}
		r.mu.Lock()
		slow := r.slow
		r.mu.Unlock()
		pass(slow)
		r.mu.Lock()
		for _, x := range b.GetResults() {
			key := archiveKey{x.GetMonitorId(), x.GetScheduledAt().AsTime().UnixMilli()}
			if old := r.rows[key]; old == nil {
				r.rows[key] = x
				r.all = append(r.all, x)
			} else if old.GetProberId() != x.GetProberId() {
				r.all = append(r.all, x)
			}
		}
		r.mu.Unlock()
		last := b.GetFirstSeq() + uint64(len(b.GetResults())) - 1
		if err := s.Send(&eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last}); err != nil {
			return err
		}
	}
}

func (r *archive) ListLastSlots(_ context.Context, req *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := map[uint32]int64{}
	for _, x := range r.rows {
		if id := x.GetMonitorId(); len(req.GetMonitorIds()) == 0 || slices.Contains(req.GetMonitorIds(), id) {
			if until := req.GetUntil(); until != nil && x.GetScheduledAt().AsTime().After(until.AsTime()) {
				continue
			}
			covered := slotsOf(x)
			last := covered[len(covered)-1]
			if next := x.GetNextScheduledAt(); x.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED && next != nil {
				last = max(last, next.AsTime().UnixMilli()-1) // it covers all before the next
			}
			if until := req.GetUntil(); until != nil {
				last = min(last, until.AsTime().UnixMilli())
			}
			newest[id] = max(newest[id], last)
		}
	}
	resp := &eventsv1.ListLastSlotsResponse{}
	for id, at := range newest {
		resp.Slots = append(resp.Slots, &eventsv1.LastSlot{MonitorId: id, ScheduledAt: stamp(instant(at))})
	}
	return resp, nil
}

// leaseInterval is that of every monitor that these tests share, by its number.
func leaseInterval(id uint32) time.Duration { return time.Duration(1+id%4) * time.Second }

// slotsOf are the slots of a row. The first may lie beside the grid.
func slotsOf(r *checkv1.CheckResult) []int64 {
	grid := schedule.NewGrid(r.GetMonitorId(), leaseInterval(r.GetMonitorId()))
	at := r.GetScheduledAt().AsTime()
	slots := []int64{at.UnixMilli()}
	for range max(int(r.GetMissedCount()), 1) - 1 {
		at = grid.Next(at)
		slots = append(slots, at.UnixMilli())
	}
	return slots
}

type complainer interface {
	Helper()
	Errorf(format string, args ...any)
}

// count holds the rows to the grids: every slot after from and up to until is in exactly one row.
func (r *archive) count(t complainer, ids []uint32, from, until time.Time) (missed int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	covered := map[archiveKey][]*checkv1.CheckResult{}
	for _, x := range r.rows {
		slots := slotsOf(x)
		for _, slot := range slots {
			key := archiveKey{x.GetMonitorId(), slot}
			covered[key] = append(covered[key], x)
		}
		// Who holds the monitor next, and a process that begins anew, goes on from there.
		after := schedule.NewGrid(x.GetMonitorId(), leaseInterval(x.GetMonitorId())).Next(instant(slots[len(slots)-1]))
		if next := x.GetNextScheduledAt(); x.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED && next != nil && next.AsTime().After(after) {
			t.Errorf("a row of %d missed slots of monitor %d ends before %v and says that the next is %v", len(slots), x.GetMonitorId(),
				after.Format(time.TimeOnly+".000"), next.AsTime().Format(time.TimeOnly+".000"))
		}
	}
	wrong := 0
	for _, id := range ids {
		grid := schedule.NewGrid(id, leaseInterval(id))
		for at := grid.Next(from); !at.After(until); at = grid.Next(at) {
			rows := covered[archiveKey{id, at.UnixMilli()}]
			if len(rows) == 1 {
				if rows[0].GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
					missed++
				}
				continue
			}
			if wrong++; wrong < 20 {
				t.Errorf("slot %v of monitor %d is in %d rows", at.Format(time.TimeOnly+".000"), id, len(rows))
				for _, x := range rows {
					t.Errorf("  %s at %v: %v, %d from %v, epoch %d", x.GetProberId(), x.GetStartedAt().AsTime().Format(time.TimeOnly+".000"), x.GetStatus(),
						x.GetMissedCount(), x.GetScheduledAt().AsTime().Format(time.TimeOnly+".000"), x.GetEpoch())
				}
			}
		}
	}
	return missed
}

// twice counts the slots that two probers ran.
func (r *archive) twice() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := map[archiveKey]string{}
	for _, x := range r.all {
		if x.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
			continue
		}
		key := archiveKey{x.GetMonitorId(), x.GetScheduledAt().AsTime().UnixMilli()}
		if who, ok := by[key]; ok && who != x.GetProberId() {
			n++
		}
		by[key] = x.GetProberId()
	}
	return n
}
