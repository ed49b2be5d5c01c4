package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/frogstats/uptime/services/events"
)

func entry(org string, id uint32, kind events.FeedKind, body string) events.FeedRow {
	return events.FeedRow{OrganizationID: org, MonitorID: id, Kind: kind, Body: []byte(body)}
}

// bodies are the contents of a page, in order; it fails if numbers do not rise.
func bodies(t *testing.T, p events.FeedPage) []string {
	t.Helper()
	var out []string
	for i, r := range p.Rows {
		if i > 0 && r.Seq <= p.Rows[i-1].Seq {
			t.Errorf("number %d after %d", r.Seq, p.Rows[i-1].Seq)
		}
		out = append(out, string(r.Body))
	}
	return out
}

func feedNumbers(t *testing.T, s events.StateStore) {
	one := entry("org-1", 7, events.FeedTransition, "a")
	must(t, s.Commit(t.Context(), events.Commit{Feed: []events.FeedRow{one, entry("org-2", 8, events.FeedObservation, "b")}, At: at(0)}))
	must(t, s.Commit(t.Context(), events.Commit{Feed: []events.FeedRow{entry("org-1", 7, events.FeedTransition, "c")}, At: at(1)}))
	page, err := s.Feed(t.Context(), events.FeedQuery{Limit: 10})
	must(t, err)
	same(t, []string{"a", "b", "c"}, bodies(t, page))
	if page.Head != page.Rows[2].Seq || page.PrunedTransitions != 0 || page.PrunedObservations != 0 {
		t.Errorf("head %d, pruned %d and %d", page.Head, page.PrunedTransitions, page.PrunedObservations)
	}
	one.Seq = page.Rows[0].Seq
	same(t, one, page.Rows[0])
	rest, err := s.Feed(t.Context(), events.FeedQuery{After: one.Seq, Limit: 1})
	must(t, err)
	same(t, []string{"b"}, bodies(t, rest))
	end, err := s.Feed(t.Context(), events.FeedQuery{After: page.Head, Limit: 1})
	must(t, err)
	same(t, events.FeedPage{Head: page.Head}, end)
}

func feedFilters(t *testing.T, s events.StateStore) {
	must(t, s.Commit(t.Context(), events.Commit{At: at(0), Feed: []events.FeedRow{
		entry("org-1", 1, events.FeedTransition, "a"), entry("org-2", 2, events.FeedTransition, "b"), entry("org-1", 3, events.FeedTransition, "c"),
		entry("org-1", 1, events.FeedObservation, "d"),
	}}))
	tests := []struct {
		q    events.FeedQuery
		want []string
	}{
		{events.FeedQuery{OrganizationID: "org-1", Limit: 10}, []string{"a", "c", "d"}},
		{events.FeedQuery{OrganizationID: "org-1", MonitorIDs: []uint32{1, 2}, Limit: 10}, []string{"a", "d"}},
		{events.FeedQuery{OrganizationID: "org-1", Limit: 2}, []string{"a", "c"}},
		{events.FeedQuery{OrganizationID: "org-3", Limit: 10}, nil},
	}
	for _, tt := range tests {
		page, err := s.Feed(t.Context(), tt.q)
		must(t, err)
		same(t, tt.want, bodies(t, page))
	}
}

func feedPrunes(t *testing.T, s events.StateStore) {
	for i, kind := range []events.FeedKind{1, 2, 2, 1, 2, 1, 2} {
		must(t, s.Commit(t.Context(), events.Commit{At: at(10 * i), Feed: []events.FeedRow{entry("org-1", 1, kind, fmt.Sprint(kind, "@", 10*i))}}))
	}
	all, err := s.Feed(t.Context(), events.FeedQuery{Limit: 10})
	must(t, err)
	steps := []struct {
		p                         events.PruneBefore
		want                      []string
		transitions, observations int // last that is gone, from 1; 0 is none
	}{
		{events.PruneBefore{}, []string{"1@0", "2@10", "2@20", "1@30", "2@40", "1@50", "2@60"}, 0, 0},
		{events.PruneBefore{Observations: at(40)}, []string{"1@0", "1@30", "2@40", "1@50", "2@60"}, 0, 3},
		{events.PruneBefore{Announcements: at(10)}, []string{"1@30", "2@40", "1@50", "2@60"}, 1, 3},
		{events.PruneBefore{Observations: at(41), Announcements: at(31)}, []string{"1@50", "2@60"}, 4, 5},
		{events.PruneBefore{Observations: at(100), Announcements: at(100)}, nil, 6, 7},
	}
	seq := func(n int) uint64 {
		if n == 0 {
			return 0
		}
		return all.Rows[n-1].Seq
	}
	for _, st := range steps {
		must(t, s.Prune(t.Context(), st.p))
		page, err := s.Feed(t.Context(), events.FeedQuery{Limit: 10})
		must(t, err)
		same(t, st.want, bodies(t, page))
		page.Rows = nil
		same(t, events.FeedPage{Head: all.Head, PrunedTransitions: seq(st.transitions), PrunedObservations: seq(st.observations)}, page)
	}
	must(t, s.Commit(t.Context(), events.Commit{At: at(200), Feed: []events.FeedRow{entry("org-1", 1, 1, "new")}}))
	page, err := s.Feed(t.Context(), events.FeedQuery{Limit: 10})
	must(t, err)
	if len(page.Rows) != 1 || page.Rows[0].Seq <= all.Head {
		t.Errorf("after pruning all: %+v, head was %d", page, all.Head)
	}
}

// feedNoGaps follows the feed while many commit, and must in the end have seen everything, in order.
func feedNoGaps(t *testing.T, s events.StateStore) {
	const writers, commits = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range commits {
				c := events.Commit{At: at(i), Feed: []events.FeedRow{entry("org-1", uint32(w), 1, fmt.Sprint(i, "a")), entry("org-1", uint32(w), 2, fmt.Sprint(i, "b"))}}
				if err := s.Commit(t.Context(), c); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	got := map[uint32][]string{}
	after := uint64(0)
	for last := false; ; {
		page, err := s.Feed(t.Context(), events.FeedQuery{After: after, Limit: 7})
		must(t, err)
		bodies(t, page)
		for _, r := range page.Rows {
			got[r.MonitorID] = append(got[r.MonitorID], string(r.Body))
			after = r.Seq
		}
		if len(page.Rows) > 0 {
			continue
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	var want []string
	for i := range commits {
		want = append(want, fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
	}
	for w := range uint32(writers) {
		same(t, want, got[w])
	}
}
