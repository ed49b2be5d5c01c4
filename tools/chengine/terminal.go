//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"
)

// streams are the standard input and output that the process was started with.
type streams struct{ in, out *os.File }

// seatTerminal puts a terminal at which nobody types in the place of standard input, and nothing in that of standard
// output. On a terminal the engine waits for input once it has carried out its statements; more than that, it is only
// then that a connection which misbehaves does not abort the whole process.
func seatTerminal() (streams, error) {
	var s streams
	for i, f := range []**os.File{&s.in, &s.out} {
		fd, err := fcntl(i, syscall.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return s, fmt.Errorf("keep descriptor %d: %w", i, err)
		}
		*f = os.NewFile(uintptr(fd), [...]string{"stdin", "stdout"}[i])
	}
	ours, theirs, err := openTerminal()
	if err != nil {
		return s, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return s, err
	}
	for i, f := range []*os.File{theirs, null} {
		if err := syscall.Dup3(int(f.Fd()), i, 0); err != nil {
			return s, os.NewSyscallError("dup3", err)
		}
		_ = f.Close()
	}
	go func() { _, _ = io.Copy(io.Discard, ours) }() // what it echoes must not fill the line
	return s, nil
}

// restore gives the process the standard streams back that it was started with.
func (s streams) restore() error {
	for i, f := range []*os.File{s.in, s.out} {
		if err := syscall.Dup3(int(f.Fd()), i, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return nil
}

// openTerminal makes a pseudo-terminal: what is written to one end is read from the other.
func openTerminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	var unlocked, number int32
	if err := ioctl(ours, syscall.TIOCSPTLCK, &unlocked); err != nil {
		return nil, nil, fmt.Errorf("unlock: %w", err)
	}
	if err := ioctl(ours, syscall.TIOCGPTN, &number); err != nil {
		return nil, nil, fmt.Errorf("number: %w", err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	return ours, theirs, err
}

func ioctl(f *os.File, request uintptr, arg *int32) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}

func fcntl(fd, cmd, arg int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(arg))
	if errno != 0 {
		return 0, os.NewSyscallError("fcntl", errno)
	}
	return int(n), nil
}
