package events_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
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
	ctx := b.Context()
	dir := b.TempDir()
	state, err := sqlite.OpenState(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	history, err := sqlite.OpenHistory(ctx, filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	cat := &catalogue{steps: make(chan *monitorsv1.WatchCatalogResponse)}
	for id := range uint32(monitors) {
		e := entry(id+1, "o1")
		e.IntervalMs = 1000
		cat.entries = append(cat.entries, e)
	}
	conn := rpctest.Conn(b, "monitors", func(r grpc.ServiceRegistrar) { monitorsv1.RegisterCatalogServiceServer(r, cat) }, asEvents)
	s, err := events.New(events.Deps{State: state, Results: history, Monitors: conn, Log: slog.New(slog.DiscardHandler), PageKey: []byte("key")})
	if err != nil {
		b.Fatal(err)
	}
	server := rpctest.Conn(b, "events", s.Register)
	runCtx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(runCtx) }()
	defer func() {
		cancel()
		for _, err := range []error{<-ran, state.Close(), history.Close()} {
			if err != nil {
				b.Error(err)
			}
		}
	}()
	stream, err := eventsv1.NewRecorderServiceClient(server).Record(rpctest.AsService(ctx))
	if err != nil {
		b.Fatal(err)
	}
	send := func(req *eventsv1.RecordRequest) {
		if err := stream.Send(req); err != nil {
			b.Fatal(err)
		}
	}
	send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: &eventsv1.RecordHello{ProberId: "p", Region: "local"}}})
	start := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	batches := make([]*eventsv1.ResultBatch, monitors/1000)
	for i := range batches {
		batches[i] = &eventsv1.ResultBatch{}
		for id := range uint32(1000) {
			batches[i].Results = append(batches[i].Results, benchResult(uint32(i)*1000+id+1, start))
		}
	}
	sent, done := uint64(0), uint64(0)
	for round := 0; b.Loop(); round++ {
		slot, next := start.Add(time.Duration(round)*time.Second), start.Add(time.Duration(round+1)*time.Second)
		for _, batch := range batches {
			for _, r := range batch.Results {
				r.ScheduledAt, r.StartedAt, r.NextScheduledAt = timestamppb.New(slot), timestamppb.New(slot), timestamppb.New(next)
			}
			batch.FirstSeq = sent + 1
			send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: batch}})
			sent += 1000
		}
		for done+20_000 < sent { // what is on its way stays bounded
			done = receive(b, stream)
		}
	}
	for done < sent {
		done = receive(b, stream)
	}
	rate := float64(sent) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "results/s")
	b.ReportMetric(bareAppend(b, start)/rate, "x-bare-append")
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

func receive(b *testing.B, stream eventsv1.RecorderService_RecordClient) uint64 {
	ack, err := stream.Recv()
	if err != nil {
		b.Fatal(err)
	}
	return min(ack.GetJudgedSeq(), ack.GetStoredSeq())
}

func benchResult(id uint32, at time.Time) *checkv1.CheckResult {
	return &checkv1.CheckResult{
		MonitorId: id, OrganizationId: "o1", Region: "local", ScheduledAt: timestamppb.New(at), StartedAt: timestamppb.New(at), Status: ok,
		ResponseTimeNs: 18_000_000 + uint64(id)*1000, DnsNs: proto.Uint64(300_000), TcpNs: proto.Uint64(17_700_000), Attempt: 1, ProberId: "p",
		ResolvedIp: proto.String("192.0.2.1"), IpFamily: checkv1.IpFamily_IP_FAMILY_IPV4, ConfigVersion: 1, MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP,
		MonitorUrl: fmt.Sprintf("tcp://host-%d.example.com:443", id), MonitorName: fmt.Sprint("host ", id), Port: proto.Uint32(443),
		NextScheduledAt: timestamppb.New(at.Add(time.Second)),
	}
}
