package storetest

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/events"
)

// brokenEnv makes the suites of a test binary run on stores that break the promise that it names, to show that the suites notice.
const brokenEnv = "EVENTS_TEST_BROKEN_STORE"

// BrokenResults are the promises of a result store that BreakResults breaks, and the part of the suite of Results that has to notice.
var BrokenResults = map[string]string{
	"appends twice":           "what_is_appended_is_listed",
	"counts repeats":          "a_repeat_is_the_same_result",
	"misses the newest":       "lists$",
	"pages anew":              "lists_are_paged",
	"counts one too many":     "counts_are_those_of_lists",
	"forgets a sum":           "sums_are_those_of_the_results",
	"sums twice":              "sums_of_dense_results",
	"means of all":            "mean_response_times",
	"drops headers":           "headers",
	"replays the first again": "replay",
	"last slots are first":    "last_slots",
	"shows before it has":     "readers_see_each_result_once",
	"maintains nothing away":  "counts_are_those_of_lists",
	"prunes nothing":          "pruning",
}

// BrokenStates are those of a state store, and of the suite of State.
var BrokenStates = map[string]string{
	"starts with something":       "an_empty_store",
	"forgets a deadline":          "what_is_committed_is_loaded",
	"keeps the first":             "a_commit_replaces",
	"refuses a repeated key":      "the_later_of_two_counts",
	"refuses odd texts":           "any_text_is_taken",
	"stores the first thousand":   "a_whole_fleet_at_once",
	"loads deleted monitors":      "deleted_monitors_are_tombstones",
	"stores half":                 "a_commit_that_fails_stores_nothing",
	"shows deleted monitors":      "statuses",
	"forgets a region":            "statuses",
	"mixes organizations":         "monitors_in_a_state",
	"reads timelines too late":    "timelines",
	"cuts the oldest":             "transitions",
	"loses the feed's order":      "the_feed_is_numbered",
	"shows others' entries":       "the_feed_is_filtered",
	"keeps what was pruned":       "the_feed_is_pruned",
	"skips in the feed":           "readers_of_the_feed_skip_nothing",
	"keeps what deleted ones had": "deleted_monitors_are_pruned",
}

// NoticeBroken runs a test of this binary once for each promise, which its store breaks then, and fails unless that part of the test
// does. A store that breaks none has to pass. env is what the runs need besides, such as the address of a server, as KEY=value.
func NoticeBroken(t *testing.T, test string, promises map[string]string, env ...string) {
	if os.Getenv(brokenEnv) != "" {
		return // this is the run on a broken store
	}
	var part string
	for what, p := range promises {
		part = p
		t.Run(what, func(t *testing.T) {
			out, err := runBroken(t, what, test, p, env)
			var exit *exec.ExitError
			if err == nil {
				t.Errorf("the suite passed:\n%s", out)
			} else if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "--- FAIL: "+test+"/"+strings.TrimSuffix(p, "$")) {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
	if out, err := runBroken(t, "nothing", test, part, env); err != nil {
		t.Errorf("a store that is whole: %v:\n%s", err, out)
	}
}

func runBroken(t *testing.T, what, test, part string, env []string) (string, error) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$/^"+part, "-test.failfast")
	cmd.Env = append(append(os.Environ(), brokenEnv+"="+what), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// BreakResults is s, or s without a promise in the run that NoticeBroken makes.
func BreakResults(s events.ResultStore) events.ResultStore {
	if what := os.Getenv(brokenEnv); what != "" {
		return &brokenResults{ResultStore: s, what: what}
	}
	return s
}

// BreakState is the same of a state store.
func BreakState(s events.StateStore) events.StateStore {
	if what := os.Getenv(brokenEnv); what != "" {
		return &brokenState{StateStore: s, what: what}
	}
	return s
}
