package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// recentChecks is how many checks monitors get shows.
const recentChecks = 10

// remote is which server to speak to and as whom.
type remote struct {
	process Process
	server  string
	key     string
}

// client reads what the flags leave open from the environment.
func (r *remote) client() (*client, error) {
	server, key := r.server, r.key
	if server == "" {
		server, _ = r.process.Env("FROGUP_SERVER")
	}
	if server == "" {
		server = defaultServer
	}
	if key == "" {
		var err error
		if key, err = r.process.secretEnv("FROGUP_API_KEY"); err != nil {
			return nil, err
		}
	}
	return newClient(server, key, r.process.Version)
}

func newMonitors(p Process) *cobra.Command {
	r := &remote{process: p}
	c := &cobra.Command{
		Use:     "monitors",
		Aliases: []string{"monitor"},
		Short:   "List, show, create and delete the monitors of a running server; or run the monitors service alone",
		Example: `  export FROGUP_SERVER=https://uptime.example.com FROGUP_API_KEY_FILE=~/.frogup-key
  frogup monitors list --status down
  frogup monitors create shop https://shop.example.com --interval 30s
  frogup monitors get 7
  frogup monitors evidence 7
  frogup monitors delete 7

  frogup monitors --config /etc/frogup.yaml`,
		Args: cobra.NoArgs,
	}
	service, err := findRole("monitors")
	if err != nil {
		panic(err)
	}
	service.into(p, c)
	f := c.PersistentFlags()
	f.StringVar(&r.server, "server", "", "of the commands: URL of the server (env FROGUP_SERVER, default "+defaultServer+")")
	f.StringVar(&r.key, "api-key", "", "of the commands: API key (env FROGUP_API_KEY or FROGUP_API_KEY_FILE)")
	for _, sub := range []*cobra.Command{newMonitorsList(r), newMonitorsGet(r), newMonitorsEvidence(r), newMonitorsCreate(r), newMonitorsDelete(r)} {
		sub.Long += remoteHelp
		c.AddCommand(sub)
	}
	return c
}

// remoteHelp ends the help of what speaks to a server.
const remoteHelp = `

Which server is said by --server or FROGUP_SERVER, and who asks by an API key in
FROGUP_API_KEY or in the file that FROGUP_API_KEY_FILE names. --api-key works too, but
others on this machine can read a command line.

The exit code is 0 if it was done, 1 if there is no such monitor, and 2 for every
other problem; what the server says about single fields is printed.`

func newMonitorsList(r *remote) *cobra.Command {
	var status, kind, q string
	var labels []string
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List monitors with their status",
		Long: `List prints every monitor that matches all filters, newest first, however many
pages that takes.

A dash means that there is no data: an uptime of nothing is neither 0 nor 100 percent.
Uptime is rounded down, so that 100 means that no time was lost.`,
		Example: `  frogup monitors list
  frogup monitors list --status down --type http
  frogup monitors list --q example.com --label team=web
  frogup monitors list --json | jq '.[] | select(.status.uptime_percentage_24h < 99.9) | .name'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			filter := url.Values{"label": labels}
			for name, value := range map[string]string{"status": status, "monitor_type": kind, "q": q} {
				if value != "" {
					filter.Set(name, value)
				}
			}
			return r.list(c.Context(), filter, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&status, "status", "", "only monitors that are up, degraded, down, unknown, paused or maintenance")
	f.StringVar(&kind, "type", "", "only this kind: http or tcp")
	f.StringVar(&q, "q", "", "only monitors whose name, URL or host contains this")
	f.StringArrayVar(&labels, "label", nil, "only monitors with this label, key=value or key; may be repeated")
	f.BoolVar(&asJSON, "json", false, "print the JSON array as the server has it")
	complete(c, "status", "up", "degraded", "down", "unknown", "paused", "maintenance")
	complete(c, "type", "http", "tcp", "tls")
	return c
}

func (r *remote) list(ctx context.Context, filter url.Values, asJSON bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	stop := r.process.spin("asking " + cl.base.Host)
	docs, err := cl.list(ctx, filter)
	stop()
	if err != nil {
		return err
	}
	out := r.process.terminal()
	if asJSON {
		return printJSON(out, docs)
	}
	monitors := make([]monitorView, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal(doc, &monitors[i]); err != nil {
			return fmt.Errorf("read a monitor: %w", err)
		}
	}
	if len(monitors) == 0 {
		fmt.Fprintln(r.process.Stderr, "no monitors match; frogup monitors create makes one")
		return nil
	}
	out.monitors(monitors, isTerminal(r.process.Stdout), time.Now())
	return nil
}

func newMonitorsGet(r *remote) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "get ID",
		Short: "Show one monitor and its last checks",
		Long: `Get prints a monitor's configuration, its status, and its last 10 checks, newest first.
Of one that is down it also says what the examination of the first failing check found;
frogup monitors evidence shows all of that.

With --json it prints one object: {"monitor": …, "events": […]}, each as the server has it.`,
		Example: `  frogup monitors get 7
  frogup monitors get 7 --json | jq .monitor.http_config`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeIDs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return r.get(c.Context(), id, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the JSON as the server has it")
	return c
}

func (r *remote) get(ctx context.Context, id uint32, asJSON bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	stop := r.process.spin("asking " + cl.base.Host)
	doc, err := cl.get(ctx, id)
	var events []json.RawMessage
	if err == nil {
		events, err = cl.events(ctx, id, recentChecks)
	}
	cause := ""
	if err == nil && !asJSON {
		cause = cl.presentCause(ctx, id, doc)
	}
	stop()
	if notFound(err) {
		return r.missing(id)
	}
	if err != nil {
		return err
	}
	out := r.process.terminal()
	if asJSON {
		return printJSON(out, struct {
			Monitor json.RawMessage   `json:"monitor"`
			Events  []json.RawMessage `json:"events"`
		}{doc, append([]json.RawMessage{}, events...)})
	}
	var m monitorView
	if err := json.Unmarshal(doc, &m); err != nil {
		return fmt.Errorf("read the monitor: %w", err)
	}
	checks := make([]eventView, len(events))
	for i, event := range events {
		if err := json.Unmarshal(event, &checks[i]); err != nil {
			return fmt.Errorf("read a check: %w", err)
		}
	}
	out.monitor(m, cause, checks, time.Now())
	return nil
}

func (r *remote) missing(id uint32) error {
	fmt.Fprintf(r.process.Stderr, "frogup: there is no monitor %d\n", id)
	return exitCode(exitNo)
}

func newMonitorsDelete(r *remote) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "delete ID...",
		Aliases: []string{"rm"},
		Short:   "Delete monitors",
		Long: `Delete stops the monitors and hides them; their history stays until the server's
retention takes it. At a terminal it asks for each one; --yes does not. In a script it
does not ask.

All given monitors are tried. The exit code is 1 if one of them was not there.`,
		Example: `  frogup monitors delete 7
  frogup monitors delete 7 8 9 --yes`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: r.completeIDs(0),
		RunE: func(c *cobra.Command, args []string) error {
			ids := make([]uint32, len(args))
			for i, arg := range args {
				var err error
				if ids[i], err = parseID(arg); err != nil {
					return err
				}
			}
			return r.delete(c.Context(), ids, yes)
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (r *remote) delete(ctx context.Context, ids []uint32, yes bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	ask := func(string) (bool, error) { return true, nil }
	if in, ok := r.process.Stdin.(*os.File); ok && !yes && isTerminal(in) {
		ask = asker(ctx, in, r.process.Stderr)
	}
	return r.deleteAll(ctx, cl, ids, ask)
}

func (r *remote) deleteAll(ctx context.Context, cl *client, ids []uint32, ask func(string) (bool, error)) error {
	absent := false
	for _, id := range ids {
		doc, err := cl.get(ctx, id)
		var m monitorView
		if err == nil {
			err = json.Unmarshal(doc, &m)
		}
		if err == nil {
			var agreed bool
			agreed, err = ask(fmt.Sprintf("delete monitor %d, %s (%s)?", id, clean(m.Name), clean(m.url())))
			if err == nil && !agreed {
				fmt.Fprintf(r.process.Stdout, "kept %d\n", id)
				continue
			}
		}
		if err == nil {
			err = cl.remove(ctx, id)
		}
		switch {
		case notFound(err):
			absent = true
			_ = r.missing(id) // said; the others are still to be tried
		case err != nil:
			return err
		default:
			fmt.Fprintf(r.process.Stdout, "deleted %d, %s\n", id, clean(m.Name))
		}
	}
	if absent {
		return exitCode(exitNo)
	}
	return nil
}

// asker asks a person on out and reads the answers from in; anything but yes is no.
func asker(ctx context.Context, in *os.File, out *os.File) func(string) (bool, error) {
	lines := bufio.NewScanner(in)
	return func(question string) (bool, error) {
		fmt.Fprintf(out, "%s [y/N] ", question)
		more, err := await(ctx, func() (bool, error) { return lines.Scan(), lines.Err() })
		if err != nil || !more {
			fmt.Fprintln(out)
			return false, err
		}
		answer := strings.ToLower(strings.TrimSpace(lines.Text()))
		return answer == "y" || answer == "yes", nil
	}
}

// await is read, which knows nothing of ctx, until ctx ends: Ctrl-C must end a wait for
// somebody's typing. A read that is given up ends with the process.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return *new(T), errors.New("interrupted")
	}
}

func parseID(arg string) (uint32, error) {
	id, err := strconv.ParseUint(arg, 10, 32)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("%q is not the id of a monitor; frogup monitors list shows them", arg)
	}
	return uint32(id), nil
}

// printJSON writes a document for people and programs alike: indented, and harmless to a terminal.
func printJSON(out terminal, v any) error {
	var line, doc bytes.Buffer
	if err := writeJSON(&line, v); err != nil {
		return err
	}
	if err := json.Indent(&doc, line.Bytes(), "", "  "); err != nil {
		return err
	}
	if _, err := out.Write(doc.Bytes()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// Completion has a person waiting between two keys.
const (
	completeTimeout = 2 * time.Second
	completeMost    = 200
)

// completeIDs offers the ids of the server's monitors, with names; most is how many
// arguments there may be, 0 for any number.
func (r *remote) completeIDs(most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		none := cobra.ShellCompDirectiveNoFileComp
		if most > 0 && len(args) >= most {
			return nil, none
		}
		cl, err := r.client()
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(c.Context(), completeTimeout)
		defer cancel()
		monitors, err := cl.firstPage(ctx, completeMost)
		if err != nil {
			cobra.CompDebugln(err.Error(), false) // not to the terminal, where somebody is typing
			return nil, none
		}
		var found []cobra.Completion
		for _, m := range monitors {
			id := strconv.FormatUint(uint64(m.ID), 10)
			if strings.HasPrefix(id, typed) && !slices.Contains(args, id) {
				found = append(found, cobra.CompletionWithDesc(id, clean(m.Name)+"  "+clean(m.url())))
			}
		}
		return found, none
	}
}
