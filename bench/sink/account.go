package sink

// account keeps, for each monitor, which slots its rows stand for, so that "every due slot is one row" can be checked
// without believing the prober.
type account struct {
	interval int64 // milliseconds
	monitors map[uint32]*span
}

// span is the slots from the first to the last that a row stands for, in milliseconds, and how many rows claim to stand for.
type span struct {
	first, last int64
	slots       int
}

func newAccount(interval int64) account { return account{interval, map[uint32]*span{}} }

func (a account) add(r row) {
	n := 1
	if r.missedRow() {
		n = int(r.missed)
	}
	last := r.at + int64(n-1)*a.interval
	s := a.monitors[r.monitor]
	if s == nil {
		a.monitors[r.monitor] = &span{r.at, last, n}
		return
	}
	s.first, s.last, s.slots = min(s.first, r.at), max(s.last, last), s.slots+n
}

// unaccounted is how many slots between the first and the last of their monitor have no row, or one too many.
func (a account) unaccounted() int {
	sum := 0
	for _, s := range a.monitors {
		due := int((s.last-s.first+a.interval/2)/a.interval) + 1
		sum += max(due-s.slots, s.slots-due)
	}
	return sum
}
