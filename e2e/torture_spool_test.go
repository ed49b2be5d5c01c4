package e2e

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/spool"
)

// diary remembers which results probers have had on disk, and so may have been told are stored.
type diary struct {
	t       testing.TB
	folders map[string]string // of each prober
	of      map[int]bool      // monitors that are remembered
	seen    map[slot][]string // the outcomes of each
	missed  map[slot]int      // how many slots a row of missed ones stands for, by the first
	reads   int

	stop    chan struct{}
	reading sync.WaitGroup
}

// slot is one of a monitor's.
type slot struct {
	monitor int
	at      int64 // milliseconds since 1970
}

// keepDiary looks into the folders of probers every few seconds until close.
func keepDiary(t testing.TB, folders map[string]string, monitors []int) *diary {
	d := &diary{t: t, folders: folders, of: map[int]bool{}, seen: map[slot][]string{}, missed: map[slot]int{}, stop: make(chan struct{})}
	for _, id := range monitors {
		d.of[id] = true
	}
	d.reading.Go(func() {
		// A segment that is acknowledged stays until it is full, so that looking now and then shows nearly all there was.
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-d.stop:
				return
			case <-tick.C:
				d.read()
			}
		}
	})
	t.Cleanup(d.close)
	return d
}

// close looks once more and ends it.
func (d *diary) close() {
	select {
	case <-d.stop:
		return
	default:
	}
	close(d.stop)
	d.reading.Wait()
	d.read()
}

// read takes in what the spools hold, acknowledged or not.
func (d *diary) read() {
	for name, folder := range d.folders {
		copied, err := os.MkdirTemp(workDir, "diary-")
		if err == nil {
			err = copySpool(copied, filepath.Join(folder, "spool"))
		}
		if err == nil {
			var log *spool.Log
			if log, err = spool.Open(copied, spool.Options{Visit: func(_ uint64, record []byte) { d.note(record) }}); err == nil {
				err = log.Close()
			}
		}
		if err = errors.Join(err, os.RemoveAll(copied)); err != nil {
			d.t.Errorf("the spool of prober %s: %v", name, err)
		}
	}
	d.reads++
}

// copySpool copies a spool that its owner goes on writing to, without the mark of what is acknowledged: the copy ends somewhere, as
// after a crash.
func copySpool(to, from string) error {
	all, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has not begun
	}
	for _, one := range all {
		if !strings.HasSuffix(one.Name(), ".log") {
			continue
		}
		in, openErr := os.Open(filepath.Join(from, one.Name()))
		if errors.Is(openErr, fs.ErrNotExist) {
			continue // acknowledged meanwhile
		}
		if openErr != nil {
			return openErr
		}
		b, readErr := io.ReadAll(in)
		err = errors.Join(err, readErr, in.Close(), os.WriteFile(filepath.Join(to, one.Name()), b, 0o600))
	}
	return err
}

var outcomes = map[checkv1.ResultStatus]string{
	checkv1.ResultStatus_RESULT_STATUS_SUCCESS: "success",
	checkv1.ResultStatus_RESULT_STATUS_FAILURE: "failure",
	checkv1.ResultStatus_RESULT_STATUS_TIMEOUT: "timeout",
	checkv1.ResultStatus_RESULT_STATUS_ERROR:   "error",
}

// note reads a record of a spool: a result as a field of a batch, behind what traces it.
func (d *diary) note(record []byte) {
	for len(record) > 0 {
		field, kind, n := protowire.ConsumeTag(record)
		if n < 0 || kind != protowire.BytesType {
			return
		}
		value, m := protowire.ConsumeBytes(record[n:])
		if m < 0 {
			return
		}
		if record = record[n+m:]; field != 2 {
			continue
		}
		var r checkv1.CheckResult
		if proto.Unmarshal(value, &r) != nil || !d.of[int(r.GetMonitorId())] {
			continue
		}
		at := slot{int(r.GetMonitorId()), r.GetScheduledAt().AsTime().UnixMilli()}
		if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_MISSED {
			d.missed[at] = max(d.missed[at], int(r.GetMissedCount()))
		}
		if outcome := outcomes[r.GetStatus()]; outcome != "" {
			if !slices.Contains(d.seen[at], outcome) {
				d.seen[at] = append(d.seen[at], outcome)
			}
		}
	}
}

// stored checks that every result that a prober had on disk is in the history as it was, whether its prober was told so or not.
// Of those in steady, which are due each second, missed slots have to have a row too. The last ones may be on their way still.
func (d *diary) stored(s *server, steady []int) {
	d.t.Helper()
	if len(d.seen) == 0 {
		d.t.Error("no result was seen on the disks of the probers")
	}
	there, covered, phase := map[slot]string{}, map[slot]bool{}, map[int]int64{}
	look := func(id int) {
		for i, e := range s.events(id, "") {
			at := e.ScheduledAt.UnixMilli()
			if e.Status != "missed" {
				there[slot{id, at}] = e.Status
			}
			if i == 0 && slices.Contains(steady, id) {
				phase[id] = at % 1000
			}
			for k := range max(e.MissedCount, 1) {
				covered[slot{id, at + int64(k)*1000}] = true
			}
		}
	}
	for id := range d.of {
		look(id)
	}
	eventually(d.t, 30*time.Second, "what was on disks to be in the history", func() error {
		again := map[int]bool{}
		var lacking []string
		for at, outcomes := range d.seen {
			if got := there[at]; !slices.Contains(outcomes, got) {
				again[at.monitor] = true
				lacking = append(lacking, fmt.Sprintf("monitor %d: the slot at %v was %v on a prober's disk and is %q in the history",
					at.monitor, time.UnixMilli(at.at).UTC(), outcomes, got))
			}
		}
		for from, n := range d.missed {
			if p, ok := phase[from.monitor]; !ok || from.at%1000 != p {
				continue // the check at once after creation has a slot of its own
			}
			for k := range n {
				if at := (slot{from.monitor, from.at + int64(k)*1000}); !covered[at] {
					again[at.monitor] = true
					lacking = append(lacking, fmt.Sprintf("monitor %d: the slot at %v was missed, by a row on a prober's disk for %d slots from %v on, and has no row in the history",
						at.monitor, time.UnixMilli(at.at).UTC(), n, time.UnixMilli(from.at).UTC()))
				}
			}
		}
		for id := range again {
			look(id)
		}
		if len(lacking) > 0 {
			return errors.New(strings.Join(lacking[:min(len(lacking), 20)], "\n"))
		}
		return nil
	})
	d.t.Logf("%d results and %d rows of missed slots of %d monitors were seen on disks (%d looks), %d results are in the history",
		len(d.seen), len(d.missed), len(d.of), d.reads, len(there))
}

// inOrder checks what readers are given of monitors: per region the newest slot first, none twice.
func (s *server) inOrder(ids []int) {
	s.t.Helper()
	rows := 0
	for _, id := range ids {
		last, known := map[string]event{}, map[string]bool{}
		for _, e := range s.events(id, "") {
			rows++
			if before, ok := last[e.Region]; ok && !e.ScheduledAt.Before(before.ScheduledAt) {
				s.t.Errorf("monitor %d in %s: the slot at %v comes after that at %v", id, e.Region, e.ScheduledAt, before.ScheduledAt)
			}
			if known[e.EventID] {
				s.t.Errorf("monitor %d: the result %s is there twice", id, e.EventID)
			}
			last[e.Region], known[e.EventID] = e, true
		}
		if len(last) == 0 || last[""].EventID != "" {
			s.t.Errorf("monitor %d: no results, or some of no region: %v", id, last)
		}
	}
	s.t.Logf("%d rows of %d monitors are in order, none twice", rows, len(ids))
}
