package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Now is CLOCK_MONOTONIC in nanoseconds, which compares between processes.
func Now() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano()
}

// CPU is the processor time of a process with all its threads, those that ended
// included, to the nanosecond: the clock that clock_getcpuclockid(3) names.
func CPU(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// SelfCPU is the processor time of this process.
func SelfCPU() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// RSS is the resident memory of a process in bytes.
func RSS(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	pages, err := residentPages(string(b))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// residentPages reads /proc/<pid>/statm.
func residentPages(statm string) (int64, error) {
	fields := strings.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm %q has no second field", statm)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("statm %q: %w", statm, err)
	}
	return pages, nil
}

// Machine is the time since boot that the machine's processors spent, summed over all.
type Machine struct {
	Busy, Idle time.Duration
}

// ReadMachine reads /proc/stat, which counts in ticks of 10 ms.
func ReadMachine() (Machine, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, fmt.Errorf("load of the machine: %w", err)
	}
	return parseStat(string(b))
}

// parseStat reads the line "cpu user nice system idle iowait irq softirq steal guest …".
// guest is part of user, so it is not added; iowait is idle; steal is time that others had.
func parseStat(stat string) (Machine, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{}, fmt.Errorf("/proc/stat begins with %q, want cpu and 8 numbers", line)
	}
	var m Machine
	for i, f := range fields[1:9] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return Machine{}, fmt.Errorf("/proc/stat: %w", err)
		}
		const tick = time.Second / 100 // USER_HZ is 100 on every Linux that Go runs on
		if i == 3 || i == 4 {
			m.Idle += time.Duration(ticks) * tick
		} else {
			m.Busy += time.Duration(ticks) * tick
		}
	}
	return m, nil
}

// Foreign is the share of the machine that processes other than ours had between two
// readings, in per cent; ours is what ours used. Ticks make it inexact, and it may come
// out a little below zero.
func Foreign(before, after Machine, ours time.Duration) float64 {
	busy, idle := after.Busy-before.Busy, after.Idle-before.Idle
	if busy+idle <= 0 {
		return 0
	}
	return 100 * float64(busy-ours) / float64(busy+idle)
}
