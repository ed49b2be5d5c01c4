package maintenance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClientsCases holds the cases that the web client's own reading of schedules is tested with to what this package says.
func TestClientsCases(t *testing.T) {
	const length = Seconds(5400)
	path := filepath.Join("..", "..", "client", "src", "app", "uptime", "maintenance", "occurrences.cases.ts")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, `["`) {
			continue
		}
		var c [5]string
		if err := json.Unmarshal([]byte(strings.TrimSuffix(line, ",")), &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		cases++
		spec := Spec{Timezone: c[1], Start: parse(t, c[2]), Length: length}
		if strings.HasPrefix(c[0], "FREQ=") {
			spec.RRule = c[0]
		} else {
			spec.Cron = c[0]
		}
		s, err := Read(spec)
		if err != nil {
			t.Errorf("%q: %v", c[0], err)
			continue
		}
		var starts []string
		for _, o := range s.Next(parse(t, c[3]), 5) {
			starts = append(starts, o.Start.UTC().Format(time.RFC3339))
		}
		if got := strings.Join(starts, " "); got != c[4] {
			t.Errorf("%s in %s from %s at %s\nhere:      %s\nin client: %s", c[0], c[1], c[2], c[3], got, c[4])
		}
	}
	if cases < 50 {
		t.Errorf("%d cases in %s", cases, path)
	}
}

func parse(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
