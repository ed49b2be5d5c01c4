package prober

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clockJump is from when on the wall clock did not drift but was set, or the machine slept.
	clockJump = time.Second
	// clockDrift is followed in silence: clocks are steered.
	clockDrift = 10 * time.Millisecond
	// maxAhead is how far the slots' clock may run ahead of the wall clock after that was set back: what takes the results in
	// leaves out those from the future, and this is less.
	maxAhead = 55 * time.Minute
	// catchUp is the part of the time by which the slots' clock is slower until the wall clock is level with it.
	catchUp = 10
)

// slotClock is the time axis of slots: the wall clock, as long as that goes on as clocks do. When it is set back the slots go on
// where they were, a tenth slower until the two are level, because a slot that was run has its row already, and whoever judges
// results takes them in the order of their slots. When it is set forward, or the machine slept, it follows and says so. The
// zero value is ready.
type slotClock struct {
	shift atomic.Int64 // nanoseconds; for tests, what somebody has set the wall clock by

	began atomic.Pointer[time.Time] // a moment by both clocks
	base  atomic.Int64              // wall clock minus the monotonic time since began, in nanoseconds
	ahead atomic.Pointer[lead]      // nil: slots and wall clock are level
	last  atomic.Pointer[jump]      // nil: there was none
	mu    sync.Mutex
}

// lead is by how much the slots' clock was ahead at a moment.
type lead struct {
	by int64 // nanoseconds
	at int64 // monotonic nanoseconds since began
}

// jump is a change of the slots' clock that no time went by for.
type jump struct {
	nth      int           // counts from 1
	from, to int64         // readings of the slots' clock around it, in milliseconds since 1970
	by       time.Duration // of the wall clock, also if the slots' clock has not followed
	at       time.Time     // by the monotonic clock
}

// now is the present on the axis of slots.
func (c *slotClock) now() time.Time { return c.at(time.Now()) }

// at is now for a t that time.Now has just given.
func (c *slotClock) at(t time.Time) time.Time {
	began := c.began.Load()
	if began == nil {
		began = c.begin(t)
	}
	mono, wall := int64(t.Sub(*began)), t.UnixNano()+c.shift.Load()
	if off := wall - mono - c.base.Load(); off > int64(clockDrift) || off < -int64(clockDrift) {
		c.moved(t, mono, wall)
	}
	t = t.Add(time.Duration(c.shift.Load()))
	if l := c.ahead.Load(); l != nil {
		t = t.Add(c.lead(l, mono))
	}
	return t
}

func (c *slotClock) begin(t time.Time) *time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began := c.began.Load(); began != nil {
		return began
	}
	c.base.Store(t.UnixNano() + c.shift.Load())
	c.began.Store(&t)
	return &t
}

// skew is how far the slots' clock is ahead of time.Now.
func (c *slotClock) skew() time.Duration {
	by := time.Duration(c.shift.Load())
	if l := c.ahead.Load(); l != nil {
		by += c.lead(l, int64(time.Since(*c.began.Load())))
	}
	return by
}

func (c *slotClock) lead(l *lead, mono int64) time.Duration {
	if left := l.by - (mono-l.at)/catchUp; left > 0 {
		return time.Duration(left)
	}
	c.ahead.CompareAndSwap(l, nil)
	return 0
}

// jumps is the number of jumps.
func (c *slotClock) jumps() int64 {
	if j := c.last.Load(); j != nil {
		return int64(j.nth)
	}
	return 0
}

// steadyFor says whether the last jump is at least that long ago.
func (c *slotClock) steadyFor(d time.Duration) bool {
	j := c.last.Load()
	return j == nil || time.Since(j.at) >= d
}

// moved takes note that the wall clock is not where the time that went by would have it.
func (c *slotClock) moved(t time.Time, mono, wall int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	off := wall - mono - c.base.Load()
	c.base.Store(wall - mono)
	if time.Duration(off).Abs() < clockJump {
		return
	}
	before := int64(0)
	if l := c.ahead.Load(); l != nil {
		before = int64(c.lead(l, mono))
	}
	after := max(before-off, 0)
	if after > int64(maxAhead) {
		after = 0 // an axis so wrong is given up
	}
	c.ahead.Store(nil)
	if after > 0 {
		c.ahead.Store(&lead{by: after, at: mono})
	}
	j := &jump{nth: 1, from: (wall - off + before) / 1e6, to: (wall + after) / 1e6, by: time.Duration(off), at: t}
	if last := c.last.Load(); last != nil {
		j.nth = last.nth + 1
	}
	c.last.Store(j)
}
