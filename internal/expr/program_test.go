package expr

import (
	"errors"
	"strings"
	"testing"
)

// values are facts of a test.
type values map[string]any

var errNone = errors.New("there is none")

func (v values) Fact(name string) (any, error) {
	value, ok := v[name]
	if !ok {
		return nil, errNone
	}
	return value, nil
}

func lang() *Language {
	return NewLanguage(Variable{"n", Int}, Variable{"x", Double}, Variable{"s", String}, Variable{"any", Any}, Variable{"names", StringMap}, Variable{"things", AnyMap})
}

func TestProgram(t *testing.T) {
	facts := values{
		"n": int64(5), "x": 1.5, "s": "text", "any": map[string]any{"list": []any{1.0, "a", nil}, "none": nil},
		"names": map[string]string{"a": "b"}, "things": map[string]any{"days": int64(3), "names": []string{"a"}},
	}
	l := lang()
	for text, want := range map[string]string{ // what it is: true, false or why it cannot be told
		"n == 5": "true", "n < 5.5 && x > 1": "true", "x == 2.0": "false", "s.matches('^t.xt$')": "true", "any.list.size() == 3": "true",
		"any.list[1] == 'a'": "true", "any.none == null": "true", "names['a'] == 'b'": "true", "things.days > 2 && 'a' in things.names": "true",
		"any.gone == 1": "no such key: gone", "n / (n - 5) == 1": "division by zero", "any.list[1]": "it is string instead of true or false",
		"any": "it is map instead of true or false",
		strings.Repeat("[", 32) + strings.Repeat("]", 32) + ".size() == 0": "false", strings.Repeat("n == 5 && ", 300) + "true": "true",
		"s.matches('^[a-z]{4}$')": "true", "'text'.matches(s + '{1}')": "true", "s.matches(names['a'] + '|x')": "true", "s.matches('[' + s)": "error parsing regexp: missing closing ]: `[text`",
		"matches(s, s)": "true", "s.matches(string(n) + '{1000}')": "a regular expression 1002 steps long, at most are 100", "s.matches(any.list[0])": "no such overload",
		"any.list[0].matches(s)": "no such overload", "s.matches(any.list[1])": "false", "s.matches(any.gone)": "no such key: gone", "s.matches(any.gone) || true": "true",
	} {
		p, err := l.Compile(text)
		if err != nil {
			t.Errorf("%s is refused: %v", text, err)
			continue
		}
		holds, err := p.Holds(facts)
		got := map[bool]string{true: "true", false: "false"}[holds]
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// A fact that there is not ends what depends on it, and nothing else; null is a value.
func TestProgramAsksForWhatItNeeds(t *testing.T) {
	l := lang()
	for text, want := range map[string]error{"n == 1 || any.a": nil, "any.a || n == 1": nil, "n == 2 && any.a": nil, "n == 2 || any.a": errNone} {
		p, err := l.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Holds(values{"n": int64(1)}); (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	p, err := l.Compile("any == null")
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := p.Holds(values{"any": nil}); !holds || err != nil {
		t.Errorf("null is %v, %v", holds, err)
	}
}

func TestProgramUses(t *testing.T) {
	l := lang()
	for text, want := range map[string]bool{
		"any.a": true, "n == 1": false, "[1].all(i, i == any)": true, "has(any.a)": true, "n == 1 || false && any": true, "s == 'any'": false,
		"things.any == 1": false,
	} {
		p, err := l.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if p.Uses("any", "nothing") != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
}

func TestProgramRefused(t *testing.T) {
	l := lang()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "must be an expression of 1 to 4096 bytes"},
		{"too long", strings.Repeat("!", MaxProgramBytes) + "true", "must be an expression of 1 to 4096 bytes"},
		{"half", "n ==", "is not a CEL expression: <input>:1:5: Syntax error"},
		{"about the unknown", "m == 1", "is not a CEL expression: <input>:1:1: undeclared reference to 'm'"},
		{"of other types", "n == 'a'", "is not a CEL expression: <input>:1:3: found no matching overload"},
		{"a number", "n + 1", "must be true or false; it is int"},
		{"nested deeply", strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000), "is not a CEL expression: "},
		{"lists nested deeply", strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + " == []", "is not a CEL expression: "},
		{"lists nested 33 deep", strings.Repeat("[", 33) + strings.Repeat("]", 33) + " == []", "must nest lists, maps and what goes over them at most 32 deep"},
		{"comprehensions nested 33 deep", strings.Repeat("any.map(a,", 33) + "a" + strings.Repeat(")", 33) + " == []", "must nest lists"},
		{"a long pattern within", "s.matches('(a{10}){50}')", "is not a CEL expression: a regular expression 602 steps long, at most are 100"},
		{"a bad pattern within", "s.matches('(')", "is not a CEL expression: "},
	} {
		if _, err := l.Compile(tt.text); err == nil || !strings.HasPrefix(err.Error(), tt.want) || !fit(err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := NewLanguage(Variable{"n", "integer"}).Compile("n == 1"); err == nil || !strings.Contains(err.Error(), `cannot be read here: variable n: "integer" is not a kind`) {
		t.Errorf("a kind that there is not: %v", err)
	}
	if _, err := NewLanguage(Variable{"n", Int}, Variable{"n", String}).Compile("n == 1"); err == nil {
		t.Error("a name that is declared twice is taken")
	}
}

// What is evaluated over makes no evaluation long.
func TestProgramCost(t *testing.T) {
	wide := make([]any, 20_000)
	for i := range wide {
		wide[i] = []any{[]any{1.0, 2.0}}
	}
	facts := values{"s": strings.Repeat("a", 1<<20), "any": wide}
	l := lang()
	for text, want := range map[string]string{
		"any.all(a, any.all(b, a == b || true))":                          "it takes longer than 1s; operation cancelled: actual cost limit exceeded",
		"size(" + strings.Repeat("s+", 200) + "s) < 0":                    "operation cancelled: actual cost limit exceeded",
		"[s,s,s].map(a, [s,s,s].map(b, [s,s].map(c, a+b+c))).size() == 1": "operation cancelled: actual cost limit exceeded",
		"any.map(a, any.map(b, any.map(c, [a, b, c]))).size() == 1":       "it takes longer than 1s; operation cancelled: actual cost limit exceeded",
	} {
		p, err := l.Compile(text)
		if err != nil {
			t.Errorf("%s is refused: %v", text, err)
			continue
		}
		_, err = p.Holds(facts)
		got := "it is told"
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(want, got) {
			t.Errorf("%.60s: %q, want %q", text, got, want)
		}
	}
}

// FuzzProgram holds that every expression is refused with a fit message, or told,
// or there is a fit reason why not.
func FuzzProgram(f *testing.F) {
	f.Add("n == 1 || s.matches('a')", "a")
	f.Add("any.all(a, a > 1)", "x")
	f.Add("{'a': n}.a == 1 && [x, 2.0][0] < 1.0", "")
	f.Add("has(things.a) ? names.exists(k, k == s) : any", "\xff")
	l := lang()
	f.Fuzz(func(t *testing.T, text, s string) {
		p, err := l.compile(text) // which must not need to be saved
		if err != nil {
			if !fit(err) {
				t.Fatalf("unfit: %q", err)
			}
			return
		}
		facts := values{"n": int64(len(s)), "x": 0.5, "s": s, "any": []any{s, 1.0, nil}, "names": map[string]string{s: s}, "things": map[string]any{"a": s}}
		if _, err := p.Holds(facts); err != nil && !fit(err) {
			t.Fatalf("unfit: %q", err)
		}
	})
}
