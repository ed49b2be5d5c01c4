package alerts

import (
	"slices"
	"time"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/maintenance"
)

// A group is a state over the states of several monitors, and a way to be told of them in one message. Its state is a pure function of
// what its members were seen to be; it is told when it changes, once, and never before its members would be.

// The limits on groups.
const (
	// MaxGroups is how many groups an organization may have.
	MaxGroups = 100
	// MaxGroupMonitors is how many monitors a group may name; by labels it may have more.
	MaxGroupMonitors = 500
)

// The faults of groups.
var (
	ErrGroupNotFound = fault.NotFound("group not found")
	ErrTooManyGroups = fault.Exhausted("the organization has as many groups as it may have").Because("LIMIT_REACHED")
)

// AlertLevel is who is told of: a group, its members, or both.
type AlertLevel string

// The levels.
const (
	LevelGroup   AlertLevel = "group" // members are silent about what fails
	LevelMembers AlertLevel = "members"
	LevelBoth    AlertLevel = "both" // of a group that does not say
)

// GroupRuleKind is how many of the counted members have to be down for their group to be.
type GroupRuleKind string

// The kinds of rules.
const (
	RuleAny     GroupRuleKind = "any"
	RuleAll     GroupRuleKind = "all"
	RuleCount   GroupRuleKind = "count"   // at least so many
	RulePercent GroupRuleKind = "percent" // at least so many percent
)

// GroupRule says when a group is down.
type GroupRule struct {
	Kind  GroupRuleKind
	Value int // members from 1, or percent from 1 to 100; 0 of the other kinds
}

// reached reports whether down of counted members, of which there is at least one, are enough.
func (r GroupRule) reached(down, counted int) bool {
	switch r.Kind {
	case RuleAny:
		return down > 0
	case RuleAll:
		return down == counted
	case RuleCount:
		return down >= r.Value
	case RulePercent:
		return down*100 >= r.Value*counted
	}
	return false // of a newer version
}

// Group is a row of monitor_group.
type Group struct {
	ID             uint32
	OrganizationID string
	Name           string
	Description    string
	Target         maintenance.Target // its members: those that are named, and those that have all of the labels
	Rule           GroupRule
	Level          AlertLevel
	CreatedAt      time.Time
	UpdatedAt      time.Time
	State          GroupState // changed by evaluation alone
}

// GroupState is what evaluation knows of a group.
type GroupState struct {
	Status Status    // up, degraded, down, unknown or paused; "" before it was evaluated
	Since  time.Time // by the checks' time

	// What receivers know.
	Told    Status    // up, degraded or down; "" before anything was, and after a pause
	Outage  time.Time // since when it is down, of one that was told to be and has no end for receivers; zero otherwise
	Changes uint64    // that were told
	Due     time.Time // when to tell what is so though a member that is unknown might still change it; zero when nothing waits
}

// Member is what a monitor is to the groups that it is in.
type Member struct {
	Status Status // up, degraded, down, unknown, paused or maintenance; "" of one that is gone
	Quiet  bool   // nobody is told if it is down: another that it depends on may be why, or it is unstable
}

// Member is what the monitor is to its groups: what was confirmed of it, unless nobody looks, or nobody is to care.
func (s State) Member() Member {
	switch {
	case s.Monitor.Deleted:
		return Member{}
	case !s.Monitor.Enabled:
		return Member{Status: StatusPaused}
	case s.inWindow():
		return Member{Status: StatusMaintenance}
	case s.Known == "" || !s.Blind.IsZero():
		return Member{Status: StatusUnknown}
	}
	return Member{Status: s.Known, Quiet: s.held() != nil || s.unstable() != nil}
}

// GroupMember is a member as its group sees it.
type GroupMember struct {
	ID   uint32
	Name string
	Member
	Since       time.Time     // the beginning of its outage, if it is down
	DetectsDown time.Duration // the longest time until it is seen to be down
}

// GroupView is a group with its members.
type GroupView struct {
	Group
	Members []GroupMember // by id
}

// Tally is how many members of a group are what.
type Tally struct {
	Total, Up, Degraded, Down, Unknown, Paused, Maintenance int

	quiet int // of those that are down
}

// Counted is how many have a say in what the group is.
func (t Tally) Counted() int { return t.Up + t.Degraded + t.Down }

// Tally counts the members.
func (g GroupView) Tally() (t Tally) {
	for _, m := range g.Members {
		t.add(m.Member, 1)
	}
	return t
}

// add counts a member n times more.
func (t *Tally) add(m Member, n int) {
	switch m.Status {
	case StatusUp:
		t.Up += n
	case StatusDegraded:
		t.Degraded += n
	case StatusDown:
		if t.Down += n; m.Quiet {
			t.quiet += n
		}
	case StatusUnknown:
		t.Unknown += n
	case StatusPaused:
		t.Paused += n
	case StatusMaintenance:
		t.Maintenance += n
	default: // it is gone
		return
	}
	t.Total += n
}

// status is what a group with such members is. Who is unknown, paused or in maintenance has no say.
func (r GroupRule) status(t Tally) Status {
	counted := t.Counted()
	switch {
	case counted == 0 && t.Total > 0 && t.Paused == t.Total:
		return StatusPaused
	case counted == 0:
		return StatusUnknown
	case r.reached(t.Down, counted):
		return StatusDown
	case t.Down > 0 || t.Degraded > 0:
		return StatusDegraded
	}
	return StatusUp
}

// certain reports whether what the group is now may be told to receivers that know told of it: whatever those members turn out to be of
// which nobody is told yet, and, unless patience is over, those that are unknown. More members that are down never make a group better,
// so the best and the worst case say it all.
func (r GroupRule) certain(t Tally, told Status, patient bool) bool {
	now, best, worst := r.status(t), t, t
	best.Up, best.Down = best.Up+t.quiet, best.Down-t.quiet
	if patient {
		best.Up, best.Unknown = best.Up+t.Unknown, 0
		worst.Down, worst.Unknown = worst.Down+t.Unknown, 0
	}
	least, most := r.status(best), r.status(worst)
	if told == StatusDown && now != StatusDown { // its end is told, whatever it is then
		return most != StatusDown
	}
	return least == now && most == now
}

// failing are the members that are down, or if none is, degraded, by name.
func (g GroupView) failing() []GroupMember {
	var down, degraded []GroupMember
	for _, m := range g.Members {
		switch m.Status {
		case StatusDown:
			down = append(down, m)
		case StatusDegraded:
			degraded = append(degraded, m)
		}
	}
	if len(down) == 0 {
		down = degraded
	}
	return byName(down)
}

func byName(members []GroupMember) []GroupMember {
	return slices.SortedStableFunc(slices.Values(members), func(a, b GroupMember) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return int(a.ID) - int(b.ID)
	})
}

// check says what is wrong with the rule of a group that names so many monitors, and has others by labels if labelled.
func (r GroupRule) check(named int, labelled bool) []fault.Field {
	switch {
	case r.Kind == RuleCount && r.Value < 1:
		return []fault.Field{{Name: "rule.count", Message: "is required with rule.type count, and at least 1"}}
	case r.Kind == RuleCount && !labelled && r.Value > named:
		return []fault.Field{{Name: "rule.count", Message: "is " + number(uint32(r.Value)) + ", but the group names only " + number(uint32(named)) + " monitors: it would never be down"}}
	case r.Kind == RulePercent && (r.Value < 1 || r.Value > 100):
		return []fault.Field{{Name: "rule.percent", Message: "is required with rule.type percent, from 1 to 100"}}
	}
	return nil
}

// Membership is that a monitor is in a group.
type Membership struct{ Group, Monitor uint32 }

// Regrouping is what becomes of the memberships of some monitors.
type Regrouping struct {
	Join, Leave []Membership
	Groups      []uint32 // that one of the monitors is in, or was, ascending
}

// Left are the monitors that leave a group, ascending.
func (r Regrouping) Left() []uint32 {
	ids := []uint32{}
	for _, m := range r.Leave {
		ids = append(ids, m.Monitor)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Regroup says which of the groups the monitors belong to, given where they are. Deleted ones belong to none.
func Regroup(groups []Group, monitors []Monitor, is []Membership) (r Regrouping) {
	was := map[Membership]bool{}
	for _, m := range is {
		was[m] = true
		r.Groups = append(r.Groups, m.Group)
	}
	belongs := map[Membership]bool{}
	for _, m := range monitors {
		for _, g := range groups {
			if m.Deleted || g.OrganizationID != m.OrganizationID || !g.Target.Covers(m.ID, m.Labels) {
				continue
			}
			to := Membership{g.ID, m.ID}
			if belongs[to] = true; !was[to] {
				r.Join, r.Groups = append(r.Join, to), append(r.Groups, g.ID)
			}
		}
	}
	for _, m := range is {
		if !belongs[m] {
			r.Leave = append(r.Leave, m)
		}
	}
	slices.Sort(r.Groups)
	r.Groups = slices.Compact(r.Groups)
	return r
}
