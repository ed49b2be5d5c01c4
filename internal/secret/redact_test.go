package secret

import (
	"strings"
	"testing"
)

func TestWithout(t *testing.T) {
	const said = `a "b\c/d`
	for _, text := range []string{
		said, `{"x":"a \"b\\c/d"}`, `{"x":"a \"b\\c\/d"}`, `<p>a &#34;b\c/d</p>`,
	} {
		got := Without(text, []string{"", said})
		if !strings.Contains(got, hidden) || strings.Contains(got, `\c`) || strings.Contains(got, "c/d") {
			t.Errorf("%s became %s", text, got)
		}
	}
	if got := Without("user:password", []string{"password", "user:password"}); got != hidden {
		t.Errorf("the whole did not go before its part: %s", got)
	}
	if got := Without("nothing", nil); got != "nothing" {
		t.Errorf("nothing became %s", got)
	}
}

func TestScrubURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.com/a":            "https://example.com/a",
		"https://u:p@example.com:8443/a?b": "https://example.com:8443/a?***",
		"postgres://u:p@db/x":              "postgres://db/x",
		"/path?x=1#y":                      "/path?***",
		"http://[::1":                      "***",
		"":                                 "",
	} {
		if got := ScrubURL(in); got != want {
			t.Errorf("ScrubURL(%q) = %q, want %q", in, got, want)
		}
	}
}
