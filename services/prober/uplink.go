package prober

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

const (
	batchResults = 1000                  // most results in one message
	batchLinger  = 50 * time.Millisecond // how long a small batch waits to grow
)

// uplink carries the outbox to the events service. On a new stream everything above
// the stored mark is sent again; the receiver knows repeats.
type uplink struct {
	recorder eventsv1.RecorderServiceClient
	hello    *eventsv1.RecordHello
	outbox   Outbox
	metrics  *metrics
	log      *slog.Logger
	codec    framesCodec
	frames   []byte // what is being sent; kept for the next batch

	mu      sync.Mutex
	stored  uint64
	drained chan struct{} // closed and replaced whenever stored moves
}

func newUplink(conn grpc.ClientConnInterface, cfg Config, outbox Outbox, m *metrics, log *slog.Logger) *uplink {
	return &uplink{
		recorder: eventsv1.NewRecorderServiceClient(conn), outbox: outbox, metrics: m, log: log, codec: newFramesCodec(),
		hello: &eventsv1.RecordHello{ProberId: cfg.ProberID, Region: cfg.Region}, drained: make(chan struct{}),
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
	stream, err := u.recorder.Record(ctx, grpc.ForceCodecV2(u.codec))
	if err != nil {
		return fmt.Errorf("open record stream: %w", err)
	}
	if err := stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: u.hello}}); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return u.receive(stream) })
	g.Go(func() error { return u.send(ctx, stream) })
	return g.Wait()
}

func (u *uplink) send(ctx context.Context, stream eventsv1.RecorderService_RecordClient) error {
	after := u.outbox.Stored()
	linger := time.NewTimer(0)
	defer linger.Stop()
	for {
		b, err := u.outbox.Read(ctx, after, batchResults, u.frames)
		if err != nil {
			return err
		}
		if b.Count < batchResults/2 && len(b.Frames) < batchBytes/2 {
			// A little patience makes far fewer messages of a trickle.
			linger.Reset(batchLinger)
			select {
			case <-linger.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if b, err = u.outbox.Read(ctx, after, batchResults, b.Frames); err != nil {
				return err
			}
		}
		u.frames = b.Frames
		if err := stream.SendMsg(&b); err != nil {
			return fmt.Errorf("send batch: %w", err)
		}
		after = b.First + uint64(b.Count) - 1
	}
}

func (u *uplink) receive(stream eventsv1.RecorderService_RecordClient) error {
	for {
		ack, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("record stream ended")
		}
		if err != nil {
			return fmt.Errorf("receive acknowledgement: %w", err)
		}
		// Only what is both judged and stored may be forgotten.
		u.advance(min(ack.GetJudgedSeq(), ack.GetStoredSeq()))
	}
}

func (u *uplink) advance(seq uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if seq <= u.stored {
		return
	}
	u.outbox.Ack(seq)
	u.stored = seq
	close(u.drained)
	u.drained = make(chan struct{})
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
			return n
		}
	}
}
