package alerts

import (
	"fmt"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// maxNamedMembers is how many failing members people are shown by name.
const maxNamedMembers = 10

// group says what a group is, by how many of its members, and which of them.
func (w *sheet) group() {
	c := w.m.Content
	g := c.Group
	if g == nil {
		w.Title = "A group: " + w.m.Type
		return
	}
	name, since := g.what(), w.since()
	state, sentence := "", ""
	switch w.m.Type {
	case TypeGroupDown:
		w.Action, w.Severity, state = notify.Trigger, notify.Critical, "down"
		sentence = "Since " + moment(since) + " (for " + lasting(w.now.Sub(since)) + ")."
	case TypeGroupDegraded:
		w.Action, w.Severity, state = notify.Trigger, notify.Medium, "degraded"
		sentence = "Since " + moment(since) + "."
	default:
		w.Action, w.Severity, state = notify.Resolve, notify.Medium, groupAgain[c.Status]
		sentence = "Since " + moment(since) + "."
	}
	w.Title = name + " is " + state
	w.line("Group " + name + ": " + state + ", " + g.share() + " (" + g.Rule.text() + ").")
	w.fact("Group", name)
	if g.StartedAt != nil && g.EndedAt != nil {
		from, to := time.Time(*g.StartedAt), time.Time(*g.EndedAt)
		w.Severity = notify.Critical
		w.Title += " after " + lasting(to.Sub(from))
		w.span("Down", from, to)
		w.fact("Down", moment(from))
		w.fact("Up", moment(to))
		w.fact("Duration", lasting(to.Sub(from)))
	} else {
		w.line(sentence)
		w.fact("Since", moment(since))
	}
	if w.Action == notify.Trigger {
		w.Title += " (" + g.share() + ")"
	}
	w.fact("Members", g.share())
	w.failing(*g)
}

// groupAgain is what a group is after a trouble has ended.
var groupAgain = map[Status]string{
	StatusUp: "up again", StatusDegraded: "no longer down, but degraded", StatusDown: "no longer degraded, but down",
}

// what names the group.
func (g ContentGroup) what() string {
	if name := notify.OneLine(g.Name, maxShownName); name != "" {
		return name
	}
	return "group " + number(g.ID)
}

// share says how many of how many are down, and who has no say in it.
func (g ContentGroup) share() string {
	t := g.Members
	text := fmt.Sprintf("%d of %d members down", t.Down, t.Counted)
	if t.Degraded > 0 {
		text += fmt.Sprintf(", %d degraded", t.Degraded)
	}
	var without []string
	for _, left := range []struct {
		n    int
		what string
	}{{t.Unknown, "unknown"}, {t.Paused, "paused"}, {t.Maintenance, "in maintenance"}} {
		if left.n > 0 {
			without = append(without, fmt.Sprintf("%d %s", left.n, left.what))
		}
	}
	if len(without) > 0 {
		text += "; not counted: " + strings.Join(without, ", ")
	}
	return text
}

// text says when the group is down.
func (r ContentGroupRule) text() string {
	switch r.Type {
	case RuleAny:
		return "down when any is"
	case RuleAll:
		return "down when all are"
	case RuleCount:
		return fmt.Sprintf("down when %d are", r.Count)
	case RulePercent:
		return fmt.Sprintf("down when %d %% are", r.Percent)
	}
	return string(r.Type)
}

// failing names the members that are down or, if none is, degraded.
func (w *sheet) failing(g ContentGroup) {
	if len(g.Failing) == 0 {
		return
	}
	total, what := g.Members.Down, "Down"
	if total == 0 {
		total, what = g.Members.Degraded, "Degraded"
	}
	var names []string
	for i, m := range g.Failing {
		if i == maxNamedMembers {
			break
		}
		name := notify.OneLine(m.Name, maxListedName)
		if name == "" {
			name = "monitor " + number(m.ID)
		}
		names = append(names, name)
	}
	list := strings.Join(names, ", ")
	if more := total - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	w.line(what + ": " + list + ".")
	w.fact(what, list)
}
