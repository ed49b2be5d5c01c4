package prober

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

const (
	// evidenceQueue is how much evidence waits for the events service, in memory: some 10 kB each. What comes when it is full is lost.
	evidenceQueue = 32
	// evidenceCall bounds one attempt to hand evidence over, and evidencePatience all of them.
	evidenceCall     = 10 * time.Second
	evidencePatience = 5 * time.Minute
	// evidenceSilence is how long nothing is offered to a centre that does not know what to do with it: it may have been replaced.
	evidenceSilence = time.Hour
)

// evidenceLink carries evidence to the events service, beside the results and with less right: it has no spool, it is not
// resumed, and what cannot be handed over in its time is lost.
type evidenceLink struct {
	recorder eventsv1.RecorderServiceClient
	queue    chan *eventsv1.RecordEvidenceRequest
	log      *slog.Logger

	stored, lost atomic.Int64
	silentUntil  atomic.Int64 // Unix nanoseconds; 0 while the centre takes evidence
}

func newEvidenceLink(conn grpc.ClientConnInterface, log *slog.Logger) *evidenceLink {
	return &evidenceLink{
		recorder: eventsv1.NewRecorderServiceClient(conn), queue: make(chan *eventsv1.RecordEvidenceRequest, evidenceQueue), log: log,
	}
}

// send takes evidence if there is room. It does not block.
func (l *evidenceLink) send(req *eventsv1.RecordEvidenceRequest) {
	if time.Now().UnixNano() < l.silentUntil.Load() {
		l.lost.Add(1)
		return
	}
	select {
	case l.queue <- req:
	default:
		l.lost.Add(1)
	}
}

// run hands evidence over until ctx ends.
func (l *evidenceLink) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case req := <-l.queue:
			l.carry(ctx, req)
		}
	}
}

// carry tries to hand one over until its time is over.
func (l *evidenceLink) carry(ctx context.Context, req *eventsv1.RecordEvidenceRequest) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 30*time.Second
	for began := time.Now(); ; {
		err := l.once(ctx, req)
		if err == nil {
			l.stored.Add(1)
			return
		}
		if ctx.Err() != nil {
			l.lost.Add(1)
			return
		}
		if !l.again(err, req) || time.Since(began) > evidencePatience {
			l.lost.Add(1)
			return
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
		}
	}
}

func (l *evidenceLink) once(ctx context.Context, req *eventsv1.RecordEvidenceRequest) error {
	ctx, cancel := context.WithTimeout(ctx, evidenceCall)
	defer cancel()
	_, err := l.recorder.RecordEvidence(ctx, req)
	return err
}

// again says whether an error may pass. A centre that is older than this prober knows nothing of evidence, or its edge does not
// let it through: that is said once, and it is left in peace.
func (l *evidenceLink) again(err error, req *eventsv1.RecordEvidenceRequest) bool {
	switch status.Code(err) {
	case codes.Unimplemented, codes.PermissionDenied:
		if l.silentUntil.Swap(time.Now().Add(evidenceSilence).UnixNano()) == 0 {
			l.log.Warn("the centre takes no evidence of outages; is it older than this prober?", "error", err)
		}
		l.forget()
		return false
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.OutOfRange:
		l.log.Error("evidence was refused", "monitor_id", req.GetFirstFailure().GetMonitorId(), "error", err)
		return false
	}
	return true
}

// forget gives up what waits.
func (l *evidenceLink) forget() {
	for {
		select {
		case <-l.queue:
			l.lost.Add(1)
		default:
			return
		}
	}
}
