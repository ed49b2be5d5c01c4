package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// AnyCPU leaves a process where the scheduler wants it.
const AnyCPU = -1

// Child is a process that was started pinned to a processor.
type Child struct {
	Name string
	Pid  int

	cmd    *exec.Cmd
	in     io.WriteCloser
	caller caller
}

// Options say how a process is run.
type Options struct {
	CPU     int      // processor that it is pinned to; a Go program then has GOMAXPROCS 1
	Env     []string // added to this process's
	Stderr  io.Writer
	Stdout  io.Writer // of a child that is not directed; nil discards
	Control bool      // it runs Serve
}

// Start runs argv. Started in the order given, processes have a scheduling group of their own each at nice −10, if that is
// allowed, so that other jobs of the machine disturb them less.
func Start(ctx context.Context, o Options, argv ...string) (*Child, error) {
	c := &Child{Name: argv[0], cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	c.cmd.Env = append(os.Environ(), o.Env...)
	c.cmd.Stderr, c.cmd.Stdout = o.Stderr, o.Stdout
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = 15 * time.Second
	if o.Control {
		in, err := c.cmd.StdinPipe()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
		out, err := c.cmd.StdoutPipe()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
		c.in, c.caller = in, caller{in: in, out: json.NewDecoder(out)}
	}
	if err := startPinned(c.cmd, o.CPU); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	c.Pid = c.cmd.Process.Pid
	// Only a wish: without the right to it the figures are noisier, not wrong.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", c.Pid), []byte("-10"), 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, c.Pid, -10)
	if o.Control {
		if err := c.caller.ready(); err != nil {
			_ = c.Kill()
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
	}
	return c, nil
}

// startPinned starts cmd with the affinity that it inherits from the thread that forks it. That thread lives on, because the
// child is to die with it; the pool of threads that locked goroutines return to keeps it.
func startPinned(cmd *exec.Cmd, cpu int) error {
	if cpu == AnyCPU {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read affinity: %w", err)
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("pin to processor %d: %w", cpu, err)
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); err == nil && back != nil {
		err = fmt.Errorf("unpin: %w", back)
	}
	return err
}

// Call sends a command and reads its answer into value, which may be nil.
func (c *Child) Call(value any, words ...string) error { return c.caller.call(value, words...) }

// Stop closes a directed child's input, or sends SIGTERM, and waits for its end.
func (c *Child) Stop() error {
	if c.in != nil {
		_ = c.in.Close()
	} else {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	return c.cmd.Wait()
}

// Kill ends a child at once.
func (c *Child) Kill() error {
	_ = c.cmd.Process.Kill()
	return c.cmd.Wait()
}

// Wait waits until the child ends by itself.
func (c *Child) Wait() error { return c.cmd.Wait() }
