package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/frogstats/uptime/internal/sqlite"
	"github.com/frogstats/uptime/services/events"
)

// freshResult is what is remembered of a fresh result; the rest is at an offset in its series' rows. 20 bytes and no pointer:
// there may be hundreds of thousands.
type freshResult struct {
	moment   uint32 // milliseconds since the start of the month
	response uint32 // microseconds; capped
	at       uint32 // in rows
	block    uint32 // that has it in the file
	outcome  events.Outcome
}

// block counts the rows of a block in the file.
type block struct{ rows, fresh int }

// blockRows is how many results are joined into one block.
const blockRows = 4000

// optionals are the columns that may be absent, in the order of the table.
func (m *measured) optionals() [6]*sql.NullInt64 {
	return [...]*sql.NullInt64{&m.dns, &m.tcp, &m.tls, &m.ttfb, &m.xfer, &m.size}
}

// has is a bit for each optional column that is there.
func (m *measured) has() (bits byte) {
	for i, v := range m.optionals() {
		if v.Valid {
			bits |= 1 << i
		}
	}
	return bits
}

// encode appends m to b; see the migration.
func (m *measured) encode(b []byte) []byte {
	b = append(b, byte(m.outcome), m.has())
	b = binary.AppendVarint(b, m.variant)
	b = binary.AppendVarint(b, m.late)
	b = binary.AppendVarint(b, m.response)
	for _, v := range m.optionals() {
		if v.Valid {
			b = binary.AppendVarint(b, v.Int64)
		}
	}
	return b
}

// decode is the inverse of encode. It returns how long what it read is, or 0 if b does not begin with a row.
func (m *measured) decode(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	var has byte
	m.outcome, has = events.Outcome(b[0]), b[1]
	at := 2
	next := func() (v int64) {
		v, n := binary.Varint(b[at:])
		if n <= 0 {
			at = len(b) + 1
			return 0
		}
		at += n
		return v
	}
	read := func(to *int64) bool {
		*to = next()
		return at <= len(b)
	}
	if !m.outcome.Valid() || has >= 1<<6 || !read(&m.variant) || !read(&m.late) || !read(&m.response) {
		return 0
	}
	for i, v := range m.optionals() {
		if *v = (sql.NullInt64{}); has&(1<<i) == 0 {
			continue
		}
		if v.Valid = true; !read(&v.Int64) {
			return 0
		}
	}
	return at
}

// eachRow calls fn with the rows of a block, each also as it is encoded.
func eachRow(b []byte, fn func(series int64, moment uint32, m *measured, row []byte) error) error {
	for len(b) > 0 {
		series, n := binary.Uvarint(b)
		moment, k := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || k <= 0 || moment > 1<<32-1 {
			return fmt.Errorf("%w: a block of fresh results cannot be read", sqlite.ErrCorrupt)
		}
		var m measured
		length := m.decode(b[n+k:])
		if length == 0 {
			return fmt.Errorf("%w: a block of fresh results cannot be read", sqlite.ErrCorrupt)
		}
		if err := fn(int64(series), uint32(moment), &m, b[n+k:n+k+length]); err != nil {
			return err
		}
		b = b[n+k+length:]
	}
	return nil
}

// rowHead appends what stands before a row in a block.
func rowHead(b []byte, series int64, moment uint32) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(series)), uint64(moment))
}

// remember takes a fresh result in. Bytes that were handed to a reader do not change.
func (s *series) remember(moment uint32, block uint32, m *measured, row []byte) {
	at, _ := s.find(moment)
	s.fresh = slices.Insert(s.fresh, at, freshResult{moment, cap32(m.response), uint32(len(s.rows)), block, m.outcome})
	s.rows = append(s.rows, row...)
}

// forget takes results out of what is fresh, and returns how many there were by block.
func (s *series) forget(settled []freshResult) map[uint32]int {
	gone := make(map[uint32]bool, len(settled))
	blocks := map[uint32]int{}
	for _, f := range settled {
		gone[f.moment] = true
		blocks[f.block]++
		s.settled = max(s.settled, int64(f.moment))
	}
	s.fresh = slices.DeleteFunc(s.fresh, func(f freshResult) bool { return gone[f.moment] })
	var rows []byte // not in place: readers may hold the old ones
	for i := range s.fresh {
		f := &s.fresh[i]
		var m measured
		row := s.rows[f.at:]
		f.at = uint32(len(rows))
		rows = append(rows, row[:m.decode(row)]...)
	}
	s.rows = rows
	return blocks
}

const putBlock = `REPLACE INTO fresh_block (id, rows) VALUES (?, ?)` // REPLACE: a commit that was thought to have failed is repeated

// loadFresh learns what is fresh from the blocks.
func (m *month) loadFresh(ctx context.Context) error {
	if err := m.emptyFresh(ctx); err != nil {
		return err
	}
	const query = `SELECT id, rows FROM fresh_block ORDER BY id`
	return rows(ctx, m.db.Read(), func(r *sql.Rows) error {
		var id uint32
		var b sql.RawBytes
		if err := r.Scan(&id, &b); err != nil {
			return err
		}
		return m.loadBlock(ctx, id, b)
	}, query)
}

func (m *month) loadBlock(ctx context.Context, id uint32, b []byte) error {
	var old []int64
	err := eachRow(b, func(series int64, moment uint32, _ *measured, _ []byte) error {
		s := m.byID[series]
		if s == nil {
			return fmt.Errorf("%w: fresh result of no series %d", sqlite.ErrCorrupt, series)
		}
		if int64(moment) <= s.settled {
			old = append(old, resultID(series, int64(moment)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	settled, err := m.settledOf(ctx, old)
	if err != nil {
		return err
	}
	count := &block{}
	m.blocks[id], m.lastBlock = count, id
	return eachRow(b, func(series int64, moment uint32, v *measured, row []byte) error {
		count.rows++
		s := m.byID[series]
		if _, twice := s.find(moment); twice || settled[resultID(series, int64(moment))] {
			return nil
		}
		s.remember(moment, id, v, row)
		count.fresh++
		m.pending++
		return nil
	})
}

// settledOf is which of the results are in the table result.
func (m *month) settledOf(ctx context.Context, ids []int64) (map[int64]bool, error) {
	out := make(map[int64]bool, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	const query = `SELECT r.id FROM json_each(?) AS j CROSS JOIN result r ON r.id = j.value`
	err := rows(ctx, m.db.Read(), func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		out[id] = true
		return err
	}, query, jsonList(ids))
	return out, err
}

// emptyFresh moves what a former version left in the table fresh into a block.
func (m *month) emptyFresh(ctx context.Context) error {
	const some, query, drop, last = `SELECT EXISTS (SELECT 1 FROM fresh)`, `SELECT ` + measuredColumns + ` FROM fresh ORDER BY id`, `DELETE FROM fresh`,
		`SELECT COALESCE(MAX(id), 0) FROM fresh_block`
	var left bool
	if err := m.db.Read().QueryRowContext(ctx, some).Scan(&left); err != nil || !left {
		return err
	}
	return m.db.Write(ctx, func(tx *sql.Tx) error {
		var b []byte
		err := rows(ctx, tx, func(r *sql.Rows) error {
			var id int64
			var v measured
			if err := r.Scan(append([]any{&id}, v.targets()...)...); err != nil {
				return err
			}
			b = v.encode(rowHead(b, id&(1<<freshShift-1), uint32(id>>freshShift)))
			return nil
		}, query)
		if err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRowContext(ctx, last).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, putBlock, id+1, b); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, drop)
		return err
	})
}

// sweep removes blocks of which nothing is fresh, and joins those of which at most half is: so there is never more than about
// twice of what is fresh in the file, and no result is written again without as many having gone.
func (m *month) sweep(ctx context.Context) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	var gone []uint32
	for id, b := range m.blocks {
		if 2*b.fresh <= b.rows {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	joined := m.join(gone)
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(ctx)
		for i, j := range joined {
			if _, err := tx.ExecContext(ctx, putBlock, m.lastBlock+1+uint32(i), j.rows); err != nil {
				return fmt.Errorf("join fresh results: %w", err)
			}
		}
		const drop = `DELETE FROM fresh_block WHERE id IN (SELECT value FROM json_each(?))`
		if _, err := tx.ExecContext(ctx, drop, jsonList(gone)); err != nil {
			return fmt.Errorf("remove settled blocks: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range gone {
		delete(m.blocks, id)
	}
	for _, j := range joined {
		m.lastBlock++
		m.blocks[m.lastBlock] = &block{len(j.from), len(j.from)}
		for _, f := range j.from {
			f.block = m.lastBlock
		}
	}
	return nil
}

// joint is a block of fresh results of others.
type joint struct {
	rows []byte
	from []*freshResult
}

// join makes blocks of what is fresh of some. Whoever calls has the turn, so nothing moves meanwhile.
func (m *month) join(ids []uint32) []joint {
	thin := map[uint32]bool{}
	for _, id := range ids {
		if m.blocks[id].fresh > 0 {
			thin[id] = true
		}
	}
	if len(thin) == 0 {
		return nil
	}
	var out []joint
	for _, s := range m.byID {
		for i := range s.fresh {
			f := &s.fresh[i]
			if !thin[f.block] {
				continue
			}
			if n := len(out); n == 0 || len(out[n-1].from) >= blockRows {
				out = append(out, joint{})
			}
			j := &out[len(out)-1]
			var v measured
			row := s.rows[f.at:]
			j.rows = append(rowHead(j.rows, s.id, f.moment), row[:v.decode(row)]...)
			j.from = append(j.from, f)
		}
	}
	return out
}

// at is a fresh result of the view.
func (s *seriesView) at(f freshResult) (m measured) {
	m.decode(s.rows[f.at:])
	return m
}

// told is what the variants of faults and missed rows say that sums need.
type told struct {
	missed    int64
	errorType string
}

// toldBy reads the variants of what is no success among fresh results.
func toldBy(ctx context.Context, q querier, all []measured) (map[int64]told, error) {
	var ids []int64
	for i := range all {
		if all[i].outcome != events.Success {
			ids = append(ids, all[i].variant)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	const query = `SELECT v.id, v.missed_count, v.error_type FROM json_each(?) AS j CROSS JOIN variant v ON v.id = j.value`
	out := make(map[int64]told, len(ids))
	err := rows(ctx, q, func(r *sql.Rows) error {
		var id int64
		var t told
		err := r.Scan(&id, &t.missed, &t.errorType)
		out[id] = t
		return err
	}, query, jsonList(ids))
	if err != nil {
		return nil, fmt.Errorf("read variants: %w", err)
	}
	if len(out) != len(ids) {
		return nil, fmt.Errorf("%w: of %d variants %d are there", sqlite.ErrCorrupt, len(ids), len(out))
	}
	return out, nil
}
