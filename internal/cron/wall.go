package cron

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

// nextWall is the first due moment at or after w.
func (s *Schedule) nextWall(w int64) (int64, bool) {
	t := time.Unix(w, 0).UTC()
	year, month, dom := t.Date()
	second := int(t.Unix() - midnight(year, month, dom))
	due := s.days.in(year, month).from(dom)
	if due.has(dom) {
		if at, ok := s.nextInDay(second); ok {
			return w - int64(second) + int64(at), true
		}
		due = due.from(dom + 1)
	}
	for end := w + horizon; due == 0; due = s.days.in(year, month) {
		if month++; month > time.December {
			year, month = year+1, time.January
		}
		if midnight(year, month, 1) > end {
			return 0, false
		}
	}
	first, _ := s.nextInDay(0)
	return midnight(year, month, due.first()) + int64(first), true
}

// lastWall is the newest due moment at or before w.
func (s *Schedule) lastWall(w int64) (int64, bool) {
	t := time.Unix(w, 0).UTC()
	year, month, dom := t.Date()
	second := int(t.Unix() - midnight(year, month, dom))
	due := s.days.in(year, month).upTo(dom)
	if due.has(dom) {
		if at, ok := s.lastInDay(second); ok {
			return w - int64(second) + int64(at), true
		}
		due = due.upTo(dom - 1)
	}
	for end := w - horizon; due == 0; due = s.days.in(year, month) {
		if month--; month < time.January {
			year, month = year-1, time.December
		}
		if midnight(year, month, 28) < end {
			return 0, false
		}
	}
	last, _ := s.lastInDay(day - 1)
	return midnight(year, month, due.last()) + int64(last), true
}

func midnight(year int, month time.Month, dom int) int64 {
	return time.Date(year, month, dom, 0, 0, 0, 0, time.UTC).Unix()
}

// nextInDay is the first due second of a due day at or after second.
func (s *Schedule) nextInDay(second int) (int, bool) {
	h, m, sec := second/3600, second/60%60, second%60
	if s.hour.has(h) {
		if s.minute.has(m) {
			if later := s.second.from(sec); later != 0 {
				return h*3600 + m*60 + later.first(), true
			}
		}
		if later := s.minute.from(m + 1); later != 0 {
			return h*3600 + later.first()*60 + s.second.first(), true
		}
	}
	if later := s.hour.from(h + 1); later != 0 {
		return later.first()*3600 + s.minute.first()*60 + s.second.first(), true
	}
	return 0, false
}

// lastInDay is the newest due second of a due day at or before second.
func (s *Schedule) lastInDay(second int) (int, bool) {
	h, m, sec := second/3600, second/60%60, second%60
	if s.hour.has(h) {
		if s.minute.has(m) {
			if earlier := s.second.upTo(sec); earlier != 0 {
				return h*3600 + m*60 + earlier.last(), true
			}
		}
		if earlier := s.minute.upTo(m - 1); earlier != 0 {
			return h*3600 + earlier.last()*60 + s.second.last(), true
		}
	}
	if earlier := s.hour.upTo(h - 1); earlier != 0 {
		return earlier.last()*3600 + s.minute.last()*60 + s.second.last(), true
	}
	return 0, false
}

// before is the number of due seconds of a due day before second.
func (s *Schedule) before(second int) int {
	h, m, sec := second/3600, second/60%60, second%60
	n := s.hour.upTo(h-1).count() * s.minute.count() * s.second.count()
	if s.hour.has(h) {
		n += s.minute.upTo(m-1).count() * s.second.count()
		if s.minute.has(m) {
			n += s.second.upTo(sec - 1).count()
		}
	}
	return n
}

// countWall is the number of due moments from a on and before b.
func (s *Schedule) countWall(a, b int64) int {
	if a >= b {
		return 0
	}
	inDay := s.hour.count() * s.minute.count() * s.second.count()
	n := 0
	last := time.Unix(b, 0).UTC()
	for t := time.Unix(a, 0).UTC(); ; {
		year, month, dom := t.Date()
		due := s.days.in(year, month)
		if due.has(dom) {
			n -= s.before(int(t.Unix() - midnight(year, month, dom)))
		}
		if y, m, d := last.Date(); y == year && m == month {
			n += due.from(dom).upTo(d-1).count() * inDay
			if due.has(d) {
				n += s.before(int(b - midnight(y, m, d)))
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

func (s *Schedule) segmentAt(u int64) segment {
	if s.zone == time.UTC {
		return segment{start: -forever, end: forever}
	}
	t := time.Unix(u, 0).In(s.zone)
	_, offset := t.Zone()
	seg := segment{start: -forever, end: forever, offset: int64(offset), before: int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		seg.start = start.Unix()
		_, before := start.Add(-1).Zone()
		seg.before = int64(before)
	}
	if !end.IsZero() {
		seg.end = end.Unix()
	}
	if seg.end <= u {
		// Beyond the transitions that a zone's file lists, the last day of a leap year is said to be after the segment's
		// end. No zone changes its clocks then, but a step of a day is as good as any.
		seg.end = u + day
		if _, after := time.Unix(seg.end-1, 0).In(s.zone).Zone(); after != offset {
			seg.end = u + 1
		}
	}
	return seg
}

// through reports whether the expression goes by what clocks show, however often they show it.
func (s *Schedule) through() bool { return s.hour.count() == 24 }

// fresh is the first moment on the segment's clocks that they have not shown before.
func (s *Schedule) fresh(seg segment) int64 {
	if seg.start == -forever {
		return -forever
	}
	if s.through() {
		return seg.start + seg.offset
	}
	return seg.start + max(seg.offset, seg.before)
}

// jumped is what the segment's clocks never showed: moments from a on and before b. They are due as the clocks before
// would have had it.
func (s *Schedule) jumped(seg segment) (a, b int64) {
	if s.through() || seg.before >= seg.offset {
		return 0, 0
	}
	return seg.start + seg.before, seg.start + seg.offset
}

// nextIn is the first due instant of a segment at or after u.
func (s *Schedule) nextIn(seg segment, u int64) (int64, bool) {
	u = max(u, seg.start)
	best := int64(forever)
	if w, ok := s.nextWall(max(u+seg.offset, s.fresh(seg))); ok {
		best = w - seg.offset
	}
	if a, b := s.jumped(seg); a < b {
		if w, ok := s.nextWall(max(u+seg.before, a)); ok && w < b {
			best = min(best, w-seg.before)
		}
	}
	return best, best < seg.end
}

// lastIn is the newest due instant of a segment at or before u.
func (s *Schedule) lastIn(seg segment, u int64) (int64, bool) {
	u = min(u, seg.end-1)
	best := int64(-forever)
	if w, ok := s.lastWall(u + seg.offset); ok && w >= s.fresh(seg) {
		best = w - seg.offset
	}
	if a, b := s.jumped(seg); a < b {
		if w, ok := s.lastWall(min(u+seg.before, b-1)); ok && w >= a {
			best = max(best, w-seg.before)
		}
	}
	return best, best > -forever && best >= seg.start
}

// countIn is the number of due instants of a segment from u on and before end.
func (s *Schedule) countIn(seg segment, u, end int64) int {
	n := 0
	if a, b := s.jumped(seg); a < b {
		// What was jumped over falls among what is due anyway, and both may be one.
		for mixed := min(end, seg.start+b-a); u < mixed; {
			at, ok := s.nextIn(seg, u)
			if !ok || at >= mixed {
				u = mixed
				break
			}
			n++
			u = at + 1
		}
	}
	return n + s.countWall(max(u+seg.offset, s.fresh(seg)), end+seg.offset)
}
