package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// didYouMean is the end of a sentence about an unknown name: empty, or the one that it is most like.
func didYouMean(name string, known []string) string {
	if len(name) > maxQuoted {
		return ""
	}
	best, distance := "", max(1, min(len(name)/3, 3))+1
	for _, k := range known {
		if plain(k) == plain(name) {
			return fmt.Sprintf("; did you mean %q?", k)
		}
		if d := editDistance(name, k, distance); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// plain takes away what other conventions of naming change.
func plain(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// editDistance counts the letters to insert, delete, replace or swap with their neighbour, or returns limit when there are
// at least as many.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

const maxQuoted = 40

// clip shortens what a stranger sent, in bytes, without cutting a letter in two.
func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// oneOf lists the values of an enum.
func oneOf(allowed []string) string {
	quoted := make([]string, len(allowed))
	for i, a := range allowed {
		quoted[i] = `"` + a + `"`
	}
	return "must be one of " + strings.Join(quoted, ", ")
}
