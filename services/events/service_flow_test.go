package events_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

const (
	up   = eventsv1.CurrentStatus_CURRENT_STATUS_UP
	down = eventsv1.CurrentStatus_CURRENT_STATUS_DOWN
)

func TestRecordedResultsAreJudgedStoredAndAnswered(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1"), entry(8, "o2")}})
	p := r.prober()
	p.send(result(7, "o1", t0, ok))
	p.sync()
	if got := r.status(7); got.GetCurrentStatus() != up || len(got.GetRecentChecks()) != 1 {
		t.Fatalf("after a success: %v with %d checks", got.GetCurrentStatus(), len(got.GetRecentChecks()))
	}
	p.send(result(7, "o1", t0.Add(time.Second), fail))
	p.sync()
	if got := r.status(7).GetCurrentStatus(); got != up {
		t.Fatalf("after one failure: %v, want up until it is confirmed", got)
	}
	p.send(result(7, "o1", t0.Add(2*time.Second), fail))
	p.sync()
	s := r.status(7)
	if s.GetCurrentStatus() != down || !s.GetSince().AsTime().Equal(t0.Add(time.Second)) || s.GetStatus().GetConsecutiveFailures() != 2 {
		t.Fatalf("after two failures: %v since %v with %d failures, want down since the first", s.GetCurrentStatus(), s.GetSince().AsTime(), s.GetStatus().GetConsecutiveFailures())
	}

	client := eventsv1.NewEventsServiceClient(r.conn)
	list, err := client.ListEvents(as("o1"), &eventsv1.ListEventsRequest{MonitorId: 7, Limit: proto.Int32(2)})
	if err != nil || list.GetPagination().GetTotal() != 3 || len(list.GetEvents()) != 2 {
		t.Fatalf("list = %v, %v", list.GetPagination(), err)
	}
	if e := list.GetEvents()[0]; e.GetResponseTimeMs() != 12 || e.GetTcpTimeMs() != 2 || e.DnsTimeMs != nil || e.GetErrorType() != "connection_refused" || e.GetOrganizationId() != "o1" {
		t.Errorf("event = %v", e)
	}
	rest, err := client.ListEvents(as("o1"), &eventsv1.ListEventsRequest{MonitorId: 7, Limit: proto.Int32(2), PageToken: list.GetPagination().NextPageToken})
	if err != nil || len(rest.GetEvents()) != 1 || rest.GetPagination().NextPageToken != nil || rest.GetEvents()[0].GetStatus() != ok {
		t.Errorf("second page = %v, %v", rest, err)
	}
	stats, err := client.GetStats(as("o1"), &eventsv1.GetStatsRequest{MonitorId: 7})
	if err != nil || stats.GetTotalChecks() != 3 || stats.GetSuccessfulChecks() != 1 || stats.GetFailedChecks() != 2 || stats.GetResponseTime().GetAvg() != 12.346 {
		t.Errorf("stats = %d, %d, %d, %v, %v", stats.GetTotalChecks(), stats.GetSuccessfulChecks(), stats.GetFailedChecks(), stats.GetResponseTime(), err)
	}
	if stats.GetUptimePercentage() >= 100 || stats.GetUptimePercentage() <= 0 {
		t.Errorf("uptime = %v, want between nothing and all", stats.GetUptimePercentage())
	}
	for _, id := range []uint32{8, 99} {
		if _, err := client.GetStats(as("o1"), &eventsv1.GetStatsRequest{MonitorId: id}); status.Code(err) != codes.NotFound {
			t.Errorf("stats of monitor %d for a stranger: %v, want NotFound", id, err)
		}
	}
}

// Every view of uptime comes from the same intervals.
func TestUptimeAgrees(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	p := r.prober()
	p.send(result(7, "o1", t0.Add(-50*time.Second), ok), result(7, "o1", t0.Add(-40*time.Second), fail), result(7, "o1", t0.Add(-30*time.Second), fail), result(7, "o1", t0.Add(-20*time.Second), ok))
	p.sync()
	client := eventsv1.NewEventsServiceClient(r.conn)
	u, err := client.GetUptime(as("o1"), &eventsv1.GetUptimeRequest{MonitorId: 7, EndDate: proto.String(t0.Format(time.RFC3339))})
	if err != nil {
		t.Fatal(err)
	}
	if u.GetUpSeconds() != 30 || u.GetDownSeconds() != 20 || u.GetUnknownSeconds() != 10 || u.GetUptimePercentage() != 60 || u.GetOutages() != 1 {
		t.Errorf("uptime = %v", u)
	}
	if u.GetCoveragePercentage() < 83.33 || u.GetCoveragePercentage() > 83.34 {
		t.Errorf("coverage = %v, want five sixths", u.GetCoveragePercentage())
	}
	var covered time.Duration
	for _, i := range u.GetIntervals() {
		covered += i.GetEnd().AsTime().Sub(i.GetStart().AsTime())
	}
	if covered != time.Minute || len(u.GetIntervals()) != 4 {
		t.Errorf("%d intervals cover %v, want 4 and the whole minute", len(u.GetIntervals()), covered)
	}
	b, err := client.ListBuckets(as("o1"), &eventsv1.ListBucketsRequest{MonitorId: 7})
	if err != nil || len(b.GetBuckets()) != 7 {
		t.Fatalf("buckets = %v, %v", b, err)
	}
	if first := b.GetBuckets()[0]; first.UptimePercentage != nil || first.TotalChecks != nil || first.CoveragePercentage != nil {
		t.Errorf("a day without data is %v, want null", first)
	}
}

func TestRepeatsChangeNothing(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	p := r.prober()
	first := result(7, "o1", t0, fail)
	p.send(first, first)
	p.send(first)
	p.sync()
	s := r.status(7)
	if s.GetCurrentStatus() == down || len(s.GetRecentChecks()) != 1 || s.GetStatus().GetConsecutiveFailures() != 1 {
		t.Errorf("one failure sent three times: %v, %d rows, %d failures", s.GetCurrentStatus(), len(s.GetRecentChecks()), s.GetStatus().GetConsecutiveFailures())
	}
}

// A process that dies after storing and before judging judges at its next start; one that stops in order invents nothing.
func TestRestart(t *testing.T) {
	dir, cat := t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}
	r := run(t, dir, cat)
	p := r.prober()
	p.send(result(7, "o1", t0, ok), result(7, "o1", t0.Add(time.Second), fail))
	p.sync()
	p.close()
	// The history takes two more that no judge has seen.
	lost := []events.Result{stored(7, t0.Add(2*time.Second), events.Failure), stored(7, t0.Add(3*time.Second), events.Failure)}
	if n, err := r.results.Append(t.Context(), lost); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	r.stop()

	r = run(t, dir, cat)
	eventually(t, "the judgement of what was stored", func() bool { return r.status(7).GetCurrentStatus() == down })
	if since := r.status(7).GetSince().AsTime(); !since.Equal(t0.Add(time.Second)) {
		t.Errorf("down since %v, want the first failure at %v", since, t0.Add(time.Second))
	}
	slots, err := eventsv1.NewRecorderServiceClient(r.conn).ListLastSlots(rpctest.AsService(t.Context()), &eventsv1.ListLastSlotsRequest{Region: "local"})
	if err != nil || len(slots.GetSlots()) != 1 || !slots.GetSlots()[0].GetScheduledAt().AsTime().Equal(t0.Add(3*time.Second)) || slots.GetSlots()[0].GetConsecutiveFailures() != 3 {
		t.Errorf("last slots = %v, %v", slots, err)
	}
	before := transitions(t, r)
	r.stop()
	r = run(t, dir, cat)
	eventually(t, "a status", func() bool { return r.status(7).GetCurrentStatus() == down })
	if after := transitions(t, r); after != before {
		t.Errorf("%d transitions after a restart, %d before", after, before)
	}
}

func stored(id uint32, at time.Time, o events.Outcome) events.Result {
	return events.Result{
		MonitorID: id, OrganizationID: "o1", Region: "local", ScheduledAt: at, StartedAt: at, Outcome: o, ErrorType: "connection_refused",
		DNS: events.Absent, TCP: events.Absent, TLS: events.Absent, TTFB: events.Absent, Transfer: events.Absent, Size: events.Absent, ConfigVersion: 1, Name: "m",
	}
}

func transitions(t *testing.T, r *running) int {
	t.Helper()
	u, err := eventsv1.NewEventsServiceClient(r.conn).GetUptime(as("o1"), &eventsv1.GetUptimeRequest{MonitorId: 7})
	if err != nil {
		t.Fatal(err)
	}
	return len(u.GetIntervals())
}

// Judging and announcing go on while results cannot be stored; nothing is acknowledged as stored that is not.
func TestStoreAway(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	r.results.failing.Store(true)
	p := r.prober()
	p.send(result(7, "o1", t0, fail), result(7, "o1", t0.Add(time.Second), fail))
	ack, err := p.stream.Recv()
	if err != nil || ack.GetJudgedSeq() != 2 || ack.GetStoredSeq() != 0 {
		t.Fatalf("acknowledged %v, %v; want judged and not stored", ack, err)
	}
	if s := r.status(7); s.GetCurrentStatus() != down || len(s.GetRecentChecks()) != 0 {
		t.Errorf("status %v with %d rows, want down without any", s.GetCurrentStatus(), len(s.GetRecentChecks()))
	}
	r.results.failing.Store(false)
	p.sync()
	if n := len(r.status(7).GetRecentChecks()); n != 2 {
		t.Errorf("%d rows once the store is back, want 2", n)
	}
}

// A result may come before the catalogue has named its monitor.
func TestResultBeforeItsMonitor(t *testing.T) {
	cat := &catalogue{fresh: &monitorsv1.Monitor{Id: 7, OrganizationId: "o1", CreatedAt: timestamppb.New(t0), Enabled: proto.Bool(true)}}
	r := run(t, t.TempDir(), cat)
	p := r.prober()
	p.send(result(7, "o1", t0, ok))
	p.sync()
	if s := r.status(7); s.GetCurrentStatus() != eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN || len(s.GetRecentChecks()) != 1 {
		t.Fatalf("before it is named: %v with %d checks", s.GetCurrentStatus(), len(s.GetRecentChecks()))
	}
	cat.steps <- &monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: entry(7, "o1")}}
	eventually(t, "the waiting result to be judged", func() bool { return r.status(7).GetCurrentStatus() == up })

	paused := entry(7, "o1")
	paused.Enabled, paused.UpdatedAt = false, timestamppb.Now()
	cat.steps <- &monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_Upserted{Upserted: paused}}
	eventually(t, "the pause", func() bool {
		return r.status(7).GetCurrentStatus() == eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED
	})
	cat.fresh = nil
	cat.steps <- &monitorsv1.WatchCatalogResponse{Step: &monitorsv1.WatchCatalogResponse_RemovedMonitorId{RemovedMonitorId: 7}}
	client := eventsv1.NewEventsServiceClient(r.conn)
	eventually(t, "the deleted monitor to be gone", func() bool {
		_, err := client.GetStatus(as("o1"), &eventsv1.GetStatusRequest{MonitorId: 7})
		return status.Code(err) == codes.NotFound
	})
}

func TestFeed(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1"), entry(8, "o2")}})
	p := r.prober()
	p.send(result(7, "o1", t0, ok), result(8, "o2", t0, ok))
	p.sync()
	feed := eventsv1.NewFeedServiceClient(r.conn)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, err := feed.ReadFeed(rpctest.AsService(ctx), &eventsv1.ReadFeedRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first := take(t, all, 4) // a transition and an observation each
	mine, err := feed.Subscribe(as("o1"), &eventsv1.SubscribeRequest{AfterSeq: proto.Uint64(0)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range take(t, mine, 2) {
		if e.GetOrganizationId() != "o1" {
			t.Errorf("an entry of %s reached a subscriber of o1", e.GetOrganizationId())
		}
	}
	p.send(result(7, "o1", t0.Add(time.Second), fail), result(7, "o1", t0.Add(2*time.Second), fail))
	live := take(t, mine, 3) // two observations and the transition
	kinds := map[bool]int{}
	last := first[3].GetSeq()
	for _, e := range live {
		kinds[e.GetTransition() != nil]++
		if e.GetSeq() <= last {
			t.Errorf("entry %d after %d", e.GetSeq(), last)
		}
		last = e.GetSeq()
	}
	if kinds[true] != 1 || kinds[false] != 2 {
		t.Errorf("%d transitions and %d observations, want 1 and 2", kinds[true], kinds[false])
	}
	resumed, err := feed.Subscribe(as("o1"), &eventsv1.SubscribeRequest{AfterSeq: proto.Uint64(live[0].GetSeq())})
	if err != nil {
		t.Fatal(err)
	}
	if got := take(t, resumed, 2); got[0].GetSeq() != live[1].GetSeq() {
		t.Errorf("resumed at %d, want %d", got[0].GetSeq(), live[1].GetSeq())
	}
}

// take reads n entries.
func take(t *testing.T, stream interface {
	Recv() (*eventsv1.ReadFeedResponse, error)
}, n int) []*eventsv1.FeedEntry {
	t.Helper()
	var out []*eventsv1.FeedEntry
	for len(out) < n {
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if resp.GetTruncated() {
			t.Error("truncated, although nothing was pruned")
		}
		out = append(out, resp.GetEntries()...)
	}
	return out
}

func TestBadQuestions(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	client := eventsv1.NewEventsServiceClient(r.conn)
	stats := func(req *eventsv1.GetStatsRequest) error {
		req.MonitorId = 7
		_, err := client.GetStats(as("o1"), req)
		return err
	}
	list := func(req *eventsv1.ListEventsRequest) error {
		req.MonitorId = 7
		_, err := client.ListEvents(as("o1"), req)
		return err
	}
	tests := map[string]error{
		"custom without a start":   stats(&eventsv1.GetStatsRequest{Period: proto.String("custom")}),
		"unknown period":           stats(&eventsv1.GetStatsRequest{Period: proto.String("1y")}),
		"no date":                  stats(&eventsv1.GetStatsRequest{Period: proto.String("custom"), StartDate: proto.String("yesterday")}),
		"start after end":          stats(&eventsv1.GetStatsRequest{StartDate: proto.String("2026-02-01"), EndDate: proto.String("2026-01-01")}),
		"more than five years":     stats(&eventsv1.GetStatsRequest{StartDate: proto.String("2016-02-01"), EndDate: proto.String("2026-01-01")}),
		"hours and a period":       stats(&eventsv1.GetStatsRequest{Hours: proto.Int32(3), Period: proto.String("24h")}),
		"unknown zone":             stats(&eventsv1.GetStatsRequest{Tz: proto.String("Mars/Olympus")}),
		"a million buckets":        stats(&eventsv1.GetStatsRequest{StartDate: proto.String("2024-01-01"), EndDate: proto.String("2026-01-01"), Bucket: eventsv1.Bucket_BUCKET_MINUTE.Enum()}),
		"a forged token":           list(&eventsv1.ListEventsRequest{PageToken: proto.String("AAAA")}),
		"a limit of 0":             list(&eventsv1.ListEventsRequest{Limit: proto.Int32(0)}),
		"a token and an offset":    list(&eventsv1.ListEventsRequest{PageToken: proto.String("AAAA"), Offset: proto.Int32(1)}),
		"a start date of nonsense": list(&eventsv1.ListEventsRequest{StartDate: proto.String("2026-13-01")}),
	}
	for name, err := range tests {
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, want InvalidArgument", name, err)
		}
	}
}
