package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ohler55/ojg/jp"
	"pgregory.net/rapid"
)

// value draws JSON that is not deeper than depth.
func value(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 3), func(n int) any { return float64(n) }),
		rapid.Map(rapid.SampledFrom([]string{"", "a", "b"}), func(s string) any { return s }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(
		leaf,
		rapid.Map(rapid.SliceOfN(value(depth-1), 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), value(depth-1), 0, 3), func(m map[string]any) any { return m }),
	)
}

// The library that reads paths can also walk them, without bounds: both find the same.
func TestWalkFindsWhatTheLibraryFinds(t *testing.T) {
	step := rapid.SampledFrom([]string{".a", ".b", "['c']", "[0]", "[1]", "[-1]", "[*]", ".*", "..a", "[0,1]", "['a','b']", "[1:]", "[:2]", "[0:3:2]", "[-2:]", "[?(@.a == 1)]", "[?(@.a)]", "[?(@.a > 0 || @.b == 'a')]"})
	rapid.Check(t, func(t *rapid.T) {
		root := value(4).Draw(t, "value")
		text := "$" + strings.Join(rapid.SliceOfN(step, 1, 4).Draw(t, "steps"), "")
		p, err := parsePath(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		found, err := p.find(root)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		theirs, ok := libraryFinds(text, root)
		if !ok {
			return
		}
		if got, want := texts(found), texts(theirs); !slices.Equal(got, want) {
			t.Errorf("%s of %s: found %v, the library %v", text, textOf(root), got, want)
		}
	})
}

// libraryFinds asks the library, which panics when a filter meets null where it
// wants a list; there is nothing to compare with then.
func libraryFinds(path string, root any) (found []any, ok bool) {
	defer func() { ok = recover() == nil }()
	return jp.MustParseString(path).Get(root), true
}

func texts(list []any) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, textOf(v))
	}
	slices.Sort(out)
	return out
}

// Slices are those of RFC 9535, section 2.3.4.
func TestSlices(t *testing.T) {
	var root any
	if err := json.Unmarshal([]byte(`["a","b","c","d","e","f","g"]`), &root); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"$[1:3]": "[b c]", "$[5:]": "[f g]", "$[1:5:2]": "[b d]", "$[5:1:-2]": "[f d]", "$[::-1]": "[g f e d c b a]",
		"$[-2:]": "[f g]", "$[:-5]": "[a b]", "$[9:]": "[]", "$[3:3]": "[]", "$[-99:2]": "[a b]", "$[2:-99:-1]": "[c b a]",
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if found, err := p.find(root); err != nil || fmt.Sprint(found) != want {
			t.Errorf("%s: %v, %v; want %s", path, found, err, want)
		}
	}
}
