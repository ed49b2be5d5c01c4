package clickhousetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// shim has the command line of "clickhouse server" as far as launchServer uses it, and runs the launcher with the paths, the
// ports and the users of the configuration. The engine needs a user "default" in addition.
const shim = `#!/bin/sh
set -e
[ "$1" = server ]
config=${2#--config-file=}
value() { sed -n "s:.*<$1>\(.*\)</$1>.*:\1:p" "$config" | head -n 1; }
data=$(value path)
mkdir -p "$data"
sed 's:<users>:<users><default><password/><networks><ip>127.0.0.1</ip></networks></default>:' "$config" > "$data/users.xml"
exec LAUNCHER -lib LIBRARY -data "$data" -tcp-port "$(value tcp_port)" -http-port "$(value http_port)" -users "$data/users.xml"
`

// TestServerBinary tries the way by "clickhouse server" where there may be none.
func TestServerBinary(t *testing.T) {
	how, err := locate()
	if err != nil {
		giveUp(t, err)
	}
	if how.server == "" {
		how.server = filepath.Join(t.TempDir(), "clickhouse")
		text := strings.NewReplacer("LAUNCHER", how.launcher, "LIBRARY", how.library).Replace(shim)
		if err := os.WriteFile(how.server, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	s := &Server{t: t, how: how, plan: plan{dir: dir, user: "frogup", password: "a&b", removeData: true}}
	t.Cleanup(s.Kill)
	s.Start()
	create := "CREATE TABLE x (n UInt8) ENGINE = MergeTree ORDER BY n"
	if err := s.run.endpoint().exec(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	wrong := s.run.plan
	wrong.password = "another"
	if err := (&process{plan: wrong}).endpoint().exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("let in with another password")
	}
	server := s.run.server
	if err := s.run.end(); err != nil {
		t.Error(err)
	}
	s.run = nil
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data is still there: %v", err)
	}
	if err := exec.CommandContext(t.Context(), "kill", "-0", strconv.Itoa(server)).Run(); err == nil {
		t.Errorf("the server runs on as %d", server)
	}
}

func TestFailedStartSaysWhy(t *testing.T) {
	how, err := locate()
	if err != nil {
		giveUp(t, err)
	}
	if how.launcher == "" {
		t.Skip("there is a clickhouse on PATH")
	}
	how.library = filepath.Join(t.TempDir(), "no-such-library.so")
	_, err = launch(how, plan{dir: t.TempDir(), user: "frogup"})
	if err == nil || !strings.Contains(err.Error(), "no-such-library.so") {
		t.Errorf("%v, want the name of the file that is not there", err)
	}
}

func TestVersionIsTheFetchedOne(t *testing.T) {
	script, err := findAbove(filepath.Join("tools", "fetch-chdb"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nversion="+chdbVersion+"\n") {
		t.Errorf("tools/fetch-chdb fetches another version than %s", chdbVersion)
	}
}

func TestGivenServer(t *testing.T) {
	for dsn, want := range map[string]string{
		"clickhouse://u:p@h:9001?secure=true": "clickhouse://u:p@h:9001/x?secure=true https://u:p@h:8123/x?secure=true",
		"clickhouse://h":                      "clickhouse://h:9000/x http://h:8123/x",
	} {
		at, err := given(dsn, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := at.dsn("clickhouse", "x") + " " + at.dsn("http", "x"); got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
	if _, err := given("clickhouse://u:secret@h:x", ""); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("no URL: %v", err)
	}
}

func TestLauncherIsBuiltOncePerContent(t *testing.T) {
	source, other := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sum, err := sumOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := write(source, "main.go", "package main")
	if write(other, "main.go", "package main") != first || write(source, "main_test.go", "package main") != first {
		t.Error("the same sources have another sum")
	}
	if write(source, "main.go", "package  main") == first || write(other, "users.xml", "") == first {
		t.Error("other sources have the same sum")
	}
}
