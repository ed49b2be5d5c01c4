package app

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/cmd/frogup/config"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/configuration.md")

const repository = "../../.."

// What stands between these two lines of docs/configuration.md is written by TestConfigurationDocument.
const (
	tablesBegin = "<!-- The tables are written by: go test ./cmd/frogup/app -run TestConfigurationDocument -update -->\n"
	tablesEnd   = "<!-- End of the tables. -->\n"
)

func docText(t *testing.T, name string) (path, text string) {
	t.Helper()
	path = filepath.Join(repository, "docs", name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(b)
}

// The tables of settings say what the definitions say.
func TestConfigurationDocument(t *testing.T) {
	path, text := docText(t, "configuration.md")
	before, rest, begins := strings.Cut(text, tablesBegin)
	_, after, ends := strings.Cut(rest, tablesEnd)
	if !begins || !ends {
		t.Fatalf("%s lacks the lines\n%s%s", path, tablesBegin, tablesEnd)
	}
	var tables strings.Builder
	for _, r := range roles {
		tables.WriteString(settingsDocument(t, r))
	}
	want := before + tablesBegin + tables.String() + tablesEnd + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("%s is not what the code says; rewrite it with -update (-code +document):\n%s", path, diff)
	}
}

// settingsDocument is the section of one role.
func settingsDocument(t *testing.T, r role) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n### frogup %s\n\n| setting | variable | kind | default | meaning | rule |\n|---|---|---|---|---|---|\n", r.name)
	required := requiredSettings(r)
	set := SettingsOf(r.name)
	for _, s := range set.Settings() {
		if of, isFile := strings.CutSuffix(s.Name, "-file"); isFile && set.Get(of) != nil {
			continue // in the row of the setting that it holds
		}
		variables := "`" + s.EnvName() + "`"
		if set.Get(s.Name+"-file") != nil {
			variables += " or `" + s.EnvName() + "_FILE`"
		}
		kind := s.Kind
		if s.Secret {
			kind = "secret"
		}
		preset := "none"
		switch {
		case slices.Contains(required, s.Name):
			preset = "**required**"
		case s.Default() != "":
			preset = "`" + s.Default() + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s | %s |\n", s.Name, variables, kind, preset, s.Usage, ruleOf(t, r, s))
	}
	return out.String()
}

var needed = regexp.MustCompile(`(?m)^([a-z-]+(?:, [a-z-]+)*)(?:: required| is required)`)

// requiredSettings are those without which the role does not start.
func requiredSettings(r role) []string {
	cfg, set := r.settings()
	var names []string
	if err := errors.Join(set.Load(config.Sources{Role: r.name}), cfg.check(set)); err != nil {
		for _, found := range needed.FindAllStringSubmatch(err.Error(), -1) {
			names = append(names, strings.Split(found[1], ", ")...)
		}
	}
	return names
}

// impossible are values that no rule of a setting of the kind allows; those of them that cannot be read at all tell of the
// kind, not of the rule.
var impossible = map[string][]string{
	"string": {"/"}, "list": {"/"}, "int": {"-1"}, "float": {"-1"}, "duration": {"1ns", "99999d"},
}

// ruleOf is how the setting refuses what it does not take; "" if it takes everything of its kind.
func ruleOf(t *testing.T, r role, s *config.Setting) string {
	for _, value := range impossible[s.Kind] {
		_, set := r.settings()
		set.Get(s.Name).Give(value)
		err := set.Load(config.Sources{Role: r.name})
		if err == nil {
			continue
		}
		_, rule, ok := strings.Cut(err.Error(), ": ")
		if !ok || !strings.HasPrefix(rule, "must ") {
			t.Errorf("%s %s %s: an error without a rule: %v", r.name, s.Name, value, err)
		}
		return rule
	}
	return ""
}

// instrument is a metric as the code defines it.
type instrument struct{ name, kind, unit string }

// prometheus is its name on /metrics.
func (i instrument) prometheus() string {
	name := i.name
	switch i.unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	if i.kind == "counter" {
		name += "_total"
	}
	return name
}

// notMetrics are other things whose names begin alike.
var notMetrics = []string{"frogup_session"}

var metricName = regexp.MustCompile(`^frogup_[a-z_]*[a-z]$`)

// instruments finds the metrics in the code: every literal that looks like the name of one must be in a call that makes it.
func instruments(t *testing.T) []instrument {
	t.Helper()
	var found []instrument
	for _, folder := range []string{"cmd", "internal", "services"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && d.Name() == "node_modules" {
				return errors.Join(err, fs.SkipDir)
			}
			if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			made := map[string]bool{}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if i, ok := instrumentOf(call); ok {
					made[i.name] = true
					found = append(found, i)
				}
				return true
			})
			ast.Inspect(file, func(n ast.Node) bool {
				if text := literal(n); metricName.MatchString(text) && !made[text] && !slices.Contains(notMetrics, text) {
					t.Errorf("%s: %s looks like a metric, but nothing here makes it", path, text)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// kinds of metrics by the method that makes one: those of a meter, and those of an observe.Set.
var kinds = map[string]string{
	"Counter": "counter", "CounterBy": "counter", "Gauge": "gauge", "Histogram": "histogram",
	"UpDownCounter": "gauge", "ObservableCounter": "counter", "ObservableGauge": "gauge", "ObservableUpDownCounter": "gauge",
}

func instrumentOf(call *ast.CallExpr) (instrument, bool) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return instrument{}, false
	}
	name := literal(call.Args[0])
	ofMeter := strings.TrimPrefix(strings.TrimPrefix(method.Sel.Name, "Int64"), "Float64")
	kind := kinds[ofMeter]
	if !metricName.MatchString(name) || kind == "" {
		return instrument{}, false
	}
	i := instrument{name: name, kind: kind}
	if method.Sel.Name == "Gauge" && len(call.Args) > 1 {
		i.unit = literal(call.Args[1])
	}
	for _, arg := range call.Args[1:] {
		option, ok := arg.(*ast.CallExpr)
		if !ok || len(option.Args) != 1 {
			continue
		}
		if f, ok := option.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "WithUnit" {
			i.unit = literal(option.Args[0])
		}
	}
	return i, true
}

// literal is the text of a string literal, "" for everything else.
func literal(n ast.Node) string {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}

var (
	metricRow  = regexp.MustCompile("(?m)^\\| `(frogup_[a-z_]+)` \\| ([a-z]+) \\|")
	metricWord = regexp.MustCompile(`frogup_[a-z_]+`)
)

// Every metric of ours has a row with its name and kind, and no other name is spoken of.
func TestObservabilityDocument(t *testing.T) {
	path, text := docText(t, "observability.md")
	want, got := map[string]string{}, map[string]string{}
	for _, i := range instruments(t) {
		want[i.prometheus()] = i.kind
	}
	for _, row := range metricRow.FindAllStringSubmatch(text, -1) {
		got[row[1]] = row[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the metrics of the code and the rows of %s (-code +document):\n%s", path, diff)
	}
	for _, word := range metricWord.FindAllString(text, -1) {
		series := word // of a histogram, perhaps
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if of, ok := strings.CutSuffix(word, suffix); ok && want[of] == "histogram" {
				series = of
			}
		}
		if want[series] == "" {
			t.Errorf("%s speaks of %s, which is no metric", path, word)
		}
	}
}
