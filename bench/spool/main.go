// Command spool measures the prober's log on disk against Prometheus' write-ahead log (tsdb/wlog): the same records, the
// same durability. It is a module of its own, so that the product does not depend on the other log.
//
//	cd bench/spool && GOWORK=off go run . [-dir /var/tmp] [-records 1000000] [-flips 2000] [-recover 1024]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/frogstats/uptime/services/prober/spool"
)

// store is a log as the prober needs it.
type store interface {
	// Append takes a record; it may keep it in memory.
	Append(record []byte)
	// Sync makes everything durable.
	Sync() error
	Close() error
}

// pause lets time go by.
func pause(d time.Duration) { <-time.After(d) }

type ours struct{ *spool.Log }

func (o ours) Append(record []byte) {
	for {
		if _, ok := o.Log.Append(nil, record); ok {
			return
		}
		pause(100 * time.Microsecond) // full of what is not durable yet
	}
}

func (o ours) Sync() error { return o.Log.Sync(context.Background()) }

func openOurs(dir string) store {
	l, err := spool.Open(dir, spool.Options{MaxBytes: 8 << 30, SegmentBytes: 8 << 20, Blocks: true})
	check(err)
	return ours{l}
}

// theirs is wlog with what it lacks: records that come together, written and synced by a goroutine within the same window.
type theirs struct {
	log    *wlog.WL
	mu     sync.Mutex
	buf    []byte
	ends   []int
	waits  []chan error
	wake   chan struct{}
	hurry  chan struct{}
	closed chan struct{}
	ended  sync.WaitGroup
}

const window = 10 * time.Millisecond

func openTheirs(dir string) store {
	l, err := wlog.NewSize(promslog.NewNopLogger(), prometheus.NewRegistry(), dir, 8<<20, compression.None)
	check(err)
	t := &theirs{log: l, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), closed: make(chan struct{})}
	t.ended.Go(t.write)
	return t
}

func (t *theirs) Append(record []byte) {
	t.mu.Lock()
	for len(t.buf) > 16<<20 {
		t.mu.Unlock()
		pause(100 * time.Microsecond)
		t.mu.Lock()
	}
	first := len(t.ends) == 0
	t.buf = append(t.buf, record...)
	t.ends = append(t.ends, len(t.buf))
	t.mu.Unlock()
	if first {
		signal(t.wake)
	}
}

func (t *theirs) Sync() error {
	done := make(chan error, 1)
	t.mu.Lock()
	t.waits = append(t.waits, done)
	t.mu.Unlock()
	signal(t.wake)
	signal(t.hurry)
	return <-done
}

func (t *theirs) write() {
	timer := time.NewTimer(time.Hour)
	var buf []byte
	var ends []int
	var records [][]byte
	for {
		select {
		case <-t.wake:
			timer.Reset(window)
			select {
			case <-timer.C:
			case <-t.hurry:
			}
		case <-t.closed:
			return
		}
		t.mu.Lock()
		buf, t.buf = t.buf, buf[:0]
		ends, t.ends = t.ends, ends[:0]
		waits := t.waits
		t.waits = nil
		t.mu.Unlock()
		records = records[:0]
		from := 0
		for _, end := range ends {
			records, from = append(records, buf[from:end]), end
		}
		err := t.log.Log(records...)
		if err == nil {
			err = t.log.Sync()
		}
		for _, w := range waits {
			w <- err
		}
	}
}

func (t *theirs) Close() error {
	err := t.Sync()
	close(t.closed)
	t.ended.Wait()
	return errors.Join(err, t.log.Close())
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func readTheirs(dir string, visit func([]byte)) error {
	segments, err := wlog.NewSegmentsReader(dir)
	if err != nil {
		return err
	}
	defer segments.Close()
	r := wlog.NewReader(segments)
	for r.Next() {
		visit(r.Record())
	}
	return r.Err()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "spool:", err)
		os.Exit(1)
	}
}

// records are like rows: 200 to 320 bytes, most of which repeat.
func records(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	fixed := bytes.Repeat([]byte("organization and monitor "), 8)
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "%08d %016x %s", i, r.Uint64(), fixed[:170+r.IntN(len(fixed)-170)])
		for range r.IntN(90) {
			out[i] = append(out[i], byte(r.Uint32()))
		}
	}
	return out
}

func cpu() time.Duration {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func main() {
	dir := flag.String("dir", os.TempDir(), "a folder on the disk that is to be measured")
	n := flag.Int("records", 1_000_000, "records of the cases that are about speed")
	flips := flag.Int("flips", 2000, "bits that are turned over, one at a time")
	mib := flag.Int("recover", 1024, "MiB that are recovered")
	flag.Parse()
	base, err := os.MkdirTemp(*dir, "spool-bench")
	check(err)
	defer os.RemoveAll(base)
	c := comparison{base: base, rows: records(100_000)}
	fmt.Printf("%-58s %14s %14s %8s\n", "case", "own", "wlog", "ratio")
	c.speeds(*n)
	c.recovery(*mib)
	c.damage(*flips)
}

// comparison runs cases with both logs, and prints a line of each.
type comparison struct {
	base string // a folder for theirs
	rows [][]byte
}

// logs are the two that are compared.
var logs = []struct {
	name string
	open func(dir string) store
}{{"own", openOurs}, {"wlog", openTheirs}}

func (c comparison) folder(name string) string {
	d := filepath.Join(c.base, name)
	check(os.MkdirAll(d, 0o700))
	return d
}

func line(name, format string, own, wlog float64) {
	fmt.Printf("%-58s %14s %14s %8.2f\n", name, fmt.Sprintf(format, own), fmt.Sprintf(format, wlog), own/wlog)
}

// both measures three times with each log, and takes the middle ones.
func (c comparison) both(name, format string, run func(s store) float64) {
	const repeat = 3
	var got [2][]float64
	for i := range repeat { // interleaved: the disk has its moods
		for k, log := range logs {
			d := c.folder(fmt.Sprintf("%s-%s-%d", log.name, strings.ReplaceAll(name[:8], " ", "-"), i))
			s := log.open(d)
			got[k] = append(got[k], run(s))
			check(s.Close())
			check(os.RemoveAll(d))
		}
	}
	for k := range got {
		slices.Sort(got[k])
	}
	line(name, format, got[0][repeat/2], got[1][repeat/2])
}

// speeds are of n records that nobody waits for, of groups, of single ones, and what they cost.
func (c comparison) speeds(n int) {
	c.both("durable records/s, nobody waits", "%.0f", func(s store) float64 {
		began := time.Now()
		for i := range n {
			s.Append(c.rows[i%len(c.rows)])
		}
		check(s.Sync())
		return float64(n) / time.Since(began).Seconds()
	})
	c.both("groups of 1000, each waited for, records/s", "%.0f", func(s store) float64 {
		began := time.Now()
		for i := range n / 4 {
			s.Append(c.rows[i%len(c.rows)])
			if i%1000 == 999 {
				check(s.Sync())
			}
		}
		return float64(n/4) / time.Since(began).Seconds()
	})
	c.both("one record, waited for, µs", "%.0f", func(s store) float64 {
		began := time.Now()
		const times = 500
		for i := range times {
			s.Append(c.rows[i])
			check(s.Sync())
		}
		return float64(time.Since(began).Microseconds()) / times
	})
	c.both("µs of CPU per record at 10,000/s", "%.2f", func(s store) float64 {
		began, used := time.Now(), cpu()
		const rate, seconds = 10_000, 2
		for i := 0; i < rate*seconds; {
			due := int(time.Since(began).Seconds() * rate)
			for ; i < min(due, rate*seconds); i++ {
				s.Append(c.rows[i%len(c.rows)])
			}
			pause(5 * time.Millisecond)
		}
		check(s.Sync())
		used = cpu() - used
		return float64(used.Microseconds()) / (rate * seconds)
	})
}

// recovery reads everything that is in a log after a start.
func (c comparison) recovery(mib int) {
	var took [2]float64
	for k, log := range logs {
		d := c.folder("recover-" + log.name)
		s := log.open(d)
		want := 0
		for size := 0; size < mib<<20; want++ {
			r := c.rows[want%len(c.rows)]
			s.Append(r)
			size += len(r) + 16
		}
		check(s.Close())
		began, got := time.Now(), 0
		if k == 0 {
			l, err := spool.Open(d, spool.Options{MaxBytes: 8 << 30, SegmentBytes: 8 << 20, Visit: func(uint64, []byte) { got++ }})
			check(err)
			took[k] = time.Since(began).Seconds()
			check(l.Close())
		} else {
			check(readTheirs(d, func([]byte) { got++ }))
			took[k] = time.Since(began).Seconds()
		}
		if got != want {
			check(fmt.Errorf("%d of %d records recovered", got, want))
		}
		check(os.RemoveAll(d))
	}
	line(fmt.Sprintf("recovery of %d MiB, every record checked, s", mib), "%.2f", took[0], took[1])
}

// damage turns over one bit at a time in logs of the same records, and counts what is lost for it.
func (c comparison) damage(flips int) {
	rows := c.rows[:20_000]
	var mean, most, wrong [2]float64
	for k, log := range logs {
		d := c.folder("damage-" + log.name)
		s := log.open(d)
		for _, r := range rows {
			s.Append(r)
		}
		check(s.Close())
		names, files := contents(d)
		r := rand.New(rand.NewPCG(3, 4))
		for range flips {
			name := names[r.IntN(len(names))]
			file, b := filepath.Join(d, name), bytes.TrimRight(files[name], "\x00")
			at := r.IntN(len(b))
			turnOver(file, at, b[at]^1<<r.IntN(8))
			got := 0
			visit := func(record []byte) {
				var i int
				if _, err := fmt.Sscanf(string(record[:8]), "%d", &i); err != nil || !bytes.Equal(record, rows[i]) {
					wrong[k]++
				}
				got++
			}
			if k == 0 {
				l, err := spool.Open(d, spool.Options{Visit: func(_ uint64, record []byte) { visit(record) }})
				check(err)
				check(l.Close())
			} else if err := readTheirs(d, visit); err != nil && errors.Is(err, io.ErrUnexpectedEOF) {
				check(err)
			}
			lost := float64(len(rows) - got)
			mean[k], most[k] = mean[k]+lost/float64(flips), max(most[k], lost)
			check(os.WriteFile(file, files[name], 0o600)) // back to what it was: opening may have ended it where it is sound
		}
	}
	line(fmt.Sprintf("records lost by one bit of %d records, mean", len(rows)), "%.2f", mean[0], mean[1])
	line("records lost by one bit, most", "%.0f", most[0], most[1])
	fmt.Printf("%-58s %14.0f %14.0f\n", "damaged records delivered", wrong[0], wrong[1])
}

// contents are the files of a log that hold records.
func contents(dir string) (names []string, files map[string][]byte) {
	entries, err := os.ReadDir(dir)
	check(err)
	files = map[string][]byte{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		check(err)
		if len(b) > 100 && e.Name() != "cursor" {
			files[e.Name()], names = b, append(names, e.Name())
		}
	}
	return names, files
}

// turnOver puts a byte in place of one of a file.
func turnOver(file string, at int, b byte) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	check(err)
	_, err = f.WriteAt([]byte{b}, int64(at))
	check(errors.Join(err, f.Close()))
}
