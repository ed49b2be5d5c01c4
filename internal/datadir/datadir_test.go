package datadir

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// childEnv makes the test binary lock a folder, say so, and wait to be killed.
const childEnv = "DATADIR_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if _, err := Open(dir); err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, "locked")
		select {}
	}
	os.Exit(m.Run())
}

func TestOpenCreatesAPrivateFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder %v, %v", info, err)
	}
	if d.Path() != path || d.Join("x", "y.db") != filepath.Join(path, "x", "y.db") {
		t.Errorf("paths %s, %s", d.Path(), d.Join("x", "y.db"))
	}
}

func TestOneOwnerAtATime(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var inUse *InUseError
	if _, err := Open(dir); !errors.As(err, &inUse) || inUse.PID != os.Getpid() || inUse.Dir != dir {
		t.Fatalf("second owner: %v", err)
	}
	for _, part := range []string{dir, fmt.Sprintf("pid %d", os.Getpid())} {
		if !strings.Contains(inUse.Error(), part) {
			t.Errorf("message %q does not say %q", inUse, part)
		}
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnotherProcessIsNamedAndItsDeathFreesTheFolder(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe)
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	var inUse *InUseError
	if _, err := Open(dir); !errors.As(err, &inUse) || inUse.PID != child.Process.Pid {
		t.Errorf("got %v, want in use by %d", err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // reports the kill
	d, err := Open(dir)
	if err != nil {
		t.Fatalf("after kill -9: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestUnreadablePIDIsNoReasonToFail(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.WriteFile(d.Join(LockFile), []byte("what"), 0o600); err != nil {
		t.Fatal(err)
	}
	var inUse *InUseError
	if _, err := Open(dir); !errors.As(err, &inUse) || inUse.PID != 0 || !strings.Contains(inUse.Error(), "another process;") {
		t.Errorf("got %v", err)
	}
}
