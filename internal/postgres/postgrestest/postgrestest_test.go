package postgrestest_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDatabasesAreApartAndEndWithTheirTest(t *testing.T) {
	var dsn string
	t.Run("one", func(t *testing.T) {
		dsn = postgrestest.DSN(t)
		for _, db := range []string{"a", "b"} {
			if _, err := postgrestest.Open(t, db).Pool().Exec(t.Context(), `CREATE TABLE x (y INTEGER)`); err != nil {
				t.Error(err)
			}
		}
	})
	conn, err := pgx.Connect(t.Context(), dsn)
	if err == nil {
		err = conn.Close(t.Context())
		t.Errorf("the database outlived its test (%v)", err)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// What was committed outlives the server's processes; what was not is gone; the address stays.
func TestKillAndStop(t *testing.T) {
	s := postgrestest.Start(t, "max_connections=7")
	dsn := s.DSN()
	if _, err := connect(t, dsn).Exec(t.Context(), `CREATE TABLE x (y INTEGER)`); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(){"kill": s.Kill, "stop": s.Stop} {
		conn := connect(t, dsn)
		if _, err := conn.Exec(t.Context(), `INSERT INTO x VALUES (1)`); err != nil {
			t.Fatal(err)
		}
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `INSERT INTO x VALUES (2)`); err != nil {
			t.Fatal(err)
		}
		end()
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Fatalf("%s: it still answers", name)
		}
		s.Start()
	}
	var ones, twos int
	var limit string
	row := connect(t, s.DSN()).QueryRow(t.Context(),
		`SELECT count(*) FILTER (WHERE y = 1), count(*) FILTER (WHERE y = 2), current_setting('max_connections') FROM x`)
	if err := row.Scan(&ones, &twos, &limit); err != nil || ones != 2 || twos != 0 || limit != "7" {
		t.Errorf("committed %d, of the lost transactions %d, max_connections %s, %v; want 2, 0, 7", ones, twos, limit, err)
	}
}

// A test binary that is killed takes its servers and their folders along. This test runs itself as that binary.
func TestServersEndWithTheTestBinary(t *testing.T) {
	if os.Getenv("POSTGRESTEST_CHILD") == "1" {
		running, stopped := postgrestest.Start(t), postgrestest.Start(t)
		stopped.Kill()
		dir := ""
		if err := connect(t, running.DSN()).QueryRow(t.Context(), `SHOW data_directory`).Scan(&dir); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("\nready " + dir + "\n")
		<-t.Context().Done() // until killed
		return
	}
	_ = postgrestest.DSN(t)                       // skips where no server can be had
	tmp, err := os.MkdirTemp("", "postgrestest-") //nolint:usetesting // the server's account may not enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	if err := os.Chmod(tmp, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "POSTGRESTEST_CHILD=1", "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	data := ""
	for lines := bufio.NewScanner(out); data == "" && lines.Scan(); {
		if dir, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			data = dir
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !strings.HasPrefix(data, tmp) {
		t.Fatal("the child did not start its servers")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		left, err := os.ReadDir(tmp)
		if err == nil && len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left in the folder: %v, %v", left, err)
		}
	}
}

// A paused server keeps its connections and answers nothing; what was asked meanwhile is answered after it.
func TestPauseAndResume(t *testing.T) {
	s := postgrestest.Start(t)
	conn := connect(t, s.DSN())
	s.Pause()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if other, err := pgx.Connect(short, s.DSN()); err == nil {
		_ = other.Close(t.Context())
		t.Error("a paused server lets clients in")
	}
	s.Resume()
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("after the pause: %d, %v", one, err)
	}
}
