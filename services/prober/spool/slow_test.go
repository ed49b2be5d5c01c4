package spool

import (
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

// pass lets time pass in the bubble of a test.
func pass(d time.Duration) { <-time.After(d) }

// slowed lets every sync of f take between a half of d and d, of the bubble's time.
func slowed(f *faultFS, d time.Duration) {
	r := random(uint64(d))
	f.fail = func(op, _ string) error {
		if op == "sync" || op == "syncdir" {
			took := d/2 + time.Duration(r.Int64N(int64(d/2)+1))
			f.mu.Unlock()
			pass(took)
			f.mu.Lock()
		}
		return nil
	}
}

// On a disk that takes its time nobody waits who appends; what counts as durable is, whenever the power fails; and everything comes
// out again, after a few syncs.
func TestSlowSync(t *testing.T) {
	for _, slow := range []time.Duration{200 * time.Millisecond, 2 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) { slowSync(t, slow) })
		})
	}
}

func slowSync(t *testing.T, slow time.Duration) {
	f := newFaultFS()
	slowed(f, slow)
	l := open(t, Options{FS: f, MaxBytes: 16 << 20, SegmentBytes: 256 << 10})
	const n = 3000
	var mu sync.Mutex
	appended := map[uint64]time.Time{}
	// A commit may begin a segment, for which the folder is synced, and end one, before which the cursor is, if need be after
	// somebody else's. A record that has just missed one waits for two.
	most := 2*4*slow + 100*time.Millisecond

	var reading sync.WaitGroup
	var longest time.Duration
	reading.Go(func() {
		reader := l.NewReader()
		for after := uint64(0); after < n; {
			<-l.Ready(after)
			_, err := reader.Read(after, func(seq uint64, rec []byte) bool {
				mu.Lock()
				longest = max(longest, time.Since(appended[seq]))
				mu.Unlock()
				if seq != after+1 || string(rec) != string(record(int(seq))) {
					t.Errorf("number %d after %d", seq, after)
				}
				after = seq
				return true
			})
			if s := l.Stats(); err != nil || after > s.Durable || s.Err != nil {
				t.Errorf("read up to %d, durable up to %d: %v, %v", after, s.Durable, err, s.Err)
				return
			}
		}
	})
	reading.Go(func() { acknowledge(l, n) })
	began := time.Now()
	for i := 1; i <= n; i++ {
		pass(10 * time.Millisecond)
		before := time.Now()
		mu.Lock()
		appended[uint64(i)] = before
		mu.Unlock()
		if seq, ok := l.Append(nil, record(i)); !ok || seq != uint64(i) || time.Since(before) != 0 {
			t.Fatalf("number %d, %v, want %d, after %v", seq, ok, i, time.Since(before))
		}
		if i%200 == 0 {
			durable, acked := l.Stats().Durable, l.Stats().Acked
			survived(t, f, acked+1, durable, uint64(i))
		}
	}
	syncTogether(t, l, most)
	reading.Wait()
	s := l.Stats()
	if longest > most || s.Durable != n || s.Lost+s.Dropped+s.Refused+s.Refusals != 0 {
		t.Errorf("a record was readable after %v, want %v at most; %+v", longest, most, s)
	}
	t.Logf("%d records in %v, readable after %v at most, with %d syncs", n, time.Since(began), longest, s.Syncs)
}

// acknowledge lets what is durable go, but for the newest 500 of n.
func acknowledge(l *Log, n uint64) {
	for l.Stats().Acked < n-500 {
		pass(time.Second)
		if s := l.Stats(); s.Durable > 500 {
			l.Ack(s.Durable - 500)
		}
	}
}

// syncTogether wants many who wait to share what is left of one commit and the next.
func syncTogether(t *testing.T, l *Log, most time.Duration) {
	t.Helper()
	before, syncs := time.Now(), l.Stats().Syncs
	var waiting sync.WaitGroup
	for range 64 {
		waiting.Go(func() {
			if err := l.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	if took := time.Since(before); took > most {
		t.Errorf("waited %v for a sync, want %v at most", took, most)
	}
	if more := l.Stats().Syncs - syncs; more > 3 { // one of them fills a segment
		t.Errorf("%d syncs for 64 who waited at once", more)
	}
}

// survived checks that a loss of power now leaves the records from…to.
func survived(t *testing.T, f *faultFS, from, to, seed uint64) {
	t.Helper()
	there := map[uint64]bool{}
	l, err := Open("", Options{FS: f.crash(random(seed)), Visit: func(seq uint64, rec []byte) {
		there[seq] = string(rec) == string(record(int(seq)))
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for seq := from; seq <= to; seq++ {
		if !there[seq] && seq > l.Stats().Acked {
			t.Fatalf("number %d counted as durable, and is not there after a loss of power; durable were %d…%d", seq, from, to)
		}
	}
}
