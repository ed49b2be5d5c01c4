package secret

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// Without returns text with "***" in place of each of the parts, also where JSON or HTML quotes them. Empty parts are none.
func Without(text string, parts []string) string {
	all := make([]string, 0, 4*len(parts))
	for _, p := range parts {
		if p == "" {
			continue
		}
		quoted := quote(p)
		all = append(all, p, quoted, strings.ReplaceAll(quoted, "/", `\/`), html.EscapeString(p))
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // the whole before its parts
	for _, p := range all {
		text = strings.ReplaceAll(text, p, hidden)
	}
	return text
}

// quote is p as JSON has it, without the quotes.
func quote(p string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		panic(err) // a string always encodes
	}
	return strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`)
}

// ScrubURL returns raw without the user, the password, the values of the query and the fragment, any of which may be a
// credential. What does not parse as a URL is "***".
func ScrubURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return hidden
	}
	return ScrubbedURL(*u)
}

// ScrubbedURL is ScrubURL of a URL that has been read.
func ScrubbedURL(u url.URL) string {
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.RawQuery != "" {
		u.RawQuery = hidden
	}
	return u.String()
}
