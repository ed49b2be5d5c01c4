// Package app composes the product and holds the command line's verbs.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/frogstats/uptime/cmd/frogup/shoutrrr"
)

// Exit codes of every verb. 1 is left to "the answer is no": a check that failed.
const (
	exitOK    = 0
	exitNo    = 1
	exitError = 2
)

// Process is what the verbs know of the process that they run in.
type Process struct {
	Version        string
	Args           []string
	Env            func(name string) (string, bool)
	Environ        func() []string // the whole environment, "NAME=value" each
	Stdin          io.Reader
	Stdout, Stderr *os.File
}

// exitCode is an error that only carries the exit code: what was to be said was said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run runs the verb that p's arguments name and returns the exit code.
func Run(ctx context.Context, p Process) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(p.Stderr, "frogup:", err)
	return exitError
}

func newRoot(p Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "frogup",
		Short: "Frogstats Uptime: watch what must be reachable, and know when it is not",
		Long: `Frogstats Uptime watches HTTP(S) endpoints and TCP ports, keeps every result,
says truthfully what was up, down or unknown, and gets the alert through.

  frogup serve                      the whole product in one process, on SQLite
  frogup check https://example.com  one check from here, no server needed
  frogup monitors list              what a running server watches

For many machines every service runs alone, on PostgreSQL and ClickHouse:
frogup accounts, monitors, prober, events, alerts and gateway.`,
		SilenceUsage: true, SilenceErrors: true,
		Version: p.Version,
	}
	root.SetVersionTemplate("frogup {{.Version}}\n")
	for _, r := range roles {
		if r.name != "monitors" && r.name != "alerts" { // verbs that are services too
			root.AddCommand(newRole(p, r))
		}
	}
	root.AddCommand(newCheck(p), newValidate(p), newRun(p), newMonitors(p), newAlerts(p), newProbers(p), newRegions(p), newNotices(p), newIncidents(p), newGroups(p), newHealth(p), newConfig(p), newCerts(p), newSetup(p), newVersion(p), newShoutrrr(p))
	explainArgs(root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	})
	return root
}

// newShoutrrr is what alerts starts for each message that goes through the library shoutrrr; nobody types it.
func newShoutrrr(p Process) *cobra.Command {
	return &cobra.Command{
		Use: shoutrrr.Verb, Hidden: true, Args: cobra.NoArgs, Short: "Send the one message on standard input",
		RunE: func(*cobra.Command, []string) error { return shoutrrr.Send(p.Stdin, p.Stdout) },
	}
}

// explainArgs lets every command that is given too few or too many arguments say how it is used.
func explainArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return fmt.Errorf("%w; usage: %s (see %s --help)", err, c.UseLine(), c.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		explainArgs(sub)
	}
}

// secretEnv reads an environment variable, or the file that NAME_FILE names.
func (p Process) secretEnv(name string) (string, error) {
	value, set := p.Env(name)
	path, fromFile := p.Env(name + "_FILE")
	switch {
	case set && fromFile && value != "" && path != "":
		return "", fmt.Errorf("%s and %s_FILE are both set; give one", name, name)
	case fromFile && path != "":
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read %s_FILE: %w", name, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	return value, nil
}
