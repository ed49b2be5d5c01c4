package notify

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The document names every type and every setting, and its examples are taken.
func TestDocument(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/channels.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(raw), "\n## ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		sections[name] = text
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)```")
	for _, name := range slices.Sorted(maps.Keys(All)) {
		text, ok := sections[name]
		if !ok || !strings.Contains(string(raw), "| [`"+name+"`](#"+name+") |") {
			t.Errorf("%s has no section, or is not in the table", name)
			continue
		}
		for _, setting := range settingsOf(t, name) {
			if !strings.Contains(text, "`"+setting+"`") {
				t.Errorf("%s: the document has no %s", name, setting)
			}
		}
		given := example.FindStringSubmatch(text)
		if given == nil {
			t.Errorf("%s has no example", name)
			continue
		}
		var config map[string]any
		if err := json.Unmarshal([]byte(given[1]), &config); err != nil {
			t.Errorf("%s: the example: %v", name, err)
		}
		if _, _, bad := All[name].Merge(Settings{}, config); len(bad) > 0 {
			t.Errorf("%s: the example is refused: %v", name, bad)
		}
	}
	// What is said of all ways stands before them.
	common := []string{"What all have in common", "Storms", "Does a channel still take messages?", "Reminders", "When a channel takes nothing"}
	for name := range sections {
		if _, ok := All[name]; !ok && !slices.Contains(common, name) {
			t.Errorf("the document has %s, which there is not", name)
		}
	}
}

// settingsOf are those that a type says it knows.
func settingsOf(t *testing.T, name string) []string {
	t.Helper()
	_, _, bad := All[name].Merge(Settings{}, map[string]any{"?": 1})
	for _, f := range bad {
		if _, list, ok := strings.Cut(f.Message, "known are: "); ok && f.Name == "?" {
			return strings.Split(list, ", ")
		}
	}
	t.Fatalf("%s does not say what it knows: %v", name, bad)
	return nil
}
