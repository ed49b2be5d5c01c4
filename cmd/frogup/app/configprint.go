package app

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/frogstats/uptime/cmd/frogup/config"
)

func newConfig(p Process) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the settings that are in effect",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newConfigPrint(p))
	return c
}

func newConfigPrint(p Process) *cobra.Command {
	return &cobra.Command{
		Use:   "print [role] [flags of the role]",
		Short: "Show a role's settings and where each comes from",
		Long: `Print shows what a role (` + joinOr(roleNames()) + `; serve if none is
named) would run with, given the same flags, environment and file, and where each value
comes from. On a terminal it is a table, otherwise YAML that --config reads back;
--output table or --output yaml chooses. Secrets and passwords are shown as ` + config.Mask + `.

The exit code is 0 if everything can be meant, even if something required is still
missing, which is then told; and 2 if a setting is unknown or bad.`,
		Example: `  frogup config print
  frogup config print events --config /etc/frogup.yaml
  frogup config print gateway --output yaml > gateway.yaml`,
		DisableFlagParsing: true, // the flags are the role's
		ValidArgs:          roleNames(),
		RunE: func(c *cobra.Command, args []string) error {
			name := serveRole
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				name, args = args[0], args[1:]
			}
			r, err := findRole(name)
			if err != nil {
				return err
			}
			return p.printConfig(c, r, args)
		},
	}
}

func (p Process) printConfig(c *cobra.Command, r role, args []string) error {
	cfg, set := r.settings()
	var path, output string
	f := pflag.NewFlagSet(r.name, pflag.ContinueOnError)
	f.Usage = func() {}
	set.AddFlags(f)
	f.StringVar(&path, "config", "", "")
	f.StringVar(&output, "output", "", "")
	if err := f.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return c.Help()
	} else if err != nil {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected %q; see %s --help", f.Arg(0), c.CommandPath())
	}
	if output == "" {
		output = pick(isTerminal(p.Stdout), "table", "yaml")
	}
	if output != "table" && output != "yaml" {
		return fmt.Errorf("--output %q: must be table or yaml", output)
	}
	if err := p.load(r, set, path); err != nil {
		return err
	}
	if output == "table" {
		p.settingsTable(set)
	} else {
		var text bytes.Buffer
		if err := set.WriteYAML(&text); err != nil {
			return err
		}
		if _, err := text.WriteTo(p.Stdout); err != nil {
			return err
		}
	}
	if err := cfg.check(set); err != nil {
		fmt.Fprintf(p.Stderr, "%s would not start:\n%v\n", r.name, err)
	}
	return nil
}

func (p Process) settingsTable(set *config.Set) {
	var rows [][]cell
	for _, s := range set.Effective() {
		colour := ""
		if s.Source == config.Default {
			colour = faint
		}
		value := strings.Join(s.Shown(), ", ")
		if value == "" {
			value = "–"
		}
		from := s.From
		if from == "" {
			from = "default"
		}
		rows = append(rows, []cell{{s.Name, ""}, {clean(value), colour}, {string(s.Source), colour}, {clean(from), colour}})
	}
	p.terminal().table([]string{"SETTING", "VALUE", "SOURCE", "FROM"}, rows)
}
