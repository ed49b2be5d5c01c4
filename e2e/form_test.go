package e2e

import (
	"os"
	"testing"
)

// form is how the product is run: the scenarios are the same in all.
type form interface {
	// processes of a server, in starting order; the last serves REST. Calling it again gives the same processes on the same
	// stores.
	processes(s *server) []*process
	// intact checks what stands on disk, of a server that is not running.
	intact(s *server)
	// dump makes sure that what the stores hold lies in the server's folder as text.
	dump(s *server)
}

// forms by the name in FROGUP_E2E_FORM.
var forms = map[string]func(s *server) form{
	"":      func(*server) form { return solo{} },
	"solo":  func(*server) form { return solo{} },
	"suite": func(s *server) form { return newSuite(s) },
}

func formOf(t testing.TB) func(*server) form {
	t.Helper()
	form, ok := forms[os.Getenv("FROGUP_E2E_FORM")]
	if !ok {
		t.Fatalf("FROGUP_E2E_FORM=%q is neither solo nor suite", os.Getenv("FROGUP_E2E_FORM"))
	}
	return form
}

// asSuite runs the scenario on separate processes, whatever the form of the others.
func asSuite(s *server) { s.make = func(s *server) form { return newSuite(s) } }

// asSolo runs the scenario in one process.
func asSolo(s *server) { s.make = func(*server) form { return solo{} } }

// solo is everything in one process, on SQLite.
type solo struct{}

func (solo) processes(s *server) []*process {
	return []*process{{
		t: s.t, name: "serve", args: append([]string{"--data", s.dir, "--listen", "127.0.0.1:0"}, s.args...), env: s.env, wrap: s.wrap, log: s,
	}}
}

func (solo) intact(s *server) { checkFiles(s.t, s.dir) }

func (solo) dump(*server) {} // SQLite's files lie there
