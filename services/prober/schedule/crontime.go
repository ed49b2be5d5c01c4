package schedule

import (
	"math"
	"time"
)

// What a clock on the wall shows is counted in seconds, as if its zone were UTC; instants are seconds since 1970.

const (
	day     = 86400
	forever = math.MaxInt64
	// horizon is how far a calendar is searched: a 29th of February that is a Friday comes every 28 years, or 40.
	horizon = 50 * 366 * day
)

// calendarStart is a moment whose following 50 years hold every day that a calendar can have.
var calendarStart = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()

// expression is what a clock on the wall must show.
type expression struct {
	second, minute, hour set
	days                 days
}

// days are the days of the calendar that an expression names.
type days struct {
	month, ofMonth, ofWeek set
	last                   bool     // the last of the month
	nth                    [7]uint8 // by weekday: bit n-1 for the nth of the month, bit 5 for the last
	hasNth                 bool
	both                   bool // day of month and day of week must both hold; else one is enough
}

// in is the set of due days of a month.
func (d *days) in(year int, month time.Month) set {
	if !d.month.has(int(month)) {
		return 0
	}
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	length := first.AddDate(0, 1, -1).Day()
	ofMonth := d.ofMonth
	if d.last {
		ofMonth |= 1 << length
	}
	var ofWeek set
	for weekday := range 7 {
		every := d.ofWeek.has(weekday)
		if !every && d.nth[weekday] == 0 {
			continue
		}
		for dom, n := 1+(weekday-int(first.Weekday())+7)%7, 0; dom <= length; dom, n = dom+7, n+1 {
			if every || d.nth[weekday]>>n&1 == 1 || d.nth[weekday]>>5 == 1 && dom+7 > length {
				ofWeek |= 1 << dom
			}
		}
	}
	due := ofMonth | ofWeek
	if d.both {
		due = ofMonth & ofWeek
	}
	return due.upTo(length)
}

// nextWall is the first due moment at or after w.
func (e *expression) nextWall(w int64) (int64, bool) {
	t := time.Unix(w, 0).UTC()
	year, month, dom := t.Date()
	second := int(t.Unix() - midnight(year, month, dom))
	due := e.days.in(year, month).from(dom)
	if due.has(dom) {
		if at, ok := e.nextInDay(second); ok {
			return w - int64(second) + int64(at), true
		}
		due = due.from(dom + 1)
	}
	for end := w + horizon; due == 0; due = e.days.in(year, month) {
		if month++; month > time.December {
			year, month = year+1, time.January
		}
		if midnight(year, month, 1) > end {
			return 0, false
		}
	}
	first, _ := e.nextInDay(0)
	return midnight(year, month, due.first()) + int64(first), true
}

// lastWall is the newest due moment at or before w.
func (e *expression) lastWall(w int64) (int64, bool) {
	t := time.Unix(w, 0).UTC()
	year, month, dom := t.Date()
	second := int(t.Unix() - midnight(year, month, dom))
	due := e.days.in(year, month).upTo(dom)
	if due.has(dom) {
		if at, ok := e.lastInDay(second); ok {
			return w - int64(second) + int64(at), true
		}
		due = due.upTo(dom - 1)
	}
	for end := w - horizon; due == 0; due = e.days.in(year, month) {
		if month--; month < time.January {
			year, month = year-1, time.December
		}
		if midnight(year, month, 28) < end {
			return 0, false
		}
	}
	last, _ := e.lastInDay(day - 1)
	return midnight(year, month, due.last()) + int64(last), true
}

func midnight(year int, month time.Month, dom int) int64 {
	return time.Date(year, month, dom, 0, 0, 0, 0, time.UTC).Unix()
}

// nextInDay is the first due second of a due day at or after second.
func (e *expression) nextInDay(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	if e.hour.has(h) {
		if e.minute.has(m) {
			if later := e.second.from(s); later != 0 {
				return h*3600 + m*60 + later.first(), true
			}
		}
		if later := e.minute.from(m + 1); later != 0 {
			return h*3600 + later.first()*60 + e.second.first(), true
		}
	}
	if later := e.hour.from(h + 1); later != 0 {
		return later.first()*3600 + e.minute.first()*60 + e.second.first(), true
	}
	return 0, false
}

// lastInDay is the newest due second of a due day at or before second.
func (e *expression) lastInDay(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	if e.hour.has(h) {
		if e.minute.has(m) {
			if earlier := e.second.upTo(s); earlier != 0 {
				return h*3600 + m*60 + earlier.last(), true
			}
		}
		if earlier := e.minute.upTo(m - 1); earlier != 0 {
			return h*3600 + earlier.last()*60 + e.second.last(), true
		}
	}
	if earlier := e.hour.upTo(h - 1); earlier != 0 {
		return earlier.last()*3600 + e.minute.last()*60 + e.second.last(), true
	}
	return 0, false
}

// before is the number of due seconds of a due day before second.
func (e *expression) before(second int) int {
	h, m, s := second/3600, second/60%60, second%60
	n := e.hour.upTo(h-1).count() * e.minute.count() * e.second.count()
	if e.hour.has(h) {
		n += e.minute.upTo(m-1).count() * e.second.count()
		if e.minute.has(m) {
			n += e.second.upTo(s - 1).count()
		}
	}
	return n
}

// countWall is the number of due moments from a on and before b.
func (e *expression) countWall(a, b int64) int {
	if a >= b {
		return 0
	}
	inDay := e.hour.count() * e.minute.count() * e.second.count()
	n := 0
	last := time.Unix(b, 0).UTC()
	for t := time.Unix(a, 0).UTC(); ; {
		year, month, dom := t.Date()
		due := e.days.in(year, month)
		if due.has(dom) {
			n -= e.before(int(t.Unix() - midnight(year, month, dom)))
		}
		if y, m, d := last.Date(); y == year && m == month {
			n += due.from(dom).upTo(d-1).count() * inDay
			if due.has(d) {
				n += e.before(int(b - midnight(y, m, d)))
			}
			return n
		}
		n += due.from(dom).count() * inDay
		t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
	}
}

// segment is a time during which the clocks of a zone are not changed.
type segment struct {
	start, end int64 // instants; end is the first of the next segment
	offset     int64 // of its clocks against UTC
	before     int64 // of the clocks before it
}

func (c cron) segmentAt(u int64) segment {
	if c.zone == time.UTC {
		return segment{start: -forever, end: forever}
	}
	t := time.Unix(u, 0).In(c.zone)
	_, offset := t.Zone()
	s := segment{start: -forever, end: forever, offset: int64(offset), before: int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = start.Unix()
		_, before := start.Add(-1).Zone()
		s.before = int64(before)
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	if s.end <= u {
		// Beyond the transitions that a zone's file lists, the last day of a leap year is said to be after the segment's
		// end. No zone changes its clocks then, but a step of a day is as good as any.
		s.end = u + day
		if _, after := time.Unix(s.end-1, 0).In(c.zone).Zone(); after != offset {
			s.end = u + 1
		}
	}
	return s
}

// through reports whether the expression goes by what clocks show, however often they show it.
func (c cron) through() bool { return c.hour.count() == 24 }

// fresh is the first moment on the segment's clocks that they have not shown before.
func (c cron) fresh(seg segment) int64 {
	if seg.start == -forever {
		return -forever
	}
	if c.through() {
		return seg.start + seg.offset
	}
	return seg.start + max(seg.offset, seg.before)
}

// jumped is what the segment's clocks never showed: moments from a on and before b. They are due as the clocks before
// would have had it.
func (c cron) jumped(seg segment) (a, b int64) {
	if c.through() || seg.before >= seg.offset {
		return 0, 0
	}
	return seg.start + seg.before, seg.start + seg.offset
}

// nextIn is the first due instant of a segment at or after u.
func (c cron) nextIn(seg segment, u int64) (int64, bool) {
	u = max(u, seg.start)
	best := int64(forever)
	if w, ok := c.nextWall(max(u+seg.offset, c.fresh(seg))); ok {
		best = w - seg.offset
	}
	if a, b := c.jumped(seg); a < b {
		if w, ok := c.nextWall(max(u+seg.before, a)); ok && w < b {
			best = min(best, w-seg.before)
		}
	}
	return best, best < seg.end
}

// lastIn is the newest due instant of a segment at or before u.
func (c cron) lastIn(seg segment, u int64) (int64, bool) {
	u = min(u, seg.end-1)
	best := int64(-forever)
	if w, ok := c.lastWall(u + seg.offset); ok && w >= c.fresh(seg) {
		best = w - seg.offset
	}
	if a, b := c.jumped(seg); a < b {
		if w, ok := c.lastWall(min(u+seg.before, b-1)); ok && w >= a {
			best = max(best, w-seg.before)
		}
	}
	return best, best > -forever && best >= seg.start
}

// countIn is the number of due instants of a segment from u on and before end.
func (c cron) countIn(seg segment, u, end int64) int {
	n := 0
	if a, b := c.jumped(seg); a < b {
		// What was jumped over falls among what is due anyway, and both may be one.
		for mixed := min(end, seg.start+b-a); u < mixed; {
			at, ok := c.nextIn(seg, u)
			if !ok || at >= mixed {
				u = mixed
				break
			}
			n++
			u = at + 1
		}
	}
	return n + c.countWall(max(u+seg.offset, c.fresh(seg)), end+seg.offset)
}
