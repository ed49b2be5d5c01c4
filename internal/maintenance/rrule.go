package maintenance

import (
	"iter"
	"slices"
	"time"
)

// frequency is the period of a rule.
type frequency string

const (
	daily   frequency = "DAILY"
	weekly  frequency = "WEEKLY"
	monthly frequency = "MONTHLY"
	yearly  frequency = "YEARLY"
)

// rule is an RRULE with everything filled in that its start implies. Times are walls.
type rule struct {
	freq      frequency
	interval  int
	weekStart time.Weekday
	months    []int
	monthDays []int     // negative ones count from the end of the month
	weekdays  []weekday // any of them
	hours     []int
	minutes   []int
	positions []int // of a period's starts; negative ones count from the end
	count     int

	start time.Time
	until time.Time // zero: none
}

// weekday is a day of every week, or the nth of its month or year.
type weekday struct {
	nth int // 0: every; negative ones count from the end
	day time.Weekday
}

// countYears bounds the search for the last of a number of occurrences.
const countYears = 100

func (s *Schedule) readRRule() error {
	r, err := parseRRule(s.spec.RRule, s.zone)
	if err != nil {
		return err
	}
	r.begin(wallOf(s.spec.Start, s.zone))
	if r.count > 0 {
		r.until = r.nthStart(r.count)
	}
	s.walls = func(from time.Time) iter.Seq[time.Time] { return r.from(from, horizonYears) }
	return nil
}

// begin fills in what the rule leaves to its start.
func (r *rule) begin(start time.Time) {
	r.start = start
	if len(r.monthDays) == 0 && len(r.weekdays) == 0 {
		switch r.freq {
		case weekly:
			r.weekdays = []weekday{{day: start.Weekday()}}
		case monthly:
			r.monthDays = []int{start.Day()}
		case yearly:
			r.monthDays = []int{start.Day()}
			if len(r.months) == 0 {
				r.months = []int{int(start.Month())}
			}
		}
	}
	if len(r.hours) == 0 {
		r.hours = []int{start.Hour()}
	}
	if len(r.minutes) == 0 {
		r.minutes = []int{start.Minute()}
	}
}

// nthStart is the nth start, or the last there is in a hundred years.
func (r *rule) nthStart(n int) (last time.Time) {
	for wall := range r.from(r.start, countYears) {
		last = wall
		if n--; n == 0 {
			break
		}
	}
	if last.IsZero() {
		return r.start
	}
	return last
}

// from are the starts at or after t, ascending, for so many years.
func (r *rule) from(t time.Time, years int) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if t.Before(r.start) {
			t = r.start
		}
		end := t.AddDate(years, 0, 0)
		for k := r.periodOf(t); ; k++ {
			first, after := r.period(k)
			if first.After(end) || !r.until.IsZero() && first.After(r.until) {
				return
			}
			for _, wall := range r.startsIn(first, after) {
				switch {
				case !r.until.IsZero() && wall.After(r.until):
					return
				case wall.Before(t):
				case !yield(wall):
					return
				}
			}
		}
	}
}

const day = 24 * time.Hour

// periodOf is the number of the last period that begins at or before t; those that the interval leaves out have none.
func (r *rule) periodOf(t time.Time) int {
	var n int
	switch first := midnight(r.start); r.freq {
	case daily:
		n = int(midnight(t).Sub(first) / day)
	case weekly:
		n = int(r.week(t).Sub(r.week(first)) / (7 * day))
	case monthly:
		n = (t.Year()-first.Year())*12 + int(t.Month()) - int(first.Month())
	case yearly:
		n = t.Year() - first.Year()
	}
	return n / r.interval
}

// period is the first day of a period and the first after it.
func (r *rule) period(k int) (first, after time.Time) {
	n := k * r.interval
	switch r.freq {
	case daily:
		first = midnight(r.start).AddDate(0, 0, n)
		return first, first.AddDate(0, 0, 1)
	case weekly:
		first = r.week(r.start).AddDate(0, 0, 7*n)
		return first, first.AddDate(0, 0, 7)
	case monthly:
		first = time.Date(r.start.Year(), r.start.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
		return first, first.AddDate(0, 1, 0)
	}
	first = time.Date(r.start.Year()+n, time.January, 1, 0, 0, 0, 0, time.UTC)
	return first, first.AddDate(1, 0, 0)
}

// week is the first day of the week of t.
func (r *rule) week(t time.Time) time.Time {
	return midnight(t).AddDate(0, 0, -int(t.Weekday()-r.weekStart+7)%7)
}

// startsIn are the starts of one period, ascending.
func (r *rule) startsIn(first, after time.Time) []time.Time {
	var all []time.Time
	for d := first; d.Before(after); d = d.AddDate(0, 0, 1) {
		if !r.due(d) {
			continue
		}
		for _, h := range r.hours {
			for _, m := range r.minutes {
				all = append(all, d.Add(time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+time.Duration(r.start.Second())*time.Second))
			}
		}
	}
	if len(r.positions) == 0 {
		return all
	}
	var chosen []time.Time
	for i, t := range all {
		if slices.Contains(r.positions, i+1) || slices.Contains(r.positions, i-len(all)) {
			chosen = append(chosen, t)
		}
	}
	return chosen
}

// due reports whether the rule names the day.
func (r *rule) due(d time.Time) bool {
	if len(r.months) > 0 && !slices.Contains(r.months, int(d.Month())) {
		return false
	}
	if len(r.monthDays) > 0 {
		ofMonth := time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if !slices.Contains(r.monthDays, d.Day()) && !slices.Contains(r.monthDays, d.Day()-ofMonth-1) {
			return false
		}
	}
	return len(r.weekdays) == 0 || slices.ContainsFunc(r.weekdays, func(w weekday) bool { return w.day == d.Weekday() && r.nth(w.nth, d) })
}

// nth reports whether d is the nth of its weekday: in its year for a yearly rule that names no months, else in its month.
func (r *rule) nth(n int, d time.Time) bool {
	if n == 0 {
		return true
	}
	before, of := d.Day()-1, time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if r.freq == yearly && len(r.months) == 0 {
		before, of = d.YearDay()-1, time.Date(d.Year(), time.December, 31, 0, 0, 0, 0, time.UTC).YearDay()
	}
	if n > 0 {
		return before/7+1 == n
	}
	return (of-1-before)/7+1 == -n
}
