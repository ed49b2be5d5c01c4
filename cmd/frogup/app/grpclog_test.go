package app

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

func TestRepeatedLinesOfGRPC(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		l := newLineLog(func() *slog.Logger { return log }, slog.LevelWarn)
		say := func(text string) { _, _ = io.WriteString(l, time.Now().Format("2006/01/02 15:04:05")+text) }
		for range 10 {
			say(" WARNING: [core] [Channel #3 SubChannel #5] cannot reach a\n")
			say(" WARNING: [core] [Channel #4 SubChannel #6] cannot reach b\n")
			<-time.After(time.Second)
		}
		<-time.After(time.Minute)
		say(" WARNING: [core] [Channel #3 SubChannel #5] cannot reach a\n")
		if a, b := strings.Count(out.String(), "reach a"), strings.Count(out.String(), "reach b"); a != 2 || b != 1 {
			t.Errorf("a was said %d times and b %d times, want 2 and 1:\n%s", a, b, &out)
		}
	})
}
