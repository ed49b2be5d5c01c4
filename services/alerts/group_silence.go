package alerts

import "time"

// A monitor in a group of level group is silent about what fails, as in maintenance: history, incidents and rules go on, and at the end
// of that only the difference is told. What its group cannot tell, such as a certificate that ends, is told as ever.

func (s State) inGroup() bool { return s.Overlay != nil && s.Overlay.Grouped }

// group notes that the monitor has come into such a group, or is in none any more.
func (v *evaluation) group(at time.Time) {
	in := v.state.inGroup()
	switch {
	case v.state.Past:
	case v.state.Grouped && !in && v.state.muted():
		v.remember(func(o *Overlay) { o.Grouped = true })
	case v.state.Grouped && !in:
		v.beginQuiet(func(o *Overlay) { o.Grouped = true })
	case !v.state.Grouped && in:
		if !v.state.inWindow() && v.state.held() == nil && v.state.unstable() == nil {
			v.endMaintenance(at)
		}
		if v.state.inGroup() {
			v.remember(func(o *Overlay) { o.Grouped = false })
		}
	case in && !v.state.Overlay.Look.IsZero():
		v.remember(func(o *Overlay) { o.Look = time.Time{} })
	}
}

// beside tells what rules have to say beside what a group tells, while that is the only reason for silence.
func (v *evaluation) beside() {
	if !v.state.inGroup() || v.state.inWindow() || v.state.held() != nil || v.state.unstable() != nil {
		return
	}
	for _, r := range v.state.Rules {
		id := r.Rule.ID
		told, known := v.state.Overlay.Rules[id]
		switch open := r.Open; {
		case open != nil && !known && !fails(breach{condition: open.Data.Condition}):
			v.tellRule(TypeTriggered, r.Rule, *open, readingOf(*open))
			v.rememberRule(id, ToldRule{Told: Told{open.ID, open.TriggeredAt}, Trigger: open.ID})
		case open != nil && known && told.Ended != nil: // for receivers what they know goes on
			v.rememberRule(id, ToldRule{Told: told.Told, Trigger: open.ID})
		case open == nil && known && told.Ended != nil:
			v.nameTrigger(id, told.Told)
			v.tellRule(TypeResolved, r.Rule, *told.Ended, reading{status: v.state.Known})
			v.forgetTrigger(id)
			v.remember(func(o *Overlay) { delete(o.Rules, id) })
		}
	}
}

// rememberRule notes what receivers know of a rule.
func (v *evaluation) rememberRule(rule uint32, told ToldRule) {
	v.remember(func(o *Overlay) {
		if o.Rules == nil { // read back from a store that leaves out what is empty
			o.Rules = map[uint32]ToldRule{}
		}
		o.Rules[rule] = told
	})
}
