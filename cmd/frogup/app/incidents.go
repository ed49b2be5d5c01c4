package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func newIncidents(p Process) *cobra.Command {
	r := &remote{process: p}
	c := &cobra.Command{
		Use:     "incidents",
		Aliases: []string{"incident"},
		Short:   "List the incidents of a running server, see what happened, and handle them",
		Long: `An incident begins with the first failing check of an outage and ends with the first that
works again. Who acknowledges one says that it is being worked on; what is resolved by
hand opens no other before the monitor has recovered. The outages of a monitor while it is
unstable are one incident.` + fleetHelp,
		Example: `  frogup incidents list
  frogup incidents show 12
  frogup incidents acknowledge 12 --note "looking into it"
  frogup incidents note 12 "the switch in rack 4 was replaced"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	r.from(c)
	c.AddCommand(newIncidentsList(r), newIncidentsShow(r), newIncidentsNote(r),
		newIncidentsAct(r, "acknowledge", []string{"ack"}, "Say that somebody works on an incident", "taken"),
		newIncidentsAct(r, "resolve", nil, "Close an incident by hand", "resolved"))
	return c
}

func newIncidentsList(r *remote) *cobra.Command {
	var asJSON, all bool
	var monitor uint32
	limit := 0
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List incidents, the newest first",
		Long:    `List prints the incidents that are open, or with --all also those that are over.` + fleetHelp,
		Example: `  frogup incidents list
  frogup incidents list --all --monitor 7 --json | jq '.[].id'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{"status": {pick(all, "all", "open")}}
			if monitor != 0 {
				query.Set("monitor_id", strconv.FormatUint(uint64(monitor), 10))
			}
			if limit != 0 {
				query.Set("limit", strconv.Itoa(limit))
			}
			return listed(c.Context(), r, "incidents", query, asJSON, pick(all, "there were no incidents", "no incident is open"), terminal.incidents)
		},
	}
	f := c.Flags()
	f.BoolVar(&all, "all", false, "also those that are over")
	f.Uint32Var(&monitor, "monitor", 0, "only of this monitor")
	f.IntVar(&limit, "limit", 0, "at most so many, 1 to 1000 (default 50)")
	f.BoolVar(&asJSON, "json", false, "print the JSON array as the server has it")
	return c
}

func newIncidentsShow(r *remote) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show INCIDENT",
		Short: "Show an incident with its timeline",
		Long: `Show prints an incident and what happened in its course, in the order of time: failures,
regions, rules, messages and what people did and wrote.

The exit code is 1 if there is no such incident.` + fleetHelp,
		Example: `  frogup incidents show 12
  frogup incidents show 12 --json | jq '.timeline.entries[] | select(.kind == "message_failed")'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return r.showIncident(c.Context(), args[0], asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the incident and the timeline as the server has them")
	return c
}

func newIncidentsAct(r *remote, action string, aliases []string, short, done string) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use:     action + " INCIDENT",
		Aliases: aliases,
		Short:   short,
		Long:    short + ", with a note about it if one is given. The exit code is 1 if there is no such incident." + fleetHelp,
		Example: "  frogup incidents " + action + ` 12 --note "switched over"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{}
			if note != "" {
				body["note"] = note
			}
			_, err := r.onIncident(c.Context(), http.MethodPatch, args[0], "/"+action, body)
			if err == nil {
				fmt.Fprintf(r.process.Stdout, "%s %s\n", done, args[0])
			}
			return err
		},
	}
	c.Flags().StringVar(&note, "note", "", "what to write down with it")
	return c
}

func newIncidentsNote(r *remote) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "note INCIDENT TEXT",
		Short: "Write a note about an incident",
		Long: `Note writes down what was found or done, under the name of the API key. The exit code is 1
if there is no such incident.` + fleetHelp,
		Example: `  frogup incidents note 12 "the switch in rack 4 was replaced"`,
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			doc, err := r.onIncident(c.Context(), http.MethodPost, args[0], "/notes", map[string]any{"text": args[1]})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(r.process.terminal(), json.RawMessage(doc))
			}
			fmt.Fprintf(r.process.Stdout, "written to %s\n", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the note as the server has it")
	return c
}

// onIncident asks for, or does, something about an incident; body nil sends none.
func (r *remote) onIncident(ctx context.Context, method, arg, path string, body map[string]any) ([]byte, error) {
	id, err := strconv.ParseUint(arg, 10, 32)
	if err != nil || id == 0 {
		return nil, fmt.Errorf("%q is not the id of an incident; frogup incidents list shows them", arg)
	}
	cl, err := r.client()
	if err != nil {
		return nil, err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	doc, _, err := cl.do(ctx, method, "incidents/"+strconv.FormatUint(id, 10)+path, nil, text)
	if notFound(err) {
		fmt.Fprintf(r.process.Stderr, "frogup: there is no incident %d\n", id)
		return nil, exitCode(exitNo)
	}
	return doc, err
}

func (r *remote) showIncident(ctx context.Context, arg string, asJSON bool) error {
	incident, err := r.onIncident(ctx, http.MethodGet, arg, "", nil)
	if err != nil {
		return err
	}
	timeline, err := r.onIncident(ctx, http.MethodGet, arg, "/timeline", nil)
	if err != nil {
		return err
	}
	out := r.process.terminal()
	if asJSON {
		return printJSON(out, map[string]json.RawMessage{"incident": incident, "timeline": timeline})
	}
	var i incidentView
	var t timelineView
	if err := errors.Join(json.Unmarshal(incident, &i), json.Unmarshal(timeline, &t)); err != nil {
		return fmt.Errorf("read the incident: %w", err)
	}
	out.incident(i, t, time.Now())
	return nil
}
