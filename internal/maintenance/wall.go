package maintenance

import "time"

// wallOf is what the zone's clock shows at t, written as UTC.
func wallOf(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instantOf is when the zone's clock shows wall: the first time, if it does so twice; the first instant after the gap, if the
// clock skips it. It never falls while wall rises.
func instantOf(wall time.Time, zone *time.Location) time.Time {
	y, m, d := wall.Date()
	t := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	begin, end := t.ZoneBounds()
	switch shown := wallOf(t, zone); {
	case shown.After(wall): // skipped, and t lies after the gap
		return begin.UTC()
	case shown.Before(wall): // skipped, and t lies before it
		return end.UTC()
	}
	if !begin.IsZero() {
		_, offset := begin.Add(-time.Nanosecond).Zone()
		if earlier := wall.Add(-time.Duration(offset) * time.Second); earlier.Before(begin) {
			return earlier.UTC()
		}
	}
	return t.UTC()
}

func midnight(wall time.Time) time.Time {
	y, m, d := wall.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
