package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/gateway/wire"
)

const (
	heartbeatEvery = 15 * time.Second
	recheckEvery   = 10 * time.Second // whether the session or key is still good
	streamWrite    = 10 * time.Second // a client that takes longer to read is let go; it comes back with its last id
	firstAnswer    = time.Second      // how long a refusal may take to be a plain answer rather than the end of a stream
	reconnectAfter = 2 * time.Second

	maxStreams         = 2000
	maxStreamsPerActor = 50
)

// streams counts open streams and ends them.
type streams struct {
	opened, refused atomic.Int64

	mu       sync.Mutex
	open     int
	perActor map[string]int
	ended    context.Context
	stop     context.CancelFunc
}

func newStreams() *streams {
	s := &streams{perActor: map[string]int{}}
	s.ended, s.stop = context.WithCancel(context.Background())
	return s
}

// count is how many are open.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// enter admits one more stream of an actor. The returned function must be called when it is over.
func (s *streams) enter(actor string) (leave func(), err error) {
	defer func() {
		if err != nil {
			s.refused.Add(1)
		} else {
			s.opened.Add(1)
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended.Err() != nil:
		return nil, fault.Unavailable("the server is stopping").After(reconnectAfter)
	case s.open >= maxStreams || s.perActor[actor] >= maxStreamsPerActor:
		return nil, fault.Exhausted("too many open streams").After(heartbeatEvery)
	}
	s.open++
	s.perActor[actor]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		if s.perActor[actor]--; s.perActor[actor] == 0 {
			delete(s.perActor, actor)
		}
	}, nil
}

// stream sends what happens to the organization's monitors as server-sent events:
//
//	event: ready   the id from which a client that saw nothing else can resume
//	event: status  a monitor's state changed
//	event: result  a check came in
//	event: reset   so much was missed that the state must be read anew
//
// A client that comes back with its last id, as browsers do by themselves, misses nothing.
func (g *Gateway) stream(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	req, e := subscription(r)
	if e != nil {
		g.refuseInput(w, r, e)
		return
	}
	leave, err := g.streams.enter(string(q.principal.Kind) + q.principal.ActorID())
	if err != nil {
		g.fail(w, r, err)
		return
	}
	defer leave()
	if r.Method == http.MethodHead {
		(&follower{w: w}).begin()
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(g.streams.ended, cancel)()

	upstream, err := g.feed.Subscribe(ctx, req)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	f := &follower{g: g, w: w, rc: http.NewResponseController(w), ctx: ctx, q: q, resumed: req.AfterSeq != nil}
	f.received = receive(ctx, upstream)
	var first *eventsv1.ReadFeedResponse
	select {
	case got := <-f.received:
		if got.err != nil {
			g.fail(w, r, got.err)
			return
		}
		first = got.msg
	case <-time.After(firstAnswer): // the service takes its time, yet the client should know that it is through
	case <-ctx.Done():
		return
	}
	f.begin()
	if err := f.follow(first); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		q.cause = err
	}
}

// subscription reads where to go on, and which monitors.
func subscription(r *http.Request) (*eventsv1.SubscribeRequest, *wire.Error) {
	form, e := parseForm(r.URL)
	if e != nil {
		return nil, e
	}
	// The parameters are singular where the message is plural, because they are repeated.
	known := url.Values{}
	for name, values := range form {
		switch name {
		case "monitor_id":
			known["monitor_ids"] = values
		case "last_event_id":
			known["after_seq"] = values
		default:
			return nil, &wire.Error{Path: name, Message: `unknown parameter; there are "monitor_id" and "last_event_id"`}
		}
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		known.Set("after_seq", id) // newer than what stands in the address, which the browser repeats
	}
	req := &eventsv1.SubscribeRequest{}
	if e := wire.ParseQuery(req, known); e != nil {
		if e.Path == "after_seq" {
			e.Path = "last_event_id"
		} else {
			e.Path = "monitor_id"
		}
		return nil, e
	}
	return req, nil
}

type received struct {
	msg *eventsv1.ReadFeedResponse
	err error
}

// receive reads one message ahead and no more: what a slow client does not take stays with the service.
func receive(ctx context.Context, upstream grpc.ServerStreamingClient[eventsv1.ReadFeedResponse]) <-chan received {
	out := make(chan received)
	go func() {
		for {
			msg, err := upstream.Recv()
			select {
			case out <- received{msg, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// follower writes one stream.
type follower struct {
	g        *Gateway
	w        http.ResponseWriter
	rc       *http.ResponseController
	ctx      context.Context
	q        *request
	received <-chan received
	resumed  bool // the client said where it was
	ready    bool // it has an id to come back with
	buf      []byte
}

func (f *follower) begin() {
	h := f.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // proxies hold back small writes otherwise
	f.w.WriteHeader(http.StatusOK)
}

// greet sends what was there before anything happened.
func (f *follower) greet(first *eventsv1.ReadFeedResponse) error {
	// Spread, so that a restart does not bring all clients back at once.
	if err := f.send(fmt.Appendf(nil, "retry: %d\n\n", (reconnectAfter + rand.N(reconnectAfter)).Milliseconds())); err != nil {
		return err
	}
	if first == nil {
		return nil
	}
	return f.forward(first)
}

// follow runs until either side ends, the client is too slow, or its credential is no longer good. It begins with first,
// which may be nil.
func (f *follower) follow(first *eventsv1.ReadFeedResponse) error {
	if err := f.greet(first); err != nil {
		return err
	}
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	for {
		var err error
		select {
		case got := <-f.received:
			if err = got.err; err == nil {
				err = f.forward(got.msg)
			}
		case <-heartbeat.C:
			err = f.send([]byte(": still here\n\n"))
		case <-recheck.C:
			err = f.recheck()
		case <-f.ctx.Done():
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// recheck ends the stream of somebody who has signed out, lost the role or moved to another organization. If accounts
// cannot be asked, the stream goes on until it can.
func (f *follower) recheck() error {
	p, err := f.g.auth.ask(f.ctx, f.q.secret, f.q.client.ip)
	switch {
	case err != nil && isOver(err):
		return err
	case err != nil:
		return nil
	case !p.Allows(identity.AccessViewer) || p.OrganizationID != f.q.principal.OrganizationID:
		return fault.Denied("no longer a member")
	}
	return nil
}

// forward writes the entries of one message.
func (f *follower) forward(msg *eventsv1.ReadFeedResponse) error {
	b := f.buf[:0]
	if msg.GetTruncated() {
		b = fmt.Appendf(b, "event: reset\ndata: {\"head_seq\":%d}\n\n", msg.GetHeadSeq())
	}
	if !f.ready && !f.resumed && len(msg.GetEntries()) == 0 {
		b = fmt.Appendf(b, "event: ready\nid: %d\ndata: {\"head_seq\":%d}\n\n", msg.GetHeadSeq(), msg.GetHeadSeq())
	}
	f.ready = true
	for _, entry := range msg.GetEntries() {
		name := "result"
		if entry.GetTransition() != nil {
			name = "status"
		}
		b = append(b, "event: "...)
		b = append(b, name...)
		b = append(b, "\nid: "...)
		b = strconv.AppendUint(b, entry.GetSeq(), 10)
		b = append(b, "\ndata: "...)
		var err error
		if b, err = wire.Append(b, entry); err != nil { // one line: the wire has no line ends of its own
			return err
		}
		b = append(b, "\n\n"...)
	}
	f.buf = b
	if len(b) == 0 {
		return nil
	}
	return f.send(b)
}

// send writes and flushes within streamWrite.
func (f *follower) send(b []byte) error {
	if err := f.rc.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fault.Unavailable("").Wrap(err)
	}
	if _, err := f.w.Write(b); err != nil {
		return fmt.Errorf("write stream: %w", err)
	}
	if err := f.rc.Flush(); err != nil {
		return fmt.Errorf("flush stream: %w", err)
	}
	return nil
}
