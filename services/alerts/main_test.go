package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/alerts/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite is all tests, with the file that their stores begin as.
type suite struct{ *testing.M }

// emptyStore is a store's file with its schema and nothing else. To bring each of a hundred up to date by itself takes longer than
// most tests; that migrations run is for the tests of the engine.
var emptyStore []byte

func (s suite) Run() int {
	if err := makeEmptyStore(); err != nil {
		fmt.Fprintln(os.Stderr, "make an empty store:", err)
		return 1
	}
	return s.M.Run()
}

func makeEmptyStore() (err error) {
	folder, err := os.MkdirTemp("", "alerts-store-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "alerts.db")
	store, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	emptyStore, err = os.ReadFile(path)
	return err
}

// newStorePath is where an empty store lies.
func newStorePath(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alerts.db")
	if err := os.WriteFile(path, emptyStore, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
