package prober

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// link is one stream to the events service.
type link struct {
	*uplink
	stream   eventsv1.RecorderService_RecordClient
	liveFrom uint64        // first number of the live lane; 0 if the receiver knows no lanes
	changed  chan struct{} // capacity 1: receive has something for send

	// Of send alone.
	live uint64 // up to here live results are sent
	back uint64 // up to here the others are

	mu         sync.Mutex
	rewind     *uint64  // where to begin again with live results
	liveTop    uint64   // greatest number that was sent in the live lane
	underway   []uint64 // last numbers of batches of the other lane that are not acknowledged
	backfilled uint64
	backOver   bool // all of the other lane is sent
}

// errOneLane ends a stream to a receiver that takes all results for live ones.
var errOneLane = errors.New("the events service has one lane only; results are sent in one")

func newLink(u *uplink, stream eventsv1.RecorderService_RecordClient, liveFrom uint64) *link {
	stored := u.outbox.Stored()
	return &link{
		uplink: u, stream: stream, liveFrom: liveFrom, changed: make(chan struct{}, 1),
		live: max(stored, before(liveFrom)), back: stored, backOver: before(liveFrom) <= stored,
	}
}

// before is the number before seq; 0 has none.
func before(seq uint64) uint64 { return seq - min(seq, 1) }

// send sends live results as they come, a small batch a little later so that it grows, and the others in between.
func (l *link) send(ctx context.Context) error {
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	var grown <-chan time.Time // receives once a small batch has waited, and on until it is sent; nil if none waits
	for {
		if l.rewound() {
			grown = nil
		}
		var more, room <-chan struct{}
		if grown == nil {
			from, _ := l.open(l.live)
			more = l.outbox.Ready(from)
		}
		if l.mayBackfill() {
			room = closed
		}
		// Live results go first.
		select {
		case <-more:
			room = nil
		case <-grown:
			room, grown = nil, always // the timer says so once only, and something else may come first below
		default:
		}
		select {
		case <-more:
			b, err := l.read(ctx, l.live, 0)
			switch {
			case err != nil:
				return err
			case b.Count == 0:
			case b.Count < batchResults/2 && len(b.Frames) < batchBytes/2:
				// A little patience makes far fewer messages of a trickle.
				linger.Reset(batchLinger)
				grown = linger.C
			default:
				if err := l.sendLive(b); err != nil {
					return err
				}
			}
		case <-grown:
			grown = nil
			b, err := l.read(ctx, l.live, 0)
			if err == nil && b.Count > 0 {
				err = l.sendLive(b)
			}
			if err != nil {
				return err
			}
		case <-room:
			if err := l.sendBackfill(ctx); err != nil {
				return err
			}
		case <-l.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// always is a timer's channel of a time that has come.
var always = func() chan time.Time { c := make(chan time.Time); close(c); return c }()

// rewound begins again with live results where the receiver asked for it. It reports whether it did.
func (l *link) rewound() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rewind == nil {
		return false
	}
	l.live = max(*l.rewind, before(l.liveFrom))
	l.rewind = nil
	return true
}

func (l *link) sendLive(b Batch) error {
	l.live = b.First + uint64(b.Count) - 1
	l.mu.Lock()
	l.liveTop = max(l.liveTop, l.live)
	l.mu.Unlock()
	if err := l.stream.SendMsg(&b); err != nil {
		return fmt.Errorf("send batch: %w", err)
	}
	return nil
}

func (l *link) mayBackfill() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.backOver && len(l.underway) < backfillWindow
}

func (l *link) sendBackfill(ctx context.Context) error {
	b, err := l.read(ctx, l.back, l.liveFrom)
	if err != nil {
		return err
	}
	if b.Count == 0 {
		l.mu.Lock()
		l.backOver = true
		l.mu.Unlock()
		l.settle()
		return nil
	}
	l.back = b.First + uint64(b.Count) - 1
	l.mu.Lock()
	l.underway = append(l.underway, l.back)
	l.mu.Unlock()
	if err := l.stream.SendMsg(&b); err != nil {
		return fmt.Errorf("send batch: %w", err)
	}
	return nil
}

func (l *link) receive() error {
	for {
		ack, err := l.stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("record stream ended")
		}
		if err != nil {
			return fmt.Errorf("receive acknowledgement: %w", err)
		}
		if err := l.acknowledged(ack); err != nil {
			return err
		}
	}
}

func (l *link) acknowledged(ack *eventsv1.RecordResponse) error {
	l.mu.Lock()
	if ack.RewindTo != nil {
		l.rewind = ack.RewindTo
	}
	l.backfilled = max(l.backfilled, ack.GetBackfilledSeq())
	done, _ := slices.BinarySearch(l.underway, l.backfilled+1)
	l.underway = slices.Delete(l.underway, 0, done)
	// Only what is both judged and stored may be forgotten.
	live := min(ack.GetJudgedSeq(), ack.GetStoredSeq(), l.liveTop)
	l.mu.Unlock()
	if mark := ack.GetJudgedSeq(); mark > 0 && mark < l.liveFrom {
		l.oneLane = true // it has judged what was not live
		return errOneLane
	}
	if from := max(l.liveFrom, 1); live >= from {
		l.hold(from, live)
	}
	l.settle()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

// settle notes what is stored of the results that are not live.
func (l *link) settle() {
	l.mu.Lock()
	to := min(l.backfilled, before(l.liveFrom))
	if l.backOver && len(l.underway) == 0 {
		to = before(l.liveFrom) // numbers that are missing at its end included
	}
	l.mu.Unlock()
	if to > 0 {
		l.hold(1, to)
	}
}

// ranges are runs of numbers, in order, that neither overlap nor touch.
type ranges []struct{ from, to uint64 }

// add returns r with the numbers from…to.
func (r ranges) add(from, to uint64) ranges {
	at := 0
	for at < len(r) && r[at].to+1 < from {
		at++
	}
	end := at
	for ; end < len(r) && r[end].from <= to+1; end++ {
		from, to = min(from, r[end].from), max(to, r[end].to)
	}
	return slices.Replace(r, at, end, struct{ from, to uint64 }{from, to})
}

// above returns r without the numbers up to seq.
func (r ranges) above(seq uint64) ranges {
	r = slices.DeleteFunc(r, func(x struct{ from, to uint64 }) bool { return x.to <= seq })
	if len(r) > 0 {
		r[0].from = max(r[0].from, seq+1)
	}
	return r
}
