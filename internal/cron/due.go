package cron

import "time"

// Next is the first due time strictly after t, in UTC; the zero time if there is none within fifty years.
func (s *Schedule) Next(t time.Time) time.Time {
	u := t.Unix() + 1
	for seg := s.segmentAt(u); ; seg = s.segmentAt(seg.end) {
		if at, ok := s.nextIn(seg, u); ok {
			return time.Unix(at, 0).UTC()
		}
		if seg.end == forever || seg.end-u > horizon {
			return time.Time{} // beyond what the calendar is searched for
		}
	}
}

// Last is the newest due time at or before t and after from, in UTC; the zero time if there is none.
func (s *Schedule) Last(from, t time.Time) time.Time {
	for u := t.Unix(); u >= from.Unix(); {
		seg := s.segmentAt(u)
		if at, ok := s.lastIn(seg, u); ok {
			if last := time.Unix(at, 0).UTC(); last.After(from) {
				return last
			}
			break
		}
		if seg.start == -forever || u-seg.start > horizon {
			break
		}
		u = seg.start - 1
	}
	return time.Time{}
}

// Count is the number of due times after from and before until. It is exact however long the time is, and takes a step for each month of it, not for each due
// time.
func (s *Schedule) Count(from, until time.Time) int {
	u, end := from.Unix()+1, until.Add(time.Second-1).Unix()
	n := 0
	for u < end {
		seg := s.segmentAt(u)
		n += s.countIn(seg, u, min(end, seg.end))
		u = seg.end
	}
	return n
}
