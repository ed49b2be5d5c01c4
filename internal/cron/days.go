package cron

import "time"

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

// due reports whether the calendar day of t, by t's own zone, is one of them.
func (d *days) due(t time.Time) bool {
	year, month, dom := t.Date()
	return d.in(year, month).has(dom)
}

// every reports whether all days are due.
func (d *days) every() bool {
	return d.month.count() == 12 && (d.ofMonth.count() == 31 && (!d.both || d.ofWeek.count() == 7) || !d.both && d.ofWeek.count() == 7)
}

// cycle is after how many years the Gregorian calendar repeats, weekdays included; it holds from 1901 to 2099.
const cycle = 28

// longestGap is the largest number of days between two neighbouring due days, and whether any day is due at all.
func (d *days) longestGap() (gap int, due bool) {
	if d.every() {
		return 1, true
	}
	first, before, month := -1, -1, 0 // days since the cycle's beginning
	for n := range cycle * 12 {
		year, m := 2000+n/12, time.Month(1+n%12)
		for left := d.in(year, m); left != 0; left &= left - 1 {
			at := month + left.first() - 1
			if first < 0 {
				first = at
			} else {
				gap = max(gap, at-before)
			}
			before = at
		}
		month += time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	}
	if first < 0 {
		return 0, false
	}
	return max(gap, first+month-before), true
}
