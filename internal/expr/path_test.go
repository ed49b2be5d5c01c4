package expr

import (
	"encoding/json"
	"errors"
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
		p, err := ParsePath(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		found, err := p.Find(root)
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

// textOf is a value as JSON, its texts bare.
func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
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
		p, err := ParsePath(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if found, err := p.Find(root); err != nil || fmt.Sprint(found) != want {
			t.Errorf("%s: %v, %v; want %s", path, found, err, want)
		}
	}
}

func TestPathRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "must be a JSON path of 1 to 1024 bytes"}, {"$" + strings.Repeat(".a", 600), "must be a JSON path of 1 to 1024 bytes"},
		{"$.", "is not a JSON path: "}, {"$[", "is not a JSON path: "}, {"$[(@.length-1)]", ""},
		{"$[?(@.a =~ /x/)]", "has a filter with "}, {"$[?(length(@.a) > 1)]", "has a filter with "}, {"$[?(match(@.a, 'x'))]", "has a filter with "},
		{"$[?(@.a == $.b)]", "has a filter that compares more than @ and what is named in it"}, {"$[?(@..a == 1)]", "has a filter that compares more"},
		{"$[?(@.* == 1)]", "has a filter that compares more"}, {"$[?(@.a[?(@.b == 1)])]", "has a filter that compares more"},
		{"$.a[\xff]", "is not a JSON path: "},
	} {
		if _, err := ParsePath(tt.text); err == nil || !strings.HasPrefix(err.Error(), tt.want) || !fit(err) {
			t.Errorf("%.40s: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// Neither the path nor the document makes a walk long or what it finds large.
func TestPathSteps(t *testing.T) {
	nested := any(1.0)
	for range 49 {
		nested = map[string]any{"a": []any{nested}}
	}
	wide := make([]any, 200_000)
	for text, want := range map[string]struct {
		root  any
		found int
		ends  bool
	}{
		"$" + strings.Repeat("..*", 30):                   {nested, -1, true},
		"$" + strings.Repeat(".a[0,0,0,0,-1]", 40) + ".x": {nested, 0, true},
		"$[*]":                                   {wide, maxFound, false},
		"$[?(@.a == 1 && @.b == 2 || @.c == 3)]": {append(wide, wide...), 0, false},
		"$" + strings.Repeat(".a[0]", 49):        {nested, 1, false},
	} {
		p, err := ParsePath(text)
		if err != nil {
			t.Fatalf("%.40s: %v", text, err)
		}
		found, err := p.Find(want.root)
		if (err != nil) != want.ends || len(found) > maxFound || want.found >= 0 && len(found) != want.found {
			t.Errorf("%.40s: %d found, %v", text, len(found), err)
		}
	}
}

// FuzzPath holds that every path is refused with a fit message or walked, and that
// the $ at its beginning says nothing.
func FuzzPath(f *testing.F) {
	f.Add("$..a[?(@.b == 1)]", []byte(`{"a":[{"b":1}]}`))
	f.Add("$[?(@.a == @.b)]", []byte(`[{"a":{},"b":{}}]`))
	f.Add("$[::-1][0,'a'].*", []byte(`[[[1,2]],[{}]]`))
	f.Add("$.a[?(!@.b || @.c in ['x',1])]", []byte("null"))
	f.Fuzz(func(t *testing.T, text string, doc []byte) {
		p, err := parsePath(text) // which must not need to be saved
		if err != nil {
			if !fit(err) {
				t.Fatalf("unfit: %q", err)
			}
			return
		}
		var root any
		if json.Unmarshal(doc, &root) != nil {
			return
		}
		found, err := p.Find(root)
		if len(found) > maxFound || err != nil && !errors.Is(err, errTooManySteps) {
			t.Fatalf("%d found, %v", len(found), err)
		}
		again, _ := p.Find(root)
		if fmt.Sprint(found) != fmt.Sprint(again) {
			t.Fatalf("found %v, then %v", found, again)
		}
	})
}
