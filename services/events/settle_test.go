package events_test

import (
	"testing"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// patient is a store that wants its results seldom.
type patient struct{ events.ResultStore }

func (patient) BatchSize() int            { return 50_000 }
func (patient) BatchDelay() time.Duration { return time.Hour }

// A prober that starts is told of what its predecessor has sent, also if that is not stored yet.
func TestLastSlotsCountWhatIsQueued(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) { d.Results = patient{d.Results} })
	p := r.prober()
	p.send(result(7, "o1", t0, ok))
	eventually(t, "the result to be judged", func() bool { return r.status(7).GetCurrentStatus() == up })
	resp, err := eventsv1.NewRecorderServiceClient(r.conn).ListLastSlots(rpctest.AsService(t.Context()), &eventsv1.ListLastSlotsRequest{Region: "local"})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.GetSlots()) != 1 || !resp.GetSlots()[0].GetScheduledAt().AsTime().Equal(t0) {
		t.Errorf("last slots %v, want that of the queued result", resp.GetSlots())
	}
}
