package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// report is a whole run.
type report struct {
	Time     time.Time `json:"time"`
	Machine  string    `json:"machine"`
	Outcomes []outcome `json:"cases"`
	Notes    []string  `json:"notes"`
}

func newReport() *report {
	return &report{Time: time.Now().UTC(), Machine: fmt.Sprintf("%s, %s, %d processors", runtime.GOARCH, runtime.Version(), runtime.NumCPU())}
}

// failed is the number of gates that were not kept.
func (r *report) failed() int {
	n := 0
	for _, o := range r.Outcomes {
		for _, e := range o.Figures {
			if e.Verdict == "FAILED" {
				n++
			}
		}
	}
	return n
}

// colours says whether f is a terminal.
func colours(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// calm is the foreign load, in per cent, above which paced figures say as much of the machine as of the engine.
const calm = 15

// doubt notes which cases were measured beside too much else.
func (r *report) doubt() {
	var names []string
	for _, o := range r.Outcomes {
		for _, e := range o.Figures {
			if e.Key == foreign.Key && e.Spread.Median > calm {
				names = append(names, o.Case)
			}
		}
	}
	if len(names) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("foreign load above %d %%, so judge by a calmer run: %s", calm, strings.Join(names, ", ")))
	}
}

// columns of the table: figure, median, [min–max], unit, gate, goal, verdict.
const columns = 7

func (r *report) print(w io.Writer, colour bool) {
	fmt.Fprintf(w, "%s, %s\n", r.Machine, r.Time.Format("2006-01-02 15:04 MST"))
	rows := [][columns]string{{"figure", "median", "[min–max]", "unit", "gate", "goal", "verdict"}}
	for _, o := range r.Outcomes {
		for _, e := range o.Figures {
			rows = append(rows, e.row())
		}
	}
	var width [columns]int
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	line(w, rows[0], width, "")
	i := 1
	for _, o := range r.Outcomes {
		fmt.Fprintln(w, paint(o.Case+": "+o.About, "1", colour))
		for _, e := range o.Figures {
			line(w, rows[i], width, shade(e.Verdict, colour))
			i++
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
}

func (e outcomeEntry) row() [columns]string {
	span := ""
	if e.Spread.N > 1 {
		span = "[" + e.figure.format(e.Spread.Min) + "–" + e.figure.format(e.Spread.Max) + "]"
	}
	return [columns]string{
		e.Key, e.figure.format(e.Spread.Median), span, e.Unit,
		e.figure.bound(e.figure.Gate), e.figure.bound(e.figure.Goal), e.Verdict,
	}
}

func line(w io.Writer, row [columns]string, width [columns]int, shade string) {
	var b strings.Builder
	b.WriteString(" ")
	for i, cell := range row {
		space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
		if i == columns-1 && shade != "" {
			cell = paint(cell, shade, true)
		}
		if i == 1 { // numbers stand to the right
			cell, space = space+cell, ""
		}
		b.WriteString(" " + cell + space + " ")
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}

func shade(verdict string, colour bool) string {
	if !colour {
		return ""
	}
	return map[string]string{"goal": "32", "gate": "33", "short": "33", "FAILED": "31;1"}[verdict]
}

func paint(s, code string, colour bool) string {
	if !colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
