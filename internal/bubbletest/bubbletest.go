// Package bubbletest runs tests in virtual time.
package bubbletest

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test], which it keeps to one processor while the race detector is on.
//
// All timers of a bubble share one context of the race detector (Go 1.26: runtime.synctestBubble.timers.raceCtx), and the
// timer of a channel that is already over is run by whoever looks at that channel. Two goroutines that do so at once on two
// processors corrupt the context, and the test binary dies in __tsan::SlotLock.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if raceDetector {
		processors.hold()
		defer processors.release()
	}
	synctest.Test(t, f)
}

// processors is shared by the tests of a binary that run in parallel: the first to enter narrows it, the last to leave widens it.
var processors narrow

type narrow struct {
	mu     sync.Mutex
	inside int
	before int
}

func (n *narrow) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.inside++; n.inside == 1 {
		n.before = runtime.GOMAXPROCS(1)
	}
}

func (n *narrow) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.inside--; n.inside == 0 {
		runtime.GOMAXPROCS(n.before)
	}
}
