package prober

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

func reopen(t interface {
	Helper()
	Fatal(...any)
}, dir string) (*cache, cached) {
	t.Helper()
	c, was, err := openCache(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c, was
}

// What was noted is there for the next process, for its owner's eyes only.
func TestCacheOutlivesTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	c, was := reopen(t, dir)
	if was.session != "" || was.lease != nil || len(was.assignments) != 0 || !was.progress.IsZero() {
		t.Fatalf("a new folder holds %+v", was)
	}
	c.leased("s1", &monitorsv1.Lease{Epoch: 7, Sole: true})
	c.put(assignment(1, 10))
	c.put(assignment(2, 10))
	c.put(assignment(2, 20))
	c.drop(1)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	if err := errors.Join(c.flush(), c.mark(at.UnixMilli())); err != nil {
		t.Fatal(err)
	}
	_, was = reopen(t, dir)
	if was.session != "s1" || !was.lease.GetSole() || was.lease.GetEpoch() != 7 || !was.progress.Equal(at) {
		t.Errorf("read %+v", was)
	}
	if len(was.assignments) != 1 || was.assignments[2].GetIntervalSeconds() != 20 {
		t.Errorf("assignments %v, want the second as it was last", was.assignments)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 { // and the key
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// No credential stands in the clear, neither before nor after the log was written anew; and without its key the log says
// nothing, and takes what comes.
func TestCacheIsSealed(t *testing.T) {
	const password = "correct horse battery"
	dir := t.TempDir()
	sealed := func() {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, assignmentsFile))
		if err != nil || len(raw) < 50 || bytes.Contains(raw, []byte(password)) {
			t.Errorf("of %d bytes one is of the password: %v", len(raw), err)
		}
	}
	c, _ := reopen(t, dir)
	a := assignment(1, 10)
	a.Spec.Name = password
	c.put(a)
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	sealed()
	if err := c.compact(); err != nil {
		t.Fatal(err)
	}
	sealed()
	if _, was := reopen(t, dir); was.assignments[1].GetSpec().GetName() != password {
		t.Errorf("read %v", was.assignments)
	}
	for name, spoil := range map[string]func(path string) error{
		"lost": os.Remove, "damaged": func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
	} {
		if err := spoil(filepath.Join(dir, cacheKeyFile)); err != nil {
			t.Fatal(err)
		}
		c, was := reopen(t, dir)
		if len(was.assignments) != 0 {
			t.Errorf("with a key that is %s: %v", name, was.assignments)
		}
		c.put(assignment(2, 10))
		if err := c.flush(); err != nil {
			t.Fatal(err)
		}
		if _, was := reopen(t, dir); len(was.assignments) != 1 || was.assignments[2] == nil {
			t.Errorf("after a key that was %s: %v", name, was.assignments)
		}
	}
}

// The end of a process is final: what a late writer says of progress is passed over.
func TestTheLastProgressStays(t *testing.T) {
	dir := t.TempDir()
	c, _ := reopen(t, dir)
	at := time.UnixMilli(2000).UTC()
	c.left(at)
	if err := c.mark(1000); err != nil {
		t.Fatal(err)
	}
	if _, was := reopen(t, dir); !was.progress.Equal(at) {
		t.Errorf("progress %v, want %v", was.progress, at)
	}
}

// Whatever is put, dropped, flushed, torn off at the end and read again: it is what was flushed, and the file stays in
// proportion to what is live.
func TestCacheAgainstAMap(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "") //nolint:usetesting // one for each map
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		c, _ := reopen(rt, dir)
		live, flushed := map[uint32]uint32{}, map[uint32]uint32{}
		id := rapid.Uint32Range(1, 20)
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(rt, "times") {
					id, interval := id.Draw(rt, "id"), rapid.Uint32Range(1, 100).Draw(rt, "interval")
					live[id] = interval
					c.put(assignment(id, interval))
				}
			},
			"drop": func(rt *rapid.T) {
				id := id.Draw(rt, "id")
				delete(live, id)
				c.drop(id)
			},
			"retain": func(rt *rapid.T) {
				keep := map[uint32]bool{}
				for _, id := range rapid.SliceOf(id).Draw(rt, "keep") {
					keep[id] = true
				}
				maps.DeleteFunc(live, func(id, _ uint32) bool { return !keep[id] })
				c.retain(keep)
			},
			"flush": func(rt *rapid.T) {
				if err := c.flush(); err != nil {
					rt.Fatal(err)
				}
				flushed = maps.Clone(live)
				if c.records > 2*len(live)+cacheSlack {
					rt.Fatalf("%d records for %d assignments", c.records, len(live))
				}
			},
			"die": func(rt *rapid.T) {
				if rapid.Bool().Draw(rt, "in the middle of a record") {
					f, err := os.OpenFile(c.path(assignmentsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
					if err != nil {
						rt.Fatal(err)
					}
					whole := appendRecord(nil, bytes.Repeat([]byte{1}, 50))
					_, err = f.Write(whole[:rapid.IntRange(1, len(whole)-1).Draw(rt, "torn after")])
					if err := errors.Join(err, f.Close()); err != nil {
						rt.Fatal(err)
					}
				}
				var was cached
				c, was = reopen(rt, dir)
				got := map[uint32]uint32{}
				for id, a := range was.assignments {
					got[id] = a.GetIntervalSeconds()
				}
				if !maps.Equal(got, flushed) {
					rt.Fatalf("read %v, want %v", got, flushed)
				}
				live = maps.Clone(flushed)
			},
		})
	})
}

// A disk that takes nothing loses nothing: what was noted is written when it is well again.
func TestCacheTriesAgain(t *testing.T) {
	dir := t.TempDir()
	c, _ := reopen(t, dir)
	if err := os.Mkdir(c.path(assignmentsFile), 0o700); err != nil {
		t.Fatal(err)
	}
	c.put(assignment(1, 10))
	if c.flush() == nil {
		t.Fatal("a folder in place of the file is no error")
	}
	c.put(assignment(2, 10))
	if err := errors.Join(os.Remove(c.path(assignmentsFile)), c.flush()); err != nil {
		t.Fatal(err)
	}
	if _, was := reopen(t, dir); len(was.assignments) != 2 {
		t.Errorf("%d assignments, want both", len(was.assignments))
	}
}

// Whatever stands in the file, reading it ends, and takes no more memory than the file.
func FuzzReadRecord(f *testing.F) {
	body, err := proto.Marshal(assignedStep(assignment(1, 10)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(appendRecord(nil, body))
	f.Add(appendRecord(appendRecord(nil, nil), body)[:30])
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, file []byte) {
		var again []byte
		r := bytes.NewReader(file)
		for {
			body, err := readRecord(r)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errTorn) {
					t.Fatal(err)
				}
				break
			}
			again = appendRecord(again, body)
		}
		if !bytes.HasPrefix(file, again) {
			t.Errorf("read %x from %x", slices.Clip(again), file)
		}
	})
}
