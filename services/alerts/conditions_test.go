package alerts

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// outcomeOf evaluates entries through one rule and tells what it did, when, and why it triggered.
func outcomeOf(c Conditions, entries ...Entry) (types []string, triggers []Trigger) {
	m := newMemory(State{Rules: []RuleState{testRule(1, c)}})
	for _, e := range entries {
		m.feed(e)
	}
	for id := uint32(1); m.triggers[id].ID != 0; id++ {
		triggers = append(triggers, m.triggers[id])
	}
	return m.types(Target{TargetAlert, 1}), triggers
}

func certificate(seq, at int, region string, left time.Duration) Entry {
	return observation(seq, at, Observation{Region: region, Outcome: OutcomeSuccess, Successes: 1, Status: StatusUp, CertificateExpires: second(at).Add(left)})
}

func TestCertificateDaysLeft(t *testing.T) {
	const day = 24 * time.Hour
	c := Conditions{Certificate: 14}
	types, triggers := outcomeOf(c, certificate(1, 0, "eu", 14*day), certificate(2, 30, "eu", 14*day-30*time.Second), certificate(3, 40, "us", 3*day),
		passing(4, 50, 0), certificate(5, 60, "eu", 90*day), certificate(6, 70, "us", 90*day))
	if diff := cmp.Diff([]string{TypeTriggered, TypeResolved}, types); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	tr := triggers[0]
	if !tr.TriggeredAt.Equal(second(30)) || !tr.ResolvedAt.Equal(second(70)) {
		t.Errorf("from %v to %v", tr.TriggeredAt, tr.ResolvedAt)
	}
	if d := tr.Data; d.Condition != "certificate_days_left" || d.Value != 13.99 || d.Threshold != 14 || d.Region != "eu" {
		t.Errorf("because of %+v", d)
	}
	if _, triggers := outcomeOf(c, certificate(1, 0, "eu", -36*time.Hour)); len(triggers) != 1 || triggers[0].Data.Value != -1.5 {
		t.Errorf("of one that is over: %+v", triggers)
	}
}

func TestDegradedRegions(t *testing.T) {
	seen := func(at int, status Status, down ...string) Entry {
		return observation(at+1, at, Observation{Region: "eu", Outcome: OutcomeSuccess, Successes: 1, Status: status, Down: down})
	}
	goes := func(at int, to Status, down ...string) Entry {
		e := transition(at+1, at, "", to)
		e.Transition.Down = down
		return e
	}
	const up, degraded, down, unknown = StatusUp, StatusDegraded, StatusDown, StatusUnknown
	for _, tt := range []struct {
		name    string
		n       int
		entries []Entry
		want    string
	}{
		{"one is enough", 1, []Entry{goes(0, up), goes(10, degraded, "ap"), goes(20, up)}, "+10 -20"},
		{"one is not", 2, []Entry{goes(0, up), goes(10, degraded, "ap"), goes(20, up)}, ""},
		{"the second shows in a check", 2, []Entry{goes(10, degraded, "ap"), seen(15, degraded, "ap"), seen(20, degraded, "ap", "eu"), seen(30, degraded, "ap")}, "+20 -30"},
		{"slow regions are not down", 1, []Entry{goes(10, degraded), seen(20, degraded)}, ""},
		{"down as a whole is other rules' matter", 1, []Entry{goes(10, down, "ap", "eu"), seen(20, down, "ap", "eu"), goes(30, up)}, ""},
		{"on the way down and up again", 1, []Entry{goes(10, degraded, "ap"), goes(20, down, "ap", "eu"), goes(30, degraded, "eu"), goes(40, up)}, "+10 -40"},
		{"on the way up only", 1, []Entry{goes(20, down, "ap", "eu"), goes(30, degraded, "eu"), goes(40, up)}, "+30 -40"},
		{"nobody sees", 1, []Entry{goes(10, degraded, "ap"), goes(20, unknown), seen(25, unknown), goes(30, degraded, "ap"), goes(40, up)}, "+10 -40"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, triggers := outcomeOf(Conditions{Regions: tt.n}, tt.entries...)
			if got := periods(triggers); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// periods writes triggers as "+10 -20", in seconds.
func periods(triggers []Trigger) string {
	var out []string
	for _, tr := range triggers {
		out = append(out, "+"+number(int64(tr.TriggeredAt.Sub(testBase)/time.Second)))
		if !tr.ResolvedAt.IsZero() {
			out = append(out, "-"+number(int64(tr.ResolvedAt.Sub(testBase)/time.Second)))
		}
	}
	return strings.Join(out, " ")
}

func TestNoData(t *testing.T) {
	const up, down, unknown, paused, maintenance = StatusUp, StatusDown, StatusUnknown, StatusPaused, StatusMaintenance
	goes := func(at int, to Status) Entry { return transition(at+1, at, "", to) }
	tick := func(at int) Entry { return Entry{OrganizationID: testOrg, MonitorID: testMonitor, At: second(at)} }
	for _, tt := range []struct {
		name    string
		entries []Entry
		want    string
		told    int
	}{
		{"for long", []Entry{goes(0, up), goes(100, unknown), tick(159), tick(160), tick(170), goes(300, up)}, "+160 -300", 2},
		{"not for long", []Entry{goes(0, up), goes(100, unknown), tick(159), goes(159, up), tick(500)}, "", 0},
		{"a late tick", []Entry{goes(100, unknown), tick(400)}, "+160", 1},
		{"no tick at all", []Entry{goes(100, unknown), goes(400, up)}, "+160 -400", 2},
		{"down is known", []Entry{goes(100, unknown), tick(200), goes(400, down)}, "+160 -400", 2},
		{"a pause ends it without a word", []Entry{goes(100, unknown), tick(200), goes(400, paused), tick(900)}, "+160 -400", 1},
		{"switched on, and never seen", []Entry{goes(0, paused), goes(100, unknown), tick(200)}, "+160", 1},
		{"nobody looks on purpose", []Entry{goes(100, unknown), goes(110, maintenance), tick(900)}, "", 0},
		{"announced twice", []Entry{goes(100, unknown), goes(150, unknown), tick(170)}, "+160", 1},
		{"checks that fail for our own reasons", []Entry{goes(100, unknown), observation(200, 190, Observation{Region: "eu", Outcome: OutcomeError, Status: unknown})}, "+160", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			types, triggers := outcomeOf(Conditions{NoData: time.Minute}, tt.entries...)
			if got := periods(triggers); got != tt.want || len(types) != tt.told {
				t.Errorf("got %q and %v, want %q and %d messages", got, types, tt.want, tt.told)
			}
			for _, tr := range triggers {
				if tr.Data.Condition != "no_data_seconds" || tr.Data.Value != 60 || tr.Data.Threshold != 60 || tr.Data.Status != unknown {
					t.Errorf("because of %+v", tr.Data)
				}
			}
		})
	}
	t.Run("since before the rule was made", func(t *testing.T) {
		r := testRule(1, Conditions{NoData: time.Minute})
		r.Rule.CreatedAt, r.Rule.Severity = second(500), SeverityInfo
		m := newMemory(State{Rules: []RuleState{r}, Blind: second(100)})
		m.feed(tick(499))
		m.feed(tick(510))
		tr := m.triggers[1]
		if !tr.TriggeredAt.Equal(second(500)) || tr.Data.Value != 400 || tr.Data.Severity != SeverityInfo {
			t.Errorf("%+v", tr)
		}
	})
}

func TestConditionsCheck(t *testing.T) {
	for name, c := range map[string]Conditions{
		"conditions":                            {},
		"conditions.certificate_days_left":      {Certificate: MaxCertificate + 1},
		"conditions.degraded_regions":           {Regions: -1},
		"conditions.no_data_seconds":            {NoData: MaxNoData + time.Second},
		"conditions.consecutive_failures":       {Failures: MaxFailures + 1},
		"conditions.response_time_threshold_ms": {ResponseTime: -1},

		"conditions.response_time_percentile.percentile":     {Percentile: Percentile{Of: math.NaN(), Above: MaxResponseTime, Window: MaxWindow}},
		"conditions.response_time_percentile.threshold_ms":   {Percentile: Percentile{Of: MinPercentile, Above: 0, Window: MinWindow}},
		"conditions.response_time_percentile.window_seconds": {Percentile: Percentile{Of: MaxPercentile, Above: time.Millisecond, Window: MaxWindow + time.Second}},
	} {
		if bad := c.check(); len(bad) != 1 || bad[0].Name != name {
			t.Errorf("%+v: %v, want a word about %s", c, bad, name)
		}
	}
	if bad := (Conditions{Certificate: MaxCertificate, Regions: MaxRegions, NoData: MaxNoData}).check(); len(bad) != 0 {
		t.Errorf("at the bounds: %v", bad)
	}
}
