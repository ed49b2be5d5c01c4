package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
)

// follower reads a feed from a cursor on.
type follower struct {
	t     *testing.T
	s     *postgres.State
	after uint64
	seen  []string
}

func (f *follower) read(limit int) (n int) {
	f.t.Helper()
	page, err := f.s.Feed(f.t.Context(), events.FeedQuery{After: f.after, Limit: limit})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range page.Rows {
		if r.Seq <= f.after || page.Head > 0 && r.Seq > page.Head {
			f.t.Fatalf("number %d after %d, head %d", r.Seq, f.after, page.Head)
		}
		f.after, f.seen = r.Seq, append(f.seen, string(r.Body))
	}
	return len(page.Rows)
}

// TestFeedSkipsNothing lets many commit through two handles, some of them slow between taking their numbers and committing,
// some failing, while a reader follows.
func TestFeedSkipsNothing(t *testing.T) {
	const writers, commits = 8, 40
	dsn := postgrestest.DSN(t)
	states := []*postgres.State{openState(t, dsn), openState(t, dsn)}
	for _, s := range states {
		s.LetAll()
	}
	var wg sync.WaitGroup
	for w := range writers {
		s := states[w%2]
		wg.Go(func() {
			for i := range commits {
				c := some(uint32(w+1), fmt.Sprint(w, "/", i))
				var err error
				switch i % 4 {
				case 0:
					failed := s.Hold(t.Context(), some(uint32(w+1), "never"), nil)
					if failed == nil {
						t.Error("a commit that fails has succeeded")
					}
					err = s.Commit(t.Context(), c)
				case 1: // reads of others run while it holds its numbers
					err = s.Hold(t.Context(), c, func() error {
						_, err := states[(w+1)%2].Feed(t.Context(), events.FeedQuery{Limit: 1})
						return err
					})
				default:
					err = s.Commit(t.Context(), c)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	f := &follower{t: t, s: states[0]}
	for last := false; ; {
		if f.read(7) > 0 {
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
	next := make([]int, writers)
	for _, body := range f.seen {
		var w, i int
		if _, err := fmt.Sscanf(body, "%d/%d", &w, &i); err != nil || i != next[w] {
			t.Fatalf("%q, want entry %d (%v)", body, next[w], err)
		}
		next[w]++
	}
	for w, n := range next {
		if n != commits {
			t.Errorf("writer %d: %d entries seen of %d", w, n, commits)
		}
	}
}

// overtake lets one transaction take its numbers and stay open while a second one tries to commit, and returns what a reader
// has seen that reads then and once more after both.
func overtake(t *testing.T, dsn string, first, second *postgres.State) []string {
	t.Helper()
	admin := connect(t, dsn)
	taken, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := first.Hold(t.Context(), some(1, "first"), func() error {
			close(taken)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-taken
	committed := make(chan struct{})
	wg.Go(func() {
		if err := second.Commit(t.Context(), some(2, "second")); err != nil {
			t.Error(err)
		}
		close(committed)
	})
	for !waiting(t, admin) && !closed(committed) {
	}
	f := &follower{t: t, s: second}
	f.read(10)
	close(release)
	wg.Wait()
	f.read(10)
	return f.seen
}

func waiting(t *testing.T, conn *pgx.Conn) bool {
	const query = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	return execute(t, conn, query) > 0
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestNobodyOvertakesAnOpenTransaction(t *testing.T) {
	dsn := postgrestest.DSN(t)
	first, second := openState(t, dsn), openState(t, dsn)
	first.LetAll()
	second.LetAll()
	if d := cmp.Diff([]string{"first", "second"}, overtake(t, dsn, first, second)); d != "" {
		t.Error(d)
	}
}

// TestPlainSequenceWouldSkip holds the test above against numbers from a sequence.
func TestPlainSequenceWouldSkip(t *testing.T) {
	dsn := postgrestest.DSN(t)
	first, second := openState(t, dsn), openState(t, dsn)
	execute(t, connect(t, dsn), `CREATE SEQUENCE events.feed_plain`)
	first.NumberBySequence()
	second.NumberBySequence()
	if d := cmp.Diff([]string{"second"}, overtake(t, dsn, first, second)); d != "" {
		t.Error(d)
	}
}
