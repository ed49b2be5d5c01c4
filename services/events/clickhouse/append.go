package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/services/events"
)

// queryPrefix begins the identifiers of all inserts of results.
const queryPrefix = "monitor_events-"

// writer is what appending needs to know. Results.turn guards it.
type writer struct {
	name    string              // begins the identifiers and the tokens of this process's inserts
	marks   map[seriesKey]int64 // the newest slot of each series; nil until it is read
	sets    *events.HeaderSets
	texts   map[uint64]string // encoded header sets
	columns columns
	inserts int
	open    *block // was sent, but whether it is stored is not known
}

// block is the content of one INSERT: one part, of one month. Its token makes the server take it once, however often it is
// sent.
type block struct {
	token   string
	tries   int
	results []events.Result
}

// Append adds results by as few inserts as possible. An insert whose outcome is unknown is repeated as it was, by the next
// Append, before anything else is; so what was sent twice was sent with one token, and what is looked up is settled.
func (s *Results) Append(ctx context.Context, results []events.Result) (int, error) {
	if len(results) == 0 {
		return 0, nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	added, err := s.append(ctx, results)
	if err != nil {
		return added, fmt.Errorf("append results: %w%s", clickhouse.Outage(ctx, err), advice(err))
	}
	return added, nil
}

func (s *Results) append(ctx context.Context, results []events.Result) (int, error) {
	added := 0
	if open := s.writer.open; open != nil {
		if err := s.send(ctx, open); err != nil {
			return 0, fmt.Errorf("repeat an insert: %w", err)
		}
		added = common(open.results, results)
	}
	if err := s.takeOver(ctx); err != nil {
		return added, fmt.Errorf("take over: %w", err)
	}
	fresh, err := s.pick(ctx, results)
	if err != nil {
		return added, err
	}
	for len(fresh) > 0 {
		var b *block
		b, fresh = s.cut(fresh)
		if err := s.send(ctx, b); err != nil {
			return added, err
		}
		added += len(b.results)
	}
	return added, nil
}

// common is how many of the results were in a block.
func common(block, results []events.Result) int {
	in := make(map[key]bool, len(block))
	for i := range block {
		in[keyOf(&block[i])] = true
	}
	n := 0
	for i := range results {
		if k := keyOf(&results[i]); in[k] {
			in[k] = false
			n++
		}
	}
	return n
}

// cut takes a block of results of one month off a list, and returns the rest.
func (s *Results) cut(list []*events.Result) (*block, []*events.Result) {
	w := &s.writer
	w.inserts++
	b := &block{token: w.name + "-" + strconv.Itoa(w.inserts), results: make([]events.Result, 0, min(len(list), s.opts.blockRows()))}
	month := monthOf(list[0].ScheduledAt)
	rest := list[:0]
	for _, r := range list {
		if len(b.results) < s.opts.blockRows() && monthOf(r.ScheduledAt) == month {
			b.results = append(b.results, *r)
			continue
		}
		rest = append(rest, r)
	}
	return b, rest
}

func monthOf(t time.Time) int {
	y, m, _ := t.UTC().Date()
	return y*12 + int(m)
}

// send inserts a block, or repeats it.
func (s *Results) send(ctx context.Context, b *block) error {
	w := &s.writer
	w.open = b
	b.tries++
	ctx = ch.Context(ctx, ch.WithQueryID(b.token+"-"+strconv.Itoa(b.tries)), ch.WithSettings(ch.Settings{
		"insert_deduplication_token": b.token, "insert_deduplicate": 1,
	}))
	batch, err := s.conn.PrepareBatch(ctx, insertResults)
	if err != nil {
		return fmt.Errorf("open an insert: %w", err)
	}
	w.columns.reset()
	for i := range b.results {
		w.columns.add(&b.results[i], w.headers(&b.results[i]))
	}
	if err := w.columns.fill(batch); err != nil {
		return errors.Join(fmt.Errorf("fill an insert: %w", err), batch.Abort())
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	w.open = nil
	for i := range b.results {
		r := &b.results[i]
		k := keyOf(r)
		if mark, ok := w.marks[k.series()]; !ok || k.slot > mark {
			w.marks[k.series()] = k.slot
		}
		s.owners.add(r.MonitorID, r.OrganizationID)
	}
	return nil
}

// advice says what an error of the server's means for whoever runs it.
func advice(err error) string {
	switch {
	case clickhouse.IsTooManyParts(err):
		return " (too many parts: merges do not keep up, or inserts are too small)"
	case clickhouse.IsReadOnly(err):
		return " (the table, or the user, is read-only)"
	case clickhouse.IsMemoryLimit(err):
		return " (the server's memory limit)"
	case clickhouse.IsTimeout(err):
		return " (the server is too slow)"
	case clickhouse.IsUnavailable(err):
		return " (the server is not available)"
	}
	return ""
}
