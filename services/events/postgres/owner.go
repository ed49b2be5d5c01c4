package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// ErrNotOwner is returned by Commit and Prune before Own has returned.
	ErrNotOwner = errors.New("this process does not own the state")
	// ErrSuperseded is returned by Commit and Prune when what is stored is not what this process left: another one owns the
	// state now, or the database was set back. What this process holds in memory is worth nothing any more.
	ErrSuperseded = errors.New("another process owns the state")
)

const (
	// lockKey is the session lock of the owner. It is the database's own; "frogevnt" in ASCII.
	lockKey = 0x66726f6765766e74

	pollEvery = 250 * time.Millisecond // how often one who waits tries the lock
	lookEvery = time.Second            // how often the owner looks after its lock
	lookFor   = 4 * time.Second        // how long an answer may take before the connection counts as broken
	standBack = 2 * time.Second        // the owner's head start when the server has restarted
)

// ownership is the part of State that Own sets in motion.
type ownership struct {
	mu      sync.Mutex
	asked   bool
	gone    error // set once superseded
	lost    chan error
	release context.CancelFunc // of the lock
	epoch   atomic.Int64       // 0 before Own has returned
}

// Own waits until this process is the only one that may change the state. What it loads after that, it may judge on. It can
// be called once.
//
// Whose turn it is is decided by a session lock on a connection of its own: the server gives it free the moment the owner's
// process ends, however it does, and within five seconds if its machine or the network between goes away. What is safe does
// not rest on that lock but on an epoch that every new owner raises and every transaction checks: an owner that was paused or
// cut off changes nothing any more. If only the lock is lost, as when the server restarts, the owner takes it again and goes
// on; commits succeed meanwhile.
//
// lost receives one error, ErrSuperseded, when another process has taken over; this one must then stop judging.
func (s *State) Own(ctx context.Context) (lost <-chan error, err error) {
	if err := s.ask(); err != nil {
		return nil, fmt.Errorf("own state: %w", err)
	}
	defer s.work.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	conn, epoch, err := s.ascend(ctx)
	if err != nil {
		return nil, fmt.Errorf("own state: %w", err)
	}
	life, release := context.WithCancel(s.life)
	s.own.mu.Lock()
	s.own.release = release
	s.own.mu.Unlock()
	s.work.Go(func() {
		defer release()
		s.reign(life, conn, epoch)
	})
	s.own.epoch.Store(epoch)
	s.log.Info("state owned", "epoch", epoch)
	return s.own.lost, nil
}

// ask notes that ownership was asked for, and makes Close wait.
func (s *State) ask() error {
	s.own.mu.Lock()
	defer s.own.mu.Unlock()
	switch {
	case s.own.asked:
		return errors.New("it may be asked for only once")
	case s.life.Err() != nil:
		return errors.New("the state is closed")
	}
	s.own.asked = true
	s.work.Add(1)
	return nil
}

// ascend takes the lock and raises the epoch.
func (s *State) ascend(ctx context.Context) (*pgx.Conn, int64, error) {
	const raise = `
UPDATE ownership SET epoch = epoch + 1, commits = 0, holder = $1, since = now() RETURNING epoch`
	for {
		conn, err := s.acquire(ctx, 0)
		if err != nil {
			return nil, 0, err
		}
		var epoch int64
		if err = conn.QueryRow(ctx, raise, s.holderName()).Scan(&epoch); err == nil {
			return conn, epoch, nil
		}
		hangUp(conn)
		s.log.Warn("cannot take the state", "error", err)
		if err := wait(ctx, pollEvery); err != nil {
			return nil, 0, err
		}
	}
}

func (s *State) holderName() string {
	if s.holder != "" {
		return s.holder
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
}

// reign holds the lock until life ends, which is when the state is closed or lost.
func (s *State) reign(life context.Context, conn *pgx.Conn, epoch int64) {
	for {
		err := s.attend(life, conn, epoch)
		hangUp(conn)
		if life.Err() != nil {
			return
		}
		if !errors.Is(err, ErrSuperseded) {
			s.log.Warn("lock on the state lost, taking it again", "error", err)
			conn, err = s.acquire(life, epoch)
		}
		if err != nil {
			if life.Err() == nil {
				_ = s.noteLoss(err)
			}
			return
		}
		s.log.Info("lock on the state taken again", "epoch", epoch)
	}
}

// attend returns when the connection breaks, or another epoch has begun.
func (s *State) attend(ctx context.Context, conn *pgx.Conn, epoch int64) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if err := sameEpoch(ctx, conn, epoch); err != nil {
			return err
		}
	}
}

// acquire waits for the lock, on a new connection whenever one breaks. With an epoch it gives up as soon as another has begun;
// 0 is any. Who has no epoch to keep gives the one who has a head start when the server is back.
func (s *State) acquire(ctx context.Context, epoch int64) (*pgx.Conn, error) {
	for broken := false; ; broken = true {
		conn, err := s.connect(ctx)
		if err == nil {
			if broken && epoch == 0 {
				err = wait(ctx, standBack)
			}
			if err == nil {
				err = s.queue(ctx, conn, epoch)
			}
			if err == nil {
				return conn, nil
			}
			hangUp(conn)
		}
		if ctx.Err() != nil || errors.Is(err, ErrSuperseded) {
			return nil, err
		}
		s.log.Warn("cannot ask for the state", "error", err)
		if err := wait(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// queue waits for the lock on one connection. Trying again and again, instead of waiting within the server, finds out that
// the connection is broken, and leaves nobody in the queue who has gone.
func (s *State) queue(ctx context.Context, conn *pgx.Conn, epoch int64) error {
	const try = `SELECT pg_try_advisory_lock($1)`
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for waited := false; ; waited = true {
		if epoch != 0 {
			if err := sameEpoch(ctx, conn, epoch); err != nil {
				return err
			}
		}
		var held bool
		if err := fetch(ctx, conn, &held, try, int64(lockKey)); err != nil {
			return err
		}
		switch {
		case held && epoch != 0: // another may have had it between
			return sameEpoch(ctx, conn, epoch)
		case held:
			return nil
		case !waited:
			s.log.Info("waiting for the state, which another process owns")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func sameEpoch(ctx context.Context, conn *pgx.Conn, epoch int64) error {
	const query = `SELECT epoch FROM ownership`
	var now int64
	if err := fetch(ctx, conn, &now, query); err != nil {
		return err
	}
	if now != epoch {
		return fmt.Errorf("%w: epoch %d, this one's was %d", ErrSuperseded, now, epoch)
	}
	return nil
}

// fetch runs a query of one value, which must be answered soon.
func fetch(ctx context.Context, conn *pgx.Conn, into any, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	return conn.QueryRow(ctx, query, args...).Scan(into)
}

// connect makes the connection that the lock lives on.
func (s *State) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg := s.db.Pool().Config().ConnConfig
	cfg.Tracer = nil // it asks every second
	cfg.RuntimeParams["idle_session_timeout"] = "0"
	cfg.RuntimeParams["application_name"] += " (owner)"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

// hangUp ends the session, and with it the lock.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the server notices either way
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// noteLoss passes err on, and tells the owner if it means that it is no more.
func (s *State) noteLoss(err error) error {
	if !errors.Is(err, ErrSuperseded) {
		return err
	}
	s.own.mu.Lock()
	defer s.own.mu.Unlock()
	if s.own.gone == nil {
		s.own.gone = err
		s.own.lost <- err
		s.own.release()
		s.log.Error("state lost to another process", "error", err)
	}
	return err
}
