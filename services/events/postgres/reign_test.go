package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
)

// reign is what one owner committed, from gaining the state to closing or losing it.
type reign struct {
	holder       string
	acknowledged []string
	last         []string // entries of a commit of which it never learnt whether it was stored
}

// TestReignsFollowOneAnother lets several processes compete while their connections are broken at random: what each committed
// lies together in the feed, in order, everything once.
func TestReignsFollowOneAnother(t *testing.T) {
	const contestants, rounds = 3, 4
	dsn := postgrestest.DSN(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var reigns []reign
	progress := make(chan struct{}, 1)
	for who := range contestants {
		wg.Go(func() {
			for round := range rounds {
				r := rule(t, dsn, fmt.Sprint(who, ".", round), progress)
				mu.Lock()
				reigns = append(reigns, r)
				mu.Unlock()
			}
		})
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	breakConnections(t, dsn, progress, over)
	checkReigns(t, told(t, openState(t, dsn)), reigns)
}

// rule commits until it has done enough or is superseded.
func rule(t *testing.T, dsn, holder string, progress chan<- struct{}) reign {
	r := reign{holder: holder}
	var s *postgres.State
	for s == nil {
		var err error
		if s, err = postgres.OpenState(t.Context(), dsn, postgres.StateOptions{Holder: holder}); err != nil && t.Context().Err() != nil {
			t.Error(err)
			return r
		}
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := s.Own(t.Context()); err != nil {
		t.Error(err)
		return r
	}
	n := 0
	for enough := 200 + rand.IntN(800); len(r.acknowledged) < enough; {
		c := events.Commit{}
		more := func() {
			c.Feed = append(c.Feed, some(1, fmt.Sprint(holder, "/", n)).Feed...)
			n++
		}
		more()
		err := s.Commit(t.Context(), c)
		for err != nil && !errors.Is(err, postgres.ErrSuperseded) && t.Context().Err() == nil {
			if rand.IntN(3) == 0 {
				more()
			}
			err = s.Commit(t.Context(), c)
		}
		var bodies []string
		for _, f := range c.Feed {
			bodies = append(bodies, string(f.Body))
		}
		if err != nil {
			r.last = bodies
			return r
		}
		r.acknowledged = append(r.acknowledged, bodies...)
		select {
		case progress <- struct{}{}:
		default:
		}
	}
	return r
}

// breakConnections breaks one now and then when something was committed, every other time that which holds the lock. Now and
// then only, so that those who wait can take their places again.
func breakConnections(t *testing.T, dsn string, progress, over <-chan struct{}) {
	const any = `
SELECT pg_terminate_backend(pid) FROM (
  SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'frogup events%'
  ORDER BY random() LIMIT 1) AS one`
	admin := connect(t, dsn)
	for n := 1; ; n++ {
		select {
		case <-over:
			return
		case <-progress:
		}
		switch n % 200 {
		case 0:
			execute(t, admin, dethrone)
		case 100:
			execute(t, admin, any)
		}
	}
}

func checkReigns(t *testing.T, feed []string, reigns []reign) {
	t.Helper()
	byHolder := map[string]reign{}
	superseded, stored := 0, 0
	for _, r := range reigns {
		byHolder[r.holder] = r
		if len(r.last) > 0 {
			superseded++
		}
	}
	for len(feed) > 0 {
		holder, _, _ := strings.Cut(feed[0], "/")
		end := slices.IndexFunc(feed, func(body string) bool { return !strings.HasPrefix(body, holder+"/") })
		if end < 0 {
			end = len(feed)
		}
		r, ok := byHolder[holder]
		if !ok {
			t.Fatalf("%s reigned twice, or never", holder)
		}
		delete(byHolder, holder)
		got := feed[:end]
		feed = feed[end:]
		want := r.acknowledged
		if len(got) > len(want) { // the commit in doubt was stored, as it was first or with more behind
			extra := min(len(got)-len(want), len(r.last))
			want = append(slices.Clip(want), r.last[:extra]...)
			stored++
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-committed +stored):\n%s", holder, d)
		}
	}
	for holder, r := range byHolder {
		if len(r.acknowledged) > 0 {
			t.Errorf("nothing of %s is there, of %d acknowledged", holder, len(r.acknowledged))
		}
	}
	t.Logf("%d reigns, %d superseded, of %d of them the last commit was stored", len(reigns), superseded, stored)
}
