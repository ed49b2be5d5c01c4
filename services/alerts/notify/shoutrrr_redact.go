package notify

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode"
)

// shoutrrrSecrets are the parts of a URL of shoutrrr that may be credentials. That may be any: some services have the token in the
// place of the user, some in that of the host, and most put it together anew before they send it. So each piece counts that is
// long enough to be none of our words.
func shoutrrrSecrets(address string) []string {
	out := []string{address}
	u, err := url.Parse(address)
	if err != nil {
		return out
	}
	for _, text := range shoutrrrTexts(u) {
		if len(text) < leastSecret {
			continue
		}
		out = append(out, text, url.QueryEscape(text), url.PathEscape(text))
		for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(piece) >= leastSecret {
				out = append(out, piece)
			}
		}
	}
	if password, ok := u.User.Password(); ok {
		out = append(out, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	return out
}

// shoutrrrTexts are the components of a URL, as they are written and as they are meant.
func shoutrrrTexts(u *url.URL) []string {
	password, _ := u.User.Password()
	out := []string{u.Opaque, u.User.Username(), password, u.Host, u.Path, u.EscapedPath(), u.RawQuery, u.Fragment, u.EscapedFragment()}
	if u.User != nil {
		out = append(out, u.User.String())
	}
	for _, values := range u.Query() {
		out = append(out, values...)
	}
	return append(out, strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })...)
}
