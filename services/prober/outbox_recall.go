package prober

import (
	"math/bits"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

func (d *diskOutbox) Recall() map[uint32]Recalled {
	d.reading.Lock()
	defer d.reading.Unlock()
	r := d.recalled
	d.recalled = nil
	return r
}

// recaller finds the newest slots in rows.
type recaller map[uint32]*recollection

type recollection struct {
	Recalled
	slot int64 // of Slot, in nanoseconds
}

func (rs recaller) visit(record []byte) {
	_, _, row, ok := spooledResult(record)
	if !ok {
		return
	}
	x, ok := glance(row)
	if !ok {
		return
	}
	r := rs[x.monitor]
	if r == nil {
		r = &recollection{slot: -1 << 63}
		rs[x.monitor] = r
	}
	switch x.status {
	case checkv1.ResultStatus_RESULT_STATUS_FAILURE, checkv1.ResultStatus_RESULT_STATUS_TIMEOUT:
		r.Failures++
	case checkv1.ResultStatus_RESULT_STATUS_SUCCESS:
		r.Failures, r.Broken = 0, true
	}
	if x.scheduled >= r.slot {
		r.slot, r.Missed = x.scheduled, x.missed
		r.Slot, r.Next = time.Unix(0, x.scheduled).UTC(), time.Time{}
		if x.next != 0 {
			r.Next = time.Unix(0, x.next).UTC()
		}
	}
}

func (rs recaller) result() map[uint32]Recalled {
	if len(rs) == 0 {
		return nil
	}
	by := make(map[uint32]Recalled, len(rs))
	for id, r := range rs {
		by[id] = r.Recalled
	}
	return by
}

// glanced is what is read of a row without decoding all of it. Times are nanoseconds since 1970.
type glanced struct {
	monitor         uint32
	scheduled, next int64 // next is 0 if there is none
	missed          uint32
	status          checkv1.ResultStatus
}

// glance reads a row's fields; ok is false if it is no CheckResult. Recovery looks at millions of rows.
func glance(row []byte) (x glanced, ok bool) {
	for len(row) > 0 {
		field, kind, n := protowire.ConsumeTag(row)
		if n < 0 {
			return x, false
		}
		row = row[n:]
		switch {
		case kind == protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(row); n < 0 {
				return x, false
			}
			switch field {
			case rowMonitorID:
				x.monitor = uint32(v)
			case rowStatus:
				x.status = checkv1.ResultStatus(v)
			case rowMissedCount:
				x.missed = uint32(v)
			}
		case kind == protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(row); n < 0 {
				return x, false
			}
			switch field {
			case rowScheduledAt:
				x.scheduled = stampIn(v)
			case rowNextScheduledAt:
				x.next = stampIn(v)
			}
		default:
			if n = protowire.ConsumeFieldValue(field, kind, row); n < 0 {
				return x, false
			}
		}
		row = row[n:]
	}
	return x, x.monitor != 0
}

// stampIn reads a Timestamp as nanoseconds since 1970; 0 if it is none, or beyond what they count.
func stampIn(b []byte) int64 {
	var seconds, nanos int64
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 || kind != protowire.VarintType {
			return 0
		}
		v, m := protowire.ConsumeVarint(b[n:])
		if m < 0 {
			return 0
		}
		switch field {
		case stampSeconds:
			seconds = int64(v)
		case stampNanos:
			nanos = int64(v)
		}
		b = b[n+m:]
	}
	if hi, _ := bits.Mul64(uint64(max(seconds, -seconds)), 2e9); hi != 0 {
		return 0
	}
	return seconds*1e9 + nanos
}
