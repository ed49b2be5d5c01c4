package postgres_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

// witness is a testing.TB that remembers what a case complains of.
type witness struct {
	testing.TB
	mu         sync.Mutex
	complaints []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
}

func (w *witness) Error(args ...any) { w.Errorf("%s", fmt.Sprint(args...)) }

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

func (w *witness) Fatal(args ...any) { w.Fatalf("%s", fmt.Sprint(args...)) }

// plainSequence numbers the changes by a sequence and lets writers lock nothing.
const plainSequence = `
ALTER TABLE revision RENAME TO honest_revision;
CREATE SEQUENCE plain;
CREATE VIEW revision AS SELECT TRUE AS one, 0::bigint AS rev;
CREATE FUNCTION next_plain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.rev := nextval('plain');
    RETURN NEW;
END $$;
CREATE TRIGGER next_plain INSTEAD OF UPDATE ON revision FOR EACH ROW EXECUTE FUNCTION next_plain()`

// The suite's case about long transactions is what stands between us and lost changes: with a plain sequence for revs it
// must fail, and with the lock it passes (TestStore).
func TestPlainSequenceLosesChanges(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	if _, err := s.Pool().Exec(t.Context(), plainSequence); err != nil {
		t.Fatal(err)
	}
	cases := storetest.Cases()
	i := slices.IndexFunc(cases, func(c storetest.Case) bool { return c.Name == "no change is missed behind a long transaction" })
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done) // also when Fatalf ends it
		cases[i].Run(w, s)
	}()
	<-done
	if len(w.complaints) == 0 {
		t.Error("the case passes revs that come from a sequence")
	}
	for _, c := range w.complaints {
		if !strings.HasPrefix(c, "the reader has missed monitor") {
			t.Errorf("it fails for another reason: %s", c)
		}
	}
	t.Logf("%d changes were missed", len(w.complaints))
}
