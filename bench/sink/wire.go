package sink

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// The sink shares its processor with the targets, so it must not cost much: of a batch it reads only what it counts, a
// fifth of the work of unmarshalling it.

// rawMessage is a message that is left as it came.
type rawMessage []byte

// codec is gRPC's own, except for raw messages.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if raw, ok := v.(*rawMessage); ok {
		*raw = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Field numbers of the contracts: RecordRequest, ResultBatch and CheckResult.
const (
	requestBatch      = 2
	batchFirstSeq     = 1
	batchResults      = 2
	resultMonitor     = 1
	resultScheduled   = 4
	resultStatus      = 6
	resultErrorType   = 17
	resultMessage     = 18
	resultMissedCount = 26
	resultLateness    = 30
)

// batch is what matters of a RecordRequest.
type batch struct {
	first uint64
	rows  []row
}

// row is what matters of a CheckResult; its texts are parts of the message.
type row struct {
	monitor   uint32
	at        int64 // when the slot was due, milliseconds of the epoch
	status    checkv1.ResultStatus
	missed    uint32
	late      uint64
	errorType []byte
	message   []byte
}

// parseRequest reads a RecordRequest into b, whose rows are used again.
func (b *batch) parseRequest(raw []byte) error {
	b.first, b.rows = 0, b.rows[:0]
	return fields(raw, func(n protowire.Number, _ uint64, v []byte) error {
		if n != requestBatch {
			return nil
		}
		return fields(v, func(n protowire.Number, number uint64, v []byte) error {
			switch n {
			case batchFirstSeq:
				b.first = number
			case batchResults:
				var r row
				err := r.parse(v)
				b.rows = append(b.rows, r)
				return err
			}
			return nil
		})
	})
}

func (r *row) parse(raw []byte) error {
	return fields(raw, func(n protowire.Number, number uint64, v []byte) error {
		switch n {
		case resultMonitor:
			r.monitor = uint32(number)
		case resultScheduled:
			return r.parseTime(v)
		case resultStatus:
			r.status = checkv1.ResultStatus(number)
		case resultMissedCount:
			r.missed = uint32(number)
		case resultLateness:
			r.late = number
		case resultErrorType:
			r.errorType = v
		case resultMessage:
			r.message = v
		}
		return nil
	})
}

// parseTime reads a Timestamp.
func (r *row) parseTime(raw []byte) error {
	return fields(raw, func(n protowire.Number, number uint64, _ []byte) error {
		if n == 1 {
			r.at += int64(number) * 1000
		} else if n == 2 {
			r.at += int64(number) / 1_000_000
		}
		return nil
	})
}

func (r *row) missedRow() bool { return r.status == checkv1.ResultStatus_RESULT_STATUS_MISSED }

// fields calls f with each field that is a varint or a run of bytes.
func fields(raw []byte, f func(n protowire.Number, number uint64, v []byte) error) error {
	for len(raw) > 0 {
		n, kind, size := protowire.ConsumeTag(raw)
		if size < 0 {
			return fmt.Errorf("message: %w", protowire.ParseError(size))
		}
		raw = raw[size:]
		var number uint64
		var v []byte
		switch kind {
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(raw)
		default:
			size = protowire.ConsumeFieldValue(n, kind, raw)
		}
		if size < 0 {
			return fmt.Errorf("field %d: %w", n, protowire.ParseError(size))
		}
		raw = raw[size:]
		if err := f(n, number, v); err != nil {
			return err
		}
	}
	return nil
}
