package app

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// groupView is what the command line shows of a group.
type groupView struct {
	ID          uint32            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Labels      []string          `json:"labels"`
	Rule        groupRuleView     `json:"rule"`
	AlertLevel  string            `json:"alert_level"`
	State       string            `json:"state"`
	Since       *time.Time        `json:"since"`
	Counts      groupCountsView   `json:"counts"`
	Failing     []groupMemberView `json:"failing_members"`
}

type groupRuleView struct {
	Type    string `json:"type"`
	Count   int    `json:"count"`
	Percent int    `json:"percent"`
}

type groupCountsView struct {
	Total       int `json:"total"`
	Up          int `json:"up"`
	Degraded    int `json:"degraded"`
	Down        int `json:"down"`
	Unknown     int `json:"unknown"`
	Paused      int `json:"paused"`
	Maintenance int `json:"maintenance"`
}

type groupMemberView struct {
	MonitorID uint32     `json:"monitor_id"`
	Name      string     `json:"name"`
	State     string     `json:"state"`
	Since     *time.Time `json:"since"`
}

func (r groupRuleView) words() string {
	switch r.Type {
	case "any":
		return "any is"
	case "all":
		return "all are"
	case "count":
		return fmt.Sprintf("%d are", r.Count)
	case "percent":
		return fmt.Sprintf("%d%% are", r.Percent)
	}
	return clean(r.Type)
}

// words are how many members are what, the worst first.
func (c groupCountsView) words() string {
	var out []string
	for _, one := range []struct {
		n    int
		what string
	}{{c.Down, "down"}, {c.Degraded, "degraded"}, {c.Unknown, "unknown"}, {c.Maintenance, "in maintenance"}, {c.Paused, "paused"}, {c.Up, "up"}} {
		if one.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return strings.Join(out, ", ")
}

// sinceText is how long something has been so, and a dash if that is not known.
func sinceText(at *time.Time, now time.Time) string {
	if at == nil {
		return nothing
	}
	return ago(at, now)
}

// toldOf says what alert levels mean.
var toldOf = map[string]string{"group": "the group, and not of its members", "members": "its members, and not of the group", "both": "the group, and of each member"}

func (t terminal) groups(all []groupView, now time.Time) {
	rows := make([][]cell, len(all))
	for n, g := range all {
		rows[n] = []cell{
			{strconv.FormatUint(uint64(g.ID), 10), bold}, monitorStatus(g.State), {shorten(g.Name, 32), cyan},
			{g.Rule.words(), ""}, {g.Counts.words(), ""}, {sinceText(g.Since, now), faint},
		}
	}
	t.table([]string{"ID", "STATE", "NAME", "DOWN WHEN", "MEMBERS", "SINCE"}, rows)
}

func (t terminal) group(g groupView, now time.Time) {
	state := monitorStatus(g.State)
	fmt.Fprintf(t, "%s  group %d, %s\n", t.paint(state.colour, state.text), g.ID, t.paint(bold, clean(g.Name)))
	if g.Description != "" {
		fmt.Fprintln(t, clean(g.Description))
	}
	fmt.Fprintf(t, "%s: %s; down when %s\n", times(g.Counts.Total, "member"), g.Counts.words(), g.Rule.words())
	if len(g.Labels) > 0 {
		fmt.Fprintf(t, "members by label: %s\n", clean(strings.Join(g.Labels, " and ")))
	}
	if told, known := toldOf[g.AlertLevel]; known {
		fmt.Fprintf(t, "channels are told of %s\n", told)
	}
	if g.Since != nil {
		fmt.Fprintf(t, "%s since %s\n", clean(g.State), moment(*g.Since))
	}
	if len(g.Failing) == 0 {
		return
	}
	fmt.Fprintln(t)
	rows := make([][]cell, len(g.Failing))
	for n, m := range g.Failing {
		rows[n] = []cell{{strconv.FormatUint(uint64(m.MonitorID), 10), bold}, monitorStatus(m.State), {shorten(m.Name, 48), cyan}, {sinceText(m.Since, now), faint}}
	}
	t.table([]string{"MONITOR", "STATE", "NAME", "SINCE"}, rows)
}
