package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// Evidence runs the suite of evidence. open returns an empty store that is closed when the test ends; its other half has the
// timelines that pin.
func Evidence(t *testing.T, open func(t *testing.T) (events.EvidenceStore, events.StateStore)) {
	tests := []struct {
		name string
		run  func(t *testing.T, e events.EvidenceStore, s events.StateStore)
	}{
		{"what is put is read", evidenceRoundTrip},
		{"a repeat is the same evidence", evidenceRepeat},
		{"reads", evidenceReads},
		{"what was no outage is bounded in time", evidencePrunesOld},
		{"what was no outage is bounded in number", evidencePrunesMany},
		{"what is pinned loses what the target said", evidenceStrips},
		{"goes with its monitor", evidencePrunesDeleted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, s := open(t)
			tt.run(t, e, s)
		})
	}
}

func evidence(id uint32, region string, seconds int) events.Evidence {
	return events.Evidence{
		MonitorID: id, Region: region, ScheduledAt: at(seconds), OrganizationID: "org-1",
		Facts: fmt.Appendf(nil, "facts\x00%d", seconds), Raw: fmt.Appendf(nil, "raw\xff%d", seconds),
	}
}

// read is all evidence of a monitor, newest first.
func read(t *testing.T, s events.EvidenceStore, id uint32) []events.Evidence {
	t.Helper()
	got, err := s.Evidence(t.Context(), events.EvidenceQuery{MonitorID: id, Limit: 1000})
	must(t, err)
	return got
}

func evidenceRoundTrip(t *testing.T, s events.EvidenceStore, _ events.StateStore) {
	same(t, []events.Evidence(nil), read(t, s, 7))
	bare := events.Evidence{MonitorID: 7, Region: "us", ScheduledAt: at(2).Add(3 * time.Millisecond), OrganizationID: "org-1", Facts: []byte{1}}
	must(t, s.PutEvidence(t.Context(), evidence(7, "eu", 1)))
	must(t, s.PutEvidence(t.Context(), bare))
	same(t, []events.Evidence{bare, evidence(7, "eu", 1)}, read(t, s, 7))
	same(t, []events.Evidence(nil), read(t, s, 8))
}

func evidenceRepeat(t *testing.T, s events.EvidenceStore, _ events.StateStore) {
	first, again := evidence(7, "eu", 1), evidence(7, "eu", 1)
	again.Facts, again.OrganizationID = []byte("other"), "org-2"
	must(t, s.PutEvidence(t.Context(), first))
	must(t, s.PutEvidence(t.Context(), again))
	must(t, s.PutEvidence(t.Context(), evidence(7, "us", 1)))
	same(t, []events.Evidence{evidence(7, "us", 1), first}, read(t, s, 7))
}

func evidenceReads(t *testing.T, s events.EvidenceStore, _ events.StateStore) {
	all := []events.Evidence{evidence(7, "eu", 1), evidence(7, "eu", 2), evidence(7, "us", 2), evidence(7, "eu", 3)}
	for _, i := range []int{2, 0, 3, 1} {
		must(t, s.PutEvidence(t.Context(), all[i]))
	}
	must(t, s.PutEvidence(t.Context(), evidence(8, "eu", 2)))
	for _, tt := range []struct {
		name string
		q    events.EvidenceQuery
		want []events.Evidence
	}{
		{"newest first", events.EvidenceQuery{Limit: 9}, []events.Evidence{all[3], all[2], all[1], all[0]}},
		{"oldest first", events.EvidenceQuery{Limit: 9, Oldest: true}, all},
		{"the newest", events.EvidenceQuery{Limit: 1}, all[3:]},
		{"the oldest", events.EvidenceQuery{Limit: 1, Oldest: true}, all[:1]},
		{"a region", events.EvidenceQuery{Region: "us", Limit: 9}, all[2:3]},
		{"a range", events.EvidenceQuery{From: at(2), To: at(3), Limit: 9, Oldest: true}, all[1:3]},
		{"from", events.EvidenceQuery{From: at(3), Limit: 9}, all[3:]},
		{"to", events.EvidenceQuery{To: at(2), Limit: 9}, all[:1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.MonitorID = 7
			got, err := s.Evidence(t.Context(), tt.q)
			must(t, err)
			same(t, tt.want, got)
		})
	}
}

// pin makes outages of a region begin at the moments given.
func pin(t *testing.T, s events.StateStore, id uint32, region string, seconds ...int) {
	t.Helper()
	var c events.Commit
	for i, at := range seconds {
		c.Transitions = append(c.Transitions, transition(id, region, events.Down, at, uint64(2*i+1)))
	}
	must(t, s.Commit(t.Context(), c))
}

func evidencePrunesOld(t *testing.T, s events.EvidenceStore, states events.StateStore) {
	for _, seconds := range []int{1, 2, 3, 4} {
		must(t, s.PutEvidence(t.Context(), evidence(7, "eu", seconds)))
	}
	must(t, s.PutEvidence(t.Context(), evidence(7, "us", 2)))
	pin(t, states, 7, "eu", 2)
	must(t, states.Commit(t.Context(), events.Commit{Transitions: []events.Transition{transition(7, "us", events.Up, 2, 0)}}))
	must(t, states.Prune(t.Context(), events.PruneBefore{}))
	same(t, 5, len(read(t, s, 7)))
	must(t, states.Prune(t.Context(), events.PruneBefore{Evidence: at(4)}))
	same(t, []events.Evidence{evidence(7, "eu", 4), evidence(7, "eu", 2)}, read(t, s, 7))
}

func evidencePrunesMany(t *testing.T, s events.EvidenceStore, states events.StateStore) {
	const more = 5
	for i := range events.EvidencePerMonitor + more {
		must(t, s.PutEvidence(t.Context(), evidence(7, "eu", i)))
		must(t, s.PutEvidence(t.Context(), evidence(8, "eu", i)))
	}
	pin(t, states, 7, "eu", 0, 1)
	must(t, states.Prune(t.Context(), events.PruneBefore{Evidence: at(-1)}))
	got := read(t, s, 7)
	if len(got) != events.EvidencePerMonitor+2 {
		t.Fatalf("%d pieces are left of a monitor of which two are pinned, want %d", len(got), events.EvidencePerMonitor+2)
	}
	same(t, []events.Evidence{evidence(7, "eu", 1), evidence(7, "eu", 0)}, got[events.EvidencePerMonitor:])
	same(t, evidence(7, "eu", events.EvidencePerMonitor+more-1), got[0])
	if got := read(t, s, 8); len(got) != events.EvidencePerMonitor || !got[len(got)-1].ScheduledAt.Equal(at(more)) {
		t.Errorf("%d pieces are left of the other, the oldest of %v", len(got), got[len(got)-1].ScheduledAt)
	}
}

func evidenceStrips(t *testing.T, s events.EvidenceStore, states events.StateStore) {
	must(t, s.PutEvidence(t.Context(), evidence(7, "eu", 1)))
	must(t, s.PutEvidence(t.Context(), evidence(7, "eu", 2)))
	pin(t, states, 7, "eu", 1, 2)
	must(t, states.Prune(t.Context(), events.PruneBefore{Evidence: at(10), EvidenceRaw: at(2)}))
	bare := evidence(7, "eu", 1)
	bare.Raw = nil
	same(t, []events.Evidence{evidence(7, "eu", 2), bare}, read(t, s, 7))
}

func evidencePrunesDeleted(t *testing.T, s events.EvidenceStore, states events.StateStore) {
	for _, id := range []uint32{7, 8} {
		must(t, states.Commit(t.Context(), whole(id)))
		must(t, s.PutEvidence(t.Context(), evidence(id, "eu", 1)))
	}
	gone := monitor(7)
	gone.Deleted, gone.UpdatedAt = true, at(10)
	must(t, states.Commit(t.Context(), events.Commit{Monitors: []events.Monitor{gone}}))
	must(t, states.Prune(t.Context(), events.PruneBefore{Deleted: at(15)}))
	same(t, []events.Evidence(nil), read(t, s, 7))
	same(t, []events.Evidence{evidence(8, "eu", 1)}, read(t, s, 8))
}
