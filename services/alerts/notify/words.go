package notify

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Words are a message for people, in no provider's markup. The texts hold what targets answered and what users typed: escape
// them.
type Words struct {
	Title string // one line: what is the matter with what
	Text  string // a few lines: where, since when, why, how long
	Facts []Fact // the same in pieces, for providers that lay out a table
	Link  string // where people can read more; "" when the installation does not know its own address
	// Type is what kind of message it is, as programs see it: "monitor.down", …
	Type   string
	Action Action
	// Severity is that of the trouble, in the message that ends it too.
	Severity Severity
	// Thread is the same in the message that begins a trouble and the one that ends it, and in no other trouble of any
	// organization: 7 to 64 of a-z, 0-9 and hyphens.
	Thread string
	Test   bool
	// Scheduled is a test that nobody waits for, and that is to wake nobody.
	Scheduled bool
}

// Fact is one short line of a table.
type Fact struct {
	Name  string
	Value string
}

// Action is what a message does to the trouble it is about.
type Action string

// The actions.
const (
	Trigger Action = "trigger"
	Resolve Action = "resolve"
	Info    Action = "info" // neither: tests, and what needs nobody to do anything
)

// Severity is how bad a trouble is.
type Severity string

// The severities, worst first.
const (
	Critical      Severity = "critical"
	High          Severity = "high"
	Medium        Severity = "medium"
	Low           Severity = "low"
	Informational Severity = "info"
)

const ellipsis = "…"

// fit cuts text between two characters so that what they cost together, and the ellipsis that says so, is at most limit.
func fit(text string, limit int, cost func(rune) int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	mark := 0
	for _, r := range ellipsis {
		mark += cost(r)
	}
	spent, keep := 0, 0 // keep is how many bytes leave room for the ellipsis
	for i, r := range text {
		if spent+mark <= limit {
			keep = i
		}
		if spent += cost(r); spent > limit {
			if mark > limit {
				return ""
			}
			return text[:keep] + ellipsis
		}
	}
	return text
}

// What a character costs: in UTF-16 units, as most providers count, which are at least as many as the characters; and in bytes.
func inUnits(r rune) int { return max(utf16.RuneLen(r), 1) }
func inBytes(r rune) int { return max(utf8.RuneLen(r), 1) }

// OneLine is text without line breaks and other control characters, cut to limit UTF-16 units.
func OneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	return fit(strings.Join(strings.Fields(text), " "), limit, inUnits)
}
