package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal writes for a person if there is one, and plainly if the output is piped.
type terminal struct {
	io.Writer
	colour bool
	width  int
}

func (p Process) terminal() terminal {
	t := terminal{Writer: p.Stdout, width: 80}
	fd := int(p.Stdout.Fd())
	if !term.IsTerminal(fd) {
		return t
	}
	if w, _, err := term.GetSize(fd); err == nil && w > 0 {
		t.width = w
	}
	_, none := p.Env("NO_COLOR") // the convention of no-color.org
	dumb, _ := p.Env("TERM")
	t.colour = !none && dumb != "dumb"
	return t
}

// Colours, as SGR parameters.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	purple = "35"
	cyan   = "36"
)

func (t terminal) paint(colour, s string) string {
	if !t.colour || colour == "" || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// cell is a table cell; its colour does not count for its width.
type cell struct {
	text   string
	colour string
}

// table prints rows in columns that are as wide as their widest cell.
func (t terminal) table(head []string, rows [][]cell) {
	widths := make([]int, len(head))
	for i, h := range head {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	line := make([]cell, len(head))
	for i, h := range head {
		line[i] = cell{h, faint}
	}
	for _, row := range append([][]cell{line}, rows...) {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(t.paint(c.colour, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		fmt.Fprintln(t, b.String())
	}
}

// isTerminal reports whether f is one.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
