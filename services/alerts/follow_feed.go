package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// feedFollower evaluates the feed of the events service.
type feedFollower struct {
	store     Store
	feed      eventsv1.FeedServiceClient
	status    eventsv1.StatusServiceClient
	log       *slog.Logger
	figures   *figures
	committed func()          // called when there may be messages to send
	observed  func([]Entry)   // called with what was evaluated
	recheck   func([]Recheck) // called with what is to be checked at once
	ready     <-chan struct{} // closed when the monitors' names are known
	windows   <-chan struct{} // closed when the maintenance windows are known
	caughtUp  atomic.Bool     // a stream is open, and all that was in the feed when it was opened is evaluated
	alive     pulse           // beats with each sign of life that was dealt with
}

const (
	// feedChunk is how many entries are evaluated in one transaction.
	feedChunk = 500
	// namesWait bounds how long the first evaluation waits for the monitors' names and for changes of their maintenance windows.
	// Alerts without names are better than none.
	namesWait = 5 * time.Second
)

func (f *feedFollower) run(ctx context.Context) {
	enough := time.After(namesWait)
known:
	for _, ready := range []<-chan struct{}{f.ready, f.windows} {
		select {
		case <-ready:
		case <-enough:
			break known
		case <-ctx.Done():
			break known
		}
	}
	again(ctx, func(ctx context.Context) {
		if err := f.follow(ctx); ctx.Err() == nil {
			f.log.WarnContext(ctx, "feed stream ended", "error", err.Error())
		}
	})
}

func (f *feedFollower) follow(ctx context.Context) error {
	ctx, fed, stop := watchdog(ctx)
	defer stop()
	defer f.caughtUp.Store(false)
	p, err := f.store.Progress(ctx)
	if err != nil {
		return fmt.Errorf("read progress: %w", err)
	}
	stream, err := f.feed.ReadFeed(ctx, &eventsv1.ReadFeedRequest{AfterSeq: p.Seq})
	if err != nil {
		return fmt.Errorf("read feed: %w", err)
	}
	passed := p.Seq // of this stream; another replica may have stored more
	for {
		resp, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("read feed: %w", errors.Join(err, context.Cause(ctx)))
		}
		if head := resp.GetHeadSeq(); resp.GetTruncated() || head > 0 && head < passed {
			// The first says that transitions are gone. That observations are is not told, and need not be: rules about checks
			// cannot be judged for that time, and go on with the next. The second is a feed that began anew: its store was lost
			// or put back.
			return f.reconcile(ctx, resp, passed)
		}
		for chunk := range slices.Chunk(resp.GetEntries(), feedChunk) {
			entries := make([]Entry, 0, len(chunk))
			for _, e := range chunk {
				entries = append(entries, entryFrom(e))
			}
			if err := f.advance(ctx, entries); err != nil {
				return err
			}
			passed = max(passed, entries[len(entries)-1].Seq)
		}
		fed()
		f.alive.beat()
		if passed >= resp.GetHeadSeq() {
			f.caughtUp.Store(true)
		}
	}
}

// advance evaluates entries. All replicas read the feed; whoever comes first evaluates.
func (f *feedFollower) advance(ctx context.Context, entries []Entry) error {
	p, err := f.store.Progress(ctx)
	if err != nil {
		return fmt.Errorf("read progress: %w", err)
	}
	if entries[len(entries)-1].Seq <= p.Seq {
		return nil
	}
	var b Batch
	var fresh []Entry // what no other replica has evaluated
	at := now()
	err = f.store.Advance(ctx, refs(entries), at, func(p Progress, states map[uint32]State) Batch {
		fresh = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Seq <= p.Seq })
		b = Fold(p, states, fresh, at)
		return b
	})
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	f.evaluated(ctx, fresh, b)
	return nil
}

// evaluated passes on what was stored.
func (f *feedFollower) evaluated(ctx context.Context, entries []Entry, b Batch) {
	f.figures.entries.Add(ctx, int64(len(entries)))
	if b.told() {
		f.committed()
	}
	f.recheck(b.Rechecks)
	f.observed(entries)
}

// refs are the monitors of the entries, each once.
func refs(entries []Entry) []MonitorRef {
	at := map[uint32]int{}
	var out []MonitorRef
	for _, e := range entries {
		i, seen := at[e.MonitorID]
		if !seen {
			i = len(out)
			at[e.MonitorID] = i
			out = append(out, MonitorRef{ID: e.MonitorID, OrganizationID: e.OrganizationID})
		}
		// Who goes down is told of with its dependents.
		out[i].Family = out[i].Family || e.Transition != nil || e.Observation != nil && e.Observation.Outcome.fault()
	}
	return out
}

var (
	errTruncated = errors.New("the place in the feed was gone; the states were read instead")
	errOvertaken = errors.New("the place in the feed was gone, but another replica has gone on")
)

// reconcile makes up for entries that can no longer be read: it evaluates the monitors' states as if each had just been
// announced, which does nothing where nothing changed, and goes on from the head of the feed. What was read after the head
// was named may be announced again, and then does nothing either.
//
// All of it is one step, which is not taken if another replica has moved the cursor since: states that are older than what
// it evaluated would undo that.
func (f *feedFollower) reconcile(ctx context.Context, resp *eventsv1.ReadFeedResponse, passed uint64) error {
	head := resp.GetHeadSeq()
	if n := len(resp.GetEntries()); n > 0 {
		head = max(head, resp.GetEntries()[n-1].GetSeq())
	}
	if head == 0 {
		return errors.New("read feed: truncated without naming its head")
	}
	select {
	case <-f.ready: // a monitor that the catalog has not brought would be passed over
	case <-ctx.Done():
		return fmt.Errorf("reconcile: no catalog yet: %w", context.Cause(ctx))
	}
	entries, err := f.readStates(ctx)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	var b Batch
	overtaken := false
	at := now()
	err = f.store.Advance(ctx, refs(entries), at, func(p Progress, states map[uint32]State) Batch {
		if overtaken = p.Seq != passed; overtaken {
			return Batch{Progress: p}
		}
		b = Fold(p, states, entries, at)
		b.Progress.Seq = head
		return b
	})
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	if overtaken {
		return errOvertaken
	}
	f.evaluated(ctx, entries, b)
	f.log.InfoContext(ctx, "states reconciled", "head_seq", head)
	return errTruncated // the stream is opened anew, from the new cursor
}

// readStates asks for the states of all monitors.
func (f *feedFollower) readStates(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	for after := uint32(0); ; {
		monitors, err := f.store.Monitors(ctx, after, feedChunk)
		if err != nil || len(monitors) == 0 {
			return entries, err
		}
		some, err := f.readSomeStates(ctx, monitors)
		if err != nil {
			return nil, err
		}
		entries = append(entries, some...)
		after = monitors[len(monitors)-1].ID
	}
}

func (f *feedFollower) readSomeStates(ctx context.Context, monitors []Monitor) ([]Entry, error) {
	owners := make(map[uint32]string, len(monitors))
	req := &eventsv1.BatchGetStatusesRequest{}
	for _, m := range monitors {
		owners[m.ID] = m.OrganizationID
		req.MonitorIds = append(req.MonitorIds, m.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	resp, err := f.status.BatchGetStatuses(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	var entries []Entry
	for _, s := range resp.GetStatuses() {
		if owner, asked := owners[s.GetMonitorId()]; asked {
			entries = append(entries, entryFromStatus(owner, s))
		}
	}
	return entries, nil
}
