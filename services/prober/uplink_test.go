package prober

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

func TestUplinkYoungBacklogIsLive(t *testing.T) {
	outboxes(t, func(t *testing.T, box Outbox) {
		backlog(t, box, 2500, 5*time.Second)
		r := &laneRecorder{}
		r.onBatch = r.acknowledge
		drained(t, startUplink(t, r, box))
		if len(r.stored) != 2500 || r.old != 0 || r.hellos[0].GetLiveFrom() != 1 {
			t.Errorf("%d stored, %d as old ones, live from %d", len(r.stored), r.old, r.hellos[0].GetLiveFrom())
		}
	})
}

// Old results go beside the new ones, which never wait for them, and nothing is forgotten before what is older is stored.
func TestUplinkOldBacklogStandsAside(t *testing.T) {
	outboxes(t, func(t *testing.T, box Outbox) {
		backlog(t, box, 20_000, time.Minute)
		backlog(t, box, 300, time.Second)
		r := &laneRecorder{}
		release := false
		newest := uint64(0)
		r.onBatch = func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
			if live || release {
				return r.acknowledge(hello, first, last, live)
			}
			newest = last
			return nil, nil
		}
		u := startUplink(t, r, box)
		r.await("live results", func() bool { return len(r.stored) == 300 && r.stored[20_300] == 1 })
		for range 5 {
			backlog(t, box, 100, 0)
			n := box.Stored() + uint64(box.Pending())
			r.await("more live results", func() bool { return r.stored[n] == 1 })
		}
		r.await("the window", func() bool { return r.batches == backfillWindow })
		if box.Stored() != 0 || box.Pending() != 20_800 {
			t.Errorf("stored %d, pending %d before anything old is stored", box.Stored(), box.Pending())
		}
		r.mu.Lock()
		if r.hellos[0].GetLiveFrom() != 20_001 || r.most > backfillWindow {
			t.Errorf("live from %d, %d batches of old results at once", r.hellos[0].GetLiveFrom(), r.most)
		}
		release = true
		first := newest - backfillWindow*batchResults + 1
		r.store(first, newest)
		r.onBatch = r.acknowledge
		r.mu.Unlock()
		backlog(t, box, 1, 0) // an answer needs a batch
		r.mu.Lock()
		r.onBatch = func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
			ack, err := r.acknowledge(hello, first, last, live)
			if live {
				ack.BackfilledSeq = newest
			}
			return ack, err
		}
		r.mu.Unlock()
		backlog(t, box, 1, 0)
		drained(t, u)
		if len(r.hellos) != 1 || len(r.stored) < 20_802 {
			t.Errorf("%d streams, %d stored", len(r.hellos), len(r.stored))
		}
	})
}

// What is stored is not sent again, on whichever lane it was.
func TestUplinkSendsOnlyWhatIsNotStored(t *testing.T) {
	outboxes(t, func(t *testing.T, box Outbox) {
		backlog(t, box, 5000, time.Minute)
		backlog(t, box, 100, 0)
		r := &laneRecorder{}
		lost := errors.New("lost")
		r.onBatch = func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
			if len(r.hellos) == 1 && !live && first > 2000 {
				if r.stored[5100] == 0 {
					return nil, nil
				}
				return nil, lost
			}
			if len(r.hellos) == 1 && live {
				r.store(first, last)
				return &eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last, BackfilledSeq: 2000}, nil
			}
			return r.acknowledge(hello, first, last, live)
		}
		u := startUplink(t, r, box)
		r.await("live results", func() bool { return r.stored[5100] > 0 })
		for tries := 0; box.Stored() != 2000; tries++ {
			if tries == 20_000 {
				t.Fatalf("stored up to %d, want 2000", box.Stored())
			}
			<-time.After(time.Millisecond)
		}
		r.mu.Lock()
		r.onBatch = func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
			if len(r.hellos) == 1 {
				return nil, lost
			}
			return r.acknowledge(hello, first, last, live)
		}
		r.mu.Unlock()
		backlog(t, box, 1, 0) // finds the stream broken
		drained(t, u)
		for seq := uint64(1); seq <= 5101; seq++ {
			if n := r.stored[seq]; n != 1 {
				t.Fatalf("%d was stored %d times; live from %v", seq, n, r.hellos)
			}
		}
		if len(r.hellos) != 2 || r.hellos[0].GetLiveFrom() != 5001 || r.hellos[1].GetLiveFrom() != 5001 {
			t.Errorf("%v", r.hellos)
		}
	})
}

func TestUplinkRewinds(t *testing.T) {
	outboxes(t, func(t *testing.T, box Outbox) {
		backlog(t, box, 5000, 0)
		r := &laneRecorder{}
		asked := false
		var order []uint64
		r.onBatch = func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
			order = append(order, first)
			if last == 5000 && !asked {
				asked = true
				r.store(1, 1700)
				to := uint64(1700)
				return &eventsv1.RecordResponse{JudgedSeq: 5000, StoredSeq: 1700, RewindTo: &to}, nil
			}
			if !asked {
				return nil, nil
			}
			return r.acknowledge(hello, first, last, live)
		}
		drained(t, startUplink(t, r, box))
		for seq := uint64(1); seq <= 5000; seq++ {
			if n := r.stored[seq]; n != 1 {
				t.Fatalf("%d was stored %d times; batches from %v", seq, n, order)
			}
		}
		if len(r.hellos) != 1 || order[5] != 1701 {
			t.Errorf("%d streams, batches from %v", len(r.hellos), order)
		}
	})
}

// A receiver that knows no lanes gets everything in one.
func TestUplinkToAnOldReceiver(t *testing.T) {
	box := NewMemoryOutbox(100_000, 1<<30)
	backlog(t, box, 3000, time.Minute)
	r := &laneRecorder{}
	r.onBatch = func(_ *eventsv1.RecordHello, first, last uint64, _ bool) (*eventsv1.RecordResponse, error) {
		r.store(first, last)
		return &eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last}, nil
	}
	drained(t, startUplink(t, r, box))
	if len(r.hellos) != 2 || r.hellos[1].GetLiveFrom() != 0 || len(r.stored) != 3000 {
		t.Errorf("%d stored, %v", len(r.stored), r.hellos)
	}
}

// Numbers that are missing hold nothing up, wherever they are.
func TestUplinkPassesHoles(t *testing.T) {
	box := NewMemoryOutbox(3000, 1<<30)
	backlog(t, box, 2500, time.Minute)
	r := &laneRecorder{}
	first := true
	r.onBatch = func(hello *eventsv1.RecordHello, from, last uint64, live bool) (*eventsv1.RecordResponse, error) {
		if first && !live { // the oldest give way while they are on their way
			first = false
			for seq := uint64(2501); seq <= 5600; seq++ {
				put(t, box, numbered(seq, 0), "")
			}
		}
		return r.acknowledge(hello, from, last, live)
	}
	drained(t, startUplink(t, r, box))
	if box.Stored() != 5600 || len(r.hellos) != 1 || box.Dropped() != 2600 {
		t.Errorf("stored %d, dropped %d, %d streams", box.Stored(), box.Dropped(), len(r.hellos))
	}
}

// Whatever a receiver does that keeps the contract: in the end everything is stored there, and nothing is left.
func TestUplinkAgainstAWilfulReceiver(t *testing.T) {
	for seed := range uint64(8) {
		box, rnd := NewMemoryOutbox(1_000_000, 1<<30), rand.New(rand.NewPCG(seed, 1))
		old, young := rnd.IntN(6001), 1+rnd.IntN(3000)
		backlog(t, box, old, time.Minute)
		backlog(t, box, young, 0)
		breaks, rewinds := 2, 2
		var judged, back uint64 // of this stream, taken
		streams := 0
		r := &laneRecorder{}
		r.onBatch = func(hello *eventsv1.RecordHello, first, last uint64, live bool) (*eventsv1.RecordResponse, error) {
			if streams != len(r.hellos) {
				streams, judged, back = len(r.hellos), 0, 0
			}
			r.store(first, last)
			if live {
				judged = last
			} else {
				back = last
			}
			ack := &eventsv1.RecordResponse{JudgedSeq: judged, StoredSeq: judged, BackfilledSeq: back}
			switch rnd.IntN(6) {
			case 0:
				if breaks > 0 {
					breaks--
					return nil, fmt.Errorf("break")
				}
			case 1:
				if live && rewinds > 0 && last > first {
					rewinds--
					to := first + rnd.Uint64N(last-first)
					judged = to
					return &eventsv1.RecordResponse{JudgedSeq: to, StoredSeq: to, BackfilledSeq: back, RewindTo: &to}, nil
				}
			}
			return ack, nil
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { drained(t, startUplink(t, r, box)) })
		for seq := uint64(1); seq <= uint64(old+young); seq++ {
			if r.stored[seq] == 0 {
				t.Fatalf("seed %d: %d was never sent", seed, seq)
			}
		}
	}
}
