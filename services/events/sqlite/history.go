package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/events"
)

// History is an events.ResultStore in one file per month, named YYYY-MM.db after the slots in it (UTC). Forgetting a month is
// removing its file. A file that is found to be damaged is set aside under another name, and the month begins anew.
type History struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex // held while the list changes or a file is opened
	months []*slot    // by start
	closed bool
}

var (
	_ events.ResultStore = (*History)(nil)
	_ events.Batching    = (*History)(nil)
)

// HistoryOptions adjust OpenHistory.
type HistoryOptions struct {
	Log *slog.Logger // nil is none
}

// BatchSize and BatchDelay are what events.Batching wants: a transaction costs a flush and some pages, however little is in it.
func (*History) BatchSize() int { return 4000 }

// BatchDelay is how long results wait for company.
func (*History) BatchDelay() time.Duration { return 200 * time.Millisecond }

// slot is a month that has a file. use is held for reading while the file is used, and for writing to take it away.
type slot struct {
	start time.Time
	path  string
	use   sync.RWMutex
	m     *month // nil until first used
	gone  bool
}

const (
	monthName    = "2006-01"
	fileSuffix   = ".db"
	cacheKiB     = 16 << 10 // the last page of every series fits in it, at some thousands of them
	readersPer   = 3
	brokenSuffix = ".broken-20060102T150405.000Z"
)

// OpenHistory opens the folder, or makes it. Files are opened when they are first used; the newest at once, so that damage to
// it is found before it is needed.
func OpenHistory(ctx context.Context, dir string, opts HistoryOptions) (*History, error) {
	h := &History{dir: dir, log: opts.Log}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), fileSuffix)
		start, err := time.Parse(monthName, name)
		if ok && err == nil && e.Type().IsRegular() {
			h.months = append(h.months, &slot{start: start, path: filepath.Join(dir, e.Name())})
		}
	}
	slices.SortFunc(h.months, func(a, b *slot) int { return a.start.Compare(b.start) })
	if n := len(h.months); n > 0 {
		err := h.with(ctx, h.months[n-1], func(*month) error { return nil })
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open history: %w", err), h.Close())
		}
	}
	return h, nil
}

// Close closes all files. Nothing may be using them.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	var errs []error
	for _, s := range h.months {
		errs = append(errs, s.take())
	}
	return errors.Join(errs...)
}

// take closes the month's file, for good.
func (s *slot) take() error {
	s.use.Lock()
	defer s.use.Unlock()
	s.gone = true
	if s.m == nil {
		return nil
	}
	err := s.m.db.Close()
	s.m = nil
	return err
}

// monthOf is the start of the month that t lies in.
func monthOf(t time.Time) time.Time {
	y, m, _ := t.UTC().Date()
	return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
}

// between lists the months that have a file and overlap [from, to), oldest first. Zero ends are open.
func (h *History) between(from, to time.Time) []*slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*slot
	for _, s := range h.months {
		if (to.IsZero() || s.start.Before(to)) && (from.IsZero() || s.start.AddDate(0, 1, 0).After(from)) {
			out = append(out, s)
		}
	}
	return out
}

// at finds or makes the month that starts at start.
func (h *History) at(start time.Time) *slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := slices.BinarySearchFunc(h.months, start, func(s *slot, t time.Time) int { return s.start.Compare(t) })
	if !ok {
		path := filepath.Join(h.dir, start.Format(monthName)+fileSuffix)
		h.months = slices.Insert(h.months, i, &slot{start: start, path: path})
	}
	return h.months[i]
}

var errClosed = errors.New("history is closed")

// with calls fn with the month of s, opened. If the file turns out to be damaged it is set aside, and with returns nil when
// reading, as if the month had never been; for writing use write.
func (h *History) with(ctx context.Context, s *slot, fn func(*month) error) error {
	err := h.try(ctx, s, fn)
	if sqlite.IsCorrupt(err) {
		return h.setAside(s, err)
	}
	return err
}

func (h *History) try(ctx context.Context, s *slot, fn func(*month) error) error {
	if err := h.open(ctx, s); err != nil {
		return err
	}
	s.use.RLock()
	defer s.use.RUnlock()
	if s.gone || s.m == nil { // pruned or set aside meanwhile
		return nil
	}
	return fn(s.m)
}

func (h *History) open(ctx context.Context, s *slot) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	if s.gone || s.m != nil {
		return nil
	}
	// A file of which the first results were set aside is as good as none; so is one that is damaged beyond opening.
	m, err := openMonth(ctx, s.path, s.start, sqlite.Options{Synchronous: sqlite.Full, ReadConns: readersPer, CacheKiB: cacheKiB})
	if err != nil {
		return fmt.Errorf("open month %s: %w", s.start.Format(monthName), err)
	}
	s.use.Lock()
	s.m = m
	s.use.Unlock()
	return nil
}

// setAside renames a damaged file, so that the month begins anew and the rest goes on. What was in it is not lost to
// whoever can repair it.
func (h *History) setAside(s *slot, why error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.use.Lock()
	if s.gone { // somebody was faster
		s.use.Unlock()
		return nil
	}
	s.use.Unlock()
	if err := s.take(); err != nil {
		h.log.Warn("damaged history file did not close well", "path", s.path, "error", err)
	}
	h.months = slices.DeleteFunc(h.months, func(o *slot) bool { return o == s })
	to := s.path + time.Now().UTC().Format(brokenSuffix)
	h.log.Error("history file is damaged and was set aside", "path", s.path, "renamed_to", to, "error", why)
	return moveFiles(s.path, to)
}

// sideFiles are what SQLite keeps beside a database.
var sideFiles = []string{"", "-wal", "-shm"}

func moveFiles(from, to string) error {
	for _, side := range sideFiles {
		if err := os.Rename(from+side, to+side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set aside: %w", err)
		}
	}
	return nil
}

// Append adds results, one transaction per month. A month whose file turns out to be damaged begins anew.
func (h *History) Append(ctx context.Context, results []events.Result) (int, error) {
	byMonth := map[time.Time][]*events.Result{}
	for i := range results {
		start := monthOf(results[i].ScheduledAt)
		byMonth[start] = append(byMonth[start], &results[i])
	}
	added := 0
	for start, list := range byMonth {
		n, err := h.append(ctx, start, list)
		if err != nil {
			return added, fmt.Errorf("append results: %w", err)
		}
		added += n
	}
	return added, nil
}

func (h *History) append(ctx context.Context, start time.Time, list []*events.Result) (added int, err error) {
	const attempts = 3 // the file may be set aside by us, or by somebody else at the same moment
	for range attempts {
		done := false
		err = h.with(ctx, h.at(start), func(m *month) error {
			var err error
			added, err = m.append(ctx, list)
			done = err == nil
			return err
		})
		if done || err != nil {
			return added, err
		}
	}
	return 0, errors.New("month cannot be opened")
}

// Maintain settles results. With all, those too that would wait for company.
func (h *History) Maintain(ctx context.Context, all bool) error {
	var errs []error
	for _, s := range h.between(time.Time{}, time.Time{}) {
		if s.idle() && s.start.Before(monthOf(time.Now()).AddDate(0, -1, 0)) {
			continue // nobody has opened it, so nothing has come
		}
		errs = append(errs, h.with(ctx, s, func(m *month) error { return m.settle(ctx, all) }))
	}
	return errors.Join(errs...)
}

func (s *slot) idle() bool {
	s.use.RLock()
	defer s.use.RUnlock()
	return s.m == nil
}

// Prune removes the files of the months that end at or before before.
func (h *History) Prune(_ context.Context, before time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	h.months = slices.DeleteFunc(h.months, func(s *slot) bool {
		if s.start.AddDate(0, 1, 0).After(before) {
			return false
		}
		errs = append(errs, s.take())
		for _, side := range sideFiles {
			if err := os.Remove(s.path + side); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		h.log.Info("history file removed", "path", s.path)
		return true
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("prune history: %w", err)
	}
	return nil
}
