package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
)

var start = time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)

// fleet is what a judge commits of monitors that are all up, seen from two regions.
func fleet(monitors int) events.Commit {
	c := events.Commit{At: start}
	for i := range uint32(monitors) {
		id, org := i+1, fmt.Sprintf("0192f3c4-0000-7000-8000-%012d", i%10)
		line := events.Timeline{Status: events.Up, Since: start, Seq: 49, Known: events.Up, Before: events.Tally{Up: 49 * time.Hour, Outages: 3}}
		c.Monitors = append(c.Monitors, events.Monitor{
			ID: id, OrganizationID: org, Name: fmt.Sprint("host ", id), Kind: 1, URL: fmt.Sprintf("https://host-%d.example.com/health", id), Enabled: true,
			Regions: []string{"eu-west", "us-east"}, ConfirmDown: 2, ConfirmUp: 1, Interval: time.Second, Timeout: time.Second, Quorum: "majority",
			Version: 1, CreatedAt: start, UpdatedAt: start,
		})
		c.States = append(c.States, events.MonitorState{MonitorID: id, OrganizationID: org, Timeline: line, UpdatedAt: start})
		for _, region := range []string{"eu-west", "us-east"} {
			c.Regions = append(c.Regions, events.RegionState{MonitorID: id, Region: region, Timeline: line, Verdict: events.Up})
		}
	}
	checked(&c, 0)
	return c
}

// checked is one more round of checks.
func checked(c *events.Commit, round int) {
	slot := start.Add(time.Duration(round) * time.Second)
	for i := range c.Regions {
		r := &c.Regions[i]
		r.LastSlot, r.CheckedAt, r.NextAt, r.UnknownAt = slot, slot.Add(time.Millisecond), slot.Add(time.Second), slot.Add(3*time.Second)
		r.Successes, r.FirstSuccess, r.HasResponse, r.ResponseTime = uint32(round+1), start, true, time.Duration(18_000+i%1000)*time.Microsecond
		r.Observed = events.Observed{At: slot, Successes: uint32(round), Sum: time.Second, Max: r.ResponseTime}
	}
}

// BenchmarkCommit commits every region of 5,000 monitors at once, again and again, as a judge of a fleet that is checked every
// second does. The floor copies rows of the same columns into a bare table, in a transaction of its own each time.
func BenchmarkCommit(b *testing.B) {
	const rows = 10_000
	dsn := postgrestest.DSN(b)
	s := openState(b, dsn)
	own(b, s)
	c := fleet(rows / 2)
	commit(b, s, c)
	c.Monitors, c.States = nil, nil
	var floor float64
	b.Run("floor", func(b *testing.B) {
		conn := connect(b, dsn)
		execute(b, conn, `CREATE TABLE floor AS TABLE events.region_state WITH NO DATA`)
		for b.Loop() {
			if n, err := conn.CopyFrom(b.Context(), pgx.Identifier{"floor"}, postgres.RegionNames, postgres.RegionRows(c.Regions)); err != nil || n != rows {
				b.Fatal(n, err)
			}
		}
		floor = float64(rows*b.N) / b.Elapsed().Seconds()
		b.ReportMetric(floor, "rows/s")
	})
	b.Run("commit", func(b *testing.B) {
		round := 0
		for b.Loop() {
			round++
			checked(&c, round)
			commit(b, s, c)
		}
		rate := float64(rows*b.N) / b.Elapsed().Seconds()
		b.ReportMetric(rate, "rows/s")
		b.ReportMetric(floor/rate, "x-floor")
		hot := hotShare(b, connect(b, dsn))
		b.ReportMetric(100*hot, "%HOT")
	})
}

// hotShare is the part of updates that touched no index.
func hotShare(b *testing.B, conn *pgx.Conn) (share float64) {
	const query = `SELECT n_tup_hot_upd::float8 / greatest(n_tup_upd, 1) FROM pg_stat_user_tables WHERE relname = 'region_state'`
	if err := conn.QueryRow(b.Context(), query).Scan(&share); err != nil {
		b.Fatal(err)
	}
	return share
}

// BenchmarkRead reads the states of 10,000 monitors, seen from two regions, and timelines of 50 intervals each.
func BenchmarkRead(b *testing.B) {
	const monitors, intervals = 10_000, 50
	s := openState(b, postgrestest.DSN(b))
	own(b, s)
	c := fleet(monitors)
	commit(b, s, c)
	for from := 0; from < monitors; from += 500 {
		var past events.Commit
		for _, st := range c.States[from : from+500] {
			for n := range intervals {
				line := st.Timeline
				line.Since, line.Seq = start.Add(time.Duration(n-intervals)*time.Hour), uint64(n)
				for _, region := range []string{"", "eu-west", "us-east"} {
					past.Transitions = append(past.Transitions, events.Transition{MonitorID: st.MonitorID, Region: region, Timeline: line, NotedAt: line.Since})
				}
			}
		}
		commit(b, s, past)
	}
	all := make([]uint32, monitors)
	for i := range all {
		all[i] = uint32(i + 1)
	}
	page := make([]uint32, 100)
	for i := range page {
		page[i] = uint32(i*97 + 1)
	}
	moments := []time.Time{start.Add(-30 * time.Hour), start.Add(-24 * time.Hour), start.Add(-7 * time.Hour), start.Add(time.Hour)}
	statuses := func(ids []uint32) func(s *postgres.State) (int, error) {
		return func(s *postgres.State) (int, error) {
			got, err := s.Statuses(b.Context(), ids)
			return len(got), err
		}
	}
	timelines := func(ids []uint32) func(s *postgres.State) (int, error) {
		return func(s *postgres.State) (int, error) {
			got, err := s.Timelines(b.Context(), ids, "", moments)
			return len(got), err
		}
	}
	for _, bb := range []struct {
		name string
		want int
		read func(*postgres.State) (int, error)
	}{
		{"statuses of 10000", monitors, statuses(all)},
		{"statuses of 1000", 1000, statuses(all[:1000])},
		{"statuses of 100", 100, statuses(page)},
		{"timelines of 100 at 4 moments", 100, timelines(page)},
		{"timelines of 1000 at 4 moments", 1000, timelines(all[:1000])},
		{"load", monitors, func(s *postgres.State) (int, error) {
			got, err := s.Load(b.Context())
			return len(got.Monitors), err
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if n, err := bb.read(s); err != nil || n != bb.want {
					b.Fatal(n, err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			for _, p := range []int{50, 95} {
				b.ReportMetric(took[len(took)*p/100].Seconds()*1000, fmt.Sprintf("p%d-ms", p))
			}
		})
	}
}
