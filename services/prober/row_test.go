package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
)

func rowEngine() *engine {
	return &engine{region: "eu", proberID: "p1", log: slog.New(slog.DiscardHandler)}
}

func drawSpec(rt *rapid.T) *checkv1.CheckSpec {
	return &checkv1.CheckSpec{
		MonitorId: rapid.Uint32().Draw(rt, "id"), OrganizationId: rapid.String().Draw(rt, "organization"), Version: rapid.Uint64().Draw(rt, "version"),
		Name: rapid.String().Draw(rt, "name"), MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP,
		TcpConfig: &checkv1.TcpConfig{Host: ptr("192.0.2.1"), Port: ptr(rapid.Int32Range(1, 65535).Draw(rt, "port"))},
	}
}

func drawTime(rt *rapid.T, name string) time.Time {
	return time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(rt, name), rapid.Int64Range(0, 999_999_999).Draw(rt, name+" ns")).UTC()
}

// The row of a success that is written by hand is the message that the generated code makes of it.
func TestSuccessRowIsTheMessage(t *testing.T) {
	checker, g := NewChecker(nil, nil), rowEngine()
	rapid.Check(t, func(rt *rapid.T) {
		spec, epoch := drawSpec(rt), rapid.Uint64().Draw(rt, "epoch")
		chk, err := checker.prepare(spec)
		if err != nil {
			rt.Fatal(err)
		}
		p := &plan{check: chk, port: uint16(spec.GetTcpConfig().GetPort())}
		if p.row, err = g.rowOf(spec, epoch); err != nil {
			rt.Fatal(err)
		}
		span := func(name string) nettest.Span {
			return nettest.Span{Duration: time.Duration(rapid.Int64Range(-1, 1e12).Draw(rt, name)), Valid: rapid.Bool().Draw(rt, name+" valid")}
		}
		result := &nettest.TestResult{
			Timestamp: drawTime(rt, "started"), Protocol: "tcp", Status: nettest.StatusSuccess, Latency: time.Duration(rapid.Int64Range(0, 1e12).Draw(rt, "latency")),
			Phases: nettest.Phases{DNS: span("dns"), Connect: span("connect")}, Port: p.port,
			ResolvedIP: rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1")}).Draw(rt, "ip"),
		}
		slot, next := max(drawTime(rt, "slot").UnixMilli(), 1), rapid.SampledFrom([]int64{0, 1, 1e12, -1500}).Draw(rt, "next")
		late := max(result.Timestamp.Sub(instant(slot)), 0)

		want, got := &checkv1.CheckResult{}, &checkv1.CheckResult{}
		g.fillIn(want, p, slot, result.Timestamp)
		chk.record(want, result, nil)
		want.NextScheduledAt = stampOf(next)
		if err := proto.Unmarshal(p.appendSuccess([]byte{}, slot, next, late, result), got); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			rt.Fatalf("-generated +by hand:\n%s", diff)
		}
	})
}

// The same of missed slots.
func TestMissedRowIsTheMessage(t *testing.T) {
	g := rowEngine()
	rapid.Check(t, func(rt *rapid.T) {
		spec, epoch := drawSpec(rt), rapid.Uint64().Draw(rt, "epoch")
		p, err := &plan{}, error(nil)
		if p.row, err = g.rowOf(spec, epoch); err != nil {
			rt.Fatal(err)
		}
		from, next, now := max(drawTime(rt, "from").UnixMilli(), 1), drawTime(rt, "next").UnixMilli(), drawTime(rt, "now")
		count := rapid.Uint32().Draw(rt, "count")
		why := rapid.SampledFrom([]missedReason{missedOverlap, missedOverload, missedOffline, missedInvalid}).Draw(rt, "why")
		want := &checkv1.CheckResult{
			MonitorId: spec.GetMonitorId(), OrganizationId: spec.GetOrganizationId(), Region: "eu", ProberId: "p1",
			ScheduledAt: timestamppb.New(instant(from)), StartedAt: timestamppb.New(now), Status: checkv1.ResultStatus_RESULT_STATUS_MISSED,
			MissedCount: count, ErrorType: ptr(string(why)), ErrorMessage: ptr(missedMessages[why]), ConfigVersion: spec.GetVersion(),
			MonitorType: spec.GetMonitorType(), MonitorName: spec.GetName(), MonitorUrl: targetURL(spec), NextScheduledAt: stampOf(next),
			Epoch: epoch,
		}
		got := &checkv1.CheckResult{}
		if err := proto.Unmarshal(p.appendMissed(nil, from, count, why, next, now), got); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			rt.Fatalf("-want +got:\n%s", diff)
		}
	})
}

// The batch that is written by hand is the request that the generated code makes of it, traceparents included.
func TestBatchIsTheRequest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := NewMemoryOutbox(5000, 1<<30)
		want := &eventsv1.ResultBatch{FirstSeq: 1, Traceparents: map[uint32]string{}}
		every := rapid.IntRange(1, 50).Draw(rt, "traced")
		for i := range rapid.IntRange(1, 500).Draw(rt, "n") {
			r := &checkv1.CheckResult{MonitorId: uint32(i), MonitorName: "x"}
			traceparent := ""
			if i%every == 1 {
				traceparent = fmt.Sprintf("00-%032d-%016d-01", i, i)
				want.Traceparents[uint32(i)] = traceparent
			}
			put(t, o, r, traceparent)
			want.Results = append(want.Results, r)
		}
		b, err := o.Read(t.Context(), 0, 5000, nil)
		if err != nil {
			rt.Fatal(err)
		}
		data, err := newFramesCodec().Marshal(&b)
		if err != nil {
			rt.Fatal(err)
		}
		got := &eventsv1.RecordRequest{}
		if err := proto.Unmarshal(data.Materialize(), got); err != nil {
			rt.Fatal(err)
		}
		if whole := (&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: want}}); !proto.Equal(whole, got) {
			rt.Fatalf("sent %v, want %v", got, whole)
		}
	})
}

// A result is not lost for what a target calls text.
func TestResultsOfBrokenTextAreKept(t *testing.T) {
	const bad = "caf\xe9"
	r := tracedResult()
	r.ErrorMessage, r.ErrorType, r.ValidationErrors = ptr(bad), ptr(bad), []string{"fine", bad}
	r.ResponseHeaders, r.MonitorName = map[string]string{"X": bad, bad: "y"}, bad
	row, err := appendResult(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	got := &checkv1.CheckResult{}
	if err := proto.Unmarshal(row, got); err != nil {
		t.Fatal(err)
	}
	if got.GetErrorMessage() != "caf\uFFFD" || got.GetValidationErrors()[1] != "caf\uFFFD" || len(got.GetResponseHeaders()) != 2 {
		t.Errorf("mended: %v", got)
	}
}

// Checks that only connect run in the loop, whatever comes of them, and so do their limits, conditions and ends.
func TestPlainChecksRunInTheLoop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	})
	defer accepting.Wait()
	defer l.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	port := func(l net.Listener) *int32 { return ptr(int32(l.Addr().(*net.TCPAddr).Port)) }

	g, loop, box, stop := startPlain(t)
	for id := range uint32(3) {
		a := assignment(id+1, 1)
		a.Spec.TcpConfig = &checkv1.TcpConfig{Host: ptr("127.0.0.1"), Port: port(l)}
		if id == 1 {
			a.Spec.TcpConfig.Port = port(closed)
		}
		if id == 2 {
			a.Spec.ValidationRules = []*checkv1.ValidationRule{slowerThanAnHour()}
		}
		g.assign(a, nil, true)
	}
	want := map[uint32]checkv1.ResultStatus{
		1: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, 2: checkv1.ResultStatus_RESULT_STATUS_FAILURE, 3: checkv1.ResultStatus_RESULT_STATUS_FAILURE,
	}
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[uint32]int{}
	for after := uint64(0); seen[1] < 3 || seen[2] < 3 || seen[3] < 3; {
		b, err := box.Read(limit, after, 100, nil)
		if err != nil {
			t.Fatalf("%v of %v: %v", seen, want, err)
		}
		after = b.First + uint64(b.Count) - 1
		for _, r := range results(t, b) {
			if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
				continue // the machine was busy
			}
			seen[r.GetMonitorId()]++
			if r.GetStatus() != want[r.GetMonitorId()] || r.TcpNs == nil || r.GetPort() == 0 || r.GetResolvedIp() != "127.0.0.1" || r.GetMonitorUrl() == "" || r.GetNextScheduledAt() == nil {
				t.Fatalf("row %v", r)
			}
		}
	}
	stop()
	if n := loop.started(); uint64(n) != g.metrics.stats().Finished || n < 9 {
		t.Errorf("%d checks went through the loop of %d", n, g.metrics.stats().Finished)
	}
	if n := g.limits.running.Load(); n != 0 {
		t.Errorf("%d permits are held in the end", n)
	}
}

// A check that the loop had no connection for is a missed slot, and what a stop cuts off too.
func TestPlainChecksThatDidNotRun(t *testing.T) {
	g, _, box, stop := startPlain(t)
	stop()
	s := g.shards[0]
	for i, err := range []error{nettest.ErrOverload, errors.New("cancelled")} {
		a := assignment(1, 3600)
		row, _ := g.rowOf(a.GetSpec(), 0)
		chk, err2 := NewChecker(nil, nil).prepare(&checkv1.CheckSpec{MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, TcpConfig: &checkv1.TcpConfig{Host: ptr("127.0.0.1"), Port: ptr(int32(1))}})
		if err2 != nil {
			t.Fatal(err2)
		}
		e := &entry{plan: &plan{row: row, check: chk, host: g.limits.enter("h")}, running: 1}
		if err := e.plan.follow(a); err != nil {
			t.Fatal(err)
		}
		g.limits.try(e.plan.host)
		g.metrics.running.Add(1)
		g.checks.Add(1)
		tag := s.flights.put(flight{e, e.plan, 1e12})
		s.Done(tag, &nettest.TestResult{Timestamp: time.Now(), Status: nettest.StatusError}, err)
		b, err := box.Read(t.Context(), uint64(i), 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := results(t, b)[0]
		if want := []missedReason{missedOverload, missedOffline}[i]; r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED || r.GetErrorType() != string(want) || e.running != 0 {
			t.Errorf("row %v, want missed for %s", r, want)
		}
	}
}

// countingLoop counts what a shard starts.
type countingLoop struct {
	tcpLoop
	mu *sync.Mutex
	n  *int
}

func (l countingLoop) Start(runs []nettest.TCPRun) {
	l.mu.Lock()
	*l.n += len(runs)
	l.mu.Unlock()
	l.tcpLoop.Start(runs)
}

func (l countingLoop) started() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.n
}

// startPlain is an engine with real checks of private addresses.
func startPlain(t *testing.T) (g *engine, counted countingLoop, box Outbox, stop func()) {
	t.Helper()
	cfg, err := Config{ProberID: "p1", Region: "local"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := egress.ParsePolicy([]string{"private"})
	if err != nil {
		t.Fatal(err)
	}
	checker := NewChecker(policy, nil)
	counted, box = countingLoop{mu: new(sync.Mutex), n: new(int)}, NewMemoryOutbox(1000, 1<<20)
	newLoop := func() (tcpLoop, error) {
		l, err := nettest.NewTCPLoop(checker.network, nettest.LoopOptions{})
		return countingLoop{l, counted.mu, counted.n}, err
	}
	g = newEngine(cfg, checker.prepare, newLoop, box, m, newTracer(nil, -1), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { g.run(ctx, time.Second) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return g, counted, box, stop
}

// slowerThanAnHour is a rule that no check fulfils.
func slowerThanAnHour() *checkv1.ValidationRule {
	return &checkv1.ValidationRule{
		Type: checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, Operator: ptr(checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN), Value: structpb.NewNumberValue(3_600_000),
	}
}
