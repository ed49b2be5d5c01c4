// Package clickhouse keeps results in ClickHouse.
//
// A result is one row of monitor_events. Everything that is summed up (minutes, hours, days, their histograms, the newest slot
// of each series) is an aggregating projection of that table. A projection is written with the rows it is of, as one part that
// appears by one rename, so a sum can neither miss a result nor count one twice, whatever crashes when. Materialized views
// would be parts of their own: a client and a server that die together between them leave sums without their results.
package clickhouse

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/services/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options adjust OpenResults.
type Options struct {
	// Cluster names the cluster of those who outgrow one server: results are kept in ReplicatedMergeTree tables on its servers
	// and reached through a Distributed one; a monitor's results are on one shard. "" is a server alone.
	Cluster string
	// Retention is for how long results are kept, by their slots; whole hours, 0 is for ever. The server drops what is older
	// by itself, a part at a time, once all of it is. It is set for the table, not for this process.
	Retention time.Duration
	// LowMemory keeps statements to LowMemoryPerQuery and one thread, and blocks and merges small. Reading is slower.
	LowMemory bool

	Log            *slog.Logger // nil is none
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
}

// Results is an events.ResultStore in a ClickHouse database. Any number of processes may read; one at a time may append: what
// it knows of the newest slots, it reads at its first Append and then keeps itself. A process that lets another append has to
// open the store again before it appends itself.
type Results struct {
	db   *clickhouse.DB
	conn driver.Conn
	opts Options
	log  *slog.Logger

	owners owners
	turn   sync.Mutex // held by whoever appends
	writer writer
}

var _ events.ResultStore = (*Results)(nil)

// OpenResults connects to dsn (see internal/clickhouse.Open), and makes or updates the tables.
func OpenResults(ctx context.Context, dsn string, opts Options) (*Results, error) {
	s := &Results{opts: opts, log: opts.Log, owners: owners{of: map[uint32][]string{}}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	db, err := clickhouse.Open(ctx, dsn, clickhouse.Options{
		Service: "events", Cluster: opts.Cluster, Settings: opts.settings(), TracerProvider: opts.TracerProvider, MeterProvider: opts.MeterProvider,
	})
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	s.db, s.conn = db, db.Conn()
	s.writer = writer{name: queryPrefix + strings.ToLower(rand.Text()), marks: nil}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open results: %w", err), db.Close())
	}
	return s, nil
}

// Close closes the connections. Nothing may be using them.
func (s *Results) Close() error { return s.db.Close() }

// Ping asks whether the server answers.
func (s *Results) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

func (s *Results) prepare(ctx context.Context) error {
	fsys, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := s.db.Migrate(ctx, fsys); err != nil {
		return err
	}
	if err := s.distribute(ctx); err != nil {
		return fmt.Errorf("distribute: %w", err)
	}
	if err := s.adjust(ctx); err != nil {
		return fmt.Errorf("adjust tables: %w", err)
	}
	return nil
}

// Maintain does nothing: the server merges by itself, and what is summed up is written with the results.
func (s *Results) Maintain(context.Context, bool) error { return nil }
