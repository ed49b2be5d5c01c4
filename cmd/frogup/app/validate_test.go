package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/monitors/resource"
)

const goodCheck = `apiVersion: v1
kind: TcpCheck
metadata: {name: good}
spec: {host: 127.0.0.1, port: 1, interval: 1m, checks: [{type: reachable, operator: is, value: false}]}
`

const badCheck = `apiVersion: v1
kind: TcpCheck
metadata: {name: bad}
spec:
  host: 127.0.0.1
  port: 1
  interval: 1m
  checks:
    - type: latency
      operator: lessThan
      value: 100
`

// folder writes files and returns where they are.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestValidate(t *testing.T) {
	dir := folder(t, map[string]string{
		"good/a.yaml": goodCheck, "good/deep/b.YML": strings.Replace(goodCheck, "good", "b", 1), "good/readme.md": "not: [yaml",
		"good/c.json": `{"apiVersion":"v1","kind":"TcpCheck","metadata":{"name":"c"},"spec":{"host":"h","port":1,"interval":60,"checks":[{"type":"reachable","operator":"is","value":true}]}}`,
		"bad.yaml":    badCheck, "label.yaml": strings.Replace(goodCheck, "name: good", "name: label, labels: {a: 1}", 1), "empty/x.txt": "",
	})
	at := func(names ...string) (args []string) {
		for _, n := range names {
			args = append(args, "-f", filepath.Join(dir, n))
		}
		return args
	}
	for _, tt := range []struct {
		name   string
		args   []string
		stdin  string
		code   int
		stdout string // what it must hold
		stderr string
	}{
		{"folder", at("good"), "", 0, "3 files, 3 resources: valid\n", ""},
		{"twice the same file", at("good/a.yaml", "good/a.yaml"), "", 0, "1 file, 1 resource: valid\n", ""},
		{"invalid", at("bad.yaml"), "", 1, "bad.yaml:11:14: error: spec.checks[0].value must have a unit: ns, ms, s, m, h, d, w, mo or y [strict-time-grammar]\n  did you mean 100ms?\n1 file, 1 resource: 1 error\n", ""},
		{"label", at("label.yaml"), "", 1, "[wrong-type]", ""},
		{"label overlooked", append(at("label.yaml"), "--permissive"), "", 0, "1 file, 1 resource: valid, 1 warning\n", ""},
		{"all", at("good", "bad.yaml"), "", 1, "4 files, 4 resources: 1 error\n", ""},
		{"the same key in two files", append(at("good"), "-f", "-"), goodCheck, 1, "-:3:18: error: metadata.name makes the key v1:TcpCheck:good, which is at " + dir, ""},
		{"standard input", []string{"-f", "-"}, goodCheck, 0, "1 file, 1 resource: valid\n", ""},
		{"nothing in it", []string{"-f", "-"}, "", 0, "1 file, 0 resources: valid\n", ""},
		{"no such file", at("none.yaml"), "", 2, "", "frogup: read resources: "},
		{"no files in it", at("empty"), "", 2, "", "there is no *.yaml"},
		{"no file", nil, "", 2, "", `required flag(s) "file" not set`},
		{"no such output", append(at("good"), "-o", "xml"), "", 2, "", "--output"},
		{"argument", []string{"x"}, "", 2, "", "usage: frogup validate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := runVerb(t, t.Context(), nil, tt.stdin, append([]string{"validate"}, tt.args...)...)
			if got.code != tt.code || !strings.Contains(got.stdout, tt.stdout) || !strings.Contains(got.stderr, tt.stderr) || (tt.stderr == "") != (got.stderr == "") {
				t.Errorf("exit code %d, stdout %s stderr %s", got.code, got.stdout, got.stderr)
			}
		})
	}
}

func TestValidateJSON(t *testing.T) {
	got := runVerb(t, t.Context(), nil, badCheck, "validate", "-f", "-", "-o", "json")
	want := `{"valid":false,"files":1,"resources":1,"errors":1,"warnings":0,"problems":[{"severity":"error","file":"-","line":11,"column":14,"path":"spec.checks[0].value","value":"100","rule":"strict-time-grammar","message":"must have a unit: ns, ms, s, m, h, d, w, mo or y","hint":"100ms"}]}` + "\n"
	if got.code != 1 || got.stdout != want {
		t.Errorf("exit code %d, printed\n%s", got.code, got.stdout)
	}
	got = runVerb(t, t.Context(), nil, goodCheck, "validate", "-f", "-", "-o", "json")
	if !json.Valid([]byte(got.stdout)) || !strings.Contains(got.stdout, `"valid":true`) || !strings.Contains(got.stdout, `"problems":[]`) {
		t.Errorf("printed\n%s", got.stdout)
	}
}

// A person sees the line, and a caret below the place; never a line that may hold a credential.
func TestValidateExcerpt(t *testing.T) {
	text := strings.Replace(badCheck, "value: 100", "value: 100"+strings.Repeat(" ", 5)+"# \x1b[31m", 1)
	text = strings.ReplaceAll(text, "\x1b", "\u009b")
	for _, tt := range []struct{ text, want string }{
		{badCheck, "␛[1m-:11:14␛[0m: ␛[31merror␛[0m: spec.checks[0].value must have a unit: ns, ms, s, m, h, d, w, mo or y ␛[2m[strict-time-grammar]␛[0m\n" +
			"␛[2m   11 │ ␛[0m      value: 100\n␛[2m      │ ␛[0m             ␛[31m^^^␛[0m\n  ␛[36mdid you mean␛[0m 100ms?\n"},
		{text, "␛[1m-:11:24␛[0m: ␛[31merror␛[0m: character U+009B must not stand as it is ␛[2m[control-character]␛[0m\n"},
		{"apiVersion: v1\nkind: HttpCheck\nmetadata: {name: a}\nspec:\n  url: http://h/\n  interval: 1m\n  headers: {Authorization: 1234}\n  checks: [{type: statusCode, operator: equals, value: 200}]\n",
			"␛[1m-:7:28␛[0m: ␛[31merror␛[0m: spec.headers.Authorization must be a string, not an integer ␛[2m[wrong-type]␛[0m\n"},
		{"kind: " + strings.Repeat(" ", 300) + "Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {}\n", "^^^"},
	} {
		var out strings.Builder
		sources := []resource.Source{{Name: "-", Data: []byte(tt.text)}}
		set := resource.Parse(sources, resource.Options{})
		term := terminal{Writer: &out, colour: true, width: 60}
		term.problems(sources, set.Problems, true)
		got := visible(out.String())
		if strings.HasPrefix(tt.want, "␛") && strings.Contains(tt.want, "U+009B") {
			got = got[:strings.Index(got, "\n")+1]
		}
		if got != tt.want && tt.want != "^^^" || !strings.Contains(got, tt.want) || strings.Contains(got, "1234") || strings.Contains(out.String(), "\u009b") {
			t.Errorf("got\n%s\nwant\n%s", got, tt.want)
		}
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "│") && len([]rune(line)) > 60+len("\x1b[2m\x1b[0m\x1b[31m\x1b[0m")+1 {
				t.Errorf("wider than the terminal: %q", line)
			}
		}
	}
}

// The guide's examples are valid, and its table of rules is whole.
func TestResourcesDocument(t *testing.T) {
	_, text := docText(t, "resources.md")
	blocks := 0
	for _, part := range strings.Split(text, "```yaml\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		set := resource.Parse([]resource.Source{{Name: "example.yaml", Data: []byte(example)}}, resource.Options{})
		for _, p := range set.Problems {
			t.Error(p)
		}
		blocks += len(set.Checks)
	}
	if blocks < 3 {
		t.Errorf("%d checks in the examples", blocks)
	}
	_, table, _ := strings.Cut(text, "| rule | what it wants |")
	table, _, _ = strings.Cut(table, "\n\n")
	paths, err := filepath.Glob(filepath.Join(repository, "services/monitors/resource/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`(?:path|at|, [a-z]*path|Rule(?:, problem\.Message)?:?(?: =)?|line|column|1|fail\()(?:, | )"([a-z]+(?:-[a-z]+)*)"`)
	rules := map[string]bool{}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, m := range told.FindAllStringSubmatch(string(source), -1) {
			if m[1] != "checks" { // a field
				rules[m[1]] = true
			}
		}
	}
	if len(rules) < 40 {
		t.Errorf("found only %d rules in the source: %v", len(rules), rules)
	}
	for rule := range rules {
		if !strings.Contains(table, "`"+rule+"`") {
			t.Errorf("rule %q is not in the table of docs/resources.md", rule)
		}
	}
}
