package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

// testLongTransactions reads changes while transactions that have made theirs already stay open for a while, each for
// another number of the reader's pages: what commits late must not appear behind the reader's back.
func testLongTransactions(t testing.TB, s monitors.Store) {
	const writers, rounds, longest = 6, 8, 7
	var work []func(ctx context.Context) error
	var left atomic.Int32
	left.Store(writers)
	pages := newCounter()
	for w := range writers {
		work = append(work, func(ctx context.Context) error {
			defer left.Add(-1)
			for i := range rounds {
				open := uint64((w + 3*i) % (longest + 1))
				if err := s.Write(ctx, func(tx monitors.Tx) error {
					if _, err := tx.Insert(ctx, plain(fmt.Sprint("org", w), fmt.Sprint(i))); err != nil {
						return err
					}
					return pages.wait(ctx, open)
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	seen := map[uint32]bool{}
	work = append(work, func(ctx context.Context) error {
		var rev int64
		for last := false; ; pages.next() {
			ms, next, err := changed(ctx, s, rev, 5)
			if err != nil {
				return err
			}
			for _, m := range ms {
				seen[m.ID] = true
			}
			rev = next
			if last {
				return nil
			}
			last = left.Load() == 0
		}
	})
	bounded(t, work)
	all, _, err := changed(t.Context(), s, 0, 100)
	if err != nil || len(all) != writers*rounds {
		t.Fatalf("%d monitors, %v, want %d", len(all), err, writers*rounds)
	}
	for _, m := range all {
		if !seen[m.ID] {
			t.Errorf("the reader has missed monitor %d, changed at %d", m.ID, m.Rev)
		}
	}
}

// counter counts up, and lets others wait until it has.
type counter struct {
	n     atomic.Uint64
	ticks chan struct{}
}

func newCounter() *counter { return &counter{ticks: make(chan struct{})} }

// next counts one more, and wakes one who waits to look.
func (c *counter) next() {
	c.n.Add(1)
	select {
	case c.ticks <- struct{}{}:
	default:
	}
}

// wait returns when n more have been counted.
func (c *counter) wait(ctx context.Context, n uint64) error {
	for until := c.n.Load() + n; c.n.Load() < until; {
		select {
		case <-c.ticks:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

const rivals = 8

// testExternalIDRace lets several ask for one external id at once, half of them by inserting, half by changing.
func testExternalIDRace(t testing.TB, s monitors.Store) {
	var work []func(ctx context.Context) error
	var won atomic.Int32
	for i := range rivals {
		m := plain("org", fmt.Sprint(i))
		if i%2 == 0 {
			m = insert(t, s, m)
		}
		m.Config.ExternalID = "ext"
		work = append(work, func(ctx context.Context) error {
			err := s.Write(ctx, func(tx monitors.Tx) error {
				if m.ID != 0 {
					return tx.Update(ctx, m)
				}
				_, err := tx.Insert(ctx, m)
				return err
			})
			if err == nil {
				won.Add(1)
			}
			if errors.Is(err, monitors.ErrExternalIDTaken) {
				return nil
			}
			return err
		})
	}
	bounded(t, work)
	got := names(t, s, monitors.Filter{OrganizationID: "org", ExternalID: "ext", Limit: 10})
	if len(got) != 1 || won.Load() != 1 {
		t.Errorf("%d were told that the external id is theirs, and %q have it", won.Load(), got)
	}
}

// testAnswerRace sends one request several times at once, as the service carries one out.
func testAnswerRace(t testing.TB, s monitors.Store) {
	key := monitors.AnswerKey{OrganizationID: "org", Key: "k"}
	var work []func(ctx context.Context) error
	for range rivals {
		work = append(work, func(ctx context.Context) error {
			return s.Write(ctx, func(tx monitors.Tx) error {
				if _, found, err := tx.Answer(ctx, key, at); err != nil || found {
					return err
				}
				if _, err := tx.Insert(ctx, plain("org", "x")); err != nil {
					return err
				}
				return tx.KeepAnswer(ctx, key, monitors.Answer{Fingerprint: []byte{1}, Body: []byte{2}, At: at}, at)
			})
		})
	}
	bounded(t, work)
	if got := names(t, s, monitors.Filter{OrganizationID: "org", Limit: 10}); len(got) != 1 {
		t.Errorf("%d requests with one key were carried out", len(got))
	}
}

// bounded is run under a deadline, so that a store that waits for itself fails its test instead of hanging it.
func bounded(t testing.TB, workers []func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			if err := w(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
