package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// events encodes a run the way `go test -json` writes it.
func events(t *testing.T, list ...event) string {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	for _, e := range list {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return buf.String()
}

func TestReport(t *testing.T) {
	out := func(pkg, test, text string) event {
		return event{Action: "output", Package: pkg, Test: test, Output: text + "\n"}
	}
	for _, tt := range []struct {
		name   string
		in     string
		want   string
		failed int
	}{
		{
			name: "pass hides what the test printed",
			in: events(t,
				out("a", "TestX", "=== RUN   TestX"), out("a", "TestX", "chatter"), out("a", "TestX", "--- PASS: TestX (0.00s)"),
				event{Action: "pass", Package: "a", Test: "TestX"},
				out("a", "", "PASS"), out("a", "", "ok  \ta\t0.1s"), event{Action: "pass", Package: "a"}),
			want: "--- PASS: TestX (0.00s)\nPASS\nok  \ta\t0.1s\n\n1 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "packages that run side by side stay apart",
			in: events(t, out("a", "", "a1"), out("b", "", "b1"), out("a", "", "a2"),
				event{Action: "pass", Package: "b"}, event{Action: "pass", Package: "a"}),
			want: "b1\na1\na2\n\n0 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "fail shows everything",
			in: events(t, out("a", "TestX", "    x_test.go:1: wrong"), out("a", "TestX", "--- FAIL: TestX (0.00s)"),
				event{Action: "fail", Package: "a", Test: "TestX"}, out("a", "", "FAIL"), event{Action: "fail", Package: "a"}),
			want:   "    x_test.go:1: wrong\n--- FAIL: TestX (0.00s)\nFAIL\n\nFailed:\n  a TestX\n\n0 passed, 1 failed, 0 skipped\n",
			failed: 1,
		},
		{
			name: "a package that fails by itself shows everything, of tests that passed too",
			in: events(t, out("a", "TestX", "WARNING: DATA RACE"), out("a", "TestX", "--- PASS: TestX (0.00s)"),
				event{Action: "pass", Package: "a", Test: "TestX"}, out("a", "", "FAIL"), event{Action: "fail", Package: "a"}),
			want:   "WARNING: DATA RACE\n--- PASS: TestX (0.00s)\nFAIL\n\nFailed:\n  a (the package as a whole)\n\n1 passed, 1 failed, 0 skipped\n",
			failed: 1,
		},
		{
			name: "skip gives its reason",
			in: events(t, out("a", "TestX", "=== RUN   TestX"), out("a", "TestX", "    x_test.go:7: needs root"),
				out("a", "TestX", "--- SKIP: TestX (0.00s)"), event{Action: "skip", Package: "a", Test: "TestX"},
				out("a", "TestY", "--- SKIP: TestY (0.00s)"), event{Action: "skip", Package: "a", Test: "TestY"},
				event{Action: "pass", Package: "a"}),
			want: "=== RUN   TestX\n    x_test.go:7: needs root\n--- SKIP: TestX (0.00s)\n--- SKIP: TestY (0.00s)\n\n" +
				"Skipped:\n  a TestX: x_test.go:7: needs root\n  a TestY: no reason given\n\n0 passed, 0 failed, 2 skipped\n",
		},
		{
			name: "a package without test files is not a skipped test",
			in:   events(t, out("a", "", "?   \ta\t[no test files]"), event{Action: "skip", Package: "a"}),
			want: "?   \ta\t[no test files]\n\n0 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "a package that does not build fails",
			in: events(t, event{Action: "build-output", ImportPath: "a", Output: "a.go:1: syntax error\n"},
				event{Action: "build-fail", ImportPath: "a"}, out("a", "", "FAIL\ta [build failed]"), event{Action: "fail", Package: "a"}),
			want:   "a.go:1: syntax error\nFAIL\ta [build failed]\n\nFailed:\n  a (the package as a whole)\n\n0 passed, 1 failed, 0 skipped\n",
			failed: 1,
		},
		{
			name:   "a run that ends early fails",
			in:     events(t, out("a", "TestX", "=== RUN   TestX")),
			want:   "=== RUN   TestX\n\nFailed:\n  a (cut off)\n\n0 passed, 1 failed, 0 skipped\n",
			failed: 1,
		},
		{
			name: "what is no event is passed on",
			in:   "go: warning\n" + events(t, event{Action: "pass", Package: "a"}) + "the end",
			want: "go: warning\nthe end\n0 passed, 0 failed, 0 skipped\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if failed := r.close(); failed != tt.failed {
				t.Errorf("got %d failures, want %d", failed, tt.failed)
			}
			if out.String() != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", out.String(), tt.want)
			}
		})
	}
}
