// Package shoutrrr sends messages through the library of that name, each from a process of its own.
//
// The library knows two dozen receivers that nothing here knows. It takes no context, uses HTTP clients of its own and of the
// process, and keeps what it is given. So it runs in a process that has nothing but one message: there the process's HTTP
// transport is the guarded one, and what hangs, leaks or crashes ends with the process. Runner is the side that starts it, Send
// the side that is started. No other package imports the library.
package shoutrrr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"time"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// Verb is the command that a process is started with.
const Verb = "shoutrrr"

// MaxProcesses is how many messages are sent at once. Others wait for their turn, within the time of their attempt.
const MaxProcesses = 4

// The limits of one process.
const (
	// headStart is how much sooner than it is killed a process gives up by itself, so that it can say what it has seen.
	headStart = 500 * time.Millisecond
	// longest is how long a process has if whoever asks for it sets no limit.
	longest = 10 * time.Second
	// maxReport is how many bytes a process may say.
	maxReport = 128 << 10
	// lastGasp is how long the pipes of a process that was killed may stay open.
	lastGasp = time.Second
)

// job is what a process is told on its standard input.
type job struct {
	notify.ShoutrrrJob
	Egress egress.Policy `json:"egress"` // what may be reached
	Until  time.Time     `json:"until"`  // when it has to have said what came of it
}

// What can go wrong with a process, in words for whoever reads how a message fared.
var (
	errBusy    = errors.New("too many messages through shoutrrr at once; it waits for its turn")
	errTime    = errors.New("the receiver did not answer in time")
	errStart   = errors.New("the process that sends through shoutrrr could not be started")
	errCrash   = errors.New("the process that sends through shoutrrr ended without saying what became of the message")
	errTooLong = errors.New("the process that sends through shoutrrr said too much")
)

// Runner starts processes that send. Make it with NewRunner.
type Runner struct {
	program string
	args    []string
	env     []string
	policy  egress.Policy
	turns   chan struct{}
}

// NewRunner makes a runner of processes that reach what policy allows. Of the environment they get what lookup has of the names
// in inherited, and nothing else.
func NewRunner(policy egress.Policy, lookup func(name string) (string, bool)) (*Runner, error) {
	program, err := self()
	if err != nil {
		return nil, err
	}
	r := &Runner{program: program, args: []string{Verb}, env: []string{}, policy: policy, turns: make(chan struct{}, MaxProcesses)}
	for _, name := range inherited {
		if value, ok := lookup(name); ok {
			r.env = append(r.env, name+"="+value)
		}
	}
	return r, nil
}

// inherited are the variables by which operators say whose certificates are trusted.
var inherited = []string{"SSL_CERT_FILE", "SSL_CERT_DIR"}

// ownImage is this very program on Linux, also when the file that it was started from has been replaced.
const ownImage = "/proc/self/exe"

func self() (string, error) {
	if _, err := os.Stat(ownImage); err == nil {
		return ownImage, nil
	}
	return os.Executable()
}

// Send is a notify.ShoutrrrSender. The process is gone when it returns.
func (r *Runner) Send(ctx context.Context, what notify.ShoutrrrJob) (notify.ShoutrrrOutcome, error) {
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return notify.ShoutrrrOutcome{}, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	end, _ := ctx.Deadline()
	told, err := json.Marshal(job{what, r.policy, end.Add(-headStart)})
	if err != nil {
		return notify.ShoutrrrOutcome{}, errStart
	}
	report := &bounded{room: maxReport, overflow: cancel}
	cmd := exec.CommandContext(ctx, r.program, r.args...)
	cmd.Args[0] = "frogup" // what lists of processes show
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", r.env, lastGasp
	cmd.Stdin, cmd.Stdout = bytes.NewReader(told), report
	// Standard error goes nowhere: the last words of a crash may hold the URL.
	if err := cmd.Start(); err != nil {
		return notify.ShoutrrrOutcome{}, errStart
	}
	_ = cmd.Wait() // how it ended says nothing about the message; what it has reported does
	return report.read(ctx)
}

// bounded keeps what is written up to its room; what comes beyond that ends the one who writes. It is a Writer and nothing more:
// a buffer that could read by itself would read without bound.
type bounded struct {
	kept     []byte
	room     int
	full     bool
	overflow func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > b.room {
		b.full = true
		b.overflow()
		return 0, errTooLong
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// read is what a process that has ended reported.
func (b *bounded) read(ctx context.Context) (out notify.ShoutrrrOutcome, err error) {
	switch {
	case b.full:
		return out, errTooLong
	case json.Unmarshal(b.kept, &out) == nil:
		return out, nil
	case ctx.Err() != nil:
		return notify.ShoutrrrOutcome{}, errTime
	}
	return notify.ShoutrrrOutcome{}, errCrash
}
