package events_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// TestFullRoad fills the road to the history while that cannot be written. Judging goes on, whatever the length of the
// outage; afterwards the prober is told to send again, and everything is there.
func TestFullRoad(t *testing.T) {
	for name, limit := range map[string]func(*events.Service){
		"too many results": func(s *events.Service) { s.LimitQueues(1000, 10) },
		"too many bytes":   func(s *events.Service) { s.LimitQueuedBytes(5000) },
	} {
		t.Run(name, func(t *testing.T) { fullRoad(t, limit) })
	}
}

func fullRoad(t *testing.T, limit func(*events.Service)) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	limit(r.service)
	r.results.failing.Store(true)
	p := r.prober()
	var all []*checkv1.CheckResult
	next := func(s checkv1.ResultStatus) {
		all = append(all, result(7, "o1", t0.Add(time.Duration(len(all))*time.Millisecond), s))
		p.send(all[len(all)-1])
	}
	for range 40 {
		next(ok)
	}
	next(fail)
	next(fail)
	for {
		ack, err := p.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if ack.GetStoredSeq() != 0 {
			t.Fatalf("acknowledged as stored: %v", ack)
		}
		if ack.GetJudgedSeq() == p.seq {
			break
		}
	}
	if got := r.status(7).GetCurrentStatus(); got != down {
		t.Fatalf("status %v while nothing can be stored, want down", got)
	}

	r.results.failing.Store(false)
	var stored uint64
	for { // each further batch finds out whether there is room again
		next(ok)
		ack, err := p.stream.Recv()
		if err != nil {
			if status.Code(err) != codes.Unavailable {
				t.Fatalf("the stream ended with %v, want Unavailable", err)
			}
			break
		}
		stored = max(stored, ack.GetStoredSeq())
	}
	if stored >= uint64(len(all)) {
		t.Fatalf("stored mark %d passed results that were left out", stored)
	}
	again := r.prober()
	again.seq = stored
	again.send(all[stored:]...)
	again.sync()
	list, err := eventsv1.NewEventsServiceClient(r.conn).ListEvents(as("o1"), &eventsv1.ListEventsRequest{MonitorId: 7})
	if err != nil || int(list.GetPagination().GetTotal()) != len(all) {
		t.Errorf("%d results are stored of %d, %v", list.GetPagination().GetTotal(), len(all), err)
	}
}

// TestImpossibleSlots takes a prober's clock for what it is.
func TestImpossibleSlots(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	p := r.prober()
	p.send(result(7, "o1", t0.AddDate(1, 0, 0), ok), result(7, "o1", t0.AddDate(-50, 0, 0), ok))
	p.send(result(7, "o1", t0, ok), result(7, "o1", t0.AddDate(0, 0, 2), fail))
	p.sync()
	s := r.status(7)
	if s.GetCurrentStatus() != up || len(s.GetRecentChecks()) != 1 || !s.GetRecentChecks()[0].GetScheduledAt().AsTime().Equal(t0) {
		t.Errorf("%v with %v", s.GetCurrentStatus(), s.GetRecentChecks())
	}
}

// TestWrongStreams refuses what is no stream of a prober.
func TestWrongStreams(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	hello := &eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: &eventsv1.RecordHello{ProberId: "p", Region: "local"}}}
	batch := func(change func(*checkv1.CheckResult)) *eventsv1.RecordRequest {
		c := result(7, "o1", t0, ok)
		change(c)
		return &eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: &eventsv1.ResultBatch{FirstSeq: 1, Results: []*checkv1.CheckResult{c}}}}
	}
	good := batch(func(*checkv1.CheckResult) {})
	tests := map[string][]*eventsv1.RecordRequest{
		"no hello":       {good},
		"two hellos":     {hello, hello},
		"nothing":        {hello, {}},
		"another region": {hello, batch(func(c *checkv1.CheckResult) { c.Region = "elsewhere" })},
		"no outcome":     {hello, batch(func(c *checkv1.CheckResult) { c.Status = 0 })},
		"no slot":        {hello, batch(func(c *checkv1.CheckResult) { c.ScheduledAt = nil })},
		"no monitor":     {hello, batch(func(c *checkv1.CheckResult) { c.MonitorId = 0 })},
		"a broken slot":  {hello, batch(func(c *checkv1.CheckResult) { c.ScheduledAt = &timestamppb.Timestamp{Seconds: 1 << 60} })},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			stream, err := eventsv1.NewRecorderServiceClient(r.conn).Record(rpctest.AsService(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range steps {
				if err := stream.Send(step); err != nil {
					break // the answer says why
				}
			}
			if name == "a broken slot" {
				// It is acknowledged like any other that cannot be: nothing about it is better the next time.
				if ack, err := stream.Recv(); err != nil {
					t.Errorf("%v, %v", ack, err)
				}
				return
			}
			if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%v, want InvalidArgument", err)
			}
		})
	}
	if n := len(r.status(7).GetRecentChecks()); n != 0 {
		t.Errorf("%d results were taken", n)
	}
}
