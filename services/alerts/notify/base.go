package notify

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

// baseURL is the setting of providers that are served at more than one place: by region, or by whoever installed them. It says
// where secrets go.
func baseURL(fallback string) field {
	f := field{name: "base_url", destination: true, check: checkBase, required: fallback == ""}
	if fallback != "" {
		f.fallback = fallback
	}
	return f
}

// checkBase says what is wrong with a URL that a path is to be added to.
func checkBase(text string) string {
	if problem := checkURL(text); problem != "" {
		return problem
	}
	if u, err := url.Parse(text); err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "must not have a query or a fragment"
	}
	return ""
}

// at is the address of a path below the base URL.
func (v values) at(path string) string { return strings.TrimRight(v.text("base_url"), "/") + path }

// matches is the check of a text by its form; what says in words which one.
func matches(form *regexp.Regexp, what string) func(string) string {
	return func(text string) string {
		if !form.MatchString(text) {
			return "must be " + what
		}
		return ""
	}
}

// checkKey is the check of credentials that stand in a header as they are. Providers change the form of their keys, so that is
// all that is asked of them.
var checkKey = matches(regexp.MustCompile(`^[!-~]{1,512}$`), "at most 512 letters, digits and signs, without spaces")

// basic is the value of the header Authorization for a user.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// redact takes the credentials of the header Authorization out of a text. In the form in which they are sent there they are no
// setting.
func (c call) redact(line string) string {
	if _, credentials, ok := strings.Cut(c.header["Authorization"], " "); ok && credentials != "" {
		line = strings.ReplaceAll(line, credentials, hiddenValue)
	}
	return line
}

// details are the facts by name, and what else a program on the other side might sort by.
func (w Words) details(limit int) map[string]string {
	out := map[string]string{}
	for _, f := range w.Facts[:min(len(w.Facts), maxDetails)] {
		if name := OneLine(f.Name, maxDetailName); name != "" {
			out[name] = fit(f.Value, limit, inUnits)
		}
	}
	out["type"] = w.Type
	return out
}

const (
	maxDetails    = 25
	maxDetailName = 50
)

// body is the text, or the title where a provider takes no message without a body.
func (w Words) body() string {
	if w.Text == "" {
		return w.Title
	}
	return w.Text
}
