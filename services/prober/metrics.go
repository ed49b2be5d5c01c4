package prober

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/telemetry/observe"
)

// Stats counts slots since the prober started. Started slots end as Finished ones;
// Finished + Missed are all the slots that were due.
type Stats struct {
	Started  uint64
	Finished uint64
	Missed   uint64
}

// metrics counts for Prometheus and for Stats. What can be read when somebody asks is kept in plain counters, because an
// instrument costs a hundred times as much. No attribute names a monitor or a target.
type metrics struct {
	meter metric.Meter

	nStarted, nFinished, nMissed atomic.Uint64
	due, running                 atomic.Int64
	uplinkLost, assignmentsLost  atomic.Int64
	byStatus                     map[checkv1.ResultStatus]*atomic.Int64 // ended checks
	byReason                     map[missedReason]*atomic.Int64         // slots

	lateness metric.Float64Histogram
	duration metric.Float64Histogram
	outcomes map[outcome][]metric.RecordOption
}

// outcome is what durations are told apart by.
type outcome struct {
	kind   checkv1.MonitorType
	status checkv1.ResultStatus
}

func newMetrics(mp metric.MeterProvider) (*metrics, error) {
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	m := &metrics{
		meter: mp.Meter(instrumentation), byStatus: map[checkv1.ResultStatus]*atomic.Int64{},
		byReason: map[missedReason]*atomic.Int64{}, outcomes: map[outcome][]metric.RecordOption{},
	}
	var err error
	if m.lateness, err = m.meter.Float64Histogram("frogup_prober_lateness", metric.WithUnit("s"),
		metric.WithDescription("Time from when a slot was due to when its check started."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)); err != nil {
		return nil, fmt.Errorf("lateness histogram: %w", err)
	}
	if m.duration, err = m.meter.Float64Histogram("frogup_prober_check_duration", metric.WithUnit("s"),
		metric.WithDescription("Time that a check took, all attempts and the pauses between them included, by type and status."),
		metric.WithExplicitBucketBoundaries(.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)); err != nil {
		return nil, fmt.Errorf("duration histogram: %w", err)
	}
	// Attribute sets are made once: they would cost more than the counting.
	for status := range checkv1.ResultStatus_name {
		s := checkv1.ResultStatus(status)
		m.byStatus[s] = new(atomic.Int64)
		for kind := range checkv1.MonitorType_name {
			o := outcome{checkv1.MonitorType(kind), s}
			m.outcomes[o] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("type", typeName(o.kind)), attribute.String("status", statusName(s))))}
		}
	}
	for reason := range missedMessages {
		m.byReason[reason] = new(atomic.Int64)
	}
	return m, nil
}

func (m *metrics) started(late time.Duration) {
	m.nStarted.Add(1)
	m.lateness.Record(context.Background(), late.Seconds())
}

func (m *metrics) finished(kind checkv1.MonitorType, status checkv1.ResultStatus, took time.Duration) {
	m.nFinished.Add(1)
	if n := m.byStatus[status]; n != nil {
		n.Add(1)
	}
	if o := m.outcomes[outcome{kind, status}]; o != nil {
		m.duration.Record(context.Background(), took.Seconds(), o...)
	}
}

func (m *metrics) missed(n int, why missedReason) {
	m.nMissed.Add(uint64(n))
	m.byReason[why].Add(int64(n))
}

func (m *metrics) stats() Stats {
	return Stats{Started: m.nStarted.Load(), Finished: m.nFinished.Load(), Missed: m.nMissed.Load()}
}

// watch reports what is read when somebody asks.
func (m *metrics) watch(g *engine, o Outbox, l *evidenceLink) error {
	set := observe.New(m.meter)
	set.Counter("frogup_prober_due_slots", "Slots that were due; each ends as a result or as a missed one.", m.due.Load)
	set.Gauge("frogup_prober_checks_in_flight", "", "Checks that are running.", func() float64 { return float64(m.running.Load()) })
	set.Gauge("frogup_prober_monitors", "", "Monitors that this prober runs.", func() float64 { return float64(g.size()) })
	set.Gauge("frogup_prober_outbox_results", "", "Results that are not acknowledged as stored.", func() float64 { return float64(o.Pending()) })
	set.Gauge("frogup_prober_outbox_size", "By", "Size of the results that are not acknowledged as stored.",
		func() float64 { return float64(o.Bytes()) })
	set.Gauge("frogup_prober_outbox_age", "s", "Age of the oldest result that is not acknowledged as stored; 0 if there is none.",
		func() float64 { return ageOf(o.Oldest()) })
	set.Counter("frogup_prober_outbox_dropped", "Results given up for want of room.", func() int64 { return int64(o.Dropped()) })
	watchSpool(set, o)
	set.CounterBy("frogup_prober_streams_lost", "Streams to other services that broke, to be opened again.", "stream",
		map[string]func() int64{"uplink": m.uplinkLost.Load, "assignments": m.assignmentsLost.Load})
	set.Gauge("frogup_prober_held_results", "", "Results that wait for word of whether this prober itself was well.",
		func() float64 { return float64(g.observer.held.Load()) })
	set.Counter("frogup_prober_excused_results", "Results that would have blamed a target, and blame this prober.", g.observer.excused.Load)
	set.Counter("frogup_prober_witness_rounds", "Times that the witnesses of a family were asked, with a result.", g.observer.rounds.Load)
	set.Gauge("frogup_prober_faults", "", "Kinds of trouble that this prober has now.",
		func() float64 { return float64(len(g.observer.ailments(time.Now()))) })
	set.Counter("frogup_prober_clock_jumps", "Times that the wall clock was set, or the machine slept.", g.observer.clock.jumps)
	set.Gauge("frogup_prober_stuck_checks", "", "Checks that did not end within their time and still run.",
		func() float64 { return float64(g.guard.count()) })
	if x := g.examiner; x != nil {
		set.CounterBy("frogup_prober_examinations", "First failures, by whether they were looked into or left out for want of room.", "outcome",
			map[string]func() int64{"examined": x.examined.Load, "left_out": x.leftOut.Load})
		set.CounterBy("frogup_prober_evidence", "Pieces of evidence of outages, by whether they were stored or lost.", "outcome",
			map[string]func() int64{"stored": l.stored.Load, "lost": l.lost.Load})
	}
	results, missed := map[string]func() int64{}, map[string]func() int64{}
	for s, n := range m.byStatus {
		if s != checkv1.ResultStatus_RESULT_STATUS_UNSPECIFIED && s != checkv1.ResultStatus_RESULT_STATUS_MISSED {
			results[statusName(s)] = n.Load
		}
	}
	for reason, n := range m.byReason {
		missed[string(reason)] = n.Load
	}
	set.CounterBy("frogup_prober_results", "Checks that ended, by status.", "status", results)
	set.CounterBy("frogup_prober_missed_slots", "Due slots that did not run, by reason.", "reason", missed)
	return set.Register()
}

func ageOf(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(time.Since(t), 0).Seconds()
}
