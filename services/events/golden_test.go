package events_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

var update = flag.Bool("update", false, "rewrite testdata/uptime.golden")

// story is what happened to one monitor, and the ranges to ask about.
type story struct {
	name    string
	created string
	change  func(*monitorsv1.CatalogEntry)
	tell    func(s *teller)
	asks    []string // "start end [zone] [policy=down] [region=x]"
}

// teller plays a story to a judge.
type teller struct {
	t     *testing.T
	judge *events.Judge
	entry *monitorsv1.CatalogEntry
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC()
		}
	}
	t.Fatalf("no time: %q", s)
	return time.Time{}
}

// checks plays one result per step from from up to, not including, to.
func (s *teller) checks(outcome events.Outcome, from, to string, step time.Duration, region ...string) {
	s.t.Helper()
	end := moment(s.t, to)
	for at := moment(s.t, from); at.Before(end); at = at.Add(step) {
		s.one(outcome, at, 20*time.Millisecond, region...)
	}
}

func (s *teller) one(outcome events.Outcome, at time.Time, took time.Duration, region ...string) {
	r := stored(s.entry.GetMonitorId(), at, outcome)
	r.ResponseTime = took
	if len(region) > 0 {
		r.Region = region[0]
	}
	s.judge.Result(at, &r)
}

func (s *teller) slow(from, to string, step time.Duration) {
	end := moment(s.t, to)
	for at := moment(s.t, from); at.Before(end); at = at.Add(step) {
		s.one(events.Success, at, 3*time.Second)
	}
}

func (s *teller) edit(at string, change func(*monitorsv1.CatalogEntry)) {
	change(s.entry)
	s.entry.Version++
	s.entry.UpdatedAt = timestamppb.New(moment(s.t, at))
	s.judge.Upsert(moment(s.t, at), events.MonitorIn(s.entry))
}

// The monitors of the stories are checked every minute with 10 seconds of time: nothing is known after 130 seconds of silence.
var stories = []story{
	{
		name: "two days, of which the second has 23 hours", created: "2026-03-27 23:00",
		tell: func(s *teller) { s.checks(events.Success, "2026-03-27 23:00", "2026-03-29 23:00", time.Minute) },
		asks: []string{"2026-03-28 2026-03-29 Europe/Berlin", "2026-03-29 2026-03-30 Europe/Berlin", "2026-03-28 2026-03-30 Europe/Berlin"},
	},
	{
		name: "an outage over midnight", created: "2026-03-10",
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-10", "2026-03-10 23:50", time.Minute)
			s.checks(events.Failure, "2026-03-10 23:50", "2026-03-11 00:20", time.Minute)
			s.checks(events.Success, "2026-03-11 00:20", "2026-03-12", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-11 2026-03-12", "2026-03-10 2026-03-12", "2026-03-10 2026-03-12 Asia/Kolkata"},
	},
	{
		name: "a pause", created: "2026-03-10",
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-10", "2026-03-10 10:00", time.Minute)
			s.edit("2026-03-10 10:00", func(e *monitorsv1.CatalogEntry) { e.Enabled = false })
			s.edit("2026-03-10 14:00", func(e *monitorsv1.CatalogEntry) { e.Enabled = true })
			s.checks(events.Success, "2026-03-10 14:01", "2026-03-11", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10T10:00:00Z 2026-03-10T14:00:00Z", "2026-03-10T13:59:00Z 2026-03-10T14:02:00Z"},
	},
	{
		name: "our own absence", created: "2026-03-10",
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-10", "2026-03-10 12:00", time.Minute)
			s.checks(events.Success, "2026-03-10 14:00", "2026-03-11", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10T12:00:00Z 2026-03-10T14:00:00Z"},
	},
	{
		name: "our own absence during an outage", created: "2026-03-10",
		tell: func(s *teller) {
			s.checks(events.Failure, "2026-03-10", "2026-03-10 12:00", time.Minute)
			s.checks(events.Failure, "2026-03-10 14:00", "2026-03-10 15:00", time.Minute)
			s.checks(events.Success, "2026-03-10 15:00", "2026-03-11", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11"},
	},
	{
		name: "an interval that changes in the middle of the day", created: "2026-03-10",
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-10", "2026-03-10 12:00", time.Minute)
			s.edit("2026-03-10 12:00", func(e *monitorsv1.CatalogEntry) { e.IntervalMs = 3_600_000 })
			s.checks(events.Success, "2026-03-10 13:00", "2026-03-11", time.Hour)
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10 2026-03-11T12:00:00Z"},
	},
	{
		name: "slow for an hour", created: "2026-03-10", change: func(e *monitorsv1.CatalogEntry) { e.DegradedAboveMs = 1000 },
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-10", "2026-03-10 08:00", time.Minute)
			s.slow("2026-03-10 08:00", "2026-03-10 09:00", time.Minute)
			s.checks(events.Success, "2026-03-10 09:00", "2026-03-11", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10 2026-03-11 policy=down", "2026-03-10T08:00:00Z 2026-03-10T09:00:00Z policy=down"},
	},
	{
		name: "never checked", created: "2026-03-10", tell: func(*teller) {},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-01 2026-03-02"},
	},
	{
		name: "made in the middle of the day", created: "2026-03-10 18:00",
		tell: func(s *teller) { s.checks(events.Success, "2026-03-10 18:00", "2026-03-11", time.Minute) },
		asks: []string{"2026-03-10 2026-03-11", "2026-03-09 2026-03-11"},
	},
	{
		name: "blindness is neither up nor down", created: "2026-03-10",
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-10", "2026-03-10 06:00", time.Minute)
			s.checks(events.ObserverFault, "2026-03-10 06:00", "2026-03-10 18:00", time.Minute)
			s.checks(events.Success, "2026-03-10 18:00", "2026-03-11", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10T06:00:00Z 2026-03-10T18:00:00Z"},
	},
	{
		name: "down from the first check on", created: "2026-03-10",
		tell: func(s *teller) { s.checks(events.Timeout, "2026-03-10", "2026-03-11", time.Minute) },
		asks: []string{"2026-03-10 2026-03-11"},
	},
	{
		name: "a second in a month", created: "2026-03-01", change: func(e *monitorsv1.CatalogEntry) { e.ConfirmDown = 1 },
		tell: func(s *teller) {
			s.checks(events.Success, "2026-03-01", "2026-03-15", time.Minute)
			s.one(events.Failure, moment(s.t, "2026-03-15 00:00:00"), 0)
			s.one(events.Success, moment(s.t, "2026-03-15 00:00:01"), 0)
			s.checks(events.Success, "2026-03-15 00:01", "2026-04-01", time.Minute)
		},
		asks: []string{"2026-03-01 2026-04-01", "2026-03-15 2026-03-16", "2026-03-16 2026-04-01"},
	},
	{
		name: "up and down in turn", created: "2026-03-10", change: func(e *monitorsv1.CatalogEntry) { e.ConfirmDown = 1 },
		tell: func(s *teller) {
			at := moment(s.t, "2026-03-10")
			for i := range 1440 {
				s.one([]events.Outcome{events.Success, events.Failure}[i%2], at.Add(time.Duration(i)*time.Minute), 0)
			}
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10T06:00:30Z 2026-03-10T06:10:30Z"},
	},
	{
		name: "what one region sees", created: "2026-03-10", change: func(e *monitorsv1.CatalogEntry) { e.Regions = []string{"local", "far"} },
		tell: func(s *teller) {
			at := moment(s.t, "2026-03-10")
			for i := range 1440 {
				far := events.Success
				if i >= 600 && i < 660 {
					far = events.Failure
				}
				s.one(events.Success, at.Add(time.Duration(i)*time.Minute), 0)
				s.one(far, at.Add(time.Duration(i)*time.Minute+time.Second), 0, "far")
			}
		},
		asks: []string{"2026-03-10 2026-03-11", "2026-03-10 2026-03-11 policy=down", "2026-03-10 2026-03-11 region=far", "2026-03-10 2026-03-11 region=local", "2026-03-10 2026-03-11 region=mars"},
	},
	{
		name: "made switched off", created: "2026-03-10", change: func(e *monitorsv1.CatalogEntry) { e.Enabled = false },
		tell: func(s *teller) {
			s.edit("2026-03-10 12:00", func(e *monitorsv1.CatalogEntry) { e.Enabled = true })
			s.checks(events.Success, "2026-03-10 12:00", "2026-03-11", time.Minute)
		},
		asks: []string{"2026-03-10 2026-03-11"},
	},
	{
		name: "a leap second's worth of everything", created: "2026-03-10", change: func(e *monitorsv1.CatalogEntry) { e.ConfirmDown, e.DegradedAboveMs = 1, 1000 },
		tell: func(s *teller) {
			at := moment(s.t, "2026-03-10")
			s.one(events.Success, at, 0)
			s.one(events.Failure, at.Add(250*time.Millisecond), 0)
			s.one(events.Success, at.Add(500*time.Millisecond), 3*time.Second)
			s.one(events.Success, at.Add(750*time.Millisecond), 0)
		},
		asks: []string{"2026-03-10T00:00:00Z 2026-03-10T00:00:01Z", "2026-03-10T00:00:00.300Z 2026-03-10T00:00:00.600Z"},
	},
}

// TestGoldenUptime asks the service about stories whose answers stand in testdata/uptime.golden, and cuts every range to see
// that the parts make the whole.
func TestGoldenUptime(t *testing.T) {
	dir, cat := t.TempDir(), &catalogue{}
	state, err := sqlite.OpenState(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	for i, st := range stories {
		cat.entries = append(cat.entries, tell(t, state, uint32(i+1), st))
	}
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	client := eventsv1.NewEventsServiceClient(run(t, dir, cat).conn)
	var out strings.Builder
	for i, st := range stories {
		fmt.Fprintf(&out, "# %s\n", st.name)
		for _, ask := range st.asks {
			req := question(t, uint32(i+1), ask)
			u, err := client.GetUptime(as("o1"), req)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s: %s\n", ask, line(u))
			checkParts(t, client, req, u)
		}
	}
	path := filepath.Join("testdata", "uptime.golden")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(out.String(), "\n")); d != "" {
		t.Errorf("(-golden +got):\n%s", d)
	}
}

func tell(t *testing.T, state *sqlite.State, id uint32, st story) *monitorsv1.CatalogEntry {
	t.Helper()
	s := &teller{t: t, judge: events.NewJudge(events.Snapshot{}), entry: entry(id, "o1")}
	s.entry.CreatedAt = timestamppb.New(moment(t, st.created))
	s.entry.UpdatedAt = s.entry.CreatedAt
	if st.change != nil {
		st.change(s.entry)
	}
	s.judge.Upsert(moment(t, st.created), events.MonitorIn(s.entry))
	st.tell(s)
	s.judge.Tick(moment(t, "2026-06-01")) // whatever is silent since is noted as such
	c := s.judge.Take()
	err := state.Commit(t.Context(), events.Commit{Monitors: c.Monitors, States: c.States, Regions: c.Regions, Transitions: c.Transitions, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return s.entry
}

func question(t *testing.T, id uint32, ask string) *eventsv1.GetUptimeRequest {
	t.Helper()
	words := strings.Fields(ask)
	req := &eventsv1.GetUptimeRequest{MonitorId: id, StartDate: &words[0], EndDate: &words[1]}
	for _, w := range words[2:] {
		switch name, value, _ := strings.Cut(w, "="); name {
		case "policy":
			req.Policy = eventsv1.DegradedPolicy_DEGRADED_POLICY_DEGRADED_IS_DOWN.Enum()
		case "region":
			req.Region = &value
		default:
			req.Tz = &w
		}
	}
	return req
}

func line(u *eventsv1.Uptime) string {
	number := func(v *float64) string {
		if v == nil {
			return "null"
		}
		return fmt.Sprintf("%.6f%%", *v)
	}
	last := "null"
	if u.GetLastDowntime() != nil {
		last = u.GetLastDowntime().AsTime().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("uptime %s coverage %s up %v degraded %v down %v unknown %v outages %d intervals %d last down %s", number(u.UptimePercentage),
		number(u.CoveragePercentage), u.GetUpSeconds(), u.GetDegradedSeconds(), u.GetDownSeconds(), u.GetUnknownSeconds(), u.GetOutages(), len(u.GetIntervals()), last)
}

// checkParts cuts the range of an answer at random moments.
func checkParts(t *testing.T, client eventsv1.EventsServiceClient, req *eventsv1.GetUptimeRequest, whole *eventsv1.Uptime) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, uint64(req.GetMonitorId())))
	from, to := whole.GetStartDate().AsTime(), whole.GetEndDate().AsTime()
	for range 4 {
		cut := from.Add(time.Duration(rng.Int64N(to.Sub(from).Milliseconds()-1)+1) * time.Millisecond)
		var sum [5]time.Duration
		outages := uint32(0)
		for _, part := range [][2]time.Time{{from, cut}, {cut, to}} {
			q := proto.CloneOf(req)
			q.StartDate, q.EndDate = proto.String(part[0].Format(time.RFC3339Nano)), proto.String(part[1].Format(time.RFC3339Nano))
			u, err := client.GetUptime(as("o1"), q)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range seconds(u) {
				sum[i] += s
			}
			outages += u.GetOutages()
		}
		if sum != seconds(whole) || outages != whole.GetOutages() {
			t.Errorf("monitor %d cut at %v: parts %v with %d outages, whole %v with %d", req.GetMonitorId(), cut, sum, outages, seconds(whole), whole.GetOutages())
		}
	}
}

func seconds(u *eventsv1.Uptime) [5]time.Duration {
	var out [5]time.Duration
	for i, s := range []float64{u.GetUpSeconds(), u.GetDegradedSeconds(), u.GetDownSeconds(), u.GetUnknownSeconds(), u.GetMaintenanceSeconds()} {
		out[i] = time.Duration(s*1000+0.5) * time.Millisecond
	}
	return out
}
