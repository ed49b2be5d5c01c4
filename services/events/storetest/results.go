package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// Results runs the suite. open returns an empty store that is closed when the test ends.
func Results(t *testing.T, open func(t *testing.T) events.ResultStore) {
	tests := []struct {
		name string
		run  func(t *testing.T, s events.ResultStore)
	}{
		{"an empty store", emptyResults},
		{"what is appended is listed", resultRoundTrip},
		{"headers", resultHeaders},
		{"a repeat is the same result", resultRepeats},
		{"lists", resultLists},
		{"lists are paged", resultPages},
		{"counts are those of lists", resultCounts},
		{"sums are those of the results", resultSums},
		{"sums of dense results", resultDenseSums},
		{"mean response times", resultMeans},
		{"replay", resultReplay},
		{"last slots", resultLastSlots},
		{"readers see each result once", resultConcurrency},
		{"pruning", resultPrunes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

// full is a result with every field set.
func full(id uint32, region string, slot time.Time) events.Result {
	return events.Result{
		MonitorID: id, OrganizationID: "org-1", Region: region, ScheduledAt: slot, StartedAt: slot.Add(7 * time.Millisecond),
		Outcome: events.Failure, ResponseTime: 123456 * time.Microsecond, DNS: 0, TCP: 2 * time.Microsecond, TLS: 3 * time.Millisecond,
		TTFB: 4 * time.Second, Transfer: events.Absent, StatusCode: 503, Size: 0, ValidationErrors: []string{"status is 503", "\"é\""},
		Headers: map[string]string{"Content-Type": "text/html", "X-Ünusual": "a, b"}, ErrorType: "validation_failed",
		ErrorMessage: "Status 503 is not among those allowed.", FailedPhase: 8, Attempt: 3, ProberID: "prober-1", ResolvedIP: "2001:db8::1",
		Family: 2, TLSVersion: "1.3", CertExpiresAt: t0.AddDate(0, 2, 0), Epoch: 1<<41 + 1, ConfigVersion: 1 << 40, Kind: 1, URL: "https://example.com/ä?b=c",
		Name: "the \"api\"", Port: 8443,
	}
}

// success is a plain one.
func success(id uint32, region string, slot time.Time) events.Result {
	return events.Result{
		MonitorID: id, OrganizationID: "org-1", Region: region, ScheduledAt: slot, StartedAt: slot, Outcome: events.Success,
		ResponseTime: 20 * time.Millisecond, DNS: time.Millisecond, TCP: 19 * time.Millisecond, TLS: events.Absent, TTFB: events.Absent,
		Transfer: events.Absent, Size: events.Absent, Attempt: 1, ProberID: "prober-1", ConfigVersion: 1, Kind: 2, URL: "tcp://example.com:443",
		Name: "tcp", Port: 443,
	}
}

func missed(id uint32, region string, slot time.Time, count uint32, next time.Time) events.Result {
	r := success(id, region, slot)
	r.Outcome, r.MissedCount, r.NextScheduledAt, r.ErrorType, r.ErrorMessage = events.Missed, count, next, "overload", "too busy"
	r.ResponseTime, r.DNS, r.TCP, r.Attempt = 0, events.Absent, events.Absent, 0
	return r
}

func add(t *testing.T, s events.ResultStore, results ...events.Result) {
	t.Helper()
	n, err := s.Append(t.Context(), results)
	must(t, err)
	if n != len(results) {
		t.Fatalf("added %d of %d", n, len(results))
	}
}

func listed(t *testing.T, s events.ResultStore, q events.ResultQuery) []events.Result {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	out, err := s.List(t.Context(), q)
	must(t, err)
	return out
}

// settled runs a check on what is new, then again on what has been maintained.
func settled(t *testing.T, s events.ResultStore, check func()) {
	t.Helper()
	check()
	if t.Failed() {
		return
	}
	must(t, s.Maintain(t.Context(), false))
	check()
	must(t, s.Maintain(t.Context(), true))
	check()
}

func emptyResults(t *testing.T, s events.ResultStore) {
	ctx := t.Context()
	same(t, []events.Result(nil), listed(t, s, events.ResultQuery{MonitorID: 1}))
	n, err := s.Count(ctx, events.ResultQuery{MonitorID: 1})
	must(t, err)
	sums, err := s.Summarize(ctx, 1, "", []time.Time{at(0), at(60), at(120)})
	must(t, err)
	if n != 0 || len(sums) != 2 || sums[0].Rows(0)+sums[1].Rows(0) != 0 {
		t.Errorf("count %d, sums %+v", n, sums)
	}
	means, err := s.MeanResponses(ctx, []uint32{1}, at(0))
	must(t, err)
	slots, err := s.LastSlots(ctx, events.SlotQuery{Region: "eu"})
	must(t, err)
	if len(means)+len(slots) != 0 {
		t.Errorf("means %v, slots %v", means, slots)
	}
	must(t, s.Replay(ctx, 1, map[string]time.Time{"eu": {}}, func(*events.Result) error { return errors.New("called") }))
	must(t, s.Maintain(ctx, true))
	must(t, s.Prune(ctx, at(0)))
	added, err := s.Append(ctx, nil)
	if err != nil || added != 0 {
		t.Errorf("append nothing: %d, %v", added, err)
	}
}

func resultRoundTrip(t *testing.T, s events.ResultStore) {
	want := []events.Result{
		missed(7, "eu", at(90), 4, at(210)), success(7, "eu", at(60)), full(7, "eu", at(30)), full(7, "eu", at(0)),
	}
	want[2].StartedAt = want[2].ScheduledAt.Add(-3 * time.Millisecond) // a clock that was set back
	want[2].Outcome, want[2].CertExpiresAt, want[2].ValidationErrors = events.ObserverFault, time.Time{}, nil
	want[3].Outcome = events.Timeout
	fine := slices.Clone(want)
	fine[2].ResponseTime += 499 * time.Nanosecond // finer than what is kept
	fine[1].NextScheduledAt = at(95)              // not kept
	add(t, s, fine...)
	settled(t, s, func() { same(t, want, listed(t, s, events.ResultQuery{MonitorID: 7})) })
}

func resultHeaders(t *testing.T, s events.ResultStore) {
	headers := func(kind, id string) map[string]string {
		return map[string]string{"Content-Type": kind, "X-Id": id, "Date": "now " + id}
	}
	var all []events.Result
	for i := range 40 {
		r := success(7, "eu", at(i))
		r.Headers = headers("text/html", fmt.Sprint(i))
		if i >= 20 {
			r.Headers = headers("text/plain", fmt.Sprint(i))
		}
		all = append(all, r)
	}
	broken := full(7, "eu", at(100))
	all = append(all, broken)
	add(t, s, all...)
	settled(t, s, func() {
		got := listed(t, s, events.ResultQuery{MonitorID: 7})
		slices.Reverse(got)
		same(t, broken.Headers, got[40].Headers)
		for i := range 40 {
			// Stable headers are there; those that differ may be missing, but are never another answer's.
			if got[i].Headers["Content-Type"] != all[i].Headers["Content-Type"] {
				t.Fatalf("result %d has headers %v, sent %v", i, got[i].Headers, all[i].Headers)
			}
			for name, value := range got[i].Headers {
				if all[i].Headers[name] != value {
					t.Fatalf("result %d has %s %q, sent %q", i, name, value, all[i].Headers[name])
				}
			}
		}
	})
}

func resultRepeats(t *testing.T, s events.ResultStore) {
	first := []events.Result{success(7, "eu", at(0)), success(7, "us", at(0)), success(8, "eu", at(0)), success(7, "eu", at(30))}
	add(t, s, first...)
	other := full(7, "eu", at(0)) // the same slot, other news: too late
	again := append(slices.Clone(first), other, success(7, "eu", at(15)), success(7, "eu", at(15)))
	for range 3 {
		n, err := s.Append(t.Context(), again)
		must(t, err)
		want := 0
		if again[5].Attempt == 1 {
			want, again[5].Attempt, again[6].Attempt = 1, 2, 2
		}
		if n != want {
			t.Fatalf("added %d, want %d", n, want)
		}
		got := listed(t, s, events.ResultQuery{MonitorID: 7})
		same(t, []events.Result{first[3], success(7, "eu", at(15)), first[1], first[0]}, got)
		must(t, s.Maintain(t.Context(), true))
	}
}

// scattered appends results of two regions over three months, some of them late, and returns them in the order of a list.
func scattered(t *testing.T, s events.ResultStore, id uint32) []events.Result {
	t.Helper()
	var all []events.Result
	for i := range 48 {
		slot := t0.Add(time.Duration(i-24) * 45 * time.Hour) // 45 days to either side
		for j, region := range []string{"eu", "us"} {
			r := success(id, region, slot)
			switch (i + j) % 6 {
			case 1:
				r = full(id, region, slot)
			case 2:
				r = full(id, region, slot)
				r.Outcome, r.ErrorType = events.Timeout, "connection_timeout"
			case 3:
				r = missed(id, region, slot, 3, slot.Add(time.Minute))
			case 4:
				r = full(id, region, slot)
				r.Outcome, r.ErrorType = events.ObserverFault, "resolver_unavailable"
			}
			all = append(all, r)
		}
	}
	var early, late []events.Result
	for i, r := range all {
		if i%7 == 3 {
			late = append(late, r)
			continue
		}
		early = append(early, r)
	}
	add(t, s, early...)
	must(t, s.Maintain(t.Context(), true))
	add(t, s, late...)
	slices.SortFunc(all, func(a, b events.Result) int {
		if c := b.ScheduledAt.Compare(a.ScheduledAt); c != 0 {
			return c
		}
		if a.Region > b.Region {
			return -1
		}
		return 1
	})
	return all
}

// wanted filters a list as a query does.
func wanted(all []events.Result, q events.ResultQuery) []events.Result {
	var out []events.Result
	for _, r := range all {
		before := q.Before.ScheduledAt
		switch {
		case q.Region != "" && r.Region != q.Region, !q.From.IsZero() && r.ScheduledAt.Before(q.From), !q.To.IsZero() && !r.ScheduledAt.Before(q.To),
			len(q.Outcomes) > 0 && !slices.Contains(q.Outcomes, r.Outcome), q.ErrorType != "" && r.ErrorType != q.ErrorType,
			!before.IsZero() && (r.ScheduledAt.After(before) || r.ScheduledAt.Equal(before) && r.Region >= q.Before.Region):
			continue
		}
		out = append(out, r)
	}
	out = out[min(q.Offset, len(out)):]
	if q.Limit > 0 {
		out = out[:min(q.Limit, len(out))]
	}
	return out
}

func queries(id uint32) map[string]events.ResultQuery {
	month := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	out := map[string]events.ResultQuery{
		"all": {}, "a region": {Region: "us"}, "no region": {Region: "mars"}, "from": {From: t0}, "to": {To: t0},
		"a month": {From: month, To: month.AddDate(0, 1, 0)}, "a day": {From: t0, To: t0.AddDate(0, 0, 1)}, "nothing": {From: t0, To: t0},
		"successes": {Outcomes: []events.Outcome{events.Success}}, "faults": {Outcomes: []events.Outcome{events.Failure, events.Timeout}},
		"missed": {Outcomes: []events.Outcome{events.Missed}}, "one outcome twice": {Outcomes: []events.Outcome{events.Timeout, events.Timeout}},
		"an error type": {ErrorType: "connection_timeout"}, "no error type": {ErrorType: "tls_error"},
		"all of it":                         {ErrorType: "overload", Outcomes: []events.Outcome{events.Missed}, Region: "eu", From: t0.AddDate(0, 0, -20), To: t0.AddDate(0, 0, 20)},
		"a type that is not of the outcome": {ErrorType: "overload", Outcomes: []events.Outcome{events.Failure}},
	}
	for name, q := range out {
		q.MonitorID = id
		out[name] = q
	}
	return out
}

func resultLists(t *testing.T, s events.ResultStore) {
	scattered(t, s, 6)
	all := scattered(t, s, 7)
	settled(t, s, func() {
		for name, q := range queries(7) {
			t.Run(name, func(t *testing.T) {
				same(t, wanted(all, q), listed(t, s, q))
				q.Limit = 5
				for _, q.Offset = range []int{1, 20, 95, 5000} {
					same(t, wanted(all, q), listed(t, s, q))
				}
			})
		}
	})
}

func resultPages(t *testing.T, s events.ResultStore) {
	all := scattered(t, s, 7)
	settled(t, s, func() {
		for name, q := range queries(7) {
			t.Run(name, func(t *testing.T) {
				want := wanted(all, q)
				var got []events.Result
				q.Limit = 6
				for range len(all) {
					page := listed(t, s, q)
					got = append(got, page...)
					if len(page) < q.Limit {
						break
					}
					last := page[len(page)-1]
					q.Before = events.ResultPlace{ScheduledAt: last.ScheduledAt, Region: last.Region}
				}
				same(t, want, got)
			})
		}
	})
}

func resultCounts(t *testing.T, s events.ResultStore) {
	all := scattered(t, s, 7)
	settled(t, s, func() {
		for name, q := range queries(7) {
			n, err := s.Count(t.Context(), q)
			must(t, err)
			if want := len(wanted(all, q)); int(n) != want {
				t.Errorf("%s: counted %d, want %d", name, n, want)
			}
		}
	})
}
