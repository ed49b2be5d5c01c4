package resource

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
)

func readSource(t *testing.T, path string) Source {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: filepath.Base(path), Data: data}
}

func show(t *testing.T, problems []Problem) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// The documents of the TcpCheck standard itself. Two of them have a label that is no string, against the standard.
func TestSeedDocuments(t *testing.T) {
	paths, err := filepath.Glob("testdata/seed/*.yaml")
	if err != nil || len(paths) != 8 {
		t.Fatal(paths, err)
	}
	total := 0
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src := readSource(t, path)
			strict, permissive := Parse([]Source{src}, Options{}), Parse([]Source{src}, Options{Permissive: true})
			total += len(permissive.Checks)
			if !strings.Contains(string(src.Data), "security: true") {
				show(t, strict.Problems)
				return
			}
			if len(permissive.Problems) != 1 || permissive.Errors() != 0 || permissive.Checks[0].Labels["security"] != "true" {
				t.Errorf("permissive: %v", permissive.Problems)
			}
			if len(strict.Problems) != 1 || strict.Errors() != 1 || strict.Problems[0].Path != "metadata.labels.security" || len(strict.Checks) != 0 {
				t.Errorf("strict: %v", strict.Problems)
			}
		})
	}
	if total != 9 {
		t.Errorf("%d resources, want 9", total)
	}
}

func TestSeedAssertions(t *testing.T) {
	lines, err := os.ReadFile("testdata/seed/assertions.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: v1\nkind: TcpCheck\nmetadata: {name: all}\nspec:\n  host: ::1\n  port: 1\n  interval: 60\n  checks:\n"
	for line := range strings.Lines(string(lines)) {
		text += "    " + line
	}
	set := Parse([]Source{{Name: "all.yaml", Data: []byte(text)}}, Options{})
	show(t, set.Problems)
	if n := strings.Count(string(lines), "- type"); len(set.Checks) != 1 || len(set.Checks[0].Assertions) != n || n < 9 {
		t.Errorf("%d assertions, want %d", len(set.Checks[0].Assertions), n)
	}
}

// What the standard says of locations and channels is kept with the check, for whoever plans and tells.
func TestSeedCheck(t *testing.T) {
	set := Parse([]Source{readSource(t, "testdata/seed/redis-cache.yaml")}, Options{})
	show(t, set.Problems)
	c := set.Checks[0]
	want := &Check{
		Key: "v1:TcpCheck:redis-cache", Kind: "TcpCheck", Name: "redis-cache", Title: "Redis Cache Availability",
		Labels:   map[string]string{"environment": "production", "service": "cache"},
		Interval: Period{30, "s"}, Timeout: 3e9, Retries: 3, Locations: []string{"us-east-1", "us-west-2"},
		Channels: []Channel{{"infrastructure-alerts", "High"}},
		Assertions: []Assertion{
			{Type: "reachable", Operator: "is", Value: true}, {Type: "latency", Operator: "lessThan", Value: "50ms"},
		},
		TCP: &TCP{Host: "cache.example.com", Port: 6379},
		Pos: Position{"redis-cache.yaml", 1, 1},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if c.Spec().GetTcpConfig().GetTls() {
		t.Error("a handshake that nobody asks about")
	}
	set = Parse([]Source{readSource(t, "testdata/seed/mysql-tls-check.yaml")}, Options{Permissive: true})
	text := protojson.Format(set.Checks[0].Spec())
	for _, want := range []string{`START_TLS_AUTO`, `sslHandshake`, `MONITOR_TYPE_TCP`, `10000`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}
