// Package schedule says when monitors are due.
package schedule

import "time"

// Schedule says when a monitor is due. Every time is a whole millisecond in UTC.
type Schedule interface {
	// Next is the first due time strictly after t; the zero time if there is none.
	Next(t time.Time) time.Time
	// Last is the newest due time at or before t and after from; the zero time if there is none.
	Last(from, t time.Time) time.Time
	// Count is the number of due times after from and before until.
	Count(from, until time.Time) int
}
