package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// console is a slog.Handler for eyes: "15:04:05.000 INFO  message  key=value", keys in groups joined with dots.
type console struct {
	mu     *sync.Mutex // shared by all handlers derived from one
	w      io.Writer
	level  slog.Leveler
	color  bool
	prefix string // of open groups, with a dot at the end
	attrs  string // rendered by WithAttrs
}

func newConsole(w io.Writer, level slog.Leveler, color bool) *console {
	return &console{mu: &sync.Mutex{}, w: w, level: level, color: color}
}

const (
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

func (c *console) Enabled(_ context.Context, l slog.Level) bool { return l >= c.level.Level() }

func (c *console) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if !r.Time.IsZero() {
		b.WriteString(c.paint(dim, r.Time.Format("15:04:05.000")) + " ")
	}
	b.WriteString(c.paint(levelColor(r.Level), fmt.Sprintf("%-5s", r.Level)) + " " + printable(r.Message) + c.attrs)
	r.Attrs(func(a slog.Attr) bool {
		c.render(&b, c.prefix, a)
		return true
	})
	b.WriteByte('\n')
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := io.WriteString(c.w, b.String())
	return err
}

func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		c.render(&b, c.prefix, a)
	}
	d := *c
	d.attrs += b.String()
	return &d
}

func (c *console) WithGroup(name string) slog.Handler {
	if name == "" {
		return c
	}
	d := *c
	d.prefix += name + "."
	return &d
}

func (c *console) render(b *strings.Builder, prefix string, a slog.Attr) {
	a.Value = a.Value.Resolve()
	a = redact(nil, a)
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			c.render(b, prefix, member)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	b.WriteString("  " + c.paint(dim, prefix+a.Key+"=") + quoted(a.Value))
}

func (c *console) paint(color, s string) string {
	if !c.color {
		return s
	}
	return color + s + plain
}

func levelColor(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return red
	case l >= slog.LevelWarn:
		return yellow
	case l >= slog.LevelInfo:
		return green
	}
	return cyan
}

// quoted renders a value so that it ends where it seems to end, and cannot move the cursor of a terminal.
func quoted(v slog.Value) string {
	s := v.String()
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
