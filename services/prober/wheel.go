package prober

import "math/bits"

const (
	wheelBits   = 10
	wheelSlots  = 1 << wheelBits
	wheelLevels = 4 // 2^40 ms are 34 years
)

// wheel orders entries by their due time in milliseconds: a hierarchical timing wheel
// (Varghese and Lauck, 1987). Placing and taking cost the same however many there are;
// a heap of a million costs five times as much for its cache misses.
//
// Level 0 has a slot for each of the next 1024 ms; a slot of a higher level holds what
// is due in as many slots of the level below, and is dealt out when its time begins.
type wheel struct {
	now    int64 // every entry that was due before has been taken; the present to begin with
	count  int
	levels [wheelLevels]wheelLevel
}

type wheelLevel struct {
	used  [wheelSlots / 64]uint64 // a bit for each slot that is not empty
	slots [wheelSlots]*entry      // heads of lists
}

// link is an entry's place in a wheel.
type link struct {
	prev, next *entry
	at         uint16 // slot, its level above it; meaningful if in
	in         bool
}

// place puts e where due says, or takes it out when due is 0.
func (w *wheel) place(e *entry, due int64) {
	if e.link.in {
		w.remove(e)
	}
	if due != 0 {
		w.insert(e, due)
	}
}

func (w *wheel) insert(e *entry, due int64) {
	due = max(due, w.now)
	level := 0
	for level < wheelLevels-1 && due>>(level*wheelBits)-w.now>>(level*wheelBits) >= wheelSlots {
		level++
	}
	at := due >> (level * wheelBits)
	if last := w.now>>(level*wheelBits) + wheelSlots - 1; at > last {
		at = last // looked at again before its time
	}
	l := &w.levels[level]
	slot := at & (wheelSlots - 1)
	head := l.slots[slot]
	e.link = link{next: head, at: uint16(level<<wheelBits) | uint16(slot), in: true}
	if head != nil {
		head.link.prev = e
	}
	l.slots[slot] = e
	l.used[slot/64] |= 1 << (slot % 64)
	w.count++
}

func (w *wheel) remove(e *entry) {
	l, slot := &w.levels[e.link.at>>wheelBits], e.link.at&(wheelSlots-1)
	if e.link.next != nil {
		e.link.next.link.prev = e.link.prev
	}
	if e.link.prev != nil {
		e.link.prev.link.next = e.link.next
	} else if l.slots[slot] = e.link.next; e.link.next == nil {
		l.used[slot/64] &^= 1 << (slot % 64)
	}
	e.link = link{}
	w.count--
}

// take removes and returns an entry that is due at or before now, the earliest first;
// nil when there is none.
func (w *wheel) take(now int64) *entry {
	for w.count > 0 && w.now <= now {
		slot := int(w.now & (wheelSlots - 1))
		if e := w.levels[0].slots[slot]; e != nil {
			w.remove(e)
			return e
		}
		// On to the next entry, but stop where a slot of a higher level begins.
		ahead := wheelSlots - slot
		if d := w.levels[0].ahead(slot); d >= 0 {
			ahead = min(ahead, d)
		}
		if w.now = min(w.now+int64(ahead), now+1); w.now&(wheelSlots-1) == 0 {
			w.deal()
		}
	}
	if w.count == 0 {
		w.now = now // nothing can be skipped
	}
	return nil
}

// deal moves the entries of the higher slots that begin now to where they belong.
func (w *wheel) deal() {
	for level := 1; level < wheelLevels; level++ {
		slot := w.now >> (level * wheelBits) & (wheelSlots - 1)
		l := &w.levels[level]
		list := l.slots[slot]
		l.slots[slot] = nil
		l.used[slot/64] &^= 1 << (slot % 64)
		for list != nil {
			e := list
			list = e.link.next
			w.count--
			w.insert(e, e.due())
		}
		if slot != 0 {
			return
		}
	}
}

// next is a time at or before which nothing is due: that of the next entry, or of the
// next dealing if that comes first; 0 when the wheel is empty.
func (w *wheel) next() int64 {
	next := int64(0)
	for level := range w.levels {
		shift := level * wheelBits
		d := w.levels[level].ahead(int(w.now >> shift & (wheelSlots - 1)))
		if d < 0 {
			continue
		}
		at := (w.now>>shift + int64(d)) << shift
		if next == 0 || at < next {
			next = at
		}
	}
	return next
}

// ahead is how many slots after slot the next used one is, slot itself included; -1
// when all are empty.
func (l *wheelLevel) ahead(slot int) int {
	const words = len(l.used)
	word, bit := slot/64, slot%64
	if rest := l.used[word] >> bit; rest != 0 {
		return bits.TrailingZeros64(rest)
	}
	for i := 1; i <= words; i++ {
		at := (word + i) % words
		if l.used[at] == 0 {
			continue
		}
		return i*64 - bit + bits.TrailingZeros64(l.used[at])
	}
	return -1
}
