package app

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// report prints the results of a run.
func (t terminal) report(format string, results []runResult) error {
	switch format {
	case "json":
		return writeJSON(t, struct {
			Results []runResult `json:"results"`
		}{results})
	case "junit":
		return writeJUnit(t, results)
	case "tap":
		return writeTAP(t, results)
	}
	t.results(results)
	return nil
}

// results is a table, with the reasons below what did not pass.
func (t terminal) results(results []runResult) {
	wide := 0
	for _, r := range results {
		wide = max(wide, utf8.RuneCountInString(r.name()))
	}
	passed, observer := 0, 0
	for i := range results {
		r := &results[i]
		if r.Outcome == outcomePass {
			passed++
		} else if r.observer {
			observer++
		}
		t.result(r, wide)
	}
	text := fmt.Sprintf("%s: %d passed, %d failed", plural(len(results), "check"), passed, len(results)-passed-observer)
	if observer > 0 {
		text += fmt.Sprintf(", %d could not be made from here", observer)
	}
	fmt.Fprintf(t, "\n%s\n", t.paint(bold, text))
}

func (r *runResult) name() string { return strings.TrimPrefix(r.Key, "v1:") }

// resultLine is a result in one line, the first reason at its end.
func (t terminal) resultLine(r *runResult, wide int) string {
	line := t.summaryOf(r, wide)
	if reasons := r.reasons(); r.Outcome != outcomePass && len(reasons) > 0 {
		line += "  " + clean(reasons[0])
	}
	return line
}

// result is one line, and one more for each reason.
func (t terminal) result(r *runResult, wide int) {
	fmt.Fprintln(t, t.summaryOf(r, wide))
	if r.Outcome != outcomePass {
		for _, reason := range r.reasons() {
			fmt.Fprintf(t, "         %s\n", clean(reason))
		}
	}
	for _, w := range r.warnings {
		fmt.Fprintf(t, "         %s %s\n", t.paint(yellow, "note:"), clean(w))
	}
}

func (t terminal) summaryOf(r *runResult, wide int) string {
	mark, colour := "✔ pass ", green
	switch {
	case r.observer:
		mark, colour = "! error", yellow
	case r.Outcome != outcomePass:
		mark, colour = "✘ fail ", red
	}
	facts := []string{fmt.Sprintf("%10s", formatMillis(r.duration(), 2))}
	for _, phase := range r.phases() {
		facts = append(facts, t.paint(faint, phase))
	}
	if r.Attempts > 1 {
		facts = append(facts, plural(int(r.Attempts), "attempt"))
	}
	if kind := r.errorType(); kind != "" {
		facts = append(facts, t.paint(colour, kind))
	}
	name := clean(r.name())
	return fmt.Sprintf("%s  %s%s  %s", t.paint(colour, mark), name, strings.Repeat(" ", max(wide-utf8.RuneCountInString(name), 0)), strings.Join(facts, "  "))
}

// duration is what the check took as far as it counts.
func (r *runResult) duration() time.Duration {
	if r.Timings.Response == nil {
		return 0
	}
	return time.Duration(*r.Timings.Response * float64(time.Millisecond))
}

func (r *runResult) phases() (list []string) {
	for _, p := range []struct {
		name string
		ms   *float64
	}{
		{"dns", r.Timings.DNS}, {"connect", r.Timings.Connect}, {"tls", r.Timings.TLS}, {"ttfb", r.Timings.TTFB}, {"transfer", r.Timings.Transfer},
	} {
		if p.ms != nil {
			list = append(list, fmt.Sprintf("%s %.2f", p.name, *p.ms))
		}
	}
	return list
}

// The JUnit document that continuous integration reads.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Time    string      `xml:"time,attr"`
	Failure *junitFault `xml:"failure"`
	Error   *junitFault `xml:"error"`
}

type junitFault struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(w io.Writer, results []runResult) error {
	suite := junitSuite{Name: "frogup run", Tests: len(results)}
	var sum time.Duration
	for i := range results {
		r := &results[i]
		c := junitCase{Class: "v1." + r.check.Kind, Name: r.check.Name, Time: seconds(r.duration())}
		sum += r.duration()
		if r.Outcome != outcomePass {
			reasons := r.reasons()
			fault := &junitFault{Type: r.errorType(), Text: xmlText(strings.Join(reasons, "\n"))}
			if len(reasons) > 0 {
				fault.Message = xmlText(reasons[0])
			}
			if r.observer {
				c.Error = fault
				suite.Errors++
			} else {
				c.Failure = fault
				suite.Failures++
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Time = seconds(sum)
	document := struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []junitSuite
	}{Suites: []junitSuite{suite}}
	text, err := xml.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }

// xmlText replaces what XML cannot hold and terminals obey.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r < ' ' || r >= 0x7f && r <= 0x9f || r == 0xfffe || r == 0xffff {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}

// writeTAP writes version 14 of the Test Anything Protocol, reasons as the YAML block of a test.
func writeTAP(w io.Writer, results []runResult) error {
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 14\n1..%d\n", len(results))
	for i := range results {
		r := &results[i]
		verdict := "ok"
		if r.Outcome != outcomePass {
			verdict = "not ok"
		}
		fmt.Fprintf(&b, "%s %d - %s\n", verdict, i+1, tapText(r.Key))
		fmt.Fprintf(&b, "  ---\n  duration_ms: %.3f\n  attempts: %d\n", float64(r.duration())/float64(time.Millisecond), r.Attempts)
		if r.Outcome != outcomePass {
			severity := "fail"
			if r.observer {
				severity = "error"
			}
			fmt.Fprintf(&b, "  severity: %s\n  error_type: %s\n", severity, literally(r.errorType()))
			if reasons := r.reasons(); len(reasons) > 0 {
				b.WriteString("  reasons:\n")
				for _, reason := range reasons {
					fmt.Fprintf(&b, "    - %s\n", yamlString(clean(reason)))
				}
			}
		}
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tapText escapes what has a meaning in a description.
func tapText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(clean(s))
}

// yamlString is a string in double quotes; what JSON writes is that too, for printable characters.
func yamlString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
