package notify

import (
	"strings"
	"unicode"
)

// MaxExcerpt is how much of an answer is kept, in bytes.
const MaxExcerpt = 1024

// excerpt is the beginning of an answer as people may read it; more says that there was more of it. Secrets go before it is
// cut, since half of one would not be found; and of an answer of which not all was read, the end goes with them, where half
// of one may stand.
func excerpt(body []byte, more bool, redact func(string) string) string {
	text := redact(strings.ToValidUTF8(string(body), "\uFFFD"))
	if more {
		text = strings.ToValidUTF8(text[:max(len(text)-secretTail, 0)], "")
	}
	text = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	return fit(strings.TrimSpace(text), MaxExcerpt, inBytes)
}

// secretTail is longer than any secret, also where JSON or HTML quotes it.
const secretTail = 2 * maxHeaderValue
