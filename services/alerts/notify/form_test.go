package notify

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var sampleForm = form{name: "sample", fields: []field{
	{name: "server", required: true, destination: true, check: checkURL},
	{name: "token", required: true, secret: true},
	{name: "second", secret: true},
	{name: "mode", fallback: "a", oneOf: []string{"a", "b"}},
	{name: "priority", kind: number, low: 1, high: 5},
	{name: "any", kind: number},
	{name: "quiet", kind: boolean},
	{name: "to", kind: list, check: atMost(5)},
	{name: "room", numeric: true},
}}

func TestFormRefuses(t *testing.T) {
	const rest = `, "server": "https://e/", "token": "t"}`
	for given, want := range map[string]string{
		`{"token": "t"}`:                                           "server is required",
		`{"server": "https://e/"}`:                                 "token is required",
		`{"server": "https://e/", "token": null}`:                  "token is required",
		`{"server": "https://e/", "token": ""}`:                    "token is required",
		`{"server": "https://e/", "token": "***"}`:                 "token has no value yet that could be kept",
		`{"server": "https://e/", "token": 7}`:                     "token must be a text",
		`{"server": "e", "token": "t"}`:                            "server must begin with http:// or https://",
		`{"mode": "c"` + rest:                                      "mode must be one of a, b",
		`{"priority": 6` + rest:                                    "priority must be a whole number between 1 and 5",
		`{"priority": 1.5` + rest:                                  "priority must be a whole number between 1 and 5",
		`{"priority": "1"` + rest:                                  "priority must be a whole number between 1 and 5",
		`{"any": 1e300` + rest:                                     "any must be a whole number",
		`{"quiet": "yes"` + rest:                                   "quiet must be true or false",
		`{"to": "x"` + rest:                                        "to must be a list of at most 50 texts",
		`{"to": [1]` + rest:                                        "to must be a list of at most 50 texts",
		`{"to": ["a", "abcdef"]` + rest:                            "to [1] must have at most 5 characters",
		`{"room": 1.5` + rest:                                      "room must be a text",
		`{"room": "a\nb"` + rest:                                   "room must be a text without control characters",
		`{"room": "` + strings.Repeat("x", maxText+1) + `"` + rest: "room must have at most 2048 bytes",
		`{"Server": "x"` + rest:                                    "Server is not a setting of sample; known are: server, token, second, mode, priority, any, quiet, to, room",
	} {
		set, made, bad := sampleForm.merge(Settings{}, object(t, given))
		if len(bad) != 1 || bad[0].Name+" "+bad[0].Message != want || set.Public != nil || made != nil {
			t.Errorf("%.80s: %v, want %s", given, bad, want)
		}
	}
}

func TestFormMerge(t *testing.T) {
	first, made, bad := sampleForm.merge(Settings{}, object(t,
		`{"server": "https://e/", "token": "canary", "second": "two", "priority": 3, "quiet": true, "to": ["a", "b"], "room": -1001234567890}`))
	if len(bad) > 0 || made != nil {
		t.Fatal(made, bad)
	}
	want := map[string]any{
		"server": "https://e/", "token": "***", "second": "***", "priority": 3.0, "quiet": true, "to": []any{"a", "b"}, "room": "-1001234567890",
	}
	if diff := cmp.Diff(want, sampleForm.show(first.Public)); diff != "" {
		t.Error(diff)
	}
	v, ok := sampleForm.usable(first)
	wantValues := values{
		"server": "https://e/", "token": "canary", "second": "two", "mode": "a", "priority": 3, "quiet": true, "to": []string{"a", "b"}, "room": "-1001234567890",
	}
	if diff := cmp.Diff(wantValues, v); diff != "" || !ok {
		t.Error(diff)
	}
	changed, _, bad := sampleForm.merge(first, object(t, `{"second": null, "priority": null, "to": [], "mode": "b"}`))
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	v, _ = sampleForm.usable(changed)
	if diff := cmp.Diff(values{"server": "https://e/", "token": "canary", "mode": "b", "quiet": true, "room": "-1001234567890"}, v); diff != "" {
		t.Error(diff)
	}
	lost, _, bad := sampleForm.merge(Settings{Public: json.RawMessage(`{"url":`)}, object(t, `{"server": "https://e/", "token": "t"}`))
	if _, ok := sampleForm.usable(lost); !ok || len(bad) > 0 {
		t.Errorf("damaged settings cannot be replaced: %v", bad)
	}
	if _, ok := sampleForm.usable(Settings{Public: json.RawMessage(`{"values":{"server":"https://e/"}}`), Secret: json.RawMessage(`{}`)}); ok {
		t.Error("settings without a secret that is required are usable")
	}
}

// Whoever does not know a secret cannot have it sent to themselves.
func TestFormKeepsSecretsFromNewDestinations(t *testing.T) {
	first, _, bad := sampleForm.merge(Settings{}, object(t, `{"server": "https://e/", "token": "one", "second": "two"}`))
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	for given, refused := range map[string]string{
		`{"server": "https://evil.example/"}`:                                      "token second",
		`{"server": "https://evil.example/", "token": "***", "second": "***"}`:     "token second",
		`{"server": "https://evil.example/", "token": "mine"}`:                     "second",
		`{"server": "https://evil.example/", "token": "mine", "second": null}`:     "",
		`{"server": "https://evil.example/", "token": "mine", "second": "theirs"}`: "",
		`{"server": "https://e/", "token": "***"}`:                                 "",
	} {
		_, _, bad := sampleForm.merge(first, object(t, given))
		var names []string
		for _, f := range bad {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != refused {
			t.Errorf("%s: refused %q, want %q", given, got, refused)
		}
	}
}

func TestRedact(t *testing.T) {
	f := form{name: "x", fields: []field{{name: "url", secret: true}, {name: "token", secret: true}}}
	v := values{"url": "https://h.example/services/T0001111/secretpart?key=alphabet", "token": "a/b c"}
	for line, want := range map[string]string{
		"at https://h.example/services/T0001111/secretpart?key=alphabet": "at ***",
		"no secretpart here, key=alphabet":                               "no *** here, ***",
		"T0001111 a%2Fb+c a%2Fb%20c a/b c":                               "*** *** *** ***",
		"nothing":                                                        "nothing",
	} {
		if got := f.redact(v, line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add(`{"server": "https://e/", "token": "t", "to": ["a"], "priority": 2}`)
	f.Add(`{"room": -7, "server": "https://e:1/", "token": "***"}`)
	f.Fuzz(func(t *testing.T, given string) {
		var in map[string]any
		if json.Unmarshal([]byte(given), &in) != nil {
			return
		}
		set, _, bad := sampleForm.merge(Settings{}, in)
		if len(bad) > 0 {
			return
		}
		v, ok := sampleForm.usable(set)
		if !ok || v.text("token") == "" {
			t.Fatalf("taken but not usable: %s", given)
		}
		again, _, bad := sampleForm.merge(set, sampleForm.show(set.Public))
		if len(bad) > 0 || !cmp.Equal(again, set) {
			t.Fatalf("a read given back changed something: %s: %v", given, bad)
		}
	})
}
