package bubbletest

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Goroutines that look at channels whose timers are over are what kills the race detector on two processors.
func TestTimersThatAreOver(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	Test(t, func(t *testing.T) {
		if n := runtime.GOMAXPROCS(0); raceDetector && n != 1 {
			t.Errorf("a bubble runs on %d processors", n)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20_000 {
					over := time.NewTimer(0)
					<-over.C
				}
			})
		}
		all.Wait()
	})
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d processors after the bubble, %d before", n, before)
	}
}

func TestProcessorsAreGivenBackByTheLast(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	var n narrow
	n.hold()
	n.hold()
	n.release()
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("%d processors while one is still inside", got)
	}
	n.release()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d processors after all, %d before", got, before)
	}
}
