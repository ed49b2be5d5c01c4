// Package sqlite opens SQLite files the way a long-running server wants them: write-ahead log, one writer whose
// transactions queue in Go instead of colliding in the engine, and a pool of readers that cannot write.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/frogstats/uptime/internal/migrate"
)

// The settings used where Options says nothing.
const (
	DefaultBusyTimeout      = 5 * time.Second
	DefaultCacheKiB         = 8 << 10
	DefaultJournalSizeLimit = 64 << 20 // bytes the log file is cut back to after a checkpoint
)

const closeGrace = 5 * time.Second

// Synchronous is how much a commit waits for the disk.
type Synchronous string

// The levels. With Normal, a commit survives the death of the process, and may be lost, whole, when the machine loses
// power; with Full it survives that too, at the price of one flush per commit.
const (
	Normal Synchronous = "NORMAL"
	Full   Synchronous = "FULL"
)

// Options adjust Open. The zero value is right for most files.
type Options struct {
	Synchronous      Synchronous   // default Normal
	ReadConns        int           // size of the read pool; default the number of CPUs, at least 4
	BusyTimeout      time.Duration // wait for another process's lock; default DefaultBusyTimeout
	CacheKiB         int           // page cache of each connection; default DefaultCacheKiB
	MmapBytes        int64         // how much of the file to map into memory; default 0, because a disk error would then kill the process
	JournalSizeLimit int64         // default DefaultJournalSizeLimit
	AllowNetworkFS   bool          // open even on a network file system, whose locks may lie
}

// DB is one open SQLite file. It is safe for concurrent use.
type DB struct {
	path   string
	writer *sql.DB
	reader *sql.DB
	turn   chan struct{} // held by the running write; a channel, because waiters are served in order and can give up

	closing  sync.Once
	closeErr error
}

// Open opens the file at path, and creates it, readable by its owner alone, if need be; the folder must exist. It returns a
// *NetworkFSError if the folder is on a network file system.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	if !opts.AllowNetworkFS {
		if err := refuseNetworkFS(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite gives its side files the same mode
	if err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	d := &DB{path: path, turn: make(chan struct{}, 1)}
	if d.writer, err = pool(ctx, opts.writerDSN(path), 1); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if d.reader, err = pool(ctx, opts.readerDSN(path), opts.ReadConns); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for reading: %w", path, err), d.writer.Close())
	}
	return d, nil
}

func (o Options) withDefaults() Options {
	if o.Synchronous == "" {
		o.Synchronous = Normal
	}
	if o.ReadConns <= 0 {
		o.ReadConns = max(4, runtime.NumCPU())
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = DefaultBusyTimeout
	}
	if o.CacheKiB <= 0 {
		o.CacheKiB = DefaultCacheKiB
	}
	if o.JournalSizeLimit <= 0 {
		o.JournalSizeLimit = DefaultJournalSizeLimit
	}
	return o
}

func (o Options) writerDSN(path string) string {
	q := o.pragmas()
	q.Add("_pragma", "journal_mode(WAL)")
	q.Add("_pragma", "journal_size_limit("+strconv.FormatInt(o.JournalSizeLimit, 10)+")")
	q.Set("_txlock", "immediate") // a transaction that reads first and writes later could not be retried by the engine
	return dsn(path, q)
}

func (o Options) readerDSN(path string) string {
	q := o.pragmas()
	q.Add("_pragma", "query_only(1)")
	q.Set("mode", "ro")
	return dsn(path, q)
}

func (o Options) pragmas() url.Values {
	return url.Values{"_pragma": {
		"busy_timeout(" + strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10) + ")",
		"synchronous(" + string(o.Synchronous) + ")",
		"foreign_keys(1)",
		"temp_store(MEMORY)",
		"cache_size(-" + strconv.Itoa(o.CacheKiB) + ")",
		"mmap_size(" + strconv.FormatInt(o.MmapBytes, 10) + ")",
	}}
}

// dsn is an SQLite URI; the escaping lets any file name through.
func dsn(path string, q url.Values) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	if !filepath.IsAbs(path) {
		u.Path, u.Opaque = "", (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	}
	return u.String()
}

func pool(ctx context.Context, dsn string, conns int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Path is where the file lies.
func (d *DB) Path() string { return d.path }

// Read returns the pool of read-only connections. A query sees the last commit before it began; for several queries over
// one state use a read transaction.
func (d *DB) Read() *sql.DB { return d.reader }

// Write runs fn in a transaction that holds the write lock from its start, and commits it if fn returns nil. If fn fails or
// panics, or ctx ends, nothing is changed. Writers take turns in the order they came. Keep fn short, do no network I/O in
// it, and do not call Write inside: that waits for itself.
func (d *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) (err error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait to write: %w", ctx.Err())
	}
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() { // also when fn panics or ends its goroutine
		if committed {
			return
		}
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", undo))
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// Migrate applies the migrations in fsys; see migrate.Up.
func (d *DB) Migrate(ctx context.Context, fsys fs.FS, opts ...migrate.Option) error {
	return migrate.Up(ctx, d.writer, migrate.SQLite, fsys, opts...)
}

// QuickCheck reads the whole file and returns an error that wraps ErrCorrupt if its structure is damaged.
func (d *DB) QuickCheck(ctx context.Context) error {
	const query = `PRAGMA quick_check(1)`
	var found string
	if err := d.reader.QueryRowContext(ctx, query).Scan(&found); err != nil {
		if IsCorrupt(err) {
			return fmt.Errorf("check %s: %w: %w", d.path, ErrCorrupt, err)
		}
		return fmt.Errorf("check %s: %w", d.path, err)
	}
	if found != "ok" {
		return fmt.Errorf("check %s: %w: %s", d.path, ErrCorrupt, found)
	}
	return nil
}

// Close lets the running write finish, folds the log back into the file and closes it. Repeating it does no harm.
func (d *DB) Close() error {
	d.closing.Do(func() { d.closeErr = d.close() })
	return d.closeErr
}

func (d *DB) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	errs := []error{d.reader.Close()}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
		// optimize refreshes the planner's statistics where they are stale; both are best done with nobody else at the file.
		for _, pragma := range []string{`PRAGMA optimize`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
			if _, err := d.writer.ExecContext(ctx, pragma); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", pragma, err))
			}
		}
	case <-ctx.Done():
		errs = append(errs, errors.New("a write is still running"))
	}
	if err := errors.Join(append(errs, d.writer.Close())...); err != nil {
		return fmt.Errorf("close %s: %w", d.path, err)
	}
	return nil
}
