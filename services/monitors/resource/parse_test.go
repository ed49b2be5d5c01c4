package resource

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var stand = strings.NewReplacer(
	"{{tcp}}", "apiVersion: v1\nkind: TcpCheck\nmetadata: {name: a}\nspec:\n  host: example.com\n  port: 80\n",
	"{{http}}", "apiVersion: v1\nkind: HttpCheck\nmetadata: {name: a}\nspec:\n  url: https://example.com/\n",
	"{{tls}}", "apiVersion: v1\nkind: TlsCheck\nmetadata: {name: a}\nspec:\n  hostname: example.com\n",
	"{{every}}", "  interval: 1m\n",
	"{{up}}", "  checks: [{type: reachable, operator: is, value: true}]",
)

// invalid is a case of testdata/invalid.txt.
type invalid struct {
	name  string
	text  string
	rules []string
	hints []string // by rule; empty if none is wanted
	soft  []bool
	at    []string
}

var wanted = regexp.MustCompile(`(~?)([a-z-]+)(?: ("(?:[^"\\]|\\.)*"))?`)

func invalidDocuments(t testing.TB) (list []invalid) {
	data, err := os.ReadFile("testdata/invalid.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(data), "\n#### ")[1:] {
		head, text, _ := strings.Cut(part, "\n")
		name, rules, _ := strings.Cut(head, ": ")
		c := invalid{name: name}
		for _, m := range wanted.FindAllStringSubmatch(rules, -1) {
			hint := ""
			if m[3] != "" {
				if hint, err = strconv.Unquote(m[3]); err != nil {
					t.Fatal(name, err)
				}
			}
			c.soft, c.rules, c.hints = append(c.soft, m[1] == "~"), append(c.rules, m[2]), append(c.hints, hint)
		}
		line, column := 1, 1
		for _, r := range stand.Replace(text) {
			switch r {
			case '‸':
				c.at = append(c.at, fmt.Sprintf("%d:%d", line, column))
				continue
			case '\n':
				line, column = line+1, 0
			}
			column++
			c.text += string(r)
		}
		list = append(list, c)
	}
	return list
}

func TestInvalidDocuments(t *testing.T) {
	list := invalidDocuments(t)
	if len(list) < 120 {
		t.Fatalf("%d cases", len(list))
	}
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			src := []Source{{Name: "f.yaml", Data: []byte(tt.text)}}
			strict, permissive := Parse(src, Options{}), Parse(src, Options{Permissive: true})
			if strict.Errors() != len(tt.rules) || len(strict.Problems) != len(tt.rules) || len(tt.at) != len(tt.rules) {
				t.Fatalf("problems %v, want %v at %v", strict.Problems, tt.rules, tt.at)
			}
			soft := 0
			for i, p := range strict.Problems {
				at := fmt.Sprintf("%d:%d", p.Line, p.Column)
				if p.Rule != tt.rules[i] || at != tt.at[i] || p.Hint != tt.hints[i] && tt.hints[i] != "" {
					t.Errorf("got %v, want %s at %s, hint %q", p, tt.rules[i], tt.at[i], tt.hints[i])
				}
				if p.Message == "" || p.File != "f.yaml" {
					t.Errorf("%#v says too little", p)
				}
				if tt.soft[i] {
					soft++
				}
			}
			if got := len(permissive.Problems) - permissive.Errors(); got != soft {
				t.Errorf("permissive: %d warnings, want %d: %v", got, soft, permissive.Problems)
			}
		})
	}
}

const valid = `apiVersion: v1
kind: TcpCheck
metadata: {name: a}
spec: {host: h, port: 1, interval: 1m, checks: [{type: reachable, operator: is, value: true}]}
`

func TestFormsOfAFile(t *testing.T) {
	twice := strings.Replace(valid, "name: a", "name: b", 1)
	for name, tt := range map[string]struct {
		file, text string
		checks     int
	}{
		"plain":             {"a.yaml", valid, 1},
		"byte order mark":   {"a.yaml", "\xef\xbb\xbf" + valid, 1},
		"CR LF":             {"a.yaml", strings.ReplaceAll(valid, "\n", "\r\n"), 1},
		"CR":                {"a.yaml", strings.ReplaceAll(valid, "\n", "\r"), 1},
		"no end of line":    {"a.yaml", strings.TrimSuffix(valid, "\n"), 1},
		"two documents":     {"a.yaml", valid + "---\n" + twice, 2},
		"markers around":    {"a.yaml", "---\n" + valid + "...\n--- # next\n" + twice + "---\n---\n# end\n", 2},
		"marker with value": {"a.yaml", "--- {apiVersion: v1, kind: TcpCheck, metadata: {name: a}, spec: {host: h, port: 1, interval: 1m, checks: [{type: reachable, operator: is, value: true}]}}\n", 1},
		"directive":         {"a.yaml", "%YAML 1.2\n---\n" + valid, 1},
		"comments alone":    {"a.yaml", "# nothing\n\n# here\n", 0},
		"empty":             {"a.yaml", "", 0},
		"anchor and merge":  {"a.yaml", "apiVersion: v1\nkind: TcpCheck\nmetadata: {name: a}\nspec:\n  <<: &d {host: h, port: 1, interval: 1m}\n  port: 2\n  checks: [&c {type: reachable, operator: is, value: true}, *c]\n", 1},
		"JSON":              {"a.json", `{"apiVersion":"v1","kind":"TcpCheck","metadata":{"name":"a","title":"\ud83d\udc38 \/"},"spec":{"host":"h","port":1,"interval":"1m","checks":[{"type":"reachable","operator":"is","value":true}]}}`, 1},
		"JSON from a pipe":  {"-", "\n {\"apiVersion\":\"v1\",\"kind\":\"TcpCheck\",\"metadata\":{\"name\":\"a\",\"title\":\"\\ud83d\\udc38\"},\"spec\":{\"host\":\"h\",\"port\":1,\"interval\":60,\"checks\":[{\"type\":\"reachable\",\"operator\":\"is\",\"value\":true}]}}", 1},
		"flow from a pipe":  {"-", "{apiVersion: v1, kind: TcpCheck, metadata: {name: a}, spec: {host: h, port: 1, interval: 1m, checks: [{type: reachable, operator: is, value: true}]}}", 1},
	} {
		set := Parse([]Source{{Name: tt.file, Data: []byte(tt.text)}}, Options{})
		if len(set.Problems) > 0 || len(set.Checks) != tt.checks {
			t.Errorf("%s: %d checks, %v", name, len(set.Checks), set.Problems)
		}
	}
}

func TestInvalidJSON(t *testing.T) {
	for _, tt := range []struct{ text, at, rule string }{
		{"{\n \"apiVersion\": \"v1\",,}", "2:21", "json-syntax"},
		{"{\"apiVersion\": ", "1:16", "json-syntax"},
		{"[1]", "1:1", "wrong-type"},
		{"{\"a\": 010}", "1:8", "json-syntax"},
		{"{\"kind\":\"TcpCheck\",\"kind\":\"TcpCheck\"}", "1:20", "duplicate-field"},
		{"", "", ""},
	} {
		set := Parse([]Source{{Name: "a.json", Data: []byte(tt.text)}}, Options{})
		found := slices.ContainsFunc(set.Problems, func(p Problem) bool {
			return p.Rule == tt.rule && fmt.Sprintf("%d:%d", p.Line, p.Column) == tt.at
		})
		if found != (tt.rule != "") || tt.rule == "" && len(set.Problems) > 0 {
			t.Errorf("%q: %v, want %s at %s", tt.text, set.Problems, tt.rule, tt.at)
		}
	}
}

func TestDuplicatesAcrossFiles(t *testing.T) {
	set := Parse([]Source{{"a.yaml", []byte(valid)}, {"b.yaml", []byte("# first line\n" + valid)}}, Options{})
	if len(set.Problems) != 1 || set.Problems[0].Position != (Position{"b.yaml", 4, 18}) || !strings.Contains(set.Problems[0].Message, "a.yaml:3:18") {
		t.Errorf("%v", set.Problems)
	}
}

func TestBoundsOfFiles(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, tt := range map[string]struct{ text, rule string }{
		"file":       {strings.Repeat("#", MaxFileBytes+1), "file-size"},
		"document":   {"a: " + strings.Repeat("x", MaxDocumentBytes), "document-size"},
		"documents":  {strings.Repeat("---\na\n", MaxDocuments+1), "too-many-problems"},
		"aliases":    {bomb, "document-size"},
		"depth":      {strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "document-size"},
		"open":       {strings.Repeat("[", MaxDocumentBytes-10), "yaml-syntax"},
		"open JSON":  {"{\"a\":" + strings.Repeat("[", 100_000), "document-size"},
		"UTF-16":     {"\xff\xfea\x00", "encoding"},
		"control":    {"a: \x01\n", "control-character"},
		"separator":  {"a: \u2028\n", "control-character"},
		"not UTF-8":  {"a: \xe4\n", "encoding"},
		"long lists": {"a: [" + strings.Repeat("1,", maxNodes) + "]", "document-size"},
	} {
		set := Parse([]Source{{"a", []byte(tt.text)}}, Options{})
		if !slices.ContainsFunc(set.Problems, func(p Problem) bool { return p.Rule == tt.rule }) || len(set.Problems) > maxProblems+1 {
			t.Errorf("%s: %d problems, none %s: %.200v", name, len(set.Problems), tt.rule, set.Problems)
		}
	}
}

// A header may hold a credential, so what is wrong with it is told without it.
func TestSecretsStayUnsaid(t *testing.T) {
	text := stand.Replace("{{http}}{{every}}  headers: {Authorization: \"Bearer s3cret\\n\", X-Key: 5377}\n  checks: [{type: statusCode, operator: equals, value: 200}]\n")
	set := Parse([]Source{{"a.yaml", []byte(text)}}, Options{})
	if len(set.Problems) != 2 {
		t.Fatal(set.Problems)
	}
	for _, p := range set.Problems {
		if s := fmt.Sprintf("%#v", p); !p.Secret || strings.Contains(s, "s3cret") || strings.Contains(s, "5377") {
			t.Error(s)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range invalidDocuments(f) {
		f.Add("a.yaml", c.text)
	}
	f.Add("a.json", `{"apiVersion":"v1","kind":"TcpCheck","metadata":{"name":"a"},"spec":{"host":"h","port":1e3,"interval":"1m","checks":[{}]}}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		for _, permissive := range []bool{false, true} {
			set := Parse([]Source{{name, []byte(text)}}, Options{Permissive: permissive})
			for _, p := range set.Problems {
				lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(text, "\xef\xbb\xbf"), "\r\n", "\n"), "\r", "\n"), "\n")
				if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
					t.Fatalf("%q: %v is outside the file", text, p)
				}
				if p.Rule == "" || p.Message == "" {
					t.Fatalf("%q: %#v", text, p)
				}
			}
			for _, c := range set.Checks {
				if c.Spec().GetName() != c.Name || len(c.Spec().GetAssertions()) == 0 {
					t.Fatalf("%q: %#v", text, c)
				}
			}
		}
	})
}
