package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outcome is what a verb left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// runVerb runs frogup as a process without a terminal would. env holds its whole environment.
func runVerb(t *testing.T, ctx context.Context, env map[string]string, stdin string, args ...string) outcome {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	stdout, stderr := open("stdout"), open("stderr")
	code := Run(ctx, Process{
		Version: "test", Args: args, Stdin: strings.NewReader(stdin), Stdout: stdout, Stderr: stderr,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Environ: func() (pairs []string) {
			for name, value := range env {
				pairs = append(pairs, name+"="+value)
			}
			return pairs
		},
	})
	return outcome{code, content(t, stdout), content(t, stderr)}
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// visible makes escape sequences readable, and keeps the golden texts in this code free of them.
func visible(s string) string { return strings.ReplaceAll(s, "\x1b", "␛") }
