package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/frogstats/uptime/internal/sqlite"
)

// month is the file of one month, and what has to be known of it without asking the file.
//
// New results go to the table fresh_block, all of an append in one row. Settling (settle.go) moves them, many of a series at a
// time, to the table result, and counts them in the roll-ups, in one transaction. So:
//
//   - an append writes one row at the end of a table, not one per result, and not one page per series: at thousands of series that are checked
//     every second this is the difference between kilobytes and tens of megabytes of log per second;
//   - a result is counted exactly once: as itself while it is fresh, in the roll-ups once it is settled; a late result is no
//     special case;
//   - a result's key is its identity, so there is no index beside the table.
//
// The fresh results of a series are known in memory, about 40 bytes each (fresh.go): they are read from there, they tell repeats
// from new ones, and when to settle.
type month struct {
	db    *sqlite.DB
	read  *statements
	start time.Time
	turn  sync.Mutex  // held by whoever writes, until what is known in memory says so too
	dict  *dictionary // under turn

	// mu makes what the fields below say and what a new read transaction sees agree: commits that change both hold it for
	// writing, and readers hold it while they begin. Whoever holds turn may read the fields without it.
	mu        sync.RWMutex
	byKey     map[seriesKey]*series
	byMonitor map[uint32][]*series // by region
	byID      map[int64]*series
	pending   int               // fresh results
	blocks    map[uint32]*block // under turn
	lastBlock uint32            // greatest id; under turn
}

type seriesKey struct {
	monitorID uint32
	region    string
}

// series is a monitor in a region, in one month.
type series struct {
	id int64
	seriesKey
	fresh   []freshResult // by moment
	rows    []byte        // of fresh, encoded
	settled int64         // newest moment in the table result; -1 is none
	paced   bool          // it was settled since the file was opened
	recent  recent        // under turn
}

// Keys of the tables; see the migration.
const (
	resultShift = 32
	freshShift  = 31 // of the table fresh, which only the first version filled
)

func resultID(series, moment int64) int64 { return series<<resultShift + moment }

func (s *series) find(moment uint32) (int, bool) {
	if n := len(s.fresh); n == 0 || s.fresh[n-1].moment < moment {
		return n, false
	}
	return slices.BinarySearchFunc(s.fresh, moment, func(f freshResult, m uint32) int { return cmp.Compare(f.moment, m) })
}

// between are the fresh results with moments in [lo, hi).
func (s *series) between(lo, hi int64) []freshResult {
	from := func(bound int64) int {
		return sort.Search(len(s.fresh), func(i int) bool { return int64(s.fresh[i].moment) >= bound })
	}
	return s.fresh[from(lo):from(max(lo, hi))]
}

// openMonth opens the file, or makes it, and learns what is in it.
func openMonth(ctx context.Context, path string, start time.Time, opts sqlite.Options) (*month, error) {
	db, err := sqlite.Open(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	m := &month{
		db: db, read: newStatements(db.Read()), start: start, dict: newDictionary(),
		byKey: map[seriesKey]*series{}, byMonitor: map[uint32][]*series{}, byID: map[int64]*series{}, blocks: map[uint32]*block{},
	}
	if err := m.load(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return m, nil
}

func (m *month) load(ctx context.Context) error {
	if err := m.db.Migrate(ctx, schema("history")); err != nil {
		return err
	}
	const all = `
SELECT s.id, s.monitor_id, s.region,
       COALESCE((SELECT r.id FROM result r WHERE r.id >= s.id << 32 AND r.id < (s.id + 1) << 32 ORDER BY r.id DESC LIMIT 1), -1)
FROM series s`
	err := rows(ctx, m.db.Read(), func(r *sql.Rows) error {
		s := &series{}
		var newest int64
		if err := r.Scan(&s.id, &s.monitorID, &s.region, &newest); err != nil {
			return err
		}
		s.settled = -1
		if newest >= 0 {
			s.settled = newest - resultID(s.id, 0)
		}
		m.enter(s)
		return nil
	}, all)
	if err != nil {
		return fmt.Errorf("load series: %w", err)
	}
	if err := m.loadFresh(ctx); err != nil {
		return fmt.Errorf("load fresh results: %w", err)
	}
	return nil
}

func cap32(v int64) uint32 { return uint32(min(max(v, 0), 1<<32-1)) }

// enter adds a series to the maps.
func (m *month) enter(s *series) {
	m.byKey[s.seriesKey], m.byID[s.id] = s, s
	list := append(m.byMonitor[s.monitorID], s)
	slices.SortFunc(list, func(a, b *series) int { return cmp.Compare(a.region, b.region) })
	m.byMonitor[s.monitorID] = list
}

// end is the start of the next month.
func (m *month) end() time.Time { return m.start.AddDate(0, 1, 0) }

// moment is t in milliseconds since the start of the month; t may lie outside.
func (m *month) moment(t time.Time) int64 { return t.UnixMilli() - m.start.UnixMilli() }

// at is the inverse of moment.
func (m *month) at(moment int64) time.Time {
	return m.start.Add(time.Duration(moment) * time.Millisecond)
}

// length is the month's length in milliseconds.
func (m *month) length() int64 { return m.moment(m.end()) }

// view is a moment of the month as a read sees it: a transaction, and the series with the fresh results that belong to it.
type view struct {
	*month
	conn   *sql.Conn
	tx     *readTx
	series []seriesView
}

type seriesView struct {
	*series
	fresh []freshResult // of the asked range
	rows  []byte
}

// view begins a read of the series that pick chooses, with their fresh results in [lo, hi). Call done.
func (m *month) view(ctx context.Context, pick func(*month) []*series, lo, hi int64) (_ *view, err error) {
	v := &view{month: m}
	m.read.prepare(ctx)
	if v.conn, err = m.db.Read().Conn(ctx); err != nil { // before the lock: writers must not wait for a free connection
		return nil, fmt.Errorf("begin read: %w", err)
	}
	defer func() {
		if err != nil {
			v.done()
		}
	}()
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range pick(m) {
		v.series = append(v.series, seriesView{s, slices.Clone(s.between(lo, hi)), s.rows})
	}
	tx, err := v.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin read: %w", err)
	}
	v.tx = &readTx{tx, m.read}
	// A transaction sees the file as of its first read, not as of its beginning.
	const pin = `SELECT COUNT(*) FROM (SELECT 1 FROM series LIMIT 1)`
	var n int
	if err := v.tx.QueryRowContext(ctx, pin).Scan(&n); err != nil {
		return nil, fmt.Errorf("begin read: %w", err)
	}
	return v, nil
}

// done ends the read. There is nothing to undo, and so nothing to fail that matters.
func (v *view) done() {
	if v.tx != nil {
		_ = v.tx.Rollback()
	}
	_ = v.conn.Close()
}

// ofMonitor picks a monitor's series, of one region or, if that is empty, of all.
func ofMonitor(id uint32, region string) func(*month) []*series {
	return func(m *month) []*series {
		if region == "" {
			return m.byMonitor[id]
		}
		if s := m.byKey[seriesKey{id, region}]; s != nil {
			return []*series{s}
		}
		return nil
	}
}

func ofMonitors(ids []uint32) func(*month) []*series {
	return func(m *month) []*series {
		var out []*series
		for _, id := range ids {
			out = append(out, m.byMonitor[id]...)
		}
		return out
	}
}

func ofRegion(region string) func(*month) []*series {
	return func(m *month) []*series {
		var out []*series
		for k, s := range m.byKey {
			if k.region == region {
				out = append(out, s)
			}
		}
		return out
	}
}
