package observe_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/frogstats/uptime/internal/telemetry/observe"
)

func TestSet(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	n := int64(1)
	s := observe.New(mp.Meter("test"))
	s.Gauge("depth", "s", "d", func() float64 { return float64(n) / 2 })
	s.Counter("done", "d", func() int64 { return n })
	s.CounterBy("ended", "d", "how", map[string]func() int64{"well": func() int64 { return n }, "badly": func() int64 { return 2 * n }})
	if err := s.Register(); err != nil {
		t.Fatal(err)
	}
	for ; n <= 2; n++ {
		var got metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &got); err != nil {
			t.Fatal(err)
		}
		seen := map[string]float64{}
		for _, m := range got.ScopeMetrics[0].Metrics {
			switch d := m.Data.(type) {
			case metricdata.Gauge[float64]:
				seen[m.Name+m.Unit] = d.DataPoints[0].Value
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					how, _ := p.Attributes.Value("how")
					seen[m.Name+how.AsString()] = float64(p.Value)
				}
			}
		}
		f := float64(n)
		if diff := cmp.Diff(map[string]float64{"depths": f / 2, "done": f, "endedwell": f, "endedbadly": 2 * f}, seen); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestBadName(t *testing.T) {
	s := observe.New(sdkmetric.NewMeterProvider().Meter("test"))
	s.Counter("no name can have blanks", "d", func() int64 { return 0 })
	if s.Register() == nil {
		t.Error("an instrument that cannot be made was registered")
	}
}
