package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func execute(t testing.TB, conn *pgx.Conn, sql string, args ...any) int64 {
	t.Helper()
	tag, err := conn.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	return tag.RowsAffected()
}

// dethrone ends the connection that holds the lock, if there is one.
const dethrone = `
SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database() AND a.application_name LIKE '%(owner)'`

func some(monitor uint32, body string) events.Commit {
	at := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	return events.Commit{
		At: at, States: []events.MonitorState{{MonitorID: monitor, OrganizationID: "o", Timeline: events.Timeline{Status: events.Up, Since: at}}},
		Monitors: []events.Monitor{{ID: monitor, OrganizationID: "o", Name: body}},
		Feed:     []events.FeedRow{{OrganizationID: "o", MonitorID: monitor, Kind: events.FeedTransition, Body: []byte(body)}},
	}
}

func commit(t testing.TB, s *postgres.State, c events.Commit) {
	t.Helper()
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// told reads the whole feed.
func told(t testing.TB, s *postgres.State) []string {
	t.Helper()
	page, err := s.Feed(t.Context(), events.FeedQuery{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range page.Rows {
		out = append(out, string(r.Body))
	}
	return out
}

// owning asks for ownership in the background; what it returns is closed once it is had.
func owning(t testing.TB, s *postgres.State) <-chan (<-chan error) {
	out := make(chan (<-chan error), 1)
	go func() {
		lost, err := s.Own(t.Context())
		if err != nil {
			if t.Context().Err() == nil {
				t.Error(err)
			}
			close(out)
			return
		}
		out <- lost
	}()
	return out
}

func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain: " + what)
		panic("unreachable")
	}
}

func TestChangesNeedOwnership(t *testing.T) {
	s := openState(t, postgrestest.DSN(t))
	if err := s.Commit(t.Context(), some(1, "a")); !errors.Is(err, postgres.ErrNotOwner) {
		t.Errorf("commit: %v", err)
	}
	if err := s.Prune(t.Context(), events.PruneBefore{Deleted: time.Now()}); !errors.Is(err, postgres.ErrNotOwner) {
		t.Errorf("prune: %v", err)
	}
	if got := told(t, s); len(got) > 0 {
		t.Errorf("announced: %q", got)
	}
	own(t, s)
	commit(t, s, some(1, "a"))
	if _, err := s.Own(t.Context()); err == nil {
		t.Error("owned twice")
	}
}

func TestNextOwnsWhenOneCloses(t *testing.T) {
	dsn := postgrestest.DSN(t)
	first, err := postgres.OpenState(t.Context(), dsn, postgres.StateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lost := own(t, first)
	second := openState(t, dsn)
	owned := owning(t, second)
	for i := range 3 {
		commit(t, first, some(1, fmt.Sprint(i)))
		if err := second.Commit(t.Context(), some(1, "too early")); !errors.Is(err, postgres.ErrNotOwner) {
			t.Errorf("one who waits commits: %v", err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	receive(t, owned, "the second owns")
	commit(t, second, some(1, "second"))
	if d := cmp.Diff([]string{"0", "1", "2", "second"}, told(t, second)); d != "" {
		t.Error(d)
	}
	select {
	case err := <-lost:
		t.Errorf("closing is losing: %v", err)
	default:
	}
}

func TestWaitingEnds(t *testing.T) {
	dsn := postgrestest.DSN(t)
	own(t, openState(t, dsn))
	second := openState(t, dsn)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := second.Own(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("owned: %v", err)
	}
	third, err := postgres.OpenState(t.Context(), dsn, postgres.StateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := third.Own(t.Context())
		ended <- err
	}()
	if err := third.Close(); err != nil {
		t.Error(err)
	}
	if err := receive(t, ended, "closing ends the waiting"); err == nil {
		t.Error("owned after closing")
	}
}

func TestSupersededOwnerChangesNothing(t *testing.T) {
	dsn := postgrestest.DSN(t)
	first, second, admin := openState(t, dsn), openState(t, dsn), connect(t, dsn)
	lost := own(t, first)
	commit(t, first, some(1, "first"))
	owned := owning(t, second)
	for len(owned) == 0 {
		execute(t, admin, dethrone)
	}
	<-owned
	before, err := second.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(t.Context(), some(1, "too late")); !errors.Is(err, postgres.ErrSuperseded) {
		t.Errorf("commit: %v", err)
	}
	if err := first.Prune(t.Context(), events.PruneBefore{Announcements: time.Now()}); !errors.Is(err, postgres.ErrSuperseded) {
		t.Errorf("prune: %v", err)
	}
	after, err := first.Load(t.Context()) // reading stays allowed
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, after, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(events.RegionState{})); d != "" {
		t.Error(d)
	}
	if err := receive(t, lost, "the first is told"); !errors.Is(err, postgres.ErrSuperseded) {
		t.Errorf("told %v", err)
	}
	commit(t, second, some(1, "second"))
	if d := cmp.Diff([]string{"first", "second"}, told(t, second)); d != "" {
		t.Error(d)
	}
}

// TestOwnerIsToldWithoutCommitting: one who judges nothing at the time must not believe for long.
func TestOwnerIsToldWithoutCommitting(t *testing.T) {
	dsn := postgrestest.DSN(t)
	first, second, admin := openState(t, dsn), openState(t, dsn), connect(t, dsn)
	lost, owned := own(t, first), owning(t, second)
	for len(owned) == 0 {
		execute(t, admin, dethrone)
	}
	if err := receive(t, lost, "the first is told"); !errors.Is(err, postgres.ErrSuperseded) {
		t.Errorf("told %v", err)
	}
}

func TestDatabaseSetBackIsNoticed(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s, admin := openState(t, dsn), connect(t, dsn)
	lost := own(t, s)
	commit(t, s, some(1, "a"))
	commit(t, s, some(1, "b"))
	execute(t, admin, `UPDATE events.ownership SET commits = commits - 1`) // as if restored from before the last one
	if err := s.Commit(t.Context(), some(1, "c")); !errors.Is(err, postgres.ErrSuperseded) {
		t.Errorf("commit: %v", err)
	}
	if err := receive(t, lost, "the owner is told"); !errors.Is(err, postgres.ErrSuperseded) {
		t.Errorf("told %v", err)
	}
	own(t, openState(t, dsn)) // it has let go of the lock
}

func TestOwnerOutlivesServer(t *testing.T) {
	server := postgrestest.Start(t)
	first, second := openState(t, server.DSN()), openState(t, server.DSN())
	lost := own(t, first)
	commit(t, first, some(1, "before"))
	owned := owning(t, second)
	for round, end := range []func(){server.Kill, server.Stop} {
		end()
		if err := first.Commit(t.Context(), some(1, fmt.Sprint("after ", round))); err == nil || errors.Is(err, postgres.ErrSuperseded) {
			t.Fatalf("commit without a server: %v", err)
		}
		if _, err := second.Feed(t.Context(), events.FeedQuery{Limit: 1}); err == nil {
			t.Error("read without a server")
		}
		server.Start()
		retry(t, func() error { return first.Commit(t.Context(), some(1, fmt.Sprint("after ", round))) })
		awaitLock(t, connect(t, server.DSN()))
	}
	if len(owned) > 0 || len(lost) > 0 {
		t.Errorf("another owns (%d), the owner is told that it lost (%d)", len(owned), len(lost))
	}
	if d := cmp.Diff([]string{"before", "after 0", "after 1"}, told(t, second)); d != "" {
		t.Error(d)
	}
	commit(t, first, some(1, "still"))
}

func retry(t *testing.T, fn func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// awaitLock waits until somebody holds the lock.
func awaitLock(t *testing.T, conn *pgx.Conn) {
	const held = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	retry(t, func() error {
		if execute(t, conn, held) == 0 {
			return errors.New("nobody holds the lock")
		}
		return nil
	})
}

// ownerEnv makes this test binary a process that owns the state of the database named there, and commits until it is killed.
const ownerEnv = "EVENTS_TEST_OWNER"

func ownUntilKilled(dsn string) {
	ctx := context.Background()
	s, err := postgres.OpenState(ctx, dsn, postgres.StateOptions{})
	if err == nil {
		_, err = s.Own(ctx)
	}
	for i := 0; err == nil; i++ {
		if err = s.Commit(ctx, some(1, fmt.Sprint("killed ", i))); err == nil {
			_, err = fmt.Fprintln(os.Stdout, i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestNextOwnsWhenOneIsKilled(t *testing.T) {
	dsn := postgrestest.DSN(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerEnv+"="+dsn)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, acknowledged := bufio.NewScanner(out), 0
	for acknowledged < 10 && lines.Scan() {
		acknowledged++
	}
	s := openState(t, dsn)
	owned := owning(t, s)
	began := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		acknowledged++
	}
	_ = cmd.Wait() // it was killed
	receive(t, owned, "the next owns")
	took := time.Since(began)
	t.Logf("owned %s after the kill", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Error("that is too late")
	}
	if got := told(t, s); len(got) < acknowledged || len(got) > acknowledged+1 {
		t.Errorf("%d commits there, %d were acknowledged", len(got), acknowledged)
	}
	commit(t, s, some(1, "next"))
}
