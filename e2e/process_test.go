package e2e

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one running frogup.
type process struct {
	t     testing.TB
	name  string // its verb
	label string // tells it from others of that verb; "" is the verb
	args  []string
	env   []string
	wrap  []string
	log   *server // takes the output

	cmd    *exec.Cmd
	base   chan string // URL that it says it listens on
	exited chan error
}

// start runs the process; it never outlives the test.
func (p *process) start() {
	p.t.Helper()
	name, args := binary, append([]string{p.name}, p.args...)
	if len(p.wrap) > 0 {
		name, args = p.wrap[0], append(append(append([]string{}, p.wrap[1:]...), binary), args...)
	}
	p.cmd = exec.Command(name, args...)
	p.cmd.Env = append(append([]string{}, os.Environ()...), p.env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	// Pdeathsig follows the thread that started the process, so that thread must not end
	// before the test binary does: one goroutine keeps it for all processes.
	if err := onStarter(p.cmd.Start); err != nil {
		p.t.Fatal(err)
	}
	p.base, p.exited = make(chan string, 1), make(chan error, 1)
	base, exited, cmd := p.base, p.exited, p.cmd
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			_, _ = p.log.Write(append(lines.Bytes(), '\n'))
			if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				base <- at
			}
		}
		exited <- cmd.Wait()
	}()
}

// listening waits until the process says where.
func (p *process) listening() string {
	p.t.Helper()
	select {
	case at := <-p.base:
		return at
	case err := <-p.exited:
		p.exited <- err
		p.t.Fatalf("frogup %s ended before it was ready: %v\n%s", p.name, err, p.log.output())
	case <-time.After(60 * time.Second):
		p.t.Fatalf("frogup %s was not ready within 60 s\n%s", p.name, p.log.output())
	}
	return ""
}

// as is what the process is called in a test.
func (p *process) as() string {
	if p.label != "" {
		return p.label
	}
	return p.name
}

func (p *process) pid() int { return p.cmd.Process.Pid }

var starter = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // never unlocked
		for f := range work {
			f()
		}
	}()
	return work
})

func onStarter(f func() error) error {
	done := make(chan error, 1)
	starter() <- func() { done <- f() }
	return <-done
}

// stop ends the process with SIGTERM and checks that it goes in order and in time.
func (p *process) stop() {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			p.t.Errorf("frogup %s ended with %v", p.name, err)
		}
	case <-time.After(10 * time.Second):
		p.t.Errorf("frogup %s did not stop within 10 s of SIGTERM", p.name)
		p.kill()
		return
	}
	p.t.Logf("%s stopped in %v", p.name, time.Since(began).Round(time.Millisecond))
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	_ = p.cmd.Process.Kill()
	if <-p.exited == nil {
		p.t.Errorf("frogup %s ended in order before it could be killed", p.name)
	}
}
