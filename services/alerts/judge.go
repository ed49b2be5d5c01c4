package alerts

import (
	"math"
	"slices"
	"time"
)

// reading is what an entry says about the conditions of rules; nil means that it says nothing.
type reading struct {
	failures *uint32
	slowest  *time.Duration // of the region's successes
	uptime   *float64
	expires  *time.Duration // from the check until the certificate ends that the region was shown
	down     *int           // regions that see the monitor down
	blind    *time.Duration // how long nothing has been known of the monitor; 0 while something is
	times    *responses     // of the region's successes
	lately   *lately        // of a rule about a percentile

	region       string   // of a check
	regions      []string // of a change of state
	status       Status
	statusCode   *uint32
	errorType    string
	errorMessage string
}

// breach is a condition that holds, with its figures in the condition's unit.
type breach struct {
	condition        string
	value, threshold float64
}

// rules lets every rule read r. A rule triggers when its first condition begins to hold and resolves when the last ends,
// so triggering and resolving alternate.
func (v *evaluation) rules(r reading) {
	for i := range v.state.Rules {
		v.rule(i, r)
	}
}

func (v *evaluation) rule(i int, r reading) {
	if p := v.state.Rules[i].Rule.Conditions.Percentile; p != (Percentile{}) && r.times != nil {
		var window *Samples
		window, r.lately = v.state.Rules[i].Samples.add(p, v.entry.At, *r.times)
		v.sample(i, window)
	}
	rs := &v.state.Rules[i]
	var before Holding
	if rs.Open != nil {
		before = rs.Open.Holding
	}
	after, found := rs.Rule.Conditions.judge(before, r, v.state.Monitor.Regions)
	switch {
	case rs.Open == nil && after.any():
		if fails(found) {
			v.hold(v.entry.At)
		}
		v.ids.Trigger++
		data := v.triggerData(found, r)
		if p := rs.Rule.Conditions.Percentile; data.Condition == conditionPercentile {
			data.Value, data.Percentile, data.WindowSeconds = rs.Samples.value(p), p.Of, int64(p.Window.Seconds())
		}
		data.Severity, data.Maintenance = rs.Rule.Severity, v.state.inWindow()
		t := Trigger{
			ID: v.ids.Trigger, RuleID: rs.Rule.ID, OrganizationID: v.entry.OrganizationID, MonitorID: v.entry.MonitorID,
			TriggeredAt: v.entry.At, Data: data, Holding: after,
		}
		v.open(i, &t)
		v.out.Triggers = append(v.out.Triggers, t)
		switch {
		case !v.state.muted():
			v.tellRule(TypeTriggered, rs.Rule, t, r)
		case v.firstQuietly(rs.Rule.ID):
			v.tellRule(TypeTriggered, rs.Rule, t, r)
			v.remember(func(o *Overlay) {
				if o.Rules == nil { // read back from a store that leaves out what is empty
					o.Rules = map[uint32]ToldRule{}
				}
				o.Rules[t.RuleID] = ToldRule{Told: Told{t.ID, t.TriggeredAt}, Trigger: t.ID}
			})
		}
	case rs.Open != nil && !after.any():
		t := rs.Open.resolved(v.entry.At)
		v.open(i, nil)
		v.out.Triggers = append(v.out.Triggers, t)
		if v.state.muted() {
			v.resolvedQuietly(t)
			return
		}
		v.tellRule(TypeResolved, rs.Rule, t, r)
		v.forgetTrigger(rs.Rule.ID)
	case rs.Open != nil && !sameHolding(before, after):
		t := *rs.Open
		t.Holding = after
		v.open(i, &t)
		v.out.Triggers = append(v.out.Triggers, t)
	}
}

// fails reports whether a condition is about checks that fail.
func fails(b breach) bool {
	return b.condition == conditionFailures || b.condition == conditionRegions
}

// sample sets what a rule knows of response times.
func (v *evaluation) sample(i int, s *Samples) {
	if v.state.Rules[i].Samples == s {
		return
	}
	v.own()
	v.state.Rules[i].Samples = s
}

// own lets the rules be changed. Most entries change none, so the list is copied by the first that does.
func (v *evaluation) own() {
	if !v.copied {
		v.state.Rules, v.copied = slices.Clone(v.state.Rules), true
	}
}

// open sets what a rule has triggered.
func (v *evaluation) open(i int, t *Trigger) {
	v.own()
	v.state.Rules[i].Open = t
}

// judge says what holds after the reading, and which condition the reading itself found to hold first. A condition about
// which the reading says nothing holds if it held before, unless it, or its region, is gone.
func (c Conditions) judge(before Holding, r reading, regions []string) (Holding, breach) {
	after := Holding{
		Failures: before.Failures && c.Failures > 0, Uptime: before.Uptime && c.Uptime > 0,
		Regions: before.Regions && c.Regions > 0, NoData: before.NoData && c.NoData > 0,
		Percentile: before.Percentile && c.Percentile != (Percentile{}),
	}
	var found []breach
	if c.Failures > 0 && r.failures != nil {
		reached := *r.failures >= uint32(c.Failures)
		// Counting begins anew after a time in which nobody looked. That is no recovery: only a success is.
		after.Failures = reached || before.Failures && *r.failures > 0
		if reached {
			found = append(found, breach{conditionFailures, float64(*r.failures), float64(c.Failures)})
		}
	}
	if c.ResponseTime > 0 {
		holds := r.slowest != nil && *r.slowest > c.ResponseTime
		if after.Slow = r.among(before.Slow, regions, r.slowest != nil, holds); holds {
			found = append(found, breach{conditionResponseTime, milliseconds(*r.slowest), milliseconds(c.ResponseTime)})
		}
	}
	if c.Uptime > 0 && r.uptime != nil {
		after.Uptime = *r.uptime < c.Uptime
		if after.Uptime {
			found = append(found, breach{conditionUptime, *r.uptime, c.Uptime})
		}
	}
	if c.Certificate > 0 {
		holds := r.expires != nil && *r.expires < time.Duration(c.Certificate)*24*time.Hour
		if after.Expiring = r.among(before.Expiring, regions, r.expires != nil, holds); holds {
			found = append(found, breach{conditionCertificate, days(*r.expires), float64(c.Certificate)})
		}
	}
	if c.Regions > 0 && r.down != nil {
		switch enough := *r.down >= c.Regions; r.status {
		case StatusDegraded:
			if after.Regions = enough; enough {
				found = append(found, breach{conditionRegions, float64(*r.down), float64(c.Regions)})
			}
		case StatusDown: // as a whole: no new trouble of some regions, and no end of one
			after.Regions = before.Regions && enough
		case StatusUp:
			after.Regions = false
		}
	}
	if c.NoData > 0 && r.blind != nil {
		if after.NoData = *r.blind >= c.NoData; after.NoData {
			found = append(found, breach{conditionNoData, r.blind.Seconds(), c.NoData.Seconds()})
		}
	}
	if c.Percentile != (Percentile{}) && r.lately != nil {
		if after.Percentile = r.lately.above || after.Percentile && !r.lately.over; r.lately.above {
			found = append(found, breach{conditionPercentile, 0, milliseconds(c.Percentile.Above)}) // the value is asked for if it triggers
		}
	}
	if len(found) == 0 {
		return after, breach{}
	}
	return after, found[0]
}

// among are the regions for which a condition holds after the reading: those of before but for the reading's own, if that says
// something of the condition, and those that were taken from the monitor, which would never report again; and the reading's own
// if it holds there.
func (r reading) among(before, regions []string, says, holds bool) []string {
	if len(before) == 0 && !holds {
		return nil
	}
	after := slices.DeleteFunc(slices.Clone(before), func(region string) bool {
		return len(regions) > 0 && !slices.Contains(regions, region) || says && region == r.region
	})
	if holds {
		at, _ := slices.BinarySearch(after, r.region)
		after = slices.Insert(after, at, r.region)
	}
	return after
}

// days are so many that a hundredth counts; what is over is below 0.
func days(d time.Duration) float64 { return math.Floor(d.Hours()/24*100) / 100 }

func sameHolding(a, b Holding) bool {
	return a.Failures == b.Failures && a.Uptime == b.Uptime && a.Regions == b.Regions && a.NoData == b.NoData && a.Percentile == b.Percentile &&
		slices.Equal(a.Slow, b.Slow) && slices.Equal(a.Expiring, b.Expiring)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (v *evaluation) triggerData(b breach, r reading) TriggerData {
	d := TriggerData{
		Condition: b.condition, Value: b.value, Threshold: b.threshold, Region: r.region, Status: r.status,
		ConsecutiveFailures: r.failures, StatusCode: r.statusCode, ErrorType: r.errorType, ErrorMessage: r.errorMessage,
		MonitorName: v.state.Monitor.Name, MonitorURL: v.state.Monitor.URL,
	}
	if r.slowest != nil {
		ms := milliseconds(*r.slowest)
		d.ResponseTimeMS = &ms
	}
	return d
}

// resolved is t after its conditions ceased to hold at time at.
func (t Trigger) resolved(at time.Time) Trigger {
	if at.Before(t.TriggeredAt) { // regions have clocks of their own
		at = t.TriggeredAt
	}
	t.ResolvedAt, t.Holding = at, Holding{}
	return t
}

func (v *evaluation) tellRule(kind string, rule Rule, t Trigger, r reading) {
	if v.state.Past {
		v.out.told = append(v.out.told, told{v.entry.At, kind, t})
		return
	}
	to := Target{TargetAlert, rule.ID}
	if o := v.state.Overlay; o != nil {
		if told, named := o.RuleAs[rule.ID]; named {
			t.ID, t.TriggeredAt = told.ID, told.At
		}
	}
	m := v.message(kind, to)
	m.ID = messageID(kind, to, m.OrganizationID, number(t.ID), number(t.TriggeredAt.UnixMilli()))
	m.Thread = "trigger:" + number(t.ID)
	m.Content.Status, m.Content.ErrorType, m.Content.ErrorMessage = r.status, r.errorType, r.errorMessage
	if m.Content.Regions = r.regions; r.region != "" {
		m.Content.Regions = []string{r.region}
	}
	m.Content.Alert = &ContentAlert{
		ID: rule.ID, HistoryID: t.ID, TriggeredAt: Stamp(t.TriggeredAt), ResolvedAt: stampOf(t.ResolvedAt), Data: t.Data,
	}
	if kind == TypeTriggered && fails(breach{condition: t.Data.Condition}) {
		m.Content.Dependents = v.dependents()
	}
	if inc := v.known(v.state.Incident); inc != nil {
		m.IncidentID, m.Content.Incident = inc.ID, inc.content()
	}
	v.out.Messages = append(v.out.Messages, m)
}
