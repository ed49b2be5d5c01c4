package nettest

// wakeHeap orders numbered things by when they are due next. Each knows its
// place, so that it can be taken out or moved without a search. It holds no
// pointers.
type wakeHeap struct {
	order []int32 // a heap of four children each: fewer cache lines than two
	due   []int64 // by number
	place []int32 // by number; index in order plus 1, 0 if absent
}

// grow makes room for numbers below n.
func (h *wakeHeap) grow(n int) {
	for len(h.due) < n {
		h.due, h.place = append(h.due, 0), append(h.place, 0)
	}
}

// first returns what is due first, or false.
func (h *wakeHeap) first() (number int32, due int64, ok bool) {
	if len(h.order) == 0 {
		return 0, 0, false
	}
	return h.order[0], h.due[h.order[0]], true
}

// set adds number or moves it.
func (h *wakeHeap) set(number int32, due int64) {
	h.due[number] = due
	i := int(h.place[number]) - 1
	if i < 0 {
		i = len(h.order)
		h.order = append(h.order, number)
		h.place[number] = int32(i + 1)
	}
	h.down(h.up(i))
}

// remove takes number out, if it is in.
func (h *wakeHeap) remove(number int32) {
	i := int(h.place[number]) - 1
	if i < 0 {
		return
	}
	h.place[number] = 0
	last := len(h.order) - 1
	moved := h.order[last]
	h.order = h.order[:last]
	if i < last {
		h.put(i, moved)
		h.down(h.up(i))
	}
}

func (h *wakeHeap) put(i int, number int32) {
	h.order[i] = number
	h.place[number] = int32(i + 1)
}

func (h *wakeHeap) up(i int) int {
	number := h.order[i]
	for i > 0 {
		parent := (i - 1) / 4
		if h.due[h.order[parent]] <= h.due[number] {
			break
		}
		h.put(i, h.order[parent])
		i = parent
	}
	h.put(i, number)
	return i
}

func (h *wakeHeap) down(i int) {
	number := h.order[i]
	for {
		least := 4*i + 1
		if least >= len(h.order) {
			break
		}
		for child := least + 1; child < min(4*i+5, len(h.order)); child++ {
			if h.due[h.order[child]] < h.due[h.order[least]] {
				least = child
			}
		}
		if h.due[h.order[least]] >= h.due[number] {
			break
		}
		h.put(i, h.order[least])
		i = least
	}
	h.put(i, number)
}
