package prober

// waitlist holds the entries whose slot is due and has no permit, in the order in which
// they came. An entry keeps its place while newer slots take the turn of older ones: in
// an overload everything runs as often as everything else.
//
// Who waits for a crowded host stands in a queue of its own and in nobody's way.
type waitlist struct {
	common  waitQueue // for any permit
	hosts   map[*hostLimit]*waitQueue
	crowded []*waitQueue // the same in the order of their turns
	turn    int

	commonFirst bool
}

// waitQueue is a queue of entries. Those that wait for it no longer are passed over.
type waitQueue struct {
	host    *hostLimit // nil for the common one
	entries []*entry
	head    int
	alive   int
	at      int // place in crowded
}

func (l *waitlist) empty() bool { return l.common.alive == 0 && len(l.crowded) == 0 }

// queueOf is where a slot of h has to wait if others wait already; nil if none do.
func (l *waitlist) queueOf(h *hostLimit) *waitQueue {
	if q := l.hosts[h]; q != nil {
		return q
	}
	if l.common.alive > 0 {
		return &l.common
	}
	return nil
}

// crowd is the queue of h, which may be new.
func (l *waitlist) crowd(h *hostLimit) *waitQueue {
	q := l.hosts[h]
	if q == nil {
		q = &waitQueue{host: h, at: len(l.crowded)}
		if l.hosts == nil {
			l.hosts = map[*hostLimit]*waitQueue{}
		}
		l.hosts[h] = q
		l.crowded = append(l.crowded, q)
	}
	return q
}

// add lets e wait for its slot.
func (q *waitQueue) add(e *entry, slot int64) {
	if len(q.entries) == cap(q.entries) && q.head*2 > len(q.entries) {
		kept := q.entries[:copy(q.entries, q.entries[q.head:])]
		clear(q.entries[len(kept):])
		q.entries, q.head = kept, 0
	}
	e.waitingAt, e.waitingIn = slot, q
	q.entries = append(q.entries, e)
	q.alive++
}

// first is the entry that waits the longest, of a queue that has one.
func (q *waitQueue) first() *entry {
	for q.entries[q.head].waitingIn != q {
		q.entries[q.head] = nil
		q.head++
	}
	return q.entries[q.head]
}

// remove ends the waiting of e, which waits.
func (l *waitlist) remove(e *entry) {
	q := e.waitingIn
	e.waitingAt, e.waitingIn = 0, nil
	if q.alive--; q.alive > 0 {
		return
	}
	clear(q.entries)
	q.entries, q.head = q.entries[:0], 0
	if q.host == nil {
		return
	}
	delete(l.hosts, q.host)
	last := len(l.crowded) - 1
	l.crowded[q.at] = l.crowded[last]
	l.crowded[q.at].at = q.at
	l.crowded[last] = nil
	l.crowded = l.crowded[:last]
}
