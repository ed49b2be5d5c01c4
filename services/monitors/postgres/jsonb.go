package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSONB holds all of Unicode but U+0000, which the body of a request may well contain. It is written as U+E000 and a 0, and
// U+E000, a character for private use that nobody assigns a meaning to, as itself and a 1.
var (
	toJSONB = strings.NewReplacer(
		`\\`, `\\`, // so that what follows an escaped backslash is not taken for an escape
		`\u0000`, "\uE0000",
		"\uE000", "\uE0001",
	)
	fromJSONB = strings.NewReplacer("\uE0000", `\u0000`, "\uE0001", "\uE000")
)

// jsonb writes plain data, which always has a JSON form.
func jsonb(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T as JSON: %v", v, err))
	}
	return toJSONB.Replace(string(b))
}

// readJSONB is the inverse. It leaves to alone if text is NULL.
func readJSONB(text []byte, to any) error {
	if text == nil {
		return nil
	}
	if s := string(text); strings.Contains(s, "\uE000") {
		text = []byte(fromJSONB.Replace(s))
	}
	return json.Unmarshal(text, to)
}
