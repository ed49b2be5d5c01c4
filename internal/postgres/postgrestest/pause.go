package postgrestest

import (
	"errors"
	"syscall"
)

// Pause stops every process of the server in its tracks (SIGSTOP): connections stay open, new ones are taken by the kernel,
// nothing is answered.
func (s *Server) Pause() {
	s.t.Helper()
	if s.running == nil {
		s.t.Fatal("pause PostgreSQL: it does not run")
	}
	if err := s.running.Process.Signal(syscall.SIGSTOP); err != nil { // it makes no more children
		s.t.Fatalf("pause PostgreSQL: %v", err)
	}
	s.signalChildren(syscall.SIGSTOP)
}

// Resume lets a paused server go on (SIGCONT).
func (s *Server) Resume() {
	s.t.Helper()
	if s.running == nil {
		s.t.Fatal("resume PostgreSQL: it does not run")
	}
	s.signalChildren(syscall.SIGCONT)
	if err := s.running.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatalf("resume PostgreSQL: %v", err)
	}
}

func (s *Server) signalChildren(sig syscall.Signal) {
	s.t.Helper()
	children, err := childrenOf(s.running.Process.Pid)
	if err != nil {
		s.t.Fatalf("%v PostgreSQL: %v", sig, err)
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatalf("%v PostgreSQL: %v", sig, err)
		}
	}
}
