package events_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/telemetry"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
	"github.com/frogstats/uptime/services/events"
)

// Stores that make a span of their own under a traced call, as drivers do.
type (
	tracedHistory struct {
		events.ResultStore
		tracer trace.Tracer
	}
	tracedStates struct {
		events.StateStore
		tracer trace.Tracer
	}
)

func (s tracedHistory) Append(ctx context.Context, results []events.Result) (int, error) {
	if trace.SpanFromContext(ctx).IsRecording() {
		_, span := s.tracer.Start(ctx, "INSERT")
		defer span.End()
	}
	return s.ResultStore.Append(ctx, results)
}

func (s tracedStates) Commit(ctx context.Context, c events.Commit) error {
	if trace.SpanFromContext(ctx).IsRecording() {
		_, span := s.tracer.Start(ctx, "COMMIT")
		defer span.End()
	}
	return s.StateStore.Commit(ctx, c)
}

// traceparent is the context of the nth traced check.
func traceparent(n int) (string, trace.SpanContext) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0: 1, 15: byte(n)}, SpanID: trace.SpanID{0: 2, 7: byte(n)}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	return fmt.Sprintf("00-%s-%s-01", sc.TraceID(), sc.SpanID()), sc
}

func recorded(t *testing.T) (*running, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) {
		d.TracerProvider = tp
		d.Results, d.State = tracedHistory{d.Results, tp.Tracer("driver")}, tracedStates{d.State, tp.Tracer("driver")}
	})
	return r, spans
}

// A traced check is followed into both stores; of several in one batch the first is the parent and the others are linked.
func TestTracedResults(t *testing.T) {
	r, rec := recorded(t)
	p := r.prober()
	p.send(result(7, "o1", t0, ok))
	p.sync()
	if n := len(rec.Ended()); n != 0 {
		t.Fatalf("%d spans of a result that is not traced", n)
	}
	one, first := traceparent(1)
	two, second := traceparent(2)
	p.parents = map[uint32]string{
		0: strings.TrimSuffix(one, "01") + "00", // not sampled
		1: one, 2: "nonsense", 3: two, 9: one,   // and one of a result that is not there
	}
	var batch []*checkv1.CheckResult
	for i := range 5 {
		batch = append(batch, result(7, "o1", t0.Add(time.Duration(i+1)*time.Second), fail))
	}
	p.send(batch...)
	p.sync()
	r.stop()

	byName := map[string][]sdktrace.ReadOnlySpan{}
	for _, s := range rec.Ended() {
		byName[s.Name()] = append(byName[s.Name()], s)
	}
	if got := byName["record"]; len(got) != 2 || !got[0].Parent().Equal(first) || !got[1].Parent().Equal(second) || got[0].SpanKind() != trace.SpanKindConsumer {
		t.Errorf("record: %v", tracetest.SpanStubsFromReadOnlySpans(got))
	}
	for work, inside := range map[string]string{"append results": "INSERT", "commit judgement": "COMMIT"} {
		if len(byName[work]) != 1 || len(byName[inside]) != 1 {
			t.Errorf("%d × %s with %d × %s, want one each", len(byName[work]), work, len(byName[inside]), inside)
			continue
		}
		s, child := byName[work][0], byName[inside][0]
		if !s.Parent().Equal(first) || len(s.Links()) != 1 || !s.Links()[0].SpanContext.Equal(second) {
			t.Errorf("%s is under %v with links %v", work, s.Parent(), s.Links())
		}
		if child.Parent().SpanID() != s.SpanContext().SpanID() {
			t.Errorf("%s is not under %s", inside, work)
		}
	}
}

// What a store cannot take is told with the trace of the check, as far as there is one.
func TestFailuresNameTheirTrace(t *testing.T) {
	var log lockedBuffer
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) {
		d.TracerProvider = sdktrace.NewTracerProvider()
		d.Log = telemetry.NewLogger(&log, telemetry.LogOptions{})
	})
	parent, sc := traceparent(1)
	p := r.prober()
	p.parents = map[uint32]string{0: parent}
	r.results.failing.Store(true)
	r.states.failing.Store(true)
	p.send(result(7, "o1", t0, ok))
	for _, what := range []string{"results not stored", "judgement not committed"} {
		eventually(t, what, func() bool {
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, what) && strings.Contains(line, `"trace_id":"`+sc.TraceID().String()+`"`) {
					return true
				}
			}
			return false
		})
	}
	r.results.failing.Store(false)
	r.states.failing.Store(false)
	p.sync()
}

// lockedBuffer is a buffer that many may write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestLinksAreBounded(t *testing.T) {
	r, rec := recorded(t)
	p := r.prober()
	p.parents = map[uint32]string{}
	var batch []*checkv1.CheckResult
	for i := range 200 {
		p.parents[uint32(i)], _ = traceparent(i)
		batch = append(batch, result(7, "o1", t0.Add(time.Duration(i)*time.Millisecond), ok))
	}
	p.send(batch...)
	p.sync()
	r.stop()
	records := 0
	for _, s := range rec.Ended() {
		switch s.Name() {
		case "record":
			records++
		case "append results", "commit judgement":
			if len(s.Links()) != 128 || s.DroppedLinks() != 0 {
				t.Errorf("%s has %d links and dropped %d", s.Name(), len(s.Links()), s.DroppedLinks())
			}
		}
	}
	if records != 200 {
		t.Errorf("%d records, want 200", records)
	}
}

// Every figure moves with what it counts.
func TestMetrics(t *testing.T) {
	tel := telemetrytest.New(t)
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) { d.MeterProvider = tel.MeterProvider() })
	is := func(want float64, name string, labels ...string) {
		t.Helper()
		if got := tel.Sum(t, name, labels...); got != want {
			t.Errorf("%s%v is %v, want %v", name, labels, got, want)
		}
	}
	atLeast := func(name string) {
		t.Helper()
		if tel.Sum(t, name) == 0 {
			t.Errorf("%s has not moved", name)
		}
	}
	r.service.LimitQueues(1000, 10)
	feed, err := eventsv1.NewFeedServiceClient(r.conn).ReadFeed(rpctest.AsService(t.Context()), &eventsv1.ReadFeedRequest{})
	if err != nil {
		t.Fatal(err)
	}
	p := r.prober()
	p.send(result(7, "o1", t0, ok), result(7, "o1", t0.Add(time.Second), fail), result(7, "o1", t0.Add(2*time.Second), fail))
	p.sync()
	p.send(result(7, "o1", t0, ok)) // again
	p.sync()
	is(4, "frogup_events_received_results_total")
	is(3, "frogup_events_appended_results_total")
	is(2, "frogup_events_append_rows_count")
	is(4, "frogup_events_append_rows_sum")
	is(2, "frogup_events_append_duration_seconds_count")
	is(1, "frogup_events_probers")
	is(1, "frogup_events_feed_readers")
	is(0, "frogup_events_archive_queue")
	is(0, "frogup_events_archive_age_seconds")
	atLeast("frogup_events_commit_duration_seconds_count")
	for tel.Sum(t, "frogup_events_feed_head") < 1 {
		if _, err := feed.Recv(); err != nil {
			t.Fatal(err)
		}
	}

	p.send(result(99, "o1", t0, ok)) // nobody knows it
	p.sync()
	is(1, "frogup_events_waiting_results")

	r.results.failing.Store(true)
	for i := range 12 {
		p.send(result(7, "o1", t0.Add(time.Minute+time.Duration(i)*time.Millisecond), ok))
	}
	eventually(t, "a failure", func() bool { return tel.Sum(t, "frogup_events_append_failures_total") > 0 })
	eventually(t, "a full queue", func() bool { return tel.Sum(t, "frogup_events_refused_results_total", `queue="archive"`) == 2 })
	is(0, "frogup_events_refused_results_total", `queue="judge"`)
	is(10, "frogup_events_archive_queue")
	atLeast("frogup_events_archive_age_seconds")
	r.results.failing.Store(false)
	eventually(t, "an empty queue", func() bool { return tel.Sum(t, "frogup_events_archive_queue") == 0 })

	r.states.failing.Store(true)
	p = r.prober()
	p.send(result(7, "o1", t0.Add(2*time.Minute), fail), result(7, "o1", t0.Add(2*time.Minute+time.Second), fail))
	eventually(t, "a failed commit", func() bool { return tel.Sum(t, "frogup_events_commit_failures_total") > 0 })
	p.send(result(7, "o1", t0.Add(3*time.Minute), ok))
	eventually(t, "something that waits for a commit", func() bool { return tel.Sum(t, "frogup_events_judge_queue") > 0 })
	r.states.failing.Store(false)
	eventually(t, "an empty judge", func() bool { return tel.Sum(t, "frogup_events_judge_queue") == 0 })
	for _, a := range []attribute.Key{"monitor", "organization", "prober"} {
		if strings.Contains(tel.Scrape(t), string(a)+"_id=") {
			t.Errorf("there are series by %s", a)
		}
	}
}
