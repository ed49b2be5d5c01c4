package events_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events/sqlite"
)

// BenchmarkMend sends what an old prober of 2000 monitors has made while nobody listened, and waits until all of it is stored and
// mended. The floor is a history that takes the same results from a loop.
func BenchmarkMend(b *testing.B) {
	const monitors, rounds = 2000, 6 // of five results of each
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		state, err := sqlite.OpenState(b.Context(), filepath.Join(dir, "state.db"))
		if err != nil {
			b.Fatal(err)
		}
		history, err := sqlite.OpenHistory(b.Context(), filepath.Join(dir, "history"), sqlite.HistoryOptions{})
		if err != nil {
			b.Fatal(err)
		}
		l := newLoadFrom(b, state, history, monitors, 0)
		began := cpuTime(b)
		b.StartTimer()
		for range rounds {
			l.rounds(1000, 20_000)
		}
		l.finish()
		b.StopTimer()
		cpu += cpuTime(b) - began
		l.stop()
		if err := errors.Join(state.Close(), history.Close()); err != nil {
			b.Error(err)
		}
		b.StartTimer()
	}
	rate := float64(b.N*monitors*rounds*5) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "results/s")
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N*monitors*rounds*5), "cpu-µs/result")
	b.ReportMetric(bareAppend(b, benchStart())/rate, "x-bare-append")
}

// cpuTime is what this process has computed so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
