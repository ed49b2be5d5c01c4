package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever a text is made of, it comes back as it was, and what is stored never holds what JSONB refuses.
func TestJSONBKeepsEveryText(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune{0, '\\', 'u', '0', '1', '"', 'x', '\uE000', '\uE001', '\U0010FFFF', '\u2028', '<'}))
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]any{"list": []any{text.Draw(t, "value"), 1.5, true, nil}, text.Draw(t, "key"): text.Draw(t, "value")}
		stored := jsonb(want)
		if strings.Contains(strings.ReplaceAll(stored, `\\`, ""), `\u0000`) {
			t.Fatalf("stored as %q", stored)
		}
		var got map[string]any
		if err := readJSONB([]byte(stored), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
