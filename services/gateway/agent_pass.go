package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
)

// message is one as it travels: nobody here looks into it.
type message struct{ data mem.BufferSlice }

// asItIs is the codec of messages. It goes by the name of the one that both ends use.
type asItIs struct{}

func (asItIs) Name() string { return "proto" }

func (asItIs) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return nil, fmt.Errorf("message of type %T", v)
	}
	return m.data, nil
}

func (asItIs) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return fmt.Errorf("message of type %T", v)
	}
	data.Ref()
	m.data = data
	return nil
}

var bothWays = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

var errGatewayStops = fault.Unavailable("the server is stopping").After(reconnectAfter)

// pass hands the call to its service and carries messages both ways until either side ends it. Whoever does not read makes
// the other wait.
func (a *agents) pass(c *agentCall, m proberMethod) error {
	ctx, cancel := context.WithCancel(a.outgoing(c))
	defer cancel()
	timeout, bounded := timeoutOf(c.r)
	if !m.stream && (!bounded || timeout > proberCallTime) {
		timeout, bounded = proberCallTime, true
	}
	if bounded {
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	upstream, err := a.conn(m).NewStream(ctx, bothWays, c.method, grpc.ForceCodecV2(asItIs{}))
	if err != nil {
		return err
	}
	a.passed.Add(1)
	up := make(chan error, 1)
	go func() { up <- c.up(upstream) }()
	down := make(chan error, 1)
	go func() { down <- c.down(upstream) }()
	return a.attend(ctx, c, cancel, up, down)
}

// outgoing is the context of the call to the service: in the prober's name, with nothing of what came in its metadata.
func (a *agents) outgoing(c *agentCall) context.Context {
	ctx := trace.ContextWithSpanContext(c.r.Context(), untraced()) // streams last for days, and renewals come every few seconds
	ctx = requestid.NewContext(identity.NewContext(ctx, c.principal), c.id)
	if c.client.ip != "" {
		ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs("x-forwarded-for", c.client.ip))
	}
	return ctx
}

// attend waits for the end of a call, and makes one if the prober is no longer known or the edge stops.
func (a *agents) attend(ctx context.Context, c *agentCall, cancel context.CancelFunc, up, down <-chan error) error {
	recheck := time.NewTicker(a.recheck)
	defer recheck.Stop()
	for {
		var cause error
		select {
		case err := <-down:
			return err
		case err := <-up:
			up = nil
			if err == nil {
				continue // the prober has said all; the service may go on
			}
			cause = err
		case <-recheck.C:
			if c.certificate == nil {
				continue
			}
			if cause = a.isStill(ctx, c); cause == nil {
				continue
			}
			a.strangers.Add(1)
		case <-a.g.streams.ended.Done():
			cause = errGatewayStops
		}
		cancel()
		c.wait(down, a.cut)
		return cause
	}
}

// wait returns when nobody writes to the prober any more, whether it reads or not.
func (c *agentCall) wait(down <-chan error, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-down: //nolint:errcheck // the cause is known
		return
	case <-timer.C:
	}
	// What waits for the prober to read fails now.
	_ = c.rc.SetWriteDeadline(time.Now())
	<-down //nolint:errcheck // as above
}

// up carries the prober's messages to the service. It returns nil at their end, or at that of the service.
func (c *agentCall) up(upstream grpc.ClientStream) error {
	for {
		data, err := c.read()
		if errors.Is(err, io.EOF) {
			return upstream.CloseSend()
		}
		if err != nil {
			return readError(err)
		}
		if err := upstream.SendMsg(&message{data}); errors.Is(err, io.EOF) {
			return nil // the reason comes down
		} else if err != nil {
			return err
		}
	}
}

// readError is what became of a prober that broke off.
func readError(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return &fault.Error{Kind: fault.KindCanceled} // its connection broke, or it gave up
}

// down carries the service's messages to the prober, and returns how the service ended the call.
func (c *agentCall) down(upstream grpc.ClientStream) error {
	md, err := upstream.Header()
	if err != nil {
		return err
	}
	if md != nil { // nil: a status alone
		if err := c.begin(md); err != nil {
			return err
		}
	}
	for {
		m := &message{}
		err := upstream.RecvMsg(m)
		if err == nil {
			err = c.write(m.data)
		} else {
			c.trailer = metadata.Join(c.trailer, upstream.Trailer())
			if errors.Is(err, io.EOF) {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}
