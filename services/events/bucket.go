package events

import "time"

// Width is the width of a bucket of time. The numbers are those of the wire.
type Width uint8

// The widths. Those from a day on follow the calendar of a time zone, so that a day is 23 hours long when clocks go forward.
const (
	Minute         Width = 1
	FiveMinutes    Width = 2
	TenMinutes     Width = 3
	FifteenMinutes Width = 4
	Hour           Width = 5
	Day            Width = 6
	Week           Width = 7 // from Monday
	Month          Width = 8
)

// minutes is the length of a width below a day; 0 for the others.
func (w Width) minutes() int {
	switch w {
	case Minute:
		return 1
	case FiveMinutes:
		return 5
	case TenMinutes:
		return 10
	case FifteenMinutes:
		return 15
	case Hour:
		return 60
	}
	return 0
}

// least is a length that no bucket of the width goes below, for guessing how many there will be.
func (w Width) least() time.Duration {
	switch w {
	case Day:
		return 22 * time.Hour
	case Week:
		return 6 * 24 * time.Hour
	case Month:
		return 27 * 24 * time.Hour
	}
	return time.Duration(w.minutes()) * time.Minute
}

// Floor is the start of the bucket that t lies in.
func (w Width) Floor(t time.Time, loc *time.Location) time.Time {
	l := t.In(loc)
	y, m, d := l.Date()
	switch w {
	case Day:
		return midnight(y, m, d, loc)
	case Week:
		return midnight(y, m, d-(int(l.Weekday())+6)%7, loc)
	case Month:
		return midnight(y, m, 1, loc)
	}
	floor := w.wall(l)
	if begin, _ := l.ZoneBounds(); floor.Before(begin) {
		floor = begin
	}
	return floor.UTC()
}

// wall is Floor for a width below a day, as if the zone had always been as far from UTC as it is at l. Zones that are off, or
// move their clocks, by half an hour still have hours that start where their clocks say so; a bucket ends where clocks move.
func (w Width) wall(l time.Time) time.Time {
	_, offset := l.Zone()
	shift := time.Duration(offset) * time.Second
	return l.UTC().Add(shift).Truncate(w.least()).Add(-shift)
}

// Next is the start of the bucket after the one that starts at t.
func (w Width) Next(t time.Time, loc *time.Location) time.Time {
	l := t.In(loc)
	y, m, d := l.Date()
	switch w {
	case Day:
		return midnight(y, m, d+1, loc)
	case Week:
		return midnight(y, m, d+7, loc)
	case Month:
		return midnight(y, m+1, 1, loc)
	}
	next := w.wall(l).Add(w.least())
	if _, end := l.ZoneBounds(); !end.IsZero() && end.Before(next) {
		next = end
	}
	return next.UTC()
}

// midnight is the first moment of a day. Where clocks go forward at midnight there is no 00:00, and the day starts with what
// the clock shows instead.
func midnight(y int, m time.Month, d int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if h := t.Hour(); h > 12 { // resolved to the evening before: the day begins when the clocks have moved
		t = t.Add(time.Duration(24-h)*time.Hour - time.Duration(t.Minute())*time.Minute)
	}
	return t.UTC()
}

// Buckets are consecutive stretches of time: bucket i starts, by its name, at Starts[i], and covers Edges[i] up to, not
// including, Edges[i+1]. Only the first and the last may cover less than their names say, because the range begins or ends
// inside them.
type Buckets struct {
	Starts []time.Time
	Edges  []time.Time
}

// Cut divides a range, which must not be empty, into buckets; false if there would be more than most.
func Cut(from, to time.Time, w Width, loc *time.Location, most int) (Buckets, bool) {
	if to.Sub(from)/w.least() > time.Duration(most)*2 {
		return Buckets{}, false
	}
	b := Buckets{Edges: []time.Time{from}}
	for start := w.Floor(from, loc); start.Before(to); {
		if len(b.Starts) == most {
			return Buckets{}, false
		}
		next := w.Next(start, loc)
		b.Starts = append(b.Starts, start)
		if next.Before(to) {
			b.Edges = append(b.Edges, next)
		} else {
			b.Edges = append(b.Edges, to)
		}
		start = next
	}
	return b, true
}

// usualWidth is the width that fits a range when nobody asks for one.
func usualWidth(d time.Duration) Width {
	switch {
	case d <= 25*time.Hour: // a day on which clocks go back is still a day
		return FiveMinutes
	case d <= 7*24*time.Hour+time.Hour:
		return Hour
	}
	return Day
}
