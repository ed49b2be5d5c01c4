package alerts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// maxListedName is how much of a name a list shows, so that fifty lines fit where 3000 characters do.
const maxListedName = 40

// What the messages of a digest are called, one and many, in the order in which they are counted.
var digestKinds = []struct{ kind, line, count string }{
	{TypeDown, "down", "down"},
	{TypeReminder, "still down", "still down"},
	{TypeUnstable, "unstable", "unstable"},
	{TypeDegraded, "degraded", "degraded"},
	{TypeTriggered, "alert", "with an alert"},
	{TypeRecovered, "up again", "up again"},
	{TypeStable, "steady again", "steady again"},
	{TypeResolved, "fine again", "fine again"},
}

var severityOrder = []notify.Severity{notify.Critical, notify.High, notify.Medium, notify.Low, notify.Informational}

// digest lists what the message tells, a line each. What is worst, and what wants to be dealt with, decides how it looks.
func (w *sheet) digest() {
	w.Severity, w.Action = notify.Informational, notify.Info
	counts := map[string]int{}
	for _, m := range w.m.messages() {
		of := m.words(w.now, "")
		if slices.Index(severityOrder, of.Severity) < slices.Index(severityOrder, w.Severity) {
			w.Severity = of.Severity
		}
		if of.Action == notify.Trigger || w.Action == notify.Info {
			w.Action = of.Action
		}
		counts[m.Type]++
		w.line(m.listed())
	}
	var parts []string
	for _, k := range digestKinds {
		if n := counts[k.kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k.count))
			w.fact(strings.ToUpper(k.count[:1])+k.count[1:], number(uint32(n)))
		}
		delete(counts, k.kind)
	}
	others := 0
	for _, n := range counts {
		others += n
	}
	if others > 0 {
		parts = append(parts, fmt.Sprintf("%d more", others))
	}
	w.Title = "Monitors: " + strings.Join(parts, ", ")
}

// listed is the message in a line.
func (m Message) listed() string {
	what := m.Type
	for _, k := range digestKinds {
		if k.kind == m.Type {
			what = k.line
		}
	}
	s := sheet{m: m}
	return what + ": " + notify.OneLine(s.what(), maxListedName)
}
