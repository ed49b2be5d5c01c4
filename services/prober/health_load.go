package prober

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

const (
	// loadWindow is how far back a prober looks for whether it has enough capacity.
	loadWindow = time.Minute
	// loadStep is how far apart two samples are at least.
	loadStep = time.Second
	// Of the slots of a window one in loadShare may be missed, or loadAtLeast.
	loadShare   = 100
	loadAtLeast = 3
)

// load is what was counted by a moment, since the prober started.
type load struct {
	at      time.Time
	due     int64  // slots
	missed  int64  // of them, for want of capacity
	dropped uint64 // results that were given up for want of room
}

// loadWatch knows whether slots are missed, or results given up, for longer than a moment. It learns with each report, which
// goes with each renewal of the lease. The zero value is ready.
type loadWatch struct {
	mu      sync.Mutex
	samples []load    // oldest first; only the first may be older than the window
	since   time.Time // when the missing began; zero: not enough is missed
	lost    time.Time // when the giving up did
}

// look takes a sample, and returns what came in the window before it.
func (w *loadWatch) look(now load) (faults []*monitorsv1.ObserverFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.samples); n == 0 || now.at.Sub(w.samples[n-1].at) >= loadStep {
		w.samples = append(w.samples, now)
	} else if n > 1 {
		w.samples[n-1] = load{w.samples[n-1].at, now.due, now.missed, now.dropped}
	}
	for len(w.samples) > 2 && now.at.Sub(w.samples[1].at) >= loadWindow {
		w.samples = w.samples[1:]
	}
	first := w.samples[0]
	due, missed, dropped := now.due-first.due, now.missed-first.missed, now.dropped-first.dropped
	times, began, lost := 0, now.at, now.at
	for i := len(w.samples) - 1; i > 0; i-- {
		if w.samples[i].missed > w.samples[i-1].missed {
			times, began = times+1, w.samples[i-1].at
		}
		if w.samples[i].dropped > w.samples[i-1].dropped {
			lost = w.samples[i-1].at
		}
	}
	// What was missed at one moment alone is a moment's trouble, which the row says.
	is := missed >= loadAtLeast && missed*loadShare >= due && times > 1
	if !w.since.IsZero() { // it has to be half as bad to be over, or it would be told of again and again
		is = missed > 0 && missed*2*loadShare >= due
	}
	if lasts(&w.since, began, is) {
		faults = append(faults, ownFaultOut(nettest.ErrOverload, w.since, fmt.Sprintf(
			"%d of %d slots of the last minute were missed because no check could start in time: give the prober more processors or "+
				"more checks at once (max-checks), or put another prober beside it.", missed, due)))
	}
	if lasts(&w.lost, lost, dropped > 0) {
		faults = append(faults, ownFaultOut(nettest.ErrOverload, w.lost, fmt.Sprintf(
			"%d results of the last minute were given up because there was no room left to keep them: give the spool more room, and see "+
				"why this installation does not store them.", dropped)))
	}
	return faults
}

// lasts notes in since when something began that is so now, and says whether it is.
func lasts(since *time.Time, began time.Time, now bool) bool {
	switch {
	case !now:
		*since = time.Time{}
	case since.IsZero():
		*since = began
	}
	return now
}

func ownFaultOut(typ nettest.ErrorType, since time.Time, message string) *monitorsv1.ObserverFault {
	return &monitorsv1.ObserverFault{ErrorType: string(typ), Message: message, Since: timestamppb.New(since)}
}

// faults are all that last now: those that the observer knows of, and what this prober lacks to do its work.
func (g *engine) faults(now time.Time) []*monitorsv1.ObserverFault {
	list := g.observer.ailments(now)
	list = append(list, g.observer.load.look(load{
		at: now, due: g.metrics.due.Load(), missed: g.metrics.byReason[missedOverload].Load(), dropped: g.outbox.Dropped(),
	})...)
	var f *diskFault
	if errors.As(g.keeps(), &f) {
		typ := nettest.ErrInternal
		if errors.Is(f, fs.ErrPermission) || errors.Is(f, syscall.EROFS) {
			typ = nettest.ErrPermission
		}
		list = append(list, ownFaultOut(typ, f.since, fmt.Sprintf(
			"Results cannot be kept on disk (%v), and are in memory for as long as there is room: see to the disk, and the rights, of the prober's data folder.", f)))
	}
	return list
}

// keeps is nil while the outbox keeps what it is given.
func (g *engine) keeps() error {
	if box, ok := g.outbox.(interface{ Err() error }); ok {
		return box.Err()
	}
	return nil
}
