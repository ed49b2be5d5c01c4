//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestParse(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args, fails string
		env         map[string]string
		want        string // user, password, database, listen
	}{
		"nothing but data": {"-data d", "", nil, "default   127.0.0.1"},
		"the image's variables": {"-data d", "", map[string]string{
			"CLICKHOUSE_USER": "u", "CLICKHOUSE_PASSWORD": "p", "CLICKHOUSE_DB": "b",
		}, "u p b 127.0.0.1"},
		"flags win": {"-data d -user v -password q -database c -listen 0.0.0.0", "", map[string]string{
			"CLICKHOUSE_USER": "u", "CLICKHOUSE_PASSWORD": "p", "CLICKHOUSE_DB": "b",
		}, "v q c 0.0.0.0"},
		"a password in a file": {"-data d -user u", "", map[string]string{"CLICKHOUSE_PASSWORD_FILE": secret}, "u from-file  127.0.0.1"},
		"a file that is not there": {
			"-data d -user u", "CLICKHOUSE_PASSWORD_FILE", map[string]string{"CLICKHOUSE_PASSWORD_FILE": "/nowhere"}, "",
		},
		"no data":               {"", "-data is required", nil, ""},
		"a word too many":       {"-data d serve", "serve", nil, ""},
		"a user that is no XML": {"-data d -user a<b", "-user", nil, ""},
		"users of one's own":    {"-data d -user a.b -users u.xml", "", nil, "a.b   127.0.0.1"},
		"default's password":    {"-data d -password p", "-user default cannot have a password", nil, ""},
	}
	for name, tt := range tests {
		o, err := parse(strings.Fields(tt.args), environment(tt.env))
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: %v, want %q", name, err, tt.fails)
			}
			continue
		}
		if got := fmt.Sprint(o.user, " ", o.password, " ", o.database, " ", o.host); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
		if !filepath.IsAbs(o.data) {
			t.Errorf("%s: %s is relative", name, o.data)
		}
	}
}

func TestLibraryIsWhereTheScriptPutsIt(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"/h/.cache/frogup/chdb/" + chdbVersion + "/libchdb.so": {"HOME": "/h"},
		"/c/chdb/" + chdbVersion + "/libchdb.so":               {"HOME": "/h", "FROGUP_CHDB_CACHE": "/c"},
		"/l/x.so":                                              {"HOME": "/h", "FROGUP_CHDB_CACHE": "/c", "FROGUP_CHDB_LIB": "/l/x.so"},
	} {
		o, err := parse([]string{"-data", "d"}, environment(env))
		if err != nil || o.lib != want {
			t.Errorf("%s, %v, want %s", o.lib, err, want)
		}
	}
	script, err := os.ReadFile("../fetch-chdb")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "\nversion="+chdbVersion+"\n") {
		t.Errorf("tools/fetch-chdb fetches another version than %s", chdbVersion)
	}
}

func TestConfigurationIsXML(t *testing.T) {
	for _, user := range []string{"default", "frog_1"} {
		o := options{data: filepath.Join(t.TempDir(), "a&b"), user: user, password: `<"&'>`}
		if err := os.Mkdir(o.data, 0o700); err != nil {
			t.Fatal(err)
		}
		config, err := writeConfig(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{config, filepath.Join(o.data, "users.xml")} {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), o.password) {
				t.Errorf("%s holds the password", path)
			}
			for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v\n%s", path, err, text)
				}
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
	}
}

func TestConfigurationOfOnesOwn(t *testing.T) {
	o := options{data: t.TempDir(), config: "/etc/c.xml", users: "/etc/u.xml"}
	if path, err := writeConfig(o); err != nil || path != o.config {
		t.Errorf("%s, %v", path, err)
	}
	if left, _ := filepath.Glob(filepath.Join(o.data, "*")); len(left) != 0 {
		t.Errorf("wrote %v", left)
	}
}

func TestChoosePorts(t *testing.T) {
	tcp, http, err := choosePorts("127.0.0.1", 0, 0)
	if err != nil || tcp == http || tcp.port < minPort || tcp.port > maxPort || http.port < minPort || http.port > maxPort {
		t.Errorf("%s, %s, %v", tcp, http, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if _, _, err := choosePorts("127.0.0.1", 0, taken); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: %v", err)
	}
	if _, _, err := choosePorts("127.0.0.1", 9000, 9000); err == nil {
		t.Error("one port for both")
	}
	if _, _, err := choosePorts("localhost", 0, 0); err == nil {
		t.Error("a name to listen on")
	}
}

func TestDial(t *testing.T) {
	for host, want := range map[string]string{"0.0.0.0": "127.0.0.1:1", "::": "[::1]:1", "127.0.0.2": "127.0.0.2:1", "::1": "[::1]:1"} {
		if got := (address{host, 1}).dial().String(); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestOwnsListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if !ownsListener(port) {
		t.Error("does not own its own")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if ownsListener(port) {
		t.Error("owns what is closed")
	}
}

func TestTerminal(t *testing.T) {
	ours, theirs, err := openTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	if _, err := ours.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	if n, err := theirs.Read(line); err != nil || string(line[:n]) != "typed\n" {
		t.Errorf("%q, %v", line[:n], err)
	}
}
