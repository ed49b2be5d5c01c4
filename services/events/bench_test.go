package events_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// BenchmarkRecord sends rounds of results of 2000 monitors that are checked every second over a real stream and waits until all
// are judged and stored. The floor is a history that takes the same results from a loop.
func BenchmarkRecord(b *testing.B) {
	const monitors = 2000
	dir := b.TempDir()
	state, err := sqlite.OpenState(b.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	history, err := sqlite.OpenHistory(b.Context(), filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	l := newLoad(b, state, history, monitors)
	defer func() {
		l.stop()
		if err := errors.Join(state.Close(), history.Close()); err != nil {
			b.Error(err)
		}
	}()
	for b.Loop() {
		l.rounds(1000, 20_000)
	}
	l.finish()
	rate := float64(l.sent) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "results/s")
	b.ReportMetric(bareAppend(b, benchStart())/rate, "x-bare-append")
}

func benchStart() time.Time { return time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour) }

// load is a service and a prober that sends it results of monitors that are checked every second.
type load struct {
	b          *testing.B
	stream     eventsv1.RecorderService_RecordClient
	monitors   int
	results    []*checkv1.CheckResult // of some rounds
	slot       time.Time
	sent, done uint64
	stop       func()
}

// newLoad runs the service on the stores until stop.
func newLoad(b *testing.B, state events.StateStore, results events.ResultStore, monitors uint32) *load {
	return newLoadFrom(b, state, results, monitors, 1) // of the present, though they are a day old
}

// newLoadFrom is newLoad for a live lane that begins with a number; 0 is an old prober's, who knows no lanes.
func newLoadFrom(b *testing.B, state events.StateStore, results events.ResultStore, monitors uint32, live uint64) *load {
	l := &load{b: b, slot: benchStart(), monitors: int(monitors)}
	cat := &catalogue{steps: make(chan *monitorsv1.WatchCatalogResponse)}
	for id := range monitors {
		e := entry(id+1, benchOrganization)
		e.CreatedAt, e.UpdatedAt = timestamppb.New(benchStart().Add(-time.Hour)), timestamppb.New(benchStart().Add(-time.Hour))
		e.IntervalMs, e.Name, e.MonitorUrl = 1000, fmt.Sprint("host ", id+1), fmt.Sprintf("tcp://host-%d.example.com:443", id+1)
		cat.entries = append(cat.entries, e)
	}
	for i := range 5 * monitors {
		l.results = append(l.results, benchResult(i%monitors+1, l.slot))
	}
	conn := rpctest.Conn(b, "monitors", func(r grpc.ServiceRegistrar) { monitorsv1.RegisterCatalogServiceServer(r, cat) }, asEvents)
	s, err := events.New(events.Deps{State: state, Results: results, Monitors: conn, Log: slog.New(slog.DiscardHandler), PageKey: []byte("key")})
	if err != nil {
		b.Fatal(err)
	}
	server := rpctest.Conn(b, "events", s.Register)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	l.stop = func() {
		cancel()
		if err := <-ran; err != nil {
			b.Error(err)
		}
	}
	if l.stream, err = eventsv1.NewRecorderServiceClient(server).Record(rpctest.AsService(b.Context())); err != nil {
		b.Fatal(err)
	}
	hello := &eventsv1.RecordHello{ProberId: "p", Region: "local", LiveFrom: live}
	if err := l.stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: hello}}); err != nil {
		b.Fatal(err)
	}
	return l
}

// rounds sends the next five results of every monitor, in messages of size, with at most so many on their way.
func (l *load) rounds(size int, inFlight uint64) {
	for i, r := range l.results {
		if i%l.monitors == 0 {
			l.slot = l.slot.Add(time.Second)
		}
		r.ScheduledAt, r.StartedAt, r.NextScheduledAt = timestamppb.New(l.slot), timestamppb.New(l.slot), timestamppb.New(l.slot.Add(time.Second))
	}
	for part := range slices.Chunk(l.results, size) {
		l.send(part)
		for l.done+inFlight < l.sent {
			l.receive()
		}
	}
}

func (l *load) send(results []*checkv1.CheckResult) {
	batch := &eventsv1.ResultBatch{FirstSeq: l.sent + 1, Results: results}
	if err := l.stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: batch}}); err != nil {
		l.b.Fatal(err)
	}
	l.sent += uint64(len(results))
}

func (l *load) receive() {
	ack, err := l.stream.Recv()
	if err != nil {
		l.b.Fatal(err)
	}
	l.done = min(ack.GetJudgedSeq(), ack.GetStoredSeq())
}

// finish waits until everything is judged and stored.
func (l *load) finish() {
	for l.done < l.sent {
		l.receive()
	}
}

// bareAppend is how many of the same results a history takes in a second from a loop, 1000 at a time.
func bareAppend(b *testing.B, start time.Time) float64 {
	h, err := sqlite.OpenHistory(b.Context(), b.TempDir(), sqlite.HistoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	const rounds = 50
	batch := make([]events.Result, 1000)
	var took time.Duration
	for round := range rounds {
		for i := range batch {
			batch[i] = stored(uint32(i+1), start.Add(time.Duration(round)*time.Second), events.Success)
		}
		began := time.Now()
		if _, err := h.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
	}
	return float64(rounds*len(batch)) / took.Seconds()
}

const benchOrganization = "0192f3c4-0000-7000-8000-000000000001"

func benchResult(id uint32, at time.Time) *checkv1.CheckResult {
	return &checkv1.CheckResult{
		MonitorId: id, OrganizationId: benchOrganization, Region: "local", ScheduledAt: timestamppb.New(at), StartedAt: timestamppb.New(at), Status: ok,
		ResponseTimeNs: 18_000_000 + uint64(id)*1000, DnsNs: proto.Uint64(300_000), TcpNs: proto.Uint64(17_700_000), Attempt: 1, ProberId: "p",
		ResolvedIp: proto.String("192.0.2.1"), IpFamily: checkv1.IpFamily_IP_FAMILY_IPV4, ConfigVersion: 1, MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP,
		MonitorUrl: fmt.Sprintf("tcp://host-%d.example.com:443", id), MonitorName: fmt.Sprint("host ", id), Port: proto.Uint32(443),
		NextScheduledAt: timestamppb.New(at.Add(time.Second)),
	}
}
