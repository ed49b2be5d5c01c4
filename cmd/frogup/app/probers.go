package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// fleetHelp ends the help of what asks a server about its own parts.
const fleetHelp = `

Which server is said by --server or FROGUP_SERVER, and who asks by an API key in
FROGUP_API_KEY or in the file that FROGUP_API_KEY_FILE names. --api-key works too, but
others on this machine can read a command line.`

// from gives c the flags that say which server to ask.
func (r *remote) from(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&r.server, "server", "", "URL of the server (env FROGUP_SERVER, default "+defaultServer+")")
	f.StringVar(&r.key, "api-key", "", "API key (env FROGUP_API_KEY or FROGUP_API_KEY_FILE)")
}

func newProbers(p Process) *cobra.Command {
	r := &remote{process: p}
	c := &cobra.Command{
		Use:   "probers",
		Short: "List, enrol and remove the probers of a running server",
		Long:  `Probers are the processes that run checks. frogup prober runs one.` + fleetHelp,
		Example: `  frogup probers list
  frogup probers enrol --region fra
  frogup probers remove fra-1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	r.from(c)
	c.AddCommand(newProbersList(r), newProbersEnrol(r), newProbersRemove(r))
	return c
}

func newProbersList(r *remote) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List probers with their health",
		Long: `List prints every prober that has asked for work, by region.

A healthy prober renews its lease and sees the network. An impaired one renews it and
reports a fault of its own, for which no target is blamed. An offline one does not renew
it; if its region has another one, that runs its checks. WAITING is how many results it
keeps that the server has not stored yet, and how old the oldest is.` + fleetHelp,
		Example: `  frogup probers list
  frogup probers list --json | jq -r '.[] | select(.health != "healthy") | .id'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return listed(c.Context(), r, "probers", nil, asJSON, "no prober has asked for work yet; frogup probers enrol lets one in", terminal.probers)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the JSON array as the server has it")
	return c
}

func newRegions(p Process) *cobra.Command {
	r := &remote{process: p}
	var asJSON bool
	c := &cobra.Command{
		Use:   "regions",
		Short: "List the regions of a running server",
		Long: `Regions prints the places that checks run from, how many live probers stand there, and
how many enabled monitors name them. UNPLACED monitors have no live prober there, and
their state is unknown as far as the region goes.` + fleetHelp,
		Example: `  frogup regions
  frogup regions --json | jq -r '.[] | select(.unplaced_monitors > 0) | .code'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return listed(c.Context(), r, "regions", nil, asJSON, "there is no region yet", terminal.regions)
		},
	}
	r.from(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the JSON array as the server has it")
	return c
}

func newNotices(p Process) *cobra.Command {
	r := &remote{process: p}
	var asJSON, open, ended bool
	limit := 0
	c := &cobra.Command{
		Use:   "notices",
		Short: "List the troubles of a running server itself",
		Long: `Notices prints what was wrong with the installation itself, the newest first: a prober
that is offline, storage that stalled. It is never about a target. Only admins may ask.

With --open the exit code is 1 if there is any.` + fleetHelp,
		Example: `  frogup notices --open
  frogup notices --limit 1000 --json | jq '.[] | select(.kind == "prober_offline")'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{}
			if open || ended {
				query.Set("open", strconv.FormatBool(open))
			}
			if limit != 0 {
				query.Set("limit", strconv.Itoa(limit))
			}
			some := false
			err := listed(c.Context(), r, "notices", query, asJSON, "no notices", func(t terminal, all []noticeView, now time.Time) {
				t.notices(all, now)
			}, func(n int) { some = n > 0 })
			if err == nil && open && some {
				return exitCode(exitNo)
			}
			return err
		},
	}
	r.from(c)
	f := c.Flags()
	f.BoolVar(&open, "open", false, "only those that last")
	f.BoolVar(&ended, "ended", false, "only those that are over")
	f.IntVar(&limit, "limit", 0, "at most so many, 1 to 1000 (default 100)")
	f.BoolVar(&asJSON, "json", false, "print the JSON array as the server has it")
	c.MarkFlagsMutuallyExclusive("open", "ended")
	return c
}

// listed asks for the list called name, which stands under its name in the answer, and prints it as show does, or as JSON;
// none is said of an empty list.
func listed[T any](ctx context.Context, r *remote, name string, query url.Values, asJSON bool, none string, show func(terminal, []T, time.Time), counts ...func(int)) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	stop := r.process.spin("asking " + cl.base.Host)
	answer, _, err := cl.do(ctx, http.MethodGet, name, query, nil)
	stop()
	if err != nil {
		return err
	}
	var docs map[string]json.RawMessage
	rows, all := []json.RawMessage{}, []T{}
	if err := json.Unmarshal(answer, &docs); err != nil {
		return fmt.Errorf("read the %s: %w", name, err)
	}
	if doc := docs[name]; doc != nil {
		if err := json.Unmarshal(doc, &rows); err != nil {
			return fmt.Errorf("read the %s: %w", name, err)
		}
		if err := json.Unmarshal(doc, &all); err != nil {
			return fmt.Errorf("read the %s: %w", name, err)
		}
	}
	for _, count := range counts {
		count(len(rows))
	}
	out := r.process.terminal()
	switch {
	case asJSON:
		return printJSON(out, rows)
	case len(all) == 0:
		fmt.Fprintln(r.process.Stderr, none)
	default:
		show(out, all, time.Now())
	}
	return nil
}

func newProbersEnrol(r *remote) *cobra.Command {
	var region, id string
	var valid time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:     "enrol --region CODE",
		Aliases: []string{"enroll"},
		Short:   "Make a token with which one prober may join",
		Long: `Enrol makes a token that lets one prober join, once, until it expires, and prints the
command to run on the prober's machine. The token is shown only here. A region that does
not exist yet is made. Only admins may enrol.` + fleetHelp,
		Example: `  frogup probers enrol --region fra
  frogup probers enrol --region fra --id fra-2 --valid 10m
  frogup probers enrol --region fra --json | jq -r .token >token`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			body := map[string]any{"region": region}
			if id != "" {
				body["id"] = id
			}
			if valid != 0 {
				body["valid_seconds"] = int64(valid / time.Second)
			}
			return r.enrol(c.Context(), body, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&region, "region", "", "region that the prober stands in")
	f.StringVar(&id, "id", "", "its name, unlike all others' (default one made from the region)")
	f.DurationVar(&valid, "valid", 0, "how long the token can be used, 1m to 168h (default 1h)")
	f.BoolVar(&asJSON, "json", false, "print the JSON as the server has it")
	if err := c.MarkFlagRequired("region"); err != nil {
		panic(err) // there is no such flag
	}
	return c
}

func (r *remote) enrol(ctx context.Context, body map[string]any, asJSON bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, _, err := cl.do(ctx, http.MethodPost, "probers", nil, text)
	if err != nil {
		return err
	}
	out := r.process.terminal()
	if asJSON {
		return printJSON(out, json.RawMessage(answer))
	}
	var e struct {
		ID        string     `json:"id"`
		Region    string     `json:"region"`
		Token     string     `json:"token"`
		ExpiresAt *time.Time `json:"expires_at"`
		Command   string     `json:"command"`
	}
	if err := json.Unmarshal(answer, &e); err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	until := ""
	if e.ExpiresAt != nil {
		until = " until " + moment(*e.ExpiresAt)
	}
	fmt.Fprintf(r.process.Stderr, "%s may join region %s%s, once, with this command; it is not shown again:\n",
		clean(e.ID), clean(e.Region), until)
	command := e.Command
	if command == "" {
		command = e.Token
	}
	fmt.Fprintln(out, clean(command))
	return nil
}

func newProbersRemove(r *remote) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "remove ID",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove a prober",
		Long: `Remove takes a prober's certificate and monitors away; it stops within 30 seconds, and
what it has not sent is not accepted any more. At a terminal it asks; --yes does not. In
a script it does not ask. Only admins may remove.

The exit code is 1 if there is no such prober.` + fleetHelp,
		Example: `  frogup probers remove fra-1`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return r.removeProber(c.Context(), args[0], yes) },
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (r *remote) removeProber(ctx context.Context, id string, yes bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	if in, ok := r.process.Stdin.(*os.File); ok && !yes && isTerminal(in) {
		agreed, err := asker(ctx, in, r.process.Stderr)("remove prober " + clean(id) + "?")
		if err != nil {
			return err
		}
		if !agreed {
			fmt.Fprintf(r.process.Stdout, "kept %s\n", clean(id))
			return nil
		}
	}
	if id == "" || strings.Trim(id, ".") == "" {
		return fmt.Errorf("%q is not the id of a prober; frogup probers list shows them", id)
	}
	_, _, err = cl.do(ctx, http.MethodDelete, "probers/"+url.PathEscape(id), nil, nil)
	if notFound(err) {
		fmt.Fprintf(r.process.Stderr, "frogup: there is no prober %s\n", clean(id))
		return exitCode(exitNo)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(r.process.Stdout, "removed %s\n", clean(id))
	return nil
}
