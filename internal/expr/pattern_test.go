package expr

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		text  string
		fold  bool
		in    string
		holds bool
	}{
		{"a+b", false, "xaab", true}, {"a+b", false, "xAAB", false}, {"a+b", true, "xAAB", true},
		{"a|b", true, "B", true}, {"^a$", true, "A", true}, {`\Qa.b`, true, "A.B", true}, {`\Qa.b`, true, "AxB", false},
		{"(?-i)a", true, "A", false}, {"^$", false, "", true}, {"(?m)^b$", false, "a\nb", true},
	} {
		p, err := ParsePattern(tt.text, tt.fold)
		if err != nil {
			t.Errorf("%s is refused: %v", tt.text, err)
			continue
		}
		if p.MatchString(tt.in) != tt.holds || p.Match([]byte(tt.in)) != tt.holds {
			t.Errorf("%s in %q, fold %v: want %v", tt.text, tt.in, tt.fold, tt.holds)
		}
	}
}

func TestPatternRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "must be an expression of 1 to 1024 bytes"},
		{"too long", strings.Repeat("a", MaxPatternBytes+1), "must be an expression of 1 to 1024 bytes"},
		{"open class", "[", "is not an RE2 expression: error parsing regexp: missing closing ]: `[`"},
		{"of another language", "(?=a)", "is not an RE2 expression: "},
		{"backward", `(a)\1`, "is not an RE2 expression: "},
		{"not UTF-8", "\xff", "is not an RE2 expression: "},
		{"long once compiled", "((a{10}){10}){10}" + strings.Repeat("(b{1000})", 10), "is too complex: its repetitions make it "},
		{"longer than the library takes", "((a{100}){100}){100}", "is not an RE2 expression: "},
		{"one that leaves its group", "a)(b", "is not an RE2 expression: error parsing regexp: unexpected ): `a)(b`"},
	} {
		for _, fold := range []bool{false, true} {
			_, err := ParsePattern(tt.text, fold)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !fit(err) {
				t.Errorf("%s, fold %v: %v, want %q", tt.name, fold, err, tt.want)
			}
		}
	}
}

// fit reports whether an error can be shown to whoever wrote the expression.
func fit(err error) bool {
	text := err.Error()
	return text != "" && len(text) <= 500 && utf8.ValidString(text)
}

// The larger an expression is, the less of a text it is matched with.
func TestPatternLimit(t *testing.T) {
	p, err := ParsePattern(strings.Repeat("b{1000}", 9)+"|zx", false)
	if err != nil {
		t.Fatal(err)
	}
	if p.Limit() < 6<<10 || p.Limit() > 8<<10 {
		t.Fatalf("%d bytes are looked at", p.Limit())
	}
	text := strings.Repeat("a", p.Limit()-2)
	if !p.MatchString(text+"zx") || !p.Match([]byte(text+"zx")) {
		t.Error("what ends at the limit is not found")
	}
	if p.MatchString(text+"azx") || p.Match([]byte(text+"azx")) {
		t.Error("what ends beyond the limit is found")
	}
}

// FuzzPattern holds that every expression is refused with a fit message or
// matches, and that one that matches a text also does when case is nothing to it.
func FuzzPattern(f *testing.F) {
	f.Add("a+", "ba")
	f.Add(`\Qa`, "a")
	f.Add("(?i)x|(?-i)y", "Y")
	f.Add("(a*)*(x+x+)+y", "aaaaxxxxy")
	f.Fuzz(func(t *testing.T, text, in string) {
		p, err := ParsePattern(text, false)
		folded, foldedErr := ParsePattern(text, true)
		for _, err := range []error{err, foldedErr} {
			if err != nil && !fit(err) {
				t.Fatalf("unfit: %q", err)
			}
		}
		if err != nil {
			if foldedErr == nil {
				t.Fatalf("refused unless folded: %v", err)
			}
			return
		}
		if p.Limit() < 1<<10 || p.MatchString(in) != p.Match([]byte(in)) {
			t.Fatalf("limit %d", p.Limit())
		}
		if foldedErr == nil && !strings.ContainsAny(text, `^[\(`) && p.MatchString(in) && !folded.MatchString(in) {
			t.Fatalf("%q matches %q as it is, and not folded", text, in)
		}
	})
}
