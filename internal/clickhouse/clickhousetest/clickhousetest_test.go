package clickhousetest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

// childVar makes the test binary one that lends a database, says so, and ends when its input does.
const childVar = "TEST_LEND"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func count(t *testing.T, dsn, query string) (n uint64) {
	t.Helper()
	db, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Conn().QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDatabasesAreFreshAndDropped(t *testing.T) {
	var lent []string
	t.Run("lent", func(t *testing.T) {
		for range 2 {
			native, http := clickhousetest.DSNs(t)
			for _, dsn := range []string{native, http} {
				if n := count(t, dsn, `SELECT count() FROM system.tables WHERE database = currentDatabase()`); n != 0 {
					t.Errorf("%d tables in a fresh database", n)
				}
				if n := count(t, dsn, `SELECT count() FROM system.databases WHERE name = currentDatabase() AND engine = 'Atomic'`); n != 1 {
					t.Error("not an atomic database")
				}
			}
			u, err := url.Parse(native)
			if err != nil {
				t.Fatal(err)
			}
			lent = append(lent, strings.TrimPrefix(u.Path, "/"))
		}
	})
	if len(lent) != 2 || lent[0] == lent[1] {
		t.Fatalf("lent: %v", lent)
	}
	names := "'" + strings.Join(lent, "', '") + "'"
	if n := count(t, clickhousetest.DSN(t), `SELECT count() FROM system.databases WHERE name IN (`+names+`)`); n != 0 {
		t.Errorf("%d databases are left", n)
	}
}

func TestServerDefaults(t *testing.T) {
	db := clickhousetest.Open(t)
	var zone, implicit string
	err := db.Conn().QueryRow(t.Context(), `SELECT timezone(), toString(getSetting('implicit_select'))`).Scan(&zone, &implicit)
	if err != nil || zone != "UTC" || implicit != "false" {
		t.Errorf("zone %s, implicit_select %s, %v", zone, implicit, err)
	}
}

func TestKillAndStart(t *testing.T) {
	s := clickhousetest.Start(t)
	dsn := s.DSN()
	db, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{
		`CREATE DATABASE d`, `CREATE TABLE d.x (n UInt64) ENGINE = MergeTree ORDER BY n`, `INSERT INTO d.x SELECT number FROM numbers(1000)`,
	} {
		if err := db.Conn().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s.Kill()
		if db, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{}); err == nil {
			_ = db.Close()
			t.Fatal("a killed server answers")
		}
		s.Start()
		if s.DSN() != dsn {
			t.Errorf("%s became %s", dsn, s.DSN())
		}
		for _, dsn := range []string{s.DSN(), s.HTTPDSN()} {
			if n := count(t, dsn, `SELECT count() FROM d.x`); n != 1000 {
				t.Errorf("%d rows after the restart, want 1000", n)
			}
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	s := clickhousetest.Start(t)
	s.Pause()
	if db, err := clickhouse.Open(t.Context(), s.DSN()+"?dial_timeout=200ms", clickhouse.Options{}); err == nil {
		_ = db.Close()
		t.Error("a paused server answers")
	}
	s.Resume()
	if n := count(t, s.DSN(), `SELECT count()`); n != 1 {
		t.Errorf("%d", n)
	}
	s.Pause() // and is killed at the end
}

// TestMisbehavingClientsDoNotHarm guards the launcher's terminal: without it the first of these ends the process.
func TestMisbehavingClientsDoNotHarm(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for _, dsn := range []string{native, http} {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range []string{
			"", "\x00", "\x00\xff\xff\xff\xff", "GET / HTTP/9.9\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n",
		} {
			for range 20 {
				c, err := net.Dial("tcp", u.Host)
				if err != nil {
					t.Fatalf("after %q: %v", words, err)
				}
				_, _ = c.Write([]byte(words))
				_ = c.(*net.TCPConn).SetLinger(0) // a reset, not an end
				_ = c.Close()
			}
		}
	}
	if n := count(t, native, `SELECT count()`); n != 1 {
		t.Errorf("%d", n)
	}
}

func TestRerunnable(t *testing.T) {
	file := func(sql string) fstest.MapFS {
		return fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\n" + sql)}}
	}
	const table = "CREATE TABLE IF NOT EXISTS a (n UInt8) ENGINE = MergeTree ORDER BY n;\n"
	for sql, want := range map[string]bool{
		table: true,
		table + "ALTER TABLE a ADD COLUMN IF NOT EXISTS b UInt8;": true,
		table + "ALTER TABLE a ADD COLUMN b UInt8;":               false,
		table + "INSERT INTO a SELECT 1;":                         false,
	} {
		r := &recorder{TB: t}
		clickhousetest.Rerunnable(r, file(sql))
		if r.failed == want {
			t.Errorf("%q: failed %v", sql, r.failed)
		}
	}
}

// recorder notes that a test would have failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestLend(t *testing.T) {
	if os.Getenv(childVar) == "" {
		return // it is for TestServerEndsWithTheTestBinary
	}
	fmt.Fprintln(os.Stdout, "LENT", clickhousetest.DSN(t))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestServerEndsWithTheTestBinary(t *testing.T) {
	clickhousetest.DSN(t) // or skip
	if os.Getenv("FROGUP_TEST_CLICKHOUSE") != "" {
		t.Skip("the server is not ours to end")
	}
	for name, kill := range map[string]bool{"ended": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLend$")
			child.Env = append(os.Environ(), childVar+"=1", "TMPDIR="+temp)
			stdin, err := child.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			var dsn string
			for dsn == "" && lines.Scan() {
				_, dsn, _ = strings.Cut(lines.Text(), "LENT ")
			}
			u, err := url.Parse(dsn)
			if err != nil || u.Host == "" {
				t.Fatalf("lent %q, %v", dsn, err)
			}
			if kill {
				_ = child.Process.Kill()
			}
			_ = stdin.Close()
			for lines.Scan() {
			}
			_ = child.Wait()
			gone := func() bool {
				left, _ := filepath.Glob(filepath.Join(temp, "*"))
				c, err := net.Dial("tcp", u.Host)
				if err == nil {
					_ = c.Close()
				}
				return err != nil && len(left) == 0
			}
			for deadline := time.After(20 * time.Second); !gone(); {
				select {
				case <-deadline:
					t.Fatalf("the server at %s, or its data below %s, is still there", u.Host, temp)
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
}
