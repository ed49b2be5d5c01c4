package measure

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, c := range []struct {
		sorted []int
		q      float64
		want   int
	}{
		{nil, .5, 0}, {[]int{7}, 0, 7}, {[]int{7}, 1, 7}, {[]int{1, 2}, .5, 1}, {[]int{1, 2}, .51, 2},
		{hundred, .5, 50}, {hundred, .99, 99}, {hundred, .991, 100}, {hundred, 1, 100}, {hundred, 0, 1},
	} {
		if got := Quantile(c.sorted, c.q); got != c.want {
			t.Errorf("Quantile(%d values, %v) = %d, want %d", len(c.sorted), c.q, got, c.want)
		}
	}
}

func TestSpreadOf(t *testing.T) {
	values := []float64{9, 1, 4}
	if got, want := SpreadOf(values), (Spread{4, 1, 9, 3}); got != want {
		t.Errorf("three: %+v, want %+v", got, want)
	}
	if values[0] != 9 {
		t.Error("the argument was sorted in place")
	}
	if got, want := SpreadOf([]float64{1, 3, 4, 10}), (Spread{3.5, 1, 10, 4}); got != want {
		t.Errorf("four: %+v, want %+v", got, want)
	}
	if got := SpreadOf(nil); got != (Spread{}) {
		t.Errorf("none: %+v", got)
	}
}

const ms = int64(time.Millisecond)

func TestAnalyse(t *testing.T) {
	list := []Arrival{ // port 0 exact, port 1 late and then two missed, port 2 once, port 0 twice at the end
		{0, 0}, {100 * ms, 1}, {400 * ms, 2}, {1000 * ms, 0}, {1103 * ms, 1}, {2000 * ms, 0}, {2001 * ms, 0}, {4103 * ms, 1},
	}
	got := Analyse(list, time.Second, 4500*ms)
	want := Arrivals{
		Count: 8, Ports: 3, First: 0, AllSeen: 400 * ms, Burst: 2,
		Gaps: 5, ErrorP50: 3 * ms, ErrorP99: 2000 * ms, ErrorMax: 2000 * ms,
		Missed: 2, Duplicated: 1,
		Unfinished: 2 + 0 + 4, // port 0 since 2.001, port 1 since 4.103, port 2 since 0.4
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := Analyse(nil, time.Second, 1); got != (Arrivals{}) {
		t.Errorf("nothing arrived: %+v", got)
	}
}

func TestBurst(t *testing.T) {
	list := []Arrival{{0, 0}, {10 * ms, 0}, {49 * ms, 0}, {50 * ms, 0}, {59 * ms, 0}, {60 * ms, 0}, {500 * ms, 0}}
	if got := burst(list, 50*time.Millisecond); got != 4 { // 10, 49, 50, 59; at 60 the first of them is out
		t.Errorf("burst of %d, want 4", got)
	}
}

func TestParseStat(t *testing.T) {
	m, err := parseStat("cpu  100 20 30 400 50 6 7 8 90 0\ncpu0 1 2 3\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Machine{Busy: 1710 * time.Millisecond, Idle: 4500 * time.Millisecond}); m != want {
		t.Errorf("%+v, want %+v", m, want)
	}
	for _, bad := range []string{"", "intr 5", "cpu 1 2 3", "cpu  1 2 3 4 x 6 7 8 9 0"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestForeign(t *testing.T) {
	before := Machine{Busy: time.Second, Idle: time.Second}
	after := Machine{Busy: 4 * time.Second, Idle: 8 * time.Second}
	if got := Foreign(before, after, 2*time.Second); got != 10 {
		t.Errorf("foreign share %v, want 10", got)
	}
	if got := Foreign(before, before, time.Second); got != 0 {
		t.Errorf("no time has passed: %v", got)
	}
}

func TestResidentPages(t *testing.T) {
	if n, err := residentPages("4096 123 45 6 0 7 0\n"); n != 123 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "12", "12 x"} {
		if _, err := residentPages(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	rss, err := RSS(os.Getpid())
	if err != nil || rss < 1<<20 || rss > 8<<30 {
		t.Errorf("this process: %d bytes, %v", rss, err)
	}
}

// The clock by process id agrees with getrusage, threads that ended included.
func TestCPU(t *testing.T) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		for from := time.Now(); time.Since(from) < 30*time.Millisecond; {
		}
		close(done)
	}()
	<-done
	got, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	if used := time.Duration(u.Utime.Nano() + u.Stime.Nano()); got > used+20*time.Millisecond || got < used/2 {
		t.Errorf("clock says %v, getrusage %v", got, used)
	}
	if self := SelfCPU(); self < got {
		t.Errorf("the own clock says %v, less than %v before", self, got)
	}
	if _, err := CPU(1 << 22); err == nil {
		t.Error("a process that cannot be has a clock")
	}
}
