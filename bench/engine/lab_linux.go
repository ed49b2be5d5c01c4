package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/floor"
	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/product"
	"github.com/frogstats/uptime/bench/sink"
	"github.com/frogstats/uptime/bench/target"
)

// The prober has a processor to itself; what it talks to has the other.
const (
	proberCPU = 0
	targetCPU = 1
)

// lab is what every case of a run shares.
type lab struct {
	dir     string
	self    string
	cfloor  []string // the reference loop
	inC     bool
	layout  target.Layout
	targets map[string]*control.Child // by kind
	fleets  map[int]*product.Fleet    // by number of monitors
	opts    options
	running string // the case

	capacity float64 // checks/s that saturation showed, of this repetition
	notes    []string
}

const httpsListeners = 1000

func openLab(ctx context.Context, o options) (*lab, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	dir, err := os.MkdirTemp("", "engine-bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	l := &lab{dir: dir, self: self, layout: target.For(10_000), targets: map[string]*control.Child{}, fleets: map[int]*product.Fleet{}, opts: o}
	program, err := floor.Compile(ctx, dir)
	switch {
	case err == nil:
		l.cfloor, l.inC = []string{program}, true
	case errors.Is(err, exec.ErrNotFound):
		l.cfloor = []string{self, floorCommand}
		l.note("no C compiler: the reference floor is the same loop in Go")
	default:
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

func (l *lab) close() {
	for _, t := range l.targets {
		_ = t.Stop()
	}
	for _, f := range l.fleets {
		_ = f.Remove()
	}
	_ = os.RemoveAll(l.dir)
}

func (l *lab) note(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	for _, old := range l.notes {
		if old == text {
			return
		}
	}
	l.notes = append(l.notes, text)
}

// target starts the target of a kind, which stays for the other cases; only one listens at a time.
func (l *lab) target(ctx context.Context, kind string) (*control.Child, error) {
	if t := l.targets[kind]; t != nil {
		return t, nil
	}
	for old, t := range l.targets {
		_ = t.Stop()
		delete(l.targets, old)
	}
	at := l.layoutOf(kind)
	t, err := control.Start(ctx, control.Options{CPU: targetCPU, Control: true, Stderr: os.Stderr},
		l.self, targetCommand, kind, strconv.Itoa(at.Addresses), strconv.Itoa(at.Ports), l.certificate())
	if err != nil {
		return nil, err
	}
	l.targets[kind] = t
	return t, nil
}

// Kinds of targets with TLS: with all key exchanges that Go has by default, and with X25519MLKEM768 alone.
const (
	httpsKind  = "https"
	hybridKind = "https-hybrid"
)

// scheme is what a target of a kind speaks.
func scheme(kind string) string { return strings.TrimSuffix(kind, "-hybrid") }

func (l *lab) layoutOf(kind string) target.Layout {
	if scheme(kind) == httpsKind {
		return target.For(httpsListeners)
	}
	return l.layout
}

func (l *lab) certificate() string { return filepath.Join(l.dir, "certificate.pem") }

// trust makes Go programs trust the target's certificate and nothing else.
func (l *lab) trust() []string {
	return []string{"SSL_CERT_FILE=" + l.certificate(), "SSL_CERT_DIR=" + l.dir}
}

// referenceTime is how long the reference floor runs before and after each case.
const referenceTime = 500 * time.Millisecond

// reference measures the reference floor: connect, and close with a reset.
func (l *lab) reference(ctx context.Context) (time.Duration, error) {
	r, err := l.floor(ctx, "rst", referenceTime)
	return r.PerConnection(), err
}

// floor runs a loop of package floor against the target that listens, and compares its count with the target's.
func (l *lab) floor(ctx context.Context, mode string, d time.Duration) (floor.Result, error) {
	argv, kind := l.cfloor, "tcp"
	switch mode {
	case "rst", "close":
	case "raw":
		argv, mode = []string{l.self, floorCommand}, "rst"
	default:
		argv = []string{l.self, floorCommand}
	}
	for k := range l.targets {
		kind = k
	}
	var before, after target.Count
	if err := l.targets[kind].Call(&before, "count"); err != nil {
		return floor.Result{}, err
	}
	r, err := floor.Run(ctx, append(append([]string{}, argv...), floor.Arguments(mode, d, l.layoutOf(kind))...), proberCPU, l.trust())
	if err != nil {
		return r, err
	}
	// The last ones may still wait to be accepted.
	for range 20 {
		if err := l.targets[kind].Call(&after, "count"); err != nil {
			return r, err
		}
		if after.Total-before.Total >= r.Connections {
			return r, nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return r, err
		}
	}
	return r, fmt.Errorf("%s floor counts %d connections, the target %d", mode, r.Connections, after.Total-before.Total)
}

// bracketed runs f between two measurements of the reference floor, and gives their mean.
func (l *lab) bracketed(ctx context.Context, f func() error) (time.Duration, error) {
	before, err := l.reference(ctx)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := l.reference(ctx)
	return (before + after) / 2, err
}

// subject is a prober with its sink.
type subject struct {
	probe, sink *control.Child
	started     int64 // CLOCK_MONOTONIC just before the prober's process
}

func (l *lab) subject(ctx context.Context, fleet sink.Fleet) (*subject, error) {
	socket := filepath.Join(l.dir, fmt.Sprintf("sink-%d", measure.Now()))
	b, err := json.Marshal(fleet)
	if err != nil {
		return nil, fmt.Errorf("encode fleet: %w", err)
	}
	s := &subject{}
	if s.sink, err = control.Start(ctx, control.Options{CPU: targetCPU, Control: true, Stderr: os.Stderr}, l.self, sinkCommand, socket, string(b)); err != nil {
		return nil, err
	}
	s.started = measure.Now()
	complaints := &limited{w: os.Stderr, left: 2000}
	if s.probe, err = control.Start(ctx, control.Options{CPU: proberCPU, Control: true, Env: l.trust(), Stderr: complaints}, l.self, probeCommand, socket); err != nil {
		return nil, errors.Join(err, s.sink.Kill())
	}
	return s, nil
}

func (s *subject) counts() (sink.Counts, error) {
	var c sink.Counts
	return c, s.sink.Call(&c, "counts")
}

func (s *subject) kill() {
	_ = s.probe.Kill()
	_ = s.sink.Kill()
}

// limited passes on the beginning of what is written.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	_, err := l.w.Write(b[:n])
	return len(b), err
}

// raiseFiles lets this process and its children have as many descriptors as the machine allows.
func raiseFiles() error {
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		return nil
	}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("descriptors: %w", err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("descriptors: %w", err)
	}
	if limit.Cur < 12_000 {
		return fmt.Errorf("%d descriptors are allowed, 12000 are needed", limit.Cur)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
