package prober

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

// put appends a result.
func put(t testing.TB, o Outbox, r *checkv1.CheckResult, traceparent string) uint64 {
	t.Helper()
	row, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return o.Append(row, traceparent)
}

// results are those of a batch, as the server reads it.
func results(t testing.TB, b Batch) []*checkv1.CheckResult {
	t.Helper()
	var req eventsv1.RecordRequest
	if err := proto.Unmarshal(b.appendTo(nil), &req); err != nil {
		t.Fatal(err)
	}
	if n := len(req.GetBatch().GetResults()); n != b.Count || req.GetBatch().GetFirstSeq() != b.First {
		t.Fatalf("batch of %d from %d reads as %d from %d", b.Count, b.First, n, req.GetBatch().GetFirstSeq())
	}
	return req.GetBatch().GetResults()
}

func TestOutboxKeepsUntilAcknowledged(t *testing.T) {
	o := NewMemoryOutbox(10, 1<<20)
	for id := uint32(1); id <= 5; id++ {
		if seq := put(t, o, &checkv1.CheckResult{MonitorId: id}, ""); seq != uint64(id) {
			t.Fatalf("sequence number %d, want %d", seq, id)
		}
	}
	b, err := o.Read(t.Context(), 0, 3, nil)
	if err != nil || b.First != 1 || b.Count != 3 || results(t, b)[2].GetMonitorId() != 3 {
		t.Fatalf("read = %v, %v", b, err)
	}
	o.Ack(2)
	if o.Stored() != 2 || o.Pending() != 3 {
		t.Errorf("stored %d, pending %d, want 2 and 3", o.Stored(), o.Pending())
	}
	// A new stream starts from the stored mark.
	if b, _ = o.Read(t.Context(), o.Stored(), 100, nil); b.First != 3 || b.Count != 3 {
		t.Errorf("second read begins at %d with %d results, want 3 with 3", b.First, b.Count)
	}
	o.Ack(99) // beyond the end
	if o.Pending() != 0 || put(t, o, &checkv1.CheckResult{}, "") != 6 {
		t.Error("an acknowledgement beyond the end broke the numbering")
	}
}

func TestOutboxFullDropsTheOldestAndCounts(t *testing.T) {
	o := NewMemoryOutbox(3, 1<<20)
	for id := uint32(1); id <= 5; id++ {
		put(t, o, &checkv1.CheckResult{MonitorId: id}, "")
	}
	b, _ := o.Read(t.Context(), 0, 10, nil)
	if o.Dropped() != 2 || b.First != 3 || results(t, b)[0].GetMonitorId() != 3 {
		t.Errorf("dropped %d, first %d, want 2 and 3", o.Dropped(), b.First)
	}
}

func TestOutboxReadWaits(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		o := NewMemoryOutbox(3, 1<<20)
		go func() {
			pass(time.Second)
			put(t, o, &checkv1.CheckResult{}, "")
		}()
		began := time.Now()
		if _, err := o.Read(t.Context(), 0, 1, nil); err != nil || time.Since(began) != time.Second {
			t.Errorf("read after %v with %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.Read(ctx, 1, 1, nil); err == nil {
			t.Error("a read of nothing did not end with its context")
		}
	})
}

// Whatever is appended, read, acknowledged and dropped: what is read is what was appended, in order, and the figures are its.
func TestOutboxAgainstAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		maxRows, maxBytes := rapid.IntRange(1, 3000).Draw(rt, "rows"), rapid.Int64Range(1, 600_000).Draw(rt, "bytes")
		o := NewMemoryOutbox(maxRows, maxBytes)
		var kept [][]byte // what is pending
		var head, size uint64 = 1, 0
		dropped := uint64(0)
		forget := func() { size -= uint64(len(kept[0])); kept = kept[1:]; head++ }
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				length := rapid.SampledFrom([]int{0, 1, 100, 1000, 40_000, segmentBytes + 1}).Draw(rt, "length")
				for range rapid.IntRange(1, 1500).Draw(rt, "times") {
					row, err := proto.Marshal(&checkv1.CheckResult{MonitorId: uint32(head) + uint32(len(kept)), MonitorName: strings.Repeat("x", length)})
					if err != nil {
						rt.Fatal(err)
					}
					for len(kept) > 0 && (len(kept) >= maxRows || size+uint64(len(row)) > uint64(maxBytes)) {
						forget()
						dropped++
					}
					kept, size = append(kept, row), size+uint64(len(row))
					if seq := o.Append(row, ""); seq != head+uint64(len(kept))-1 {
						rt.Fatalf("sequence number %d, want %d", seq, head+uint64(len(kept))-1)
					}
					if length > 1000 {
						break
					}
				}
			},
			"acknowledge": func(rt *rapid.T) {
				for range rapid.IntRange(0, len(kept)).Draw(rt, "n") {
					forget()
				}
				o.Ack(head - 1)
			},
			"read": func(rt *rapid.T) {
				if len(kept) == 0 {
					return
				}
				at, limit := rapid.IntRange(0, len(kept)-1).Draw(rt, "at"), rapid.IntRange(1, 5000).Draw(rt, "limit")
				b, err := o.Read(t.Context(), head+uint64(at)-1, limit, nil)
				if err != nil || b.Count < 1 || b.Count > limit || b.First != head+uint64(at) || b.Count > 1 && len(b.Frames) > batchBytes {
					rt.Fatalf("read from %d: %d from %d, %v", at, b.Count, b.First, err)
				}
				for i, r := range results(t, b) {
					if row, _ := proto.Marshal(r); !bytes.Equal(row, kept[at+i]) {
						rt.Fatalf("result %d of the batch is another one", i)
					}
				}
			},
			"": func(rt *rapid.T) {
				if o.Pending() != len(kept) || o.Bytes() != int64(size) || o.Dropped() != dropped || o.Stored() != head-1 {
					rt.Fatalf("%d pending of %d bytes, %d dropped, %d stored; want %d, %d, %d, %d",
						o.Pending(), o.Bytes(), o.Dropped(), o.Stored(), len(kept), size, dropped, head-1)
				}
			},
		})
	})
}
