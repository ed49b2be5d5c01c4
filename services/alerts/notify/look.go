package notify

import "strings"

// look is how a message appears at a glance.
type look struct {
	mark   string // a character in colour, for providers that have no colours
	colour int    // 0xRRGGBB
}

var looks = map[Severity]look{
	Critical:      {"🔴", 0xC62828},
	High:          {"🟠", 0xEF6C00},
	Medium:        {"🟡", 0xF9A825},
	Low:           {"🔵", 0x1565C0},
	Informational: {"⚪", 0x607D8B},
}

var resolvedLook = look{"🟢", 0x2E7D32}

func (w Words) look() look {
	if w.Action == Resolve {
		return resolvedLook
	}
	if l, ok := looks[w.Severity]; ok {
		return l
	}
	return looks[Informational]
}

// heading is the title and its mark.
func (w Words) heading() string { return w.look().mark + " " + w.Title }

// plain is the whole message without any markup.
func (w Words) plain() string {
	parts := []string{w.Title}
	if w.Text != "" {
		parts = append(parts, w.Text)
	}
	if w.Link != "" {
		parts = append(parts, w.Link)
	}
	return strings.Join(parts, "\n")
}

// openLink is what the link to the client is called.
const openLink = "Open in Frogstats Uptime"

// escape replaces characters, each by itself.
func escape(text string, with map[rune]string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if s, ok := with[r]; ok {
			b.WriteString(s)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// fitEscaped escapes and cuts text, so that what comes out is at most limit UTF-16 units and no escape is cut in two.
func fitEscaped(text string, limit int, with map[rune]string) string {
	return escape(fit(text, limit, func(r rune) int {
		if s, ok := with[r]; ok {
			return units(s)
		}
		return inUnits(r)
	}), with)
}

// units is the length of text as most providers count it.
func units(text string) (n int) {
	for _, r := range text {
		n += inUnits(r)
	}
	return n
}

// marked are the characters that markup is made of, for an escape by backslash.
func marked(characters string) map[rune]string {
	out := map[rune]string{}
	for _, r := range characters {
		out[r] = `\` + string(r)
	}
	return out
}

// angles are what HTML and what is like it is made of.
var angles = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;"}

// attribute is angles for a text between quotes.
var attribute = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;"}
