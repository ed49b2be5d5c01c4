package prober

import (
	"runtime"
	"sync"
	"testing"
)

// Goroutines are kept for the next job, a bounded number of them, and none is left in the end.
func TestPool(t *testing.T) {
	var ended sync.WaitGroup
	release := make(chan struct{})
	p := newPool(3, func(n int) {
		defer ended.Done()
		if n > 0 {
			<-release
		}
	})
	before := runtime.NumGoroutine()
	for range 5 {
		ended.Add(10)
		for range 10 {
			p.run(1)
		}
		for range 10 {
			release <- struct{}{}
		}
		ended.Wait()
	}
	for runtime.NumGoroutine() > before+3 {
		runtime.Gosched()
	}
	for range 100 {
		ended.Add(1)
		p.run(0)
		ended.Wait()
	}
	if n := runtime.NumGoroutine(); n > before+4 {
		t.Errorf("%d goroutines are kept", n-before)
	}
	ended.Add(1)
	p.run(1)
	p.close()
	release <- struct{}{}
	ended.Wait()
	for runtime.NumGoroutine() > before {
		runtime.Gosched()
	}
}
