package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// victimEnv makes this test binary a process that stores results in a folder until it is killed.
const victimEnv = "EVENTS_TEST_VICTIM"

const (
	victimRows     = 30 // results per append, and monitors
	victimInterval = time.Second
)

func victimSlot(round int) time.Time {
	return time.Date(2026, 3, 31, 23, 55, 0, 0, time.UTC).Add(time.Duration(round) * victimInterval)
}

// victim appends a round of results, says so, and maintains as it goes; half an hour of slots crosses into the next month. It
// goes on where the folder's history ends.
func victim(dir string) {
	ctx := context.Background()
	h, err := sqlite.OpenHistory(ctx, dir, sqlite.HistoryOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	n, err := h.Count(ctx, events.ResultQuery{MonitorID: 1})
	for round := int(n); err == nil; round++ {
		var part []events.Result
		for id := range uint32(victimRows) {
			part = append(part, tcp(id+1, victimSlot(round)))
		}
		if _, err = h.Append(ctx, part); err != nil {
			break
		}
		fmt.Fprintln(os.Stdout, round)
		if round%20 == 19 {
			err = h.Maintain(ctx, round%60 == 59)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled kills a process that stores results, again and again at any moment, and looks at what it left behind.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	last := -1
	for kill := range 7 {
		acknowledged := murder(t, dir, 1+rand.IntN(50))
		last = max(last, acknowledged)
		h, err := sqlite.OpenHistory(t.Context(), dir, sqlite.HistoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rounds := 0
		for id := range uint32(victimRows) {
			rounds = checkSurvivors(t, h, id+1, last)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("after kill %d, %d rounds acknowledged, %d there", kill, last+1, rounds)
		}
		last = max(last, rounds-1)
	}
	t.Logf("%d rounds of %d results survived", last+1, victimRows)
}

// murder starts a victim, kills it some milliseconds after it has said so many words, and returns its last.
func murder(t *testing.T, dir string, words int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for lines := bufio.NewScanner(out); lines.Scan(); words-- {
		if words == 1 {
			time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the victim died by itself: %v", err)
	}
	return last
}

// checkSurvivors wants every acknowledged round there, no hole before the newest, and sums that agree with the list. It
// returns the number of rounds.
func checkSurvivors(t *testing.T, h *sqlite.History, id uint32, acknowledged int) int {
	t.Helper()
	list, err := h.List(t.Context(), events.ResultQuery{MonitorID: id, Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) <= acknowledged {
		t.Errorf("monitor %d has %d results, %d were acknowledged", id, len(list), acknowledged+1)
	}
	for i, r := range list {
		if want := victimSlot(len(list) - 1 - i); !r.ScheduledAt.Equal(want) {
			t.Fatalf("monitor %d: result %d is of %v, want %v", id, i, r.ScheduledAt, want)
		}
	}
	sums, err := h.Summarize(t.Context(), id, "", []time.Time{victimSlot(0), victimSlot(len(list) / 2), victimSlot(len(list))})
	if err != nil {
		t.Fatal(err)
	}
	if first, second := sums[0].Successes, sums[1].Successes; int(first) != len(list)/2 || int(first+second) != len(list) {
		t.Errorf("monitor %d: sums of %d and %d for %d results", id, first, second, len(list))
	}
	return len(list)
}

// TestStateKilled does the same with a copy of the state's files, taken between commits: what was committed is there.
func TestStateSurvivesWithoutClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openState(t, path)
	row := events.FeedRow{OrganizationID: "org-1", MonitorID: 1, Kind: events.FeedTransition, Body: []byte("x")}
	for range 50 {
		if err := s.Commit(t.Context(), events.Commit{Feed: []events.FeedRow{row, row}, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), "state.db")
	for _, side := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + side)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+side, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := openState(t, copied).Feed(t.Context(), events.FeedQuery{Limit: 1000})
	if err != nil || len(page.Rows) != 100 || page.Head != 100 {
		t.Errorf("%d entries, head %d, %v", len(page.Rows), page.Head, err)
	}
}
