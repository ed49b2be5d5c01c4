package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// oneProcessor has this thread, and what it starts, run on the first of its processors alone until undo is called.
func oneProcessor(t *testing.T) (undo func()) {
	t.Helper()
	runtime.LockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := range len(all) * 64 {
		if all.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	}
}

// Storing must not keep a check waiting where there is one processor, unless somebody wants it so.
func TestTwoThreadsOnOneProcessor(t *testing.T) {
	for name, test := range map[string]struct{ setting, want string }{
		"by default": {"", "2"},
		"as set":     {"1", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", test.setting) // and puts back what there was
			if test.setting == "" {
				if err := os.Unsetenv("GOMAXPROCS"); err != nil {
					t.Fatal(err)
				}
			}
			undo := oneProcessor(t)
			p := start(t, "--metrics-public")
			undo()
			answer, err := http.Get(p.base + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			page, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := regexp.MustCompile(`(?m)^go_sched_gomaxprocs_threads (.*)$`).FindSubmatch(page)
			if got == nil || string(got[1]) != test.want {
				t.Errorf("threads: %s, want %s", got, test.want)
			}
		})
	}
}
