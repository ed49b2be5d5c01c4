package prober

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
)

// toldOfLoad is what a watch says of counts that rise each 3 seconds by the given ones: a letter for each look, o of slots that are
// missed, d of results that are given up.
func toldOfLoad(w *loadWatch, now *load, looks int, due, missed int64, dropped uint64) string {
	var out strings.Builder
	for range looks {
		now.at = now.at.Add(3 * time.Second)
		now.due, now.missed, now.dropped = now.due+due, now.missed+missed, now.dropped+dropped
		said := "."
		for _, f := range w.look(*now) {
			switch {
			case strings.Contains(f.GetMessage(), "slots"):
				said += "o"
			case strings.Contains(f.GetMessage(), "results"):
				said += "d"
			}
		}
		out.WriteString(said)
	}
	return out.String()
}

func TestLoadWatch(t *testing.T) {
	for name, tt := range map[string]struct {
		due, missed int64
		dropped     uint64
		looks       int
		want, after string // and in the 20 looks of calm
	}{
		"all is well":          {1000, 0, 0, 5, ".....", strings.Repeat(".", 20)},
		"one in a thousand":    {1000, 1, 0, 5, ".....", strings.Repeat(".", 20)},
		"one in a hundred":     {1000, 10, 0, 4, "..o.o.o", ".o.o.o.o" + strings.Repeat(".", 16)},
		"one moment":           {1000, 900, 0, 1, ".", strings.Repeat(".", 20)},
		"two slots of a few":   {1, 1, 0, 2, "..", strings.Repeat(".", 20)},
		"results are given up": {1000, 0, 1, 1, ".d", strings.Repeat(".d", 19) + "."},
	} {
		t.Run(name, func(t *testing.T) {
			var w loadWatch
			now := load{at: time.Now(), due: 5, missed: 5, dropped: 5} // of before anybody asked
			w.look(now)
			began := now.at
			if got := toldOfLoad(&w, &now, tt.looks, tt.due, tt.missed, tt.dropped); got != tt.want {
				t.Errorf("said %q, want %q", got, tt.want)
			}
			if since := w.since; !since.IsZero() && !since.Equal(began) {
				t.Errorf("it began %v after the first look", since.Sub(began))
			}
			if got := toldOfLoad(&w, &now, 20, tt.due, 0, 0); got != tt.after {
				t.Errorf("then said %q, want %q", got, tt.after)
			}
		})
	}
}

// A prober whose checks take all that it may run at once reports that, and no longer when they do not.
func TestOverloadIsReported(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		b := startEngine(t, Config{MaxChecks: 1, MaxChecksPerHost: 1}, func(uint32) (time.Duration, checkv1.ResultStatus) {
			if slow.Load() {
				return 900 * time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
			}
			return time.Millisecond, checkv1.ResultStatus_RESULT_STATUS_SUCCESS
		})
		for id := range uint32(10) {
			b.assign(assignment(id+1, 1), &lastSlot{at: time.Now()}, false)
		}
		renewals := func(n int) (told int) {
			for range n {
				pass(3 * time.Second)
				for _, f := range b.report().GetFaults() {
					if f.GetErrorType() == "overload" {
						told++
					}
				}
			}
			return told
		}
		if n := renewals(10); n != 0 {
			t.Errorf("reported %d times without a cause", n)
		}
		slow.Store(true)
		if n := renewals(10); n < 5 {
			t.Errorf("reported %d times of 10 while most slots are missed", n)
		}
		slow.Store(false)
		renewals(22)
		if n := renewals(3); n != 0 {
			t.Errorf("reported %d times after a minute of calm", n)
		}
		b.stopAndRead(t)
	})
}
