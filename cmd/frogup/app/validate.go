package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/frogstats/uptime/services/monitors/resource"
)

// resourceFlags say which resources are read, and how; validate and run share them.
type resourceFlags struct {
	files      []string
	permissive bool
}

const resourceFilesHelp = `-f names a file, a folder (all *.yaml, *.yml and *.json below it) or "-" for standard input,
and may be repeated. A file may hold several documents.`

func (f *resourceFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.StringArrayVarP(&f.files, "file", "f", nil, `file or folder of resources, "-" for standard input; may be repeated`)
	fs.BoolVar(&f.permissive, "permissive", false, "only warn of what can be overlooked: unknown fields and kinds, labels that are no strings, empty checks")
	_ = c.MarkFlagRequired("file") // the flag exists
	_ = c.RegisterFlagCompletionFunc("file", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	})
}

// read reads and parses what the flags name.
func (f *resourceFlags) read(p Process) ([]resource.Source, *resource.Set, error) {
	paths, err := resourcePaths(f.files)
	if err != nil {
		return nil, nil, err
	}
	sources := make([]resource.Source, 0, len(paths))
	for _, path := range paths {
		src, err := readResource(p, path)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, src)
	}
	return sources, resource.Parse(sources, resource.Options{Permissive: f.permissive}), nil
}

// resourcePaths finds the files that names stand for, each once.
func resourcePaths(names []string) ([]string, error) {
	var paths []string
	for _, name := range names {
		if name == "-" {
			paths = append(paths, name)
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("read resources: %w", err)
		}
		if !info.IsDir() {
			paths = append(paths, name)
			continue
		}
		found, err := resourcesBelow(name)
		if err != nil {
			return nil, fmt.Errorf("read resources: %w", err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("read resources: there is no *.yaml, *.yml or *.json in %s", name)
		}
		paths = append(paths, found...)
	}
	var once []string
	for _, path := range paths {
		if path != "-" {
			path = filepath.Clean(path)
		}
		if !slices.Contains(once, path) {
			once = append(once, path)
		}
	}
	return once, nil
}

func resourcesBelow(folder string) (paths []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".yaml", ".yml", ".json":
			if !entry.IsDir() {
				paths = append(paths, path)
			}
		}
		return nil
	})
	return paths, err
}

// readResource reads a file, and no more of it than tells that it is too large.
func readResource(p Process, path string) (resource.Source, error) {
	var from io.Reader = p.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return resource.Source{}, fmt.Errorf("read resources: %w", err)
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, resource.MaxFileBytes+1))
	if err != nil {
		return resource.Source{}, fmt.Errorf("read resources: %s: %w", path, err)
	}
	return resource.Source{Name: path, Data: data}, nil
}

func newValidate(p Process) *cobra.Command {
	var flags resourceFlags
	var output string
	c := &cobra.Command{
		Use:   "validate -f FILE|FOLDER|-",
		Short: "Check files of resources for mistakes",
		Long: `Validate reads resources (TcpCheck, HttpCheck and TlsCheck of Synthetic Open Schema v1, in YAML
or JSON) and reports every mistake with its place, the rule that it breaks and, where one can
be guessed, what was meant. It contacts nobody.

` + resourceFilesHelp + `

The exit code is 0 if all resources are valid (there may be warnings), 1 if any is not, and 2
if a file cannot be read.`,
		Example: `  frogup validate -f checks/
  frogup validate -f checks.yaml --permissive
  generate-checks | frogup validate -f - --output json | jq .problems`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %q must be text or json", output)
			}
			sources, set, err := flags.read(p)
			if err != nil {
				return err
			}
			out := p.terminal()
			if output == "json" {
				err = writeJSON(out, newValidationRecord(sources, set))
			} else {
				out.problems(sources, set.Problems, isTerminal(p.Stdout))
				fmt.Fprintln(out, out.verdict(sources, set))
			}
			if err != nil {
				return fmt.Errorf("print: %w", err)
			}
			if set.Errors() > 0 {
				return exitCode(exitNo)
			}
			return nil
		},
	}
	flags.register(c)
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	complete(c, "output", "text", "json")
	return c
}

// problems prints each problem: for a person with the line that it stands in, for a program as one line.
func (t terminal) problems(sources []resource.Source, problems []resource.Problem, excerpts bool) {
	for _, p := range problems {
		colour, severity := red, "error"
		if p.Warning {
			colour, severity = yellow, "warning"
		}
		message := p.Message
		if p.Path != "" {
			message = p.Path + " " + message
		}
		fmt.Fprintf(t, "%s: %s: %s %s\n", t.paint(bold, clean(p.Position.String())), t.paint(colour, severity), clean(message), t.paint(faint, "["+p.Rule+"]"))
		if excerpts {
			t.excerpt(sources, p, colour)
		}
		if p.Hint != "" {
			fmt.Fprintf(t, "  %s %s?\n", t.paint(cyan, "did you mean"), clean(p.Hint))
		}
	}
}

// excerpt shows the line of a problem with a caret below its place; not if it may hold a credential.
func (t terminal) excerpt(sources []resource.Source, p resource.Problem, colour string) {
	at := slices.IndexFunc(sources, func(s resource.Source) bool { return s.Name == p.File })
	if at < 0 || p.Secret {
		return
	}
	line := []rune(resource.Line(sources[at].Data, p.Line))
	number := fmt.Sprintf("%5d │ ", p.Line)
	from, room := 0, max(t.width-utf8.RuneCountInString(number)-1, 20)
	column := min(p.Column-1, len(line))
	if column >= room { // far to the right: show what is around it
		from = column - room/2
	}
	shown := line[from:min(len(line), from+room)]
	fmt.Fprintf(t, "%s%s\n", t.paint(faint, number), clean(strings.ReplaceAll(string(shown), "\t", " ")))
	width := 1
	if n := utf8.RuneCountInString(p.Value); n > 0 && n <= len(line)-column && strings.HasPrefix(string(line[column:]), p.Value) {
		width = min(n, room-(column-from))
	}
	fmt.Fprintf(t, "%s%s%s\n", t.paint(faint, "      │ "), strings.Repeat(" ", column-from), t.paint(colour, strings.Repeat("^", max(width, 1))))
}

// verdict is the last word on files.
func (t terminal) verdict(sources []resource.Source, set *resource.Set) string {
	wrong := set.Errors()
	warnings := len(set.Problems) - wrong
	text := fmt.Sprintf("%s, %s: ", plural(len(sources), "file"), plural(set.Resources, "resource"))
	switch {
	case wrong > 0 && warnings > 0:
		return text + t.paint(red, plural(wrong, "error")) + ", " + t.paint(yellow, plural(warnings, "warning"))
	case wrong > 0:
		return text + t.paint(red, plural(wrong, "error"))
	case warnings > 0:
		return text + t.paint(green, "valid") + ", " + t.paint(yellow, plural(warnings, "warning"))
	}
	return text + t.paint(green, "valid")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// validationRecord is the verdict as JSON.
type validationRecord struct {
	Valid     bool            `json:"valid"`
	Files     int             `json:"files"`
	Resources int             `json:"resources"`
	Errors    int             `json:"errors"`
	Warnings  int             `json:"warnings"`
	Problems  []problemRecord `json:"problems"`
}

type problemRecord struct {
	Severity string  `json:"severity"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Column   int     `json:"column"`
	Path     *string `json:"path"`
	Value    *string `json:"value"`
	Rule     string  `json:"rule"`
	Message  string  `json:"message"`
	Hint     *string `json:"hint"`
}

func newValidationRecord(sources []resource.Source, set *resource.Set) validationRecord {
	r := validationRecord{
		Valid: set.Errors() == 0, Files: len(sources), Resources: set.Resources,
		Errors: set.Errors(), Warnings: len(set.Problems) - set.Errors(), Problems: []problemRecord{},
	}
	for _, p := range set.Problems {
		severity := "error"
		if p.Warning {
			severity = "warning"
		}
		r.Problems = append(r.Problems, problemRecord{
			severity, p.File, p.Line, p.Column, present(p.Path), present(p.Value), p.Rule, p.Message, present(p.Hint),
		})
	}
	return r
}

// errInvalidResources ends a verb that needs valid resources; what is wrong was printed.
var errInvalidResources = errors.New("the resources are not valid; see above")
