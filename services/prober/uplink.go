package prober

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

const (
	batchResults = 1000                  // most results in one message
	batchLinger  = 50 * time.Millisecond // how long a small batch waits to grow
	// backlogAge is how old results may be to be judged as if nothing had been in the way. What is older when a stream opens
	// was made while nobody listened.
	backlogAge = 15 * time.Second
	// backfillWindow is how many batches of old results may be under way: new ones never wait behind more of them.
	backfillWindow = 8
)

// uplink carries the outbox to the events service, in two lanes: results that are live, and, as room allows, those of a time
// when nobody listened. On a new stream everything that is not stored is sent again; the receiver knows repeats.
type uplink struct {
	recorder eventsv1.RecorderServiceClient
	proberID string
	region   string
	outbox   Outbox
	metrics  *metrics
	log      *slog.Logger
	codec    framesCodec
	frames   []byte // what is being sent; kept for the next batch
	oneLane  bool   // the receiver knows no other

	mu      sync.Mutex
	stored  ranges        // above the outbox's own mark, what is stored
	drained chan struct{} // closed and replaced whenever the outbox's mark moves
}

func newUplink(conn grpc.ClientConnInterface, cfg Config, outbox Outbox, m *metrics, log *slog.Logger) *uplink {
	return &uplink{
		recorder: eventsv1.NewRecorderServiceClient(conn), outbox: outbox, metrics: m, log: log, codec: newFramesCodec(),
		proberID: cfg.ProberID, region: cfg.Region, drained: make(chan struct{}),
	}
}

// run keeps a stream open until ctx ends.
func (u *uplink) run(ctx context.Context) {
	retry(ctx, func() bool {
		began := time.Now()
		err := u.stream(ctx)
		if ctx.Err() == nil {
			u.metrics.uplinkLost.Add(1)
			u.log.Warn("uplink lost", "error", err, "pending", u.outbox.Pending())
		}
		return time.Since(began) > time.Minute
	})
}

// stream runs one stream until it breaks.
func (u *uplink) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	liveFrom, err := u.liveFrom(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("look for where live results begin: %w", err)
	}
	stream, err := u.recorder.Record(ctx, grpc.ForceCodecV2(u.codec))
	if err != nil {
		return fmt.Errorf("open record stream: %w", err)
	}
	hello := &eventsv1.RecordHello{ProberId: u.proberID, Region: u.region, LiveFrom: liveFrom}
	if err := stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: hello}}); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	l := newLink(u, stream, liveFrom)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.receive() })
	g.Go(func() error { return l.send(ctx) })
	return g.Wait()
}

// liveFrom is the first of the results that are young enough to be live; 0 for a receiver that knows no lanes.
func (u *uplink) liveFrom(ctx context.Context, now time.Time) (uint64, error) {
	young := now.Add(-backlogAge)
	oldest := u.outbox.Oldest()
	if u.oneLane {
		return 0, nil
	}
	first := u.outbox.Stored() + 1
	if oldest.IsZero() || !oldest.Before(young) {
		return first, nil
	}
	// Results are in the order in which their checks ended, which is nearly that of their times.
	n := max(uint64(u.outbox.Pending()), 1) // and more, if numbers are missing
	for ready(u.outbox, first+n) {
		n *= 2
	}
	var err error
	at := sort.Search(int(n)+1, func(i int) bool {
		if err != nil || !ready(u.outbox, first+uint64(i)-1) {
			return true
		}
		var b Batch
		if b, err = u.outbox.Read(ctx, first+uint64(i)-1, 1, nil); err != nil {
			return true
		}
		_, _, row, ok := spooledResult(b.Frames)
		return ok && !startedAt(row).Before(young)
	})
	return first + uint64(at), err
}

func ready(o Outbox, after uint64) bool {
	select {
	case <-o.Ready(after):
		return true
	default:
		return false
	}
}

// hold notes that the results from…to are stored, and forgets what nothing older stands in front of.
func (u *uplink) hold(from, to uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	mark := u.outbox.Stored() // it also moves when results are dropped
	u.stored = u.stored.add(from, to).above(mark)
	if len(u.stored) == 0 || u.stored[0].from > mark+1 {
		return
	}
	u.outbox.Ack(u.stored[0].to)
	u.stored = u.stored.above(u.outbox.Stored())
	close(u.drained)
	u.drained = make(chan struct{})
}

// open is the first run of numbers above after that are not stored: after the number next, up to but without end; 0 is no end.
func (u *uplink) open(after uint64) (next, end uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.stored {
		if r.from > after+1 {
			return after, r.from
		}
		after = max(after, r.to)
	}
	return after, 0
}

// read is a batch of what is not stored of the numbers after after and, unless below is 0, below it. An empty one says that
// there is nothing.
func (u *uplink) read(ctx context.Context, after, below uint64) (Batch, error) {
	for {
		from, end := u.open(after)
		if below > 0 && (end == 0 || end > below) {
			end = below
		}
		if !ready(u.outbox, from) || end > 0 && from+1 >= end && end == below {
			return Batch{}, nil
		}
		limit := batchResults
		if end > 0 {
			limit = int(min(end-from-1, batchResults))
		}
		b, err := u.outbox.Read(ctx, from, limit, u.frames)
		if err != nil {
			return b, err
		}
		u.frames = b.Frames
		last := b.First + uint64(b.Count) - 1
		if end == 0 || last < end {
			return b, nil
		}
		after = b.First - 1 // numbers are missing, and the batch goes too far
	}
}

// drain waits until nothing is pending or ctx ends, and returns how much is left.
func (u *uplink) drain(ctx context.Context) int {
	for {
		u.mu.Lock()
		moved := u.drained
		u.mu.Unlock()
		n := u.outbox.Pending()
		if n == 0 {
			return 0
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return u.outbox.Pending()
		}
	}
}
