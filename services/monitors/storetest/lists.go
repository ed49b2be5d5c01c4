package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/monitors"
)

func testFilters(t testing.TB, s monitors.Store) {
	yes, no, value := true, false, "a=b"
	http, off, tcp := Example("org"), plain("org", "Off"), plain("org", "Tür ÄÖ")
	off.Config.Enabled = false
	tcp.Config.Labels = map[string]string{"team": "c"}
	http, off, tcp = insert(t, s, http), insert(t, s, off), insert(t, s, tcp)
	insert(t, s, plain("other", "elsewhere"))
	h, o, c := http.Config.Name, off.Config.Name, tcp.Config.Name
	tests := []struct {
		name string
		f    monitors.Filter
		want []string
	}{
		{"all", monitors.Filter{}, []string{c, o, h}},
		{"enabled", monitors.Filter{Enabled: &yes}, []string{c, h}},
		{"disabled", monitors.Filter{Enabled: &no}, []string{o}},
		{"type", monitors.Filter{Type: monitors.TypeHTTP}, []string{h}},
		{"region", monitors.Filter{Region: "eu-1"}, []string{h}},
		{"every region", monitors.Filter{Region: "local"}, []string{c, o, h}},
		{"part of a region", monitors.Filter{Region: "eu"}, []string{}},
		{"text in the name", monitors.Filter{Text: "off"}, []string{o}},
		{"text beyond ASCII", monitors.Filter{Text: "tür äö"}, []string{c}},
		{"text in the URL", monitors.Filter{Text: "example.com/health?x"}, []string{h}},
		{"text in the host", monitors.Filter{Text: "[::1]:5432"}, []string{c, o}},
		{"text is no pattern", monitors.Filter{Text: "%_"}, []string{h}},
		{"text with a quote", monitors.Filter{Text: "'quoted'"}, []string{h}},
		{"text of one character", monitors.Filter{Text: "ö"}, []string{c}},
		{"text of two characters", monitors.Filter{Text: "x="}, []string{h}},
		{"text of pieces that are there", monitors.Filter{Text: "example.com/health?x=1://"}, []string{}},
		{"text across name and URL", monitors.Filter{Text: "off\ntcp"}, []string{o}},
		{"text that nothing can hold", monitors.Filter{Text: "o\x00"}, []string{}},
		{"region that nothing can hold", monitors.Filter{Region: "local\x00"}, []string{}},
		{"label", monitors.Filter{Labels: []monitors.LabelFilter{{Key: "team"}}}, []string{c, h}},
		{"label and value", monitors.Filter{Labels: []monitors.LabelFilter{{Key: "team", Value: &value}}}, []string{h}},
		{"two labels", monitors.Filter{Labels: []monitors.LabelFilter{{Key: "team"}, {Key: "tier/x"}}}, []string{h}},
		{"label with no value", monitors.Filter{Labels: []monitors.LabelFilter{{Key: "tier/x", Value: new(string)}}}, []string{h}},
		{"another value of a label", monitors.Filter{Labels: []monitors.LabelFilter{{Key: "team", Value: new(string)}}}, []string{}},
		{"no such label", monitors.Filter{Labels: []monitors.LabelFilter{{Key: "x"}}}, []string{}},
		{"external id", monitors.Filter{ExternalID: "ext-1"}, []string{h}},
		{"ids", monitors.Filter{IDs: &monitors.IDFilter{In: []uint32{off.ID, http.ID, 999}}}, []string{o, h}},
		{"no ids", monitors.Filter{IDs: &monitors.IDFilter{}}, []string{}},
		{"others", monitors.Filter{IDs: &monitors.IDFilter{Others: &yes, NotIn: []uint32{http.ID}}}, []string{c}},
		{"ids and others", monitors.Filter{IDs: &monitors.IDFilter{In: []uint32{http.ID}, Others: &no}}, []string{o, h}},
		{"others and a condition", monitors.Filter{Type: monitors.TypeHTTP, IDs: &monitors.IDFilter{In: []uint32{off.ID}, Others: &yes}}, []string{h}},
		{"before", monitors.Filter{Before: off.ID}, []string{h}},
		{"several", monitors.Filter{Enabled: &yes, Region: "local", Text: "t", Before: tcp.ID}, []string{h}},
	}
	for _, tt := range tests {
		tt.f.OrganizationID, tt.f.Limit = "org", 10
		if got := names(t, s, tt.f); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		tt.f.Limit = 1 // a full page may be found in another way
		if got := names(t, s, tt.f); !slices.Equal(got, tt.want[:min(1, len(tt.want))]) {
			t.Errorf("%s: the first is %q, want that of %q", tt.name, got, tt.want)
		}
	}
}

func testPages(t testing.TB, s monitors.Store) {
	const n = 25
	var want []string
	for i := range n {
		m := insert(t, s, plain("org", fmt.Sprint("m", i)))
		want = append([]string{m.Config.Name}, want...)
	}
	var got []string
	var before uint32
	for page := 0; page <= n; page++ {
		ms, err := s.Monitors(t.Context(), monitors.Filter{OrganizationID: "org", Before: before, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		if len(ms) > 7 {
			t.Fatalf("page of %d", len(ms))
		}
		for _, m := range ms {
			got, before = append(got, m.Config.Name), m.ID
		}
		if len(ms) < 7 {
			break
		}
		if page == 0 { // what comes in meanwhile does not shift the pages
			insert(t, s, plain("org", "late"))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages together: got %q, want %q", got, want)
	}
}

// changed reads all changes after rev in pages of limit.
func changed(ctx context.Context, s monitors.Store, rev int64, limit int) ([]monitors.Monitor, int64, error) {
	var all []monitors.Monitor
	for {
		ms, err := s.Changes(ctx, rev, limit)
		if err != nil {
			return nil, rev, err
		}
		for _, m := range ms {
			if m.Rev <= rev {
				return nil, rev, fmt.Errorf("monitor %d has rev %d after %d", m.ID, m.Rev, rev)
			}
			rev = m.Rev
		}
		all = append(all, ms...)
		if len(ms) < limit {
			return all, rev, nil
		}
	}
}

func testChanges(t testing.TB, s monitors.Store) {
	a, b, c := insert(t, s, plain("one", "a")), insert(t, s, Example("two")), insert(t, s, plain("one", "c"))
	ms, rev, err := changed(t.Context(), s, 0, 2)
	if err != nil || ids(ms) != fmt.Sprint(a.ID, b.ID, c.ID) {
		t.Fatalf("changes = %s, %v, want all", ids(ms), err)
	}
	same(t, ms[1], b)
	if more, _, err := changed(t.Context(), s, rev, 2); err != nil || len(more) != 0 {
		t.Fatalf("changes after the last = %s, %v", ids(more), err)
	}
	write(t, s, func(tx monitors.Tx) error { // two changes of one monitor are one
		return errors.Join(tx.Update(t.Context(), a), tx.Delete(t.Context(), "two", b.ID, at), tx.Update(t.Context(), a))
	})
	ms, _, err = changed(t.Context(), s, rev, 2)
	if err != nil || ids(ms) != fmt.Sprint(b.ID, a.ID) || !ms[0].Deleted() || ms[1].Deleted() {
		t.Errorf("changes = %s, %v, want the deletion and then the update", ids(ms), err)
	}
}

func ids(ms []monitors.Monitor) string {
	var all []string
	for _, m := range ms {
		all = append(all, fmt.Sprint(m.ID))
	}
	return strings.Join(all, " ")
}

// testNoChangeIsMissed reads changes while several writers make them: the reader must end with the state of the store.
func testNoChangeIsMissed(t testing.TB, s monitors.Store) {
	const writers, rounds = 4, 30
	done := make(chan struct{}, writers)
	var work []func(ctx context.Context) error
	for w := range writers {
		work = append(work, func(ctx context.Context) error {
			defer func() { done <- struct{}{} }()
			return churn(ctx, s, fmt.Sprint("org", w), rounds)
		})
	}
	seen := map[uint32]monitors.Monitor{}
	work = append(work, func(ctx context.Context) error {
		var rev int64
		for left := writers; ; {
			ms, next, err := changed(ctx, s, rev, 3)
			if err != nil {
				return err
			}
			for _, m := range ms {
				seen[m.ID] = m
			}
			rev = next
			if left == 0 {
				return nil
			}
			select {
			case <-done:
				left--
			case <-ctx.Done():
				return ctx.Err()
			default:
			}
		}
	})
	bounded(t, work)
	all, _, err := changed(t.Context(), s, 0, 100)
	if err != nil || len(all) != writers*rounds || len(seen) != len(all) {
		t.Fatalf("%d monitors, seen %d, want %d (%v)", len(all), len(seen), writers*rounds, err)
	}
	for _, m := range all {
		if seen[m.ID].Rev != m.Rev || seen[m.ID].Deleted() != m.Deleted() || seen[m.ID].Version != m.Version {
			t.Errorf("monitor %d: last seen version %d at %d, want %d at %d", m.ID, seen[m.ID].Version, seen[m.ID].Rev, m.Version, m.Rev)
		}
	}
}

// churn inserts monitors, changes each and deletes every third.
func churn(ctx context.Context, s monitors.Store, organizationID string, rounds int) error {
	for i := range rounds {
		m := plain(organizationID, fmt.Sprint(i))
		steps := []func(tx monitors.Tx) error{
			func(tx monitors.Tx) (err error) { m.ID, err = tx.Insert(ctx, m); return err },
			func(tx monitors.Tx) error { m.Version++; return tx.Update(ctx, m) },
		}
		if i%3 == 0 {
			steps = append(steps, func(tx monitors.Tx) error { return tx.Delete(ctx, m.OrganizationID, m.ID, at) })
		}
		for _, step := range steps {
			if err := s.Write(ctx, step); err != nil {
				return err
			}
		}
	}
	return nil
}

// testConcurrentChanges counts in a monitor's version: no increment may be lost.
func testConcurrentChanges(t testing.TB, s monitors.Store) {
	stored := insert(t, s, plain("org", "counted"))
	const workers, rounds = 8, 10
	var work []func(ctx context.Context) error
	for range workers {
		work = append(work, func(ctx context.Context) error {
			for range rounds {
				err := s.Write(ctx, func(tx monitors.Tx) error {
					m, err := tx.Monitor(ctx, "org", stored.ID)
					if err != nil {
						return err
					}
					m.Version++
					return tx.Update(ctx, m)
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	bounded(t, work)
	if got := read(t, s, stored.ID).Version; got != 1+workers*rounds {
		t.Errorf("version %d, want %d", got, 1+workers*rounds)
	}
}
