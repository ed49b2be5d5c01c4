package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newGroups(p Process) *cobra.Command {
	r := &remote{process: p}
	c := &cobra.Command{
		Use:     "groups",
		Aliases: []string{"group"},
		Short:   "List the groups of a running server, with their states, and make and delete them",
		Long: `A group has one state over the states of several monitors, and channels are told of it in
one message that names the failing members.` + fleetHelp,
		Example: `  frogup groups list
  frogup groups show 3
  frogup groups create shop --monitor 7 --monitor 8 --monitor 9 --down-when 2 --tell group
  frogup groups create edge --label team=edge --down-when 50%`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	r.from(c)
	c.AddCommand(newGroupsList(r), newGroupsShow(r), newGroupsCreate(r), newGroupsDelete(r))
	return c
}

func newGroupsList(r *remote) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List groups, the oldest first",
		Long:    `List prints every group with its state and how many of its members are what.` + fleetHelp,
		Example: `  frogup groups list
  frogup groups list --json | jq '.[] | select(.state == "down") | .name'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return listed(c.Context(), r, "groups", nil, asJSON, "there are no groups; frogup groups create makes one", terminal.groups)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the JSON array as the server has it")
	return c
}

func newGroupsShow(r *remote) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show GROUP",
		Short: "Show a group and its failing members",
		Long: `Show prints a group, by which rule it is down, and the members that fail.

The exit code is 1 if there is no such group.` + fleetHelp,
		Example: `  frogup groups show 3
  frogup groups show 3 --json | jq -r '.failing_members[].name'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			doc, err := r.onGroup(c.Context(), http.MethodGet, args[0])
			if err != nil {
				return err
			}
			out := r.process.terminal()
			if asJSON {
				return printJSON(out, json.RawMessage(doc))
			}
			var g groupView
			if err := json.Unmarshal(doc, &g); err != nil {
				return fmt.Errorf("read the group: %w", err)
			}
			out.group(g, time.Now())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the JSON as the server has it")
	return c
}

// groupPlan is what frogup groups create is asked.
type groupPlan struct {
	monitors    []uint
	labels      []string
	downWhen    string
	tell        string
	description string
}

func newGroupsCreate(r *remote) *cobra.Command {
	var plan groupPlan
	var asJSON bool
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a group",
		Long: `Create makes a group of the monitors that are named, and of all that have the labels: those
that get them later are in it too. The id goes to standard output, a sentence to standard
error, so that a script can keep the id.` + fleetHelp,
		Example: `  frogup groups create shop --monitor 7 --monitor 8 --monitor 9 --down-when 2 --tell group
  id=$(frogup groups create edge --label team=edge --down-when 50%)`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			body, err := plan.body(args[0])
			if err != nil {
				return err
			}
			return r.createGroup(c.Context(), body, asJSON)
		},
	}
	f := c.Flags()
	f.UintSliceVar(&plan.monitors, "monitor", nil, "id of a member; may be repeated")
	f.StringArrayVar(&plan.labels, "label", nil, "also the monitors with this label, key=value or key; with several, those that have all; may be repeated")
	f.StringVar(&plan.downWhen, "down-when", "any", "how many members have to be down for the group to be: any, all, a number, or a percentage such as 50%")
	f.StringVar(&plan.tell, "tell", "both", "who channels are told of: the group, its members, or both")
	f.StringVar(&plan.description, "description", "", "anything about it")
	f.BoolVar(&asJSON, "json", false, "print the created group as the server has it")
	complete(c, "down-when", "any", "all", "50%")
	complete(c, "tell", "group", "members", "both")
	return c
}

// body is the request. What only the server can know, such as whether a monitor is there, is left to it.
func (p groupPlan) body(name string) ([]byte, error) {
	rule := map[string]any{"type": p.downWhen}
	if p.downWhen != "any" && p.downWhen != "all" {
		digits, percent := strings.CutSuffix(p.downWhen, "%")
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("--down-when %q: must be any, all, a number of members, or a percentage such as 50%%", p.downWhen)
		}
		kind := pick(percent, "percent", "count")
		rule = map[string]any{"type": kind, kind: n}
	}
	if len(p.monitors) == 0 && len(p.labels) == 0 {
		return nil, fmt.Errorf("a group needs members: name at least one --monitor or --label")
	}
	doc := map[string]any{"name": name, "rule": rule, "alert_level": p.tell}
	if len(p.monitors) > 0 {
		doc["monitor_ids"] = p.monitors
	}
	if len(p.labels) > 0 {
		doc["labels"] = p.labels
	}
	if p.description != "" {
		doc["description"] = p.description
	}
	return json.Marshal(doc)
}

func (r *remote) createGroup(ctx context.Context, body []byte, asJSON bool) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	answer, _, err := cl.do(ctx, http.MethodPost, "groups", nil, body)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(r.process.terminal(), json.RawMessage(answer))
	}
	var g groupView
	if err := json.Unmarshal(answer, &g); err != nil {
		return fmt.Errorf("read the created group: %w", err)
	}
	fmt.Fprintln(r.process.Stdout, g.ID)
	fmt.Fprintf(r.process.Stderr, "created %s: %s, down when %s\n", clean(g.Name), times(g.Counts.Total, "member"), g.Rule.words())
	return nil
}

func newGroupsDelete(r *remote) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "delete GROUP",
		Aliases: []string{"rm"},
		Short:   "Delete a group",
		Long: `Delete removes a group; its members stay, and are told of by themselves from then on. At a
terminal it asks; --yes does not. In a script it does not ask.

The exit code is 1 if there is no such group.` + fleetHelp,
		Example: `  frogup groups delete 3 --yes`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return r.deleteGroup(c.Context(), args[0], yes) },
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (r *remote) deleteGroup(ctx context.Context, arg string, yes bool) error {
	doc, err := r.onGroup(ctx, http.MethodGet, arg)
	if err != nil {
		return err
	}
	var g groupView
	if err := json.Unmarshal(doc, &g); err != nil {
		return fmt.Errorf("read the group: %w", err)
	}
	if in, ok := r.process.Stdin.(*os.File); ok && !yes && isTerminal(in) {
		agreed, err := asker(ctx, in, r.process.Stderr)(fmt.Sprintf("delete group %d, %s (%s)?", g.ID, clean(g.Name), times(g.Counts.Total, "member")))
		if err != nil {
			return err
		}
		if !agreed {
			fmt.Fprintf(r.process.Stdout, "kept %d\n", g.ID)
			return nil
		}
	}
	if _, err := r.onGroup(ctx, http.MethodDelete, arg); err != nil {
		return err
	}
	fmt.Fprintf(r.process.Stdout, "deleted %d, %s\n", g.ID, clean(g.Name))
	return nil
}

func (r *remote) onGroup(ctx context.Context, method, arg string) ([]byte, error) {
	id, err := strconv.ParseUint(arg, 10, 32)
	if err != nil || id == 0 {
		return nil, fmt.Errorf("%q is not the id of a group; frogup groups list shows them", arg)
	}
	cl, err := r.client()
	if err != nil {
		return nil, err
	}
	doc, _, err := cl.do(ctx, method, "groups/"+strconv.FormatUint(id, 10), nil, nil)
	if notFound(err) {
		fmt.Fprintf(r.process.Stderr, "frogup: there is no group %d\n", id)
		return nil, exitCode(exitNo)
	}
	return doc, err
}
