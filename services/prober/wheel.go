package prober

import "math/bits"

const (
	wheelBits   = 10
	wheelSlots  = 1 << wheelBits
	wheelLevels = 4  // 2^40 ms are 34 years
	chunkItems  = 31 // 512 bytes
)

// wheel orders entries by their due time in milliseconds: a hierarchical timing wheel
// (Varghese and Lauck, 1987). Placing and taking cost the same however many there are.
//
// Level 0 has a slot for each of the next 1024 ms; a slot of a higher level holds what
// is due in as many slots of the level below, and is dealt out when its time begins.
// Times stand beside the entries, so that dealing touches none of a million of them.
type wheel struct {
	now    int64 // every entry that was due before has been taken; the present to begin with
	count  int
	levels [wheelLevels]wheelLevel
	spare  *wheelChunk
}

type wheelLevel struct {
	used  [wheelSlots / 64]uint64 // a bit for each slot that is not empty
	slots [wheelSlots]*wheelChunk // of each only the first may have room
}

type wheelChunk struct {
	next  *wheelChunk
	n     int
	items [chunkItems]wheelItem
}

type wheelItem struct {
	due   int64
	entry *entry
}

// place puts e where due says, or takes it out when due is 0.
func (w *wheel) place(e *entry, due int64) {
	if e.placedAt != 0 {
		w.remove(e)
	}
	if due != 0 {
		e.placedAt = max(due, w.now)
		w.insert(wheelItem{e.placedAt, e})
	}
}

func (w *wheel) insert(item wheelItem) {
	level := 0
	for level < wheelLevels-1 && item.due>>(level*wheelBits)-w.now>>(level*wheelBits) >= wheelSlots {
		level++
	}
	slot := min(item.due>>(level*wheelBits), w.now>>(level*wheelBits)+wheelSlots-1) & (wheelSlots - 1)
	l := &w.levels[level]
	c := l.slots[slot]
	if c == nil || c.n == chunkItems {
		c = w.chunk(c)
		l.slots[slot] = c
		l.used[slot/64] |= 1 << (slot % 64)
	}
	c.items[c.n] = item
	c.n++
	w.count++
}

// chunk is an empty chunk before next.
func (w *wheel) chunk(next *wheelChunk) *wheelChunk {
	c := w.spare
	if c == nil {
		c = &wheelChunk{}
	} else {
		w.spare = c.next
	}
	c.next = next
	return c
}

// pop takes an item out of a slot that has one.
func (w *wheel) pop(l *wheelLevel, slot int) wheelItem {
	c := l.slots[slot]
	c.n--
	item := c.items[c.n]
	c.items[c.n] = wheelItem{}
	w.count--
	if c.n == 0 {
		if l.slots[slot] = c.next; c.next == nil {
			l.used[slot/64] &^= 1 << (slot % 64)
		}
		c.next, w.spare = w.spare, c
	}
	return item
}

// remove looks for e where it was placed, or where it has been dealt to since.
func (w *wheel) remove(e *entry) {
	for level := range w.levels {
		l := &w.levels[level]
		slot := int(e.placedAt >> (level * wheelBits) & (wheelSlots - 1))
		if w.removeFrom(l, slot, e) {
			return
		}
	}
	last := &w.levels[wheelLevels-1] // more than 34 years ahead
	for slot := range last.slots {
		if w.removeFrom(last, slot, e) {
			return
		}
	}
}

func (w *wheel) removeFrom(l *wheelLevel, slot int, e *entry) bool {
	for c := l.slots[slot]; c != nil; c = c.next {
		for i := range c.items[:c.n] {
			if c.items[i].entry == e {
				item := w.pop(l, slot) // fills the hole, unless it is e itself
				if item.entry != e {
					c.items[i] = item
				}
				e.placedAt = 0
				return true
			}
		}
	}
	return false
}

// take removes and returns an entry that is due at or before now, the earliest first;
// nil when there is none.
func (w *wheel) take(now int64) *entry {
	for w.count > 0 && w.now <= now {
		slot := int(w.now & (wheelSlots - 1))
		if w.levels[0].slots[slot] != nil {
			e := w.pop(&w.levels[0], slot).entry
			e.placedAt = 0
			return e
		}
		if w.now == now {
			return nil
		}
		if w.now = min(w.next(), now); w.now&(wheelSlots-1) == 0 {
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
		slot := int(w.now >> (level * wheelBits) & (wheelSlots - 1))
		l := &w.levels[level]
		list := l.slots[slot]
		l.slots[slot] = nil
		l.used[slot/64] &^= 1 << (slot % 64)
		for list != nil {
			c := list
			list = c.next
			for i := range c.items[:c.n] {
				w.count--
				w.insert(c.items[i])
				c.items[i] = wheelItem{}
			}
			c.n = 0
			c.next, w.spare = w.spare, c
		}
		if slot != 0 {
			return
		}
	}
}

// next is a time before which nothing is due: that of the next entry, or of the next
// dealing if that comes first; 0 when the wheel is empty.
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
	word, bit := slot/64, slot%64
	if rest := l.used[word] >> bit; rest != 0 {
		return bits.TrailingZeros64(rest)
	}
	for i := 1; i <= len(l.used); i++ {
		if at := (word + i) % len(l.used); l.used[at] != 0 {
			return i*64 - bit + bits.TrailingZeros64(l.used[at])
		}
	}
	return -1
}
