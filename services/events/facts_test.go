package events

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// The feed says which regions see the monitor down, also while that is not all of them, and until when certificates last.
func TestFeedCarriesFacts(t *testing.T) {
	c := newTrial(t, rules(func(m *Monitor) { m.Regions = []string{"a", "b", "c"} }))
	ends := t0.Add(48 * time.Hour)
	for _, step := range []struct {
		kind   byte
		region string
		sec    int
	}{{'S', "a", 0}, {'S', "b", 0}, {'S', "c", 1}, {'F', "b", 10}, {'F', "b", 20}, {'F', "a", 30}, {'F', "a", 35}, {'S', "a", 45}, {'S', "b", 50}} {
		r := result(step.kind, step.region, step.sec)
		if step.kind == 'S' {
			r.CertExpiresAt = ends
		}
		c.j.Result(at(step.sec), &r)
		c.take()
	}
	var got []string
	for i := range c.feed {
		e := feedEntry(&c.feed[i])
		if tr := e.GetTransition(); tr != nil {
			got = append(got, "to "+Status(tr.GetTo()).String())
			got = append(got, tr.GetDownRegions()...)
			continue
		}
		o := e.GetObservation()
		got = append(got, o.GetRegion())
		got = append(got, o.GetDownRegions()...)
		if lasts := o.GetCertificateExpiresAt() != nil; lasts != (o.GetStatus() == 1) || lasts && !o.GetCertificateExpiresAt().AsTime().Equal(ends) {
			t.Errorf("certificate of %v", o)
		}
	}
	want := []string{
		"to up", "a", "b", "c", "b", "to degraded", "b", "b", "b", "a", "b", "to down", "a", "b", "a", "a", "b", "to degraded", "b", "a", "b", "to up", "b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := feedEntry(&FeedItem{Observation: &Observation{}}).GetObservation(); got.CertificateExpiresAt != nil || got.GetCurrentStatus() != eventsv1.CurrentStatus_CURRENT_STATUS_UNSPECIFIED {
		t.Errorf("without TLS: %v", got)
	}
}
