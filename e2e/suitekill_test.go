package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// Each service and each store is killed under load and started again. What was shown stays, no slot is lost or counted twice,
// and every outage of the targets is one incident and one announcement, as if nothing had been killed.
func TestSuiteKills(t *testing.T) {
	t.Parallel()
	postgres, clickhouse := postgrestest.Start(t), clickhousetest.Start(t)
	s := start(t, func(s *server) {
		s.make = func(s *server) form { return newSuiteOn(s, postgres.DSN(), clickhouse.DSN()) }
	})
	k := newSink(t)
	s.channel(k, "ops")
	f := newFlock(t, s, k)
	revive := map[string]func(){
		"postgres":   func() { postgres.Kill(); pause(); postgres.Start() },
		"clickhouse": func() { clickhouse.Kill(); pause(); clickhouse.Start() },
	}
	for _, name := range services {
		revive[name] = func() {
			p := s.process(name)
			p.kill()
			pause()
			p.start()
			if name == "gateway" { // it has another port now
				f.pause.Lock()
				s.base = p.listening()
				f.pause.Unlock()
			}
		}
	}
	victims := append([]string{"postgres", "clickhouse"}, services...)
	rounds := 1
	if long {
		rounds = 8
	}
	kills := 0
	for range rounds {
		rand.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		for _, name := range victims {
			pause()
			revive[name]()
			s.ready()
			kills++
			f.stillThere(kills)
			if t.Failed() {
				t.Fatalf("after %s was killed", name)
			}
		}
	}
	f.finish()

	until := time.Now().UTC().Truncate(time.Second)
	var total account
	for _, id := range f.steady {
		one := s.account(id, until)
		total.results, total.missed, total.due = total.results+one.results, total.missed+one.missed, total.due+one.due
	}
	t.Logf("%d kills, %d outages; of monitors without any: %d results + %d missed of %d due", kills, f.outages, total.results, total.missed, total.due)
	if total.results+total.missed != total.due {
		t.Errorf("%d results and %d missed slots are not %d due slots", total.results, total.missed, total.due)
	}
	ids := f.steady
	for _, one := range f.flaky {
		ids = append(ids, one.id)
	}
	s.statsAgree(ids)
}

// pause is a random moment: outages begin and end all the while, so it falls into everything.
func pause() { <-time.After(time.Duration(200+rand.IntN(1800)) * time.Millisecond) }
