package app

import (
	"fmt"
	"io"
	"time"
)

const (
	spinAfter = 300 * time.Millisecond // shorter waits need no sign of life
	spinEvery = 100 * time.Millisecond
	spinText  = 60 // runes, so that the line does not wrap
)

var spinFrames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// spin shows that something is under way, if a person watches. The returned function
// erases the line; nothing else may be printed before.
func (p Process) spin(text string) (stop func()) {
	if kind, _ := p.Env("TERM"); kind == "dumb" || !isTerminal(p.Stderr) {
		return func() {}
	}
	return spin(p.Stderr, text)
}

func spin(w io.Writer, text string) (stop func()) {
	short := []rune(clean(text))
	if len(short) > spinText {
		short = append(short[:spinText-1], '…')
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		begun := time.Now()
		next := time.NewTimer(spinAfter)
		defer next.Stop()
		for frame := 0; ; frame++ {
			select {
			case <-quit:
				if frame > 0 {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-next.C:
				next.Reset(spinEvery)
			}
			fmt.Fprintf(w, "\r\x1b[K%c %s  %ds", spinFrames[frame%len(spinFrames)], string(short), int(time.Since(begun).Seconds()))
		}
	}()
	return func() { close(quit); <-gone }
}
