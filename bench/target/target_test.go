package target

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/frogstats/uptime/bench/measure"
)

func TestLayout(t *testing.T) {
	l := For(10_000)
	if l.Size() != 10_000 {
		t.Fatalf("%d listeners", l.Size())
	}
	seen := map[netip.AddrPort]bool{}
	for i := range l.Size() {
		seen[l.At(i)] = true
	}
	if len(seen) != l.Size() {
		t.Errorf("%d different addresses", len(seen))
	}
	if l.At(0) != l.At(l.Size()) {
		t.Error("indexes beyond the end do not begin again")
	}
	if l.At(0).Addr() == l.At(1).Addr() {
		t.Error("neighbours share an address")
	}
	for _, c := range []struct{ n, want int }{{1, 50}, {50, 50}, {51, 100}, {100_000, 10_000}} {
		if got := For(c.n).Size(); got != c.want {
			t.Errorf("For(%d) has %d listeners, want %d", c.n, got, c.want)
		}
	}
}

// What arrived before a reset counts in the total only.
func TestLog(t *testing.T) {
	l := newLog(3)
	l.add(0, 1)
	l.reset()
	l.add(1, int64(time.Second))
	l.add(1, int64(2*time.Second))
	l.add(2, int64(2*time.Second))
	h := l.handlers()
	count, err := h["count"]("")
	if err != nil || count != (Count{Total: 4, Seen: 2}) {
		t.Errorf("count %+v, %v", count, err)
	}
	v, err := h["report"]("1000")
	if err != nil {
		t.Fatal(err)
	}
	if r := v.(measure.Arrivals); r.Count != 3 || r.Ports != 2 || r.Gaps != 1 || r.ErrorMax != 0 || r.Recorded <= 0 {
		t.Errorf("report %+v", r)
	}
	if _, err := h["report"]("soon"); err == nil {
		t.Error("a report without an interval is made")
	}
	if _, err := json.Marshal(v); err != nil {
		t.Error(err)
	}
}
