package prober

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// When a monitor's first check fails, or the first after others that worked, its facts are kept and the target is examined at
// once: a few minutes later half of what could be found out is gone. It is best effort and stays small whatever happens: when
// thousands fail together, a handful is examined and the rest is left out and counted.
const (
	examineAtOnce = 4
	examineQueue  = 16               // failures that wait for their examination
	examineRate   = 0.5              // examinations a second
	examineBurst  = 20               // of them at once
	examineWithin = 10 * time.Second // for all steps of one
	// examineAgain is how long a monitor is not examined again: one that flaps would tell the same over and over.
	examineAgain = time.Minute
)

// examiner looks into first failures.
type examiner struct {
	network *nettest.Network
	second  *nettest.Network // resolves by others; nil: there are none
	send    func(*eventsv1.RecordEvidenceRequest)
	queue   chan inquiry
	rate    *rate.Limiter

	examined, leftOut atomic.Int64

	mu     sync.Mutex
	lately map[uint32]time.Time // when a monitor was taken on last
}

// inquiry is one failure to look into; both are the examiner's own.
type inquiry struct {
	left   *failing
	result *checkv1.CheckResult
}

func newExaminer(network *nettest.Network, second []string, send func(*eventsv1.RecordEvidenceRequest)) (*examiner, error) {
	x := &examiner{
		network: network, send: send, queue: make(chan inquiry, examineQueue), rate: rate.NewLimiter(examineRate, examineBurst),
		lately: map[uint32]time.Time{},
	}
	var err error
	if x.second, err = secondNetwork(second); err != nil {
		return nil, err
	}
	return x, nil
}

// offer takes a failure on if there is room for it. It does not block. r remains the caller's.
func (x *examiner) offer(left *failing, r *checkv1.CheckResult) {
	if !x.admit(r.GetMonitorId(), time.Now()) {
		x.leftOut.Add(1)
		return
	}
	select {
	case x.queue <- inquiry{left, proto.CloneOf(r)}:
	default:
		x.leftOut.Add(1)
	}
}

func (x *examiner) admit(monitor uint32, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, at := range x.lately { // as few as the rate allows in examineAgain
		if now.Sub(at) >= examineAgain {
			delete(x.lately, id)
		}
	}
	if _, again := x.lately[monitor]; again || len(x.queue) == cap(x.queue) || !x.rate.AllowN(now, 1) {
		return false
	}
	x.lately[monitor] = now
	return true
}

// run examines until ctx ends.
func (x *examiner) run(ctx context.Context) {
	var working sync.WaitGroup
	for range examineAtOnce {
		working.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case q := <-x.queue:
					x.examine(ctx, q)
				}
			}
		})
	}
	working.Wait()
}

// examine looks into one failure and sends what it found. One that was cut off tells nothing.
func (x *examiner) examine(ctx context.Context, q inquiry) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	s, err := q.left.check.subject()
	if err != nil {
		x.leftOut.Add(1)
		return // it was prepared once, so it can be read
	}
	e := &examination{examiner: x, subject: s, check: q.left.check}
	e.run(limited)
	if ctx.Err() != nil {
		x.leftOut.Add(1)
		return
	}
	x.examined.Add(1)
	x.send(evidenceOf(q, s, e.steps, began, time.Since(began)))
}

// secondNetwork resolves by the servers given. They are the operator's choice, as the system's own resolver is, and so no
// matter of the policy about targets.
func secondNetwork(servers []string) (*nettest.Network, error) {
	resolver := &nettest.SystemResolver{}
	for _, text := range servers {
		server, err := nettest.ParseServer(text)
		if err != nil {
			return nil, &secondResolverError{text, err}
		}
		resolver.Servers = append(resolver.Servers, server)
	}
	if len(resolver.Servers) == 0 {
		return nil, nil
	}
	return &nettest.Network{Resolver: resolver, WitnessNames: []string{}, NoDNSCache: true}, nil
}

// secondResolverError says which of the second resolvers cannot be read.
type secondResolverError struct {
	text string
	err  error
}

func (e *secondResolverError) Error() string {
	return "second resolver " + e.text + " " + e.err.Error()
}
func (e *secondResolverError) Unwrap() error { return e.err }
