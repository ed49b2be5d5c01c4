package prober

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func TestOutboxKeepsUntilAcknowledged(t *testing.T) {
	o := NewMemoryOutbox(10)
	for id := uint32(1); id <= 5; id++ {
		if seq := o.Append(&checkv1.CheckResult{MonitorId: id}, ""); seq != uint64(id) {
			t.Fatalf("sequence number %d, want %d", seq, id)
		}
	}
	b, err := o.Read(t.Context(), 0, 3)
	if err != nil || b.First != 1 || len(b.Results) != 3 || b.Results[2].GetMonitorId() != 3 {
		t.Fatalf("read = %v, %v", b, err)
	}
	o.Ack(2)
	if o.Stored() != 2 || o.Pending() != 3 {
		t.Errorf("stored %d, pending %d, want 2 and 3", o.Stored(), o.Pending())
	}
	// A new stream starts from the stored mark.
	if b, _ = o.Read(t.Context(), o.Stored(), 100); b.First != 3 || len(b.Results) != 3 {
		t.Errorf("second read begins at %d with %d results, want 3 with 3", b.First, len(b.Results))
	}
	o.Ack(99) // beyond the end
	if o.Pending() != 0 || o.Append(&checkv1.CheckResult{}, "") != 6 {
		t.Error("an acknowledgement beyond the end broke the numbering")
	}
}

func TestOutboxFullDropsTheOldestAndCounts(t *testing.T) {
	o := NewMemoryOutbox(3)
	for id := uint32(1); id <= 5; id++ {
		o.Append(&checkv1.CheckResult{MonitorId: id}, "")
	}
	b, _ := o.Read(t.Context(), 0, 10)
	if o.Dropped() != 2 || b.First != 3 || b.Results[0].GetMonitorId() != 3 {
		t.Errorf("dropped %d, first %d, want 2 and 3", o.Dropped(), b.First)
	}
}

func TestOutboxReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewMemoryOutbox(3)
		go func() {
			pass(time.Second)
			o.Append(&checkv1.CheckResult{}, "")
		}()
		began := time.Now()
		if _, err := o.Read(t.Context(), 0, 1); err != nil || time.Since(began) != time.Second {
			t.Errorf("read after %v with %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.Read(ctx, 1, 1); err == nil {
			t.Error("a read of nothing did not end with its context")
		}
	})
}
