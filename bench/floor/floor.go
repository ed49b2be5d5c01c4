// Package floor holds the least that a check can cost: loops that do nothing but
// connect, in C and in Go, for the figures of a run to be divided by.
package floor

import (
	"bytes"
	"context"
	_ "embed" // of c/floor.c
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/target"
)

//go:embed c/floor.c
var source []byte

// InFlight is how many connections the loops have open: more is dearer, by the caches.
const InFlight = 64

// Compile builds the loop in C into dir. Without a C compiler it is an error that is exec.ErrNotFound.
func Compile(ctx context.Context, dir string) (string, error) {
	for _, compiler := range []string{"cc", "gcc", "clang"} {
		path, err := exec.LookPath(compiler)
		if err != nil {
			continue
		}
		file, program := filepath.Join(dir, "floor.c"), filepath.Join(dir, "floor")
		if err := os.WriteFile(file, source, 0o600); err != nil {
			return "", fmt.Errorf("write floor: %w", err)
		}
		if out, err := exec.CommandContext(ctx, path, "-O2", "-o", program, file).CombinedOutput(); err != nil {
			return "", fmt.Errorf("compile floor: %w: %s", err, out)
		}
		return program, nil
	}
	return "", fmt.Errorf("compiler of C: %w", exec.ErrNotFound)
}

// Result is what a loop measured of itself.
type Result struct {
	Connections int
	CPU         time.Duration
	Wall        time.Duration
}

// PerConnection is processor time per connection.
func (r Result) PerConnection() time.Duration { return r.CPU / time.Duration(max(r.Connections, 1)) }

// Run runs the loop of argv (the C program, or this binary's floor command) on cpu.
func Run(ctx context.Context, argv []string, cpu int, env []string) (Result, error) {
	var out, complaints bytes.Buffer
	c, err := control.Start(ctx, control.Options{CPU: cpu, Env: env, Stdout: &out, Stderr: &complaints}, argv...)
	if err != nil {
		return Result{}, err
	}
	if err := c.Wait(); err != nil {
		return Result{}, fmt.Errorf("floor: %w: %s", err, complaints.Bytes())
	}
	return parse(out.String())
}

// Arguments are what every loop takes after its name: the mode, the time and the listeners.
func Arguments(mode string, d time.Duration, l target.Layout) []string {
	return []string{mode, strconv.Itoa(InFlight), fmt.Sprintf("%.3f", d.Seconds()), strconv.Itoa(l.Addresses), strconv.Itoa(l.Ports), strconv.Itoa(target.FirstPort)}
}

func parse(line string) (Result, error) {
	var r Result
	if _, err := fmt.Sscanf(line, "%d %d %d\n", &r.Connections, &r.CPU, &r.Wall); err != nil {
		return r, fmt.Errorf("floor printed %q: %w", line, err)
	}
	if r.Connections <= 0 || r.CPU <= 0 || r.Wall <= 0 {
		return r, fmt.Errorf("floor printed %q: not positive", line)
	}
	return r, nil
}

// Main runs a loop in Go with Arguments and prints what Run reads.
func Main(ctx context.Context, arguments []string) error {
	if len(arguments) < 5 {
		return errors.New("floor takes a mode, connections in flight, seconds, addresses and ports")
	}
	inFlight, err1 := strconv.Atoi(arguments[1])
	seconds, err2 := strconv.ParseFloat(arguments[2], 64)
	addresses, err3 := strconv.Atoi(arguments[3])
	ports, err4 := strconv.Atoi(arguments[4])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	d, l := time.Duration(seconds*float64(time.Second)), target.Layout{Addresses: addresses, Ports: ports}
	var r Result
	var err error
	switch mode := arguments[0]; mode {
	case "rst", "close":
		r, err = raw(mode == "rst", inFlight, d, l)
	default:
		r, err = loops(ctx, mode, inFlight, d, l)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d %d %d\n", r.Connections, r.CPU, r.Wall)
	return nil
}
