// Command testreport reads the events of `go test -json` and prints them for
// people: one line per test that passed, the whole output of those that did not,
// then every skipped test with its reason, and a closing count. It exits with 1
// when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if failed := r.close(); failed > 0 {
		os.Exit(1)
	}
}

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // stands in for Package in build events
	Test       string
	Output     string
}

// report collects events by package, because packages run side by side and their
// lines would otherwise be mixed.
type report struct {
	out      io.Writer
	packages map[string]*packageRun
	order    []string
	passed   int
	failed   []string
	skipped  []string
}

// packageRun is one package's test run so far.
type packageRun struct {
	lines  []line
	result map[string]string // final action by test
	failed bool              // a test failed
	whole  bool              // the package failed, and no test of it: what says why may stand with any of them
}

type line struct{ test, text string }

func newReport(out io.Writer) *report {
	return &report{out: out, packages: map[string]*packageRun{}}
}

// read consumes events to the end of in. A line that is no event, such as a
// message of the go command, is printed as it is.
func (r *report) read(in io.Reader) error {
	br := bufio.NewReader(in)
	for {
		text, err := br.ReadString('\n')
		if text != "" {
			var e event
			if jsonErr := json.Unmarshal([]byte(text), &e); jsonErr != nil || e.Action == "" {
				fmt.Fprint(r.out, text)
			} else {
				r.add(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
}

func (r *report) add(e event) {
	switch {
	case e.Action == "build-output":
		fmt.Fprint(r.out, e.Output)
	case e.Action == "build-fail", e.Package == "":
		// The package's own fail event follows and is what counts.
	case e.Action == "output":
		p := r.get(e.Package)
		p.lines = append(p.lines, line{e.Test, e.Output})
	case e.Action == "pass", e.Action == "fail", e.Action == "skip":
		if e.Test != "" {
			r.endTest(e)
		} else {
			r.endPackage(e)
		}
	}
}

func (r *report) get(name string) *packageRun {
	p, ok := r.packages[name]
	if !ok {
		p = &packageRun{result: map[string]string{}}
		r.packages[name] = p
		r.order = append(r.order, name)
	}
	return p
}

func (r *report) endTest(e event) {
	p := r.get(e.Package)
	p.result[e.Test] = e.Action
	name := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		p.failed = true
		r.failed = append(r.failed, name)
	case "skip":
		r.skipped = append(r.skipped, name+": "+p.reason(e.Test))
	}
}

// reason is what a test printed before it was skipped, on one line.
func (p *packageRun) reason(test string) string {
	var words []string
	for _, l := range p.lines {
		text := strings.TrimSpace(l.text)
		if l.test == test && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			words = append(words, strings.Fields(text)...)
		}
	}
	if len(words) == 0 {
		return "no reason given"
	}
	return strings.Join(words, " ")
}

// endPackage prints a package that is done. A package can fail without any of its
// tests failing: it does not build, leaks goroutines, panics or runs out of time.
func (r *report) endPackage(e event) {
	p := r.get(e.Package)
	if e.Action == "fail" && !p.failed {
		p.whole = true
		r.failed = append(r.failed, e.Package+" (the package as a whole)")
	}
	r.print(e.Package)
}

// print writes a package's lines, of a passed test only its PASS line, unless none failed in a package that did: a data race
// that is found between two tests is told in the lines of the one before.
func (r *report) print(name string) {
	p, ok := r.packages[name]
	if !ok {
		return
	}
	delete(r.packages, name)
	for _, l := range p.lines {
		if !p.whole && p.result[l.test] == "pass" && !strings.HasPrefix(strings.TrimSpace(l.text), "--- PASS") {
			continue
		}
		fmt.Fprint(r.out, l.text)
	}
}

// close prints what is left and the summary, and returns the number of failures.
// A package that never ended was cut off, which is a failure.
func (r *report) close() int {
	for _, name := range r.order {
		if _, open := r.packages[name]; open {
			r.failed = append(r.failed, name+" (cut off)")
			r.print(name)
		}
	}
	list := func(title string, names []string) {
		if len(names) == 0 {
			return
		}
		fmt.Fprintf(r.out, "\n%s:\n", title)
		for _, n := range names {
			fmt.Fprintf(r.out, "  %s\n", n)
		}
	}
	list("Failed", r.failed)
	list("Skipped", r.skipped)
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, len(r.failed), len(r.skipped))
	return len(r.failed)
}
