package app

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// backtestView is what the command line shows of a backtest.
type backtestView struct {
	Start    time.Time `json:"start_date"`
	End      time.Time `json:"end_date"`
	Checks   int       `json:"checks"`
	Coverage *float64  `json:"coverage_percentage"`
	Unknown  []struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	} `json:"unknown"`
	Maintenance []struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	} `json:"maintenance"`
	Proposed outcomeView `json:"proposed"`
	Present  []struct {
		ID         uint32         `json:"alert_id"`
		Conditions map[string]any `json:"conditions"`
		Outcome    outcomeView    `json:"outcome"`
		Difference struct {
			Added   int      `json:"added"`
			Dropped int      `json:"dropped"`
			Sooner  *float64 `json:"sooner_seconds"`
		} `json:"difference"`
	} `json:"present"`
	DurationMS int `json:"duration_ms"`
}

type outcomeView struct {
	Times     int          `json:"times"`
	Triggered float64      `json:"triggered_seconds"`
	Longest   *float64     `json:"longest_seconds"`
	Silenced  int          `json:"silenced"`
	Firings   []firingView `json:"firings"`
}

type firingView struct {
	At      time.Time  `json:"triggered_at"`
	Until   *time.Time `json:"resolved_at"`
	Seconds float64    `json:"seconds"`
	Data    struct {
		Condition string  `json:"condition"`
		Value     float64 `json:"value"`
		Threshold float64 `json:"threshold"`
		Region    string  `json:"region"`
	} `json:"alert_data"`
}

const (
	shortList  = 10 // firings that are listed without --all
	minPicture = 20
	maxPicture = 90
	minute     = "2006-01-02 15:04"
)

// backtest shows what a rule would have done: a table, for a person also a picture of the range, and the times themselves.
func (t terminal) backtest(v *backtestView, all, picture bool) {
	coverage := "no coverage"
	if v.Coverage != nil {
		coverage = "coverage " + uptime(v.Coverage)
	}
	fmt.Fprintf(t, "%s to %s UTC: %d checks, %s\n\n", v.Start.UTC().Format(minute), v.End.UTC().Format(minute), v.Checks, coverage)
	head := []string{"RULE", "WHEN", "TIMES", "TRIGGERED", "LONGEST", "SILENCED", "ADDED", "DROPPED", "SOONER"}
	rows := [][]cell{append([]cell{{"proposed", bold}, {"", ""}}, append(v.Proposed.cells(), cell{"", ""}, cell{"", ""}, cell{"", ""})...)}
	for _, p := range v.Present {
		d := p.Difference
		sooner := "-"
		if d.Sooner != nil {
			sooner = formatSeconds(*d.Sooner)
		}
		row := append([]cell{{"alert " + strconv.FormatUint(uint64(p.ID), 10), ""}, {shorten(conditionsText(p.Conditions), 48), faint}}, p.Outcome.cells()...)
		rows = append(rows, append(row, cell{strconv.Itoa(d.Added), ""}, cell{strconv.Itoa(d.Dropped), ""}, cell{sooner, ""}))
	}
	t.table(head, rows)
	if picture {
		t.picture(v)
	}
	t.firings(v.Proposed, all)
}

func (o outcomeView) cells() []cell {
	longest := "-"
	if o.Longest != nil {
		longest = formatSeconds(*o.Longest)
	}
	colour := ""
	if o.Times > 0 {
		colour = yellow
	}
	return []cell{{strconv.Itoa(o.Times), colour}, {formatSeconds(o.Triggered), ""}, {longest, ""}, {strconv.Itoa(o.Silenced), ""}}
}

// picture draws the range as one line per rule, and one of what is not known.
func (t terminal) picture(v *backtestView) {
	width := min(max(t.width-14, minPicture), maxPicture)
	line := func(name, colour, mark string, spans [][2]time.Time) {
		cells := drawSpans(v.Start, v.End, width, spans)
		var b strings.Builder
		for from := 0; from < width; {
			to := from + 1
			for to < width && cells[to] == cells[from] {
				to++
			}
			b.WriteString(pick(cells[from], t.paint(colour, strings.Repeat(mark, to-from)), t.paint(faint, strings.Repeat("·", to-from))))
			from = to
		}
		fmt.Fprintf(t, "%-12s  %s\n", name, b.String())
	}
	fmt.Fprintln(t)
	line("proposed", red, "█", v.Proposed.spans(v.End))
	for _, p := range v.Present {
		line("alert "+strconv.FormatUint(uint64(p.ID), 10), yellow, "█", p.Outcome.spans(v.End))
	}
	var blind [][2]time.Time
	for _, u := range v.Unknown {
		blind = append(blind, [2]time.Time{u.Start, u.End})
	}
	line("not known", blue, "▒", blind)
	var windows [][2]time.Time
	for _, w := range v.Maintenance {
		windows = append(windows, [2]time.Time{w.Start, w.End})
	}
	if len(windows) > 0 {
		line("maintenance", cyan, "▒", windows)
	}
	from, to := v.Start.UTC().Format("2 Jan"), v.End.UTC().Format("2 Jan")
	fmt.Fprintf(t, "%-12s  %s%*s\n", "", from, width-len(from), to)
}

func (o outcomeView) spans(end time.Time) [][2]time.Time {
	out := make([][2]time.Time, 0, len(o.Firings))
	for _, f := range o.Firings {
		until := end
		if f.Until != nil {
			until = *f.Until
		}
		out = append(out, [2]time.Time{f.At, until})
	}
	return out
}

// drawSpans says which of the cells of a range the spans touch. A span is never too short to be seen.
func drawSpans(from, to time.Time, width int, spans [][2]time.Time) []bool {
	cells := make([]bool, width)
	all := to.Sub(from)
	if all <= 0 {
		return cells
	}
	place := func(at time.Time) int {
		return min(max(int(float64(at.Sub(from))/float64(all)*float64(width)), 0), width-1)
	}
	for _, s := range spans {
		last := s[1]
		if last.After(s[0]) {
			last = last.Add(-1)
		}
		for i := place(s[0]); i <= place(last); i++ {
			cells[i] = true
		}
	}
	return cells
}

// firings lists when the rule triggers, the last times if there are many.
func (t terminal) firings(o outcomeView, all bool) {
	if len(o.Firings) == 0 {
		return
	}
	list, left := o.Firings, 0
	if !all && len(list) > shortList {
		left = len(list) - shortList
		list = list[left:]
	}
	rows := make([][]cell, 0, len(list))
	for _, f := range list {
		until := "still at the end"
		if f.Until != nil {
			until = f.Until.UTC().Format(time.DateTime)
		}
		rows = append(rows, []cell{
			{f.At.UTC().Format(time.DateTime), ""}, {until, ""}, {formatSeconds(f.Seconds), ""}, {f.why(), ""}, {clean(f.Data.Region), ""},
		})
	}
	fmt.Fprintln(t)
	t.table([]string{"TRIGGERED", "RESOLVED", "FOR", "WHY", "REGION"}, rows)
	if left > 0 {
		fmt.Fprintln(t, t.paint(faint, fmt.Sprintf("and %d before; --all lists them", left)))
	}
	if missing := o.Times - len(o.Firings); missing > 0 {
		fmt.Fprintln(t, t.paint(faint, fmt.Sprintf("and %d after, which the server does not tell one by one", missing)))
	}
}

func (f firingView) why() string {
	number := func(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }
	return fmt.Sprintf("%s %s (%s)", clean(f.Data.Condition), number(f.Data.Value), number(f.Data.Threshold))
}

// conditionsText names the conditions that are set, in a fixed order.
func conditionsText(c map[string]any) string {
	var out []string
	for _, name := range []string{
		"consecutive_failures", "response_time_threshold_ms", "uptime_percentage_threshold", "certificate_days_left", "degraded_regions", "no_data_seconds",
	} {
		if v, ok := c[name].(float64); ok {
			out = append(out, name+" "+strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	if p, ok := c["response_time_percentile"].(map[string]any); ok {
		out = append(out, fmt.Sprintf("response_time_percentile p%v above %v ms in %v s", p["percentile"], p["threshold_ms"], p["window_seconds"]))
	}
	return strings.Join(out, ", ")
}

// formatSeconds is a length of time to a person; a second is the finest that is shown of a minute and more.
func formatSeconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%s%.1fd", sign, d.Hours()/24)
	case d >= time.Minute:
		return sign + shortDuration(d.Round(time.Second))
	}
	return sign + d.Round(100*time.Millisecond).String()
}
