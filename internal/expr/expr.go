// Package expr reads expressions that strangers write and evaluates them at a
// known cost: regular expressions (Pattern), JSON paths (Path) and CEL (Program).
//
// An expression is refused or compiled once, and then evaluated any number of
// times at once. Compiling is bounded by the length of the text, by how deep it
// nests and by what it is compiled to; evaluating by counted steps, whatever it is
// evaluated over. Whoever accepts an expression and whoever evaluates it later use
// the same functions, so that what was accepted can be evaluated.
//
// The error of an expression that is refused completes the sentence "the
// expression …", such as "must be an expression of 1 to 1024 bytes"; it is short
// and valid UTF-8, whatever the expression is.
package expr

import "strings"

// maxClip is how much of a text messages show, in bytes.
const maxClip = 200

// clip keeps messages short, whatever somebody wrote.
func clip(s string) string {
	if len(s) <= maxClip {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:maxClip], "") + "…"
}
