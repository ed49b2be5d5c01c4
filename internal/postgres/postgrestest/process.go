package postgrestest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

const interrupt = syscall.SIGINT

// account is whom the server runs as: PostgreSQL refuses to run as root. nil means whoever runs the tests.
var account = sync.OnceValue(func() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if errors.Join(err1, err2) == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
})

// detached keeps an interrupt typed at the terminal from the server: it ends when the tests do.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: account()}
}

// chown gives files to the server's account.
func chown(paths ...string) error {
	a := account()
	if a == nil {
		return nil
	}
	for _, p := range paths {
		if err := os.Chown(p, int(a.Uid), int(a.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// killTree kills a postmaster and its children. Without /proc the children are found by the postmaster alone, which is then
// asked to end them at once, without a checkpoint.
func killTree(p *os.Process) error {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return p.Signal(syscall.SIGQUIT)
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil { // it makes no more of them
		return err
	}
	children, err := childrenOf(p.Pid)
	if err != nil {
		return errors.Join(err, p.Signal(syscall.SIGCONT))
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return p.Kill()
}

func childrenOf(parent int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid …; the name may hold anything
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		out = append(out, pid)
	}
	return out, nil
}
