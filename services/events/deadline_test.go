package events_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// TestDeadlines runs the whole service, stores and connections included, on a clock of its own: the workers that nobody calls
// do their work at the right time.
func TestDeadlines(t *testing.T) {
	dir := t.TempDir()
	bubbletest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		e := entry(7, "o1") // a minute between checks, 10 seconds for each: 130 seconds of patience
		e.CreatedAt, e.UpdatedAt = timestamppb.New(start), timestamppb.New(start)
		cat := &catalogue{entries: []*monitorsv1.CatalogEntry{e}}
		r := run(t, dir, cat)
		p := r.prober()
		p.send(result(7, "o1", start, ok))
		p.sync()
		status := func() string { return r.status(7).GetCurrentStatus().String() }
		wait := func(until time.Duration, want string) {
			t.Helper()
			time.Sleep(time.Until(start.Add(until))) //nolint:forbidigo // the bubble's clock, not ours
			synctest.Wait()
			if got := status(); got != want {
				t.Errorf("after %v: %s, want %s", until, got, want)
			}
		}
		const up, unknown = "CURRENT_STATUS_UP", "CURRENT_STATUS_UNKNOWN"
		wait(129*time.Second, up)
		wait(132*time.Second, unknown)
		if since := r.status(7).GetSince().AsTime(); !since.Equal(start.Add(130 * time.Second)) {
			t.Errorf("unknown since %v, want %v", since, start.Add(130*time.Second))
		}

		// The prober kept two results: they fill the silence. Then we are away ourselves, for an hour.
		p.send(result(7, "o1", start.Add(time.Minute), ok), result(7, "o1", start.Add(2*time.Minute), ok))
		p.sync()
		wait(133*time.Second, up)
		p.close()
		r.stop()
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock, not ours
		back := time.Since(start)
		r = run(t, dir, cat)
		wait(back+30*time.Second, up) // in grace: the prober may still tell what it saw
		wait(back+80*time.Second, unknown)
		u, err := eventsv1.NewEventsServiceClient(r.conn).GetUptime(as("o1"), &eventsv1.GetUptimeRequest{MonitorId: 7})
		if err != nil {
			t.Fatal(err)
		}
		if u.GetUpSeconds() != 250 || u.GetDownSeconds() != 0 || u.GetUptimePercentage() != 100 {
			t.Errorf("uptime %v, want the 250 seconds until the deadline", u)
		}
		r.stop()
	})
}

// TestPruning lets two hours go by: observations go after an hour, transitions stay for a month. Who acts on transitions has
// then missed nothing, and reads of an outage that came and went; a page is told to begin anew.
func TestPruning(t *testing.T) {
	dir := t.TempDir()
	bubbletest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		e := entry(7, "o1")
		e.CreatedAt, e.UpdatedAt, e.IntervalMs = timestamppb.New(start), timestamppb.New(start), 86_400_000
		r := run(t, dir, &catalogue{entries: []*monitorsv1.CatalogEntry{e}})
		p := r.prober()
		feed := eventsv1.NewFeedServiceClient(r.conn)
		first := func(open func(context.Context) (grpc.ServerStreamingClient[eventsv1.ReadFeedResponse], error)) *eventsv1.ReadFeedResponse {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream, err := open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		read := func(after uint64) *eventsv1.ReadFeedResponse {
			t.Helper()
			return first(func(ctx context.Context) (grpc.ServerStreamingClient[eventsv1.ReadFeedResponse], error) {
				return feed.ReadFeed(rpctest.AsService(ctx), &eventsv1.ReadFeedRequest{AfterSeq: after})
			})
		}
		subscribe := func(after uint64) *eventsv1.ReadFeedResponse {
			t.Helper()
			return first(func(ctx context.Context) (grpc.ServerStreamingClient[eventsv1.ReadFeedResponse], error) {
				return feed.Subscribe(rpctest.AsUser(ctx, "o1", identity.RoleViewer), &eventsv1.SubscribeRequest{AfterSeq: &after})
			})
		}
		p.send(result(7, "o1", start, ok))
		p.sync()
		cursor := read(0).GetHeadSeq() // of a reader that is then away
		p.send(result(7, "o1", start.Add(time.Second), fail), result(7, "o1", start.Add(2*time.Second), fail), result(7, "o1", start.Add(3*time.Second), ok))
		p.sync()
		if all := read(cursor); len(all.GetEntries()) != 5 || all.GetTruncated() {
			t.Fatalf("before: %v", all)
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // the bubble's clock, not ours
		synctest.Wait()
		missed := read(cursor)
		if missed.GetTruncated() || len(missed.GetEntries()) != 2 {
			t.Fatalf("after two hours: %v, want the two transitions and nothing lost", missed)
		}
		began, ended := missed.GetEntries()[0].GetTransition(), missed.GetEntries()[1].GetTransition()
		if began.GetTo() != down || !began.GetSince().AsTime().Equal(start.Add(time.Second)) || ended.GetTo() != up || !ended.GetSince().AsTime().Equal(start.Add(3*time.Second)) {
			t.Errorf("the outage that came and went: %v, %v", began, ended)
		}
		if page := subscribe(cursor); !page.GetTruncated() {
			t.Errorf("a page that was away: %v, want truncated", page)
		}
		for _, end := range []*eventsv1.ReadFeedResponse{read(missed.GetHeadSeq()), subscribe(missed.GetHeadSeq())} {
			if end.GetTruncated() || len(end.GetEntries()) != 0 || end.GetHeadSeq() != missed.GetHeadSeq() {
				t.Errorf("from the head on: %v", end)
			}
		}
		if err := r.states.Prune(t.Context(), events.PruneBefore{Announcements: time.Now()}); err != nil { // as a month later
			t.Fatal(err)
		}
		if gone := read(cursor); !gone.GetTruncated() || len(gone.GetEntries()) != 0 {
			t.Errorf("without transitions: %v, want truncated", gone)
		}
		p.close()
		r.stop()
	})
}
