package prober

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic reads the clock that nobody sets and that goes on while the machine sleeps, in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return sinceStart() // a sandbox without this clock
	}
	return ts.Nano()
}

var started = time.Now()

func sinceStart() int64 { return int64(time.Since(started)) }
