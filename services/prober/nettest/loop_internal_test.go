package nettest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestWakeHeapModel compares the heap with a map that is searched.
func TestWakeHeapModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const numbers = 40
		var h wakeHeap
		h.grow(numbers)
		model := map[int32]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			number := rapid.Int32Range(0, numbers-1).Draw(t, "number")
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				h.remove(number)
				delete(model, number)
			} else {
				due := rapid.Int64Range(0, 50).Draw(t, "due")
				h.set(number, due)
				model[number] = due
			}
			first, due, ok := h.first()
			if ok != (len(model) > 0) || ok && model[first] != due {
				t.Fatalf("first is %d at %d (%v) of %v", first, due, ok, model)
			}
			for other, at := range model {
				if at < due {
					t.Fatalf("first is due at %d, but %d at %d", due, other, at)
				}
			}
		}
	})
}

func TestWakeHeapOrders(t *testing.T) {
	const numbers = 10_000
	var h wakeHeap
	h.grow(numbers)
	var want []int64
	for i := range int32(numbers) {
		due := rand.Int64N(1000)
		want = append(want, due)
		h.set(i, due)
	}
	slices.Sort(want)
	for _, due := range want {
		number, got, _ := h.first()
		if got != due {
			t.Fatalf("got %d, want %d", got, due)
		}
		h.remove(number)
	}
	if _, _, ok := h.first(); ok {
		t.Error("something is left")
	}
}
