package prober

// waitlist holds the slots that are due and have no permit: a queue for each host, so
// that a crowded one does not stand in the way of the others. A slot whose entry no
// longer waits for it was given up, and is passed over.
type waitlist struct {
	queues map[*hostLimit]*waitQueue
	order  []*waitQueue
}

type waitQueue struct {
	host  *hostLimit
	slots []waitingSlot
	head  int
	alive int
}

type waitingSlot struct {
	entry *entry
	slot  int64
}

func (w waitingSlot) waits() bool { return w.entry.waitingAt == w.slot }

// has says whether slots wait for h.
func (l *waitlist) has(h *hostLimit) bool { return l.queues[h] != nil }

func (l *waitlist) empty() bool { return len(l.order) == 0 }

// add lets e wait for its slot.
func (l *waitlist) add(e *entry, slot int64) {
	q := l.queues[e.plan.host]
	if q == nil {
		q = &waitQueue{host: e.plan.host}
		if l.queues == nil {
			l.queues = map[*hostLimit]*waitQueue{}
		}
		l.queues[q.host] = q
		l.order = append(l.order, q)
	}
	e.waitingAt = slot
	if len(q.slots) == cap(q.slots) && q.head*2 > len(q.slots) {
		q.compact()
	}
	q.slots = append(q.slots, waitingSlot{e, slot})
	q.alive++
}

// giveUp ends the waiting of e, which waits.
func (l *waitlist) giveUp(e *entry) {
	e.waitingAt = 0
	q := l.queues[e.plan.host]
	if q.alive--; q.alive*2 < len(q.slots)-q.head {
		q.compact()
	}
	if q.alive == 0 {
		l.drop(q)
	}
}

// compact forgets what was given up: a host that never answers must not make its queue
// grow with every slot.
func (q *waitQueue) compact() {
	kept := q.slots[:0]
	for _, w := range q.slots[q.head:] {
		if w.waits() {
			kept = append(kept, w)
		}
	}
	clear(q.slots[len(kept):])
	q.slots, q.head = kept, 0
}

// first is the oldest slot of q that waits.
func (q *waitQueue) first() waitingSlot {
	for !q.slots[q.head].waits() {
		q.slots[q.head] = waitingSlot{}
		q.head++
	}
	return q.slots[q.head]
}

// pop takes the oldest slot of q, of which there is one.
func (l *waitlist) pop(q *waitQueue) waitingSlot {
	w := q.first()
	q.slots[q.head] = waitingSlot{}
	q.head++
	w.entry.waitingAt = 0
	if q.alive--; q.alive == 0 {
		l.drop(q)
	}
	return w
}

func (l *waitlist) drop(q *waitQueue) {
	delete(l.queues, q.host)
	for i := range l.order {
		if l.order[i] == q {
			l.order = append(l.order[:i], l.order[i+1:]...)
			return
		}
	}
}

// rotate lets the queue at i be asked first next time.
func (l *waitlist) rotate(i int) {
	if i > 0 && i < len(l.order) {
		l.order = append(append(make([]*waitQueue, 0, len(l.order)), l.order[i:]...), l.order[:i]...)
	}
}
