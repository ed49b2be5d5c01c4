package prober

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/secret"
)

// The folder of a prober holds, beside the spool, what the next process needs of this one: the name of the session, the
// assignments, and how far slots were taken. Assignments have credentials: they are sealed with a key of this folder alone,
// so that a copy of the one file, or a search through it, tells none. Whoever has the whole folder has them; its files are
// their owner's alone.
const (
	sessionFile     = "session"
	assignmentsFile = "assignments"
	cacheKeyFile    = "assignments.key"
	progressFile    = "progress"

	// cacheEvery is how often changes are written at least.
	cacheEvery = 500 * time.Millisecond
	// diskShare bounds the time spent on writing at once to a part of it all.
	diskShare = 10
	// progressEvery is how often it is noted how far slots were taken.
	progressEvery = time.Second
	// cacheSlack is how many records may be out of date before the file is written anew, besides as many as are not.
	cacheSlack = 1000
	// maxRecord bounds a record that is read: a specification is at most a few MiB.
	maxRecord = 16 << 20
)

// cacheName is what records are sealed for.
var cacheName = secret.AAD("prober", "assignments")

var cacheTable = crc32.MakeTable(crc32.Castagnoli)

// cached is what a former process left.
type cached struct {
	session     string // "" when it had none
	lease       *monitorsv1.Lease
	assignments map[uint32]*monitorsv1.Assignment
	progress    time.Time // up to when slots were taken, give or take progressEvery; zero is not known
}

// cache keeps assignments on disk, as a log of the messages that brought them. Writing never holds up a check, and one that
// fails is tried again.
type cache struct {
	dir string
	box *secret.Box
	log *slog.Logger

	mu      sync.Mutex
	pending []byte            // records that are not written
	adds    int               // of those
	marks   map[uint32]uint32 // checksum of each live assignment's record
	session string            // that is to be written
	failing bool
	soon    chan struct{} // capacity 1: something should not wait

	// Of the goroutine that writes.
	size    int64
	records int

	writing sync.Mutex // progress
	final   bool       // nothing is taken any more
}

// openCache reads what the folder holds. What cannot be read is as good as absent: the centre knows it all.
func openCache(dir string, log *slog.Logger) (*cache, cached, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, cached{}, fmt.Errorf("folder of the prober: %w", err)
	}
	box, err := cacheKey(filepath.Join(dir, cacheKeyFile), log)
	if err != nil {
		return nil, cached{}, fmt.Errorf("key of the prober's folder: %w", err)
	}
	c := &cache{dir: dir, box: box, log: log, marks: map[uint32]uint32{}, soon: make(chan struct{}, 1)}
	was := cached{assignments: map[uint32]*monitorsv1.Assignment{}}
	session, err := os.ReadFile(c.path(sessionFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, cached{}, fmt.Errorf("session of the process before: %w", err)
	}
	was.session = string(session)
	if progress, err := os.ReadFile(c.path(progressFile)); err == nil {
		if ms, err := strconv.ParseInt(strings.TrimSpace(string(progress)), 10, 64); err == nil && ms > 0 {
			was.progress = instant(ms)
		}
	}
	if err := c.read(&was); err != nil {
		return nil, cached{}, err
	}
	return c, was, nil
}

// cacheKey reads the key, or makes one. What was sealed with a key that cannot be read is lost, and monitors has it.
func cacheKey(path string, log *slog.Logger) (*secret.Box, error) {
	_ = os.Chmod(path, 0o600) // volumes are given to groups; who could read it could read what is sealed as well
	box, err := secret.LoadOrCreate(path)
	if err == nil {
		return box, nil
	}
	log.Warn("the key of cached assignments cannot be read and is made anew", "error", err)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return secret.LoadOrCreate(path)
}

func (c *cache) path(name string) string { return filepath.Join(c.dir, name) }

// put notes an assignment.
func (c *cache) put(a *monitorsv1.Assignment) {
	if c == nil {
		return
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(assignedStep(a))
	if err != nil {
		c.log.Error("an assignment cannot be cached", "monitor_id", a.GetSpec().GetMonitorId(), "error", err)
		return
	}
	id, mark := a.GetSpec().GetMonitorId(), crc32.Checksum(body, cacheTable)
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, known := c.marks[id]; known && old == mark {
		return
	}
	c.marks[id] = mark
	c.add(body)
}

func assignedStep(a *monitorsv1.Assignment) *monitorsv1.WatchAssignmentsResponse {
	return &monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Assigned{Assigned: a}}
}

// drop notes that a monitor is not assigned any more.
func (c *cache) drop(id uint32) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.marks[id]; known {
		c.forget(id)
	}
}

// retain drops what is not in keep.
func (c *cache) retain(keep map[uint32]bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.marks {
		if !keep[id] {
			c.forget(id)
		}
	}
}

// forget drops an assignment. The lock is held.
func (c *cache) forget(id uint32) {
	delete(c.marks, id)
	body, err := proto.Marshal(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_RemovedMonitorId{RemovedMonitorId: id}})
	if err == nil {
		c.add(body)
	}
}

// leased notes the session and its lease.
func (c *cache) leased(session string, l *monitorsv1.Lease) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = session
	c.leaseRecord(l)
	c.hurry()
}

// hurry has what is noted written at once, unless the disk is slow: an assignment that a crash forgets is accounted for by
// nobody.
func (c *cache) hurry() {
	if c == nil {
		return
	}
	select {
	case c.soon <- struct{}{}:
	default:
	}
}

// add appends a record to what is to be written. The lock is held.
func (c *cache) add(body []byte) {
	sealed, err := c.box.Seal(body, cacheName)
	if err != nil {
		c.log.Error("an assignment cannot be sealed", "error", err)
		return
	}
	c.pending = appendRecord(c.pending, sealed)
	c.adds++
}

// run writes until ctx ends, and once more then.
func (c *cache) run(ctx context.Context, progress func() int64) {
	write, mark := time.NewTicker(cacheEvery), time.NewTicker(progressEvery)
	defer write.Stop()
	defer mark.Stop()
	var rested time.Time // until then the disk has its peace
	flush := func() {
		began := time.Now()
		c.try(c.flush())
		rested = time.Now().Add(diskShare * time.Since(began))
	}
	for {
		select {
		case <-write.C:
			flush()
		case <-c.soon:
			if !time.Now().Before(rested) {
				flush()
			}
		case <-mark.C:
			c.try(c.mark(progress()))
		case <-ctx.Done():
			c.try(c.flush())
			return
		}
	}
}

// mark notes that every slot up to at has been taken, in milliseconds since 1970.
func (c *cache) mark(at int64) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.final {
		return nil
	}
	return writeWhole(c.path(progressFile), strconv.AppendInt(nil, at, 10))
}

// left notes the last moment whose slots are accounted for.
func (c *cache) left(at time.Time) {
	if c == nil {
		return
	}
	if err := c.mark(at.UnixMilli()); err != nil {
		c.log.Error("it is not kept when this prober stopped", "error", err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.final = true
}

// try says once when writing begins to fail, and when it is well again.
func (c *cache) try(err error) {
	if failing := err != nil; failing != c.failing {
		c.failing = failing
		if failing {
			c.log.Error("assignments are not kept on disk", "error", err)
		} else {
			c.log.Info("assignments are kept on disk again")
		}
	}
}

// flush writes what is pending.
func (c *cache) flush() error {
	c.mu.Lock()
	session, pending, adds, live := c.session, c.pending, c.adds, len(c.marks)
	c.pending, c.adds = nil, 0
	c.mu.Unlock()
	if adds == 0 {
		return nil
	}
	err := c.write(pending)
	if err == nil && session != "" {
		err = writeWhole(c.path(sessionFile), []byte(session))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.pending, c.adds = append(pending, c.pending...), c.adds+adds // a record that is there twice does no harm
		return err
	}
	if c.session == session {
		c.session = ""
	}
	if c.records += adds; c.records > 2*live+cacheSlack {
		return c.compact()
	}
	return nil
}

// leaseRecord adds a lease to what is to be written. The lock is held.
func (c *cache) leaseRecord(l *monitorsv1.Lease) {
	if body, err := proto.Marshal(&monitorsv1.WatchAssignmentsResponse{Step: &monitorsv1.WatchAssignmentsResponse_Lease{Lease: l}}); err == nil {
		c.add(body)
	}
}
