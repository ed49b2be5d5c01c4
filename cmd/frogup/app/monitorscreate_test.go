package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

func TestMonitorsCreate(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"least", []string{"shop", "https://shop.example.com/"},
			`{"name":"shop","monitor_type":"http","interval_seconds":30,"http_config":{"url":"https://shop.example.com/","method":"GET"}}`},
		{"http", []string{
			"api", "https://api.example.com/", "--interval", "1m", "--timeout", "2500ms", "--method", "head", "-H", "A: b:c", "--no-follow",
			"--ip-version", "ipv4", "--rule", "status_code=200,204", "--rule", "body/i~ok", "--region", "local", "--region", "eu", "--label", "a=b=c",
			"--confirm-down", "3", "--disabled",
		}, `{"name":"api","monitor_type":"http","interval_seconds":60,"enabled":false,` +
			`"http_config":{"url":"https://api.example.com/","method":"HEAD","headers":{"A":"b:c"},"follow_redirects":false,"timeout_ms":2500,"ip_version":"ipv4"},` +
			`"validation_rules":[{"type":"status_code","operator":"in","value":[200,204]},{"type":"response_body_contains","value":"ok","case_sensitive":false}],` +
			`"regions":["local","eu"],"confirm_down":3,"labels":{"a":"b=c"}}`},
		{"tcp", []string{"db", "tcp://[::1]:5432", "--timeout", "2s"},
			`{"name":"db","monitor_type":"tcp","interval_seconds":30,"tcp_config":{"host":"::1","port":5432,"timeout_ms":2000}}`},
		{"tcp, another family", []string{"db", "db.example.com:5432", "--ip-version", "ipv6", "--rule", "response_time<0.5"},
			`{"name":"db","monitor_type":"tcp","interval_seconds":30,"tcp_config":{"host":"db.example.com","port":5432,"ip_version":"ipv6"},` +
				`"validation_rules":[{"type":"response_time","operator":"less_than","value":0.5}]}`},
		{"resolvers", []string{"db", "db.example.com:5432", "--resolver", "192.0.2.1:53", "--resolver", "[2001:DB8::1]:5353"},
			`{"name":"db","monitor_type":"tcp","interval_seconds":30,"tcp_config":{"host":"db.example.com","port":5432},` +
				`"dns_config":{"servers":["192.0.2.1","[2001:db8::1]:5353"]}}`},
		{"asked for every check", []string{"db", "db.example.com:5432", "--dns-ttl", "0s"},
			`{"name":"db","monitor_type":"tcp","interval_seconds":30,"tcp_config":{"host":"db.example.com","port":5432},"dns_config":{"max_ttl_seconds":0}}`},
		{"body", []string{"hook", "http://example.com/", "--data", `{"a":"<b>"}`, "--rule", "header:X=", "--rule", "header:Y"},
			`{"name":"hook","monitor_type":"http","interval_seconds":30,"http_config":{"url":"http://example.com/","method":"POST","body":"{\"a\":\"\u003cb\u003e\"}"},` +
				`"validation_rules":[{"type":"header_value","operator":"equals","value":"","header":"X"},{"type":"header_exists","header":"Y"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeREST(t)
			got := runVerb(t, t.Context(), f.env(), "", append([]string{"monitors", "create"}, tt.args...)...)
			if got.code != 0 || got.stdout != "7\n" || got.stderr != "created shop, which checks https://shop.example.com/; its first check runs now\n" {
				t.Fatalf("exit code %d, %q, %q", got.code, got.stdout, got.stderr)
			}
			if diff := cmp.Diff(tt.want, f.bodies[0]); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if err := wire.Unmarshal([]byte(f.bodies[0]), &monitorsv1.Monitor{}); err != nil {
				t.Errorf("a server would not read it: %v", err)
			}
		})
	}
}

func TestMonitorsCreateFromDocument(t *testing.T) {
	f := newFakeREST(t)
	const doc = `{"name": "from a file", "future": true}`
	path := filepath.Join(t.TempDir(), "monitor.json")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ stdin, file string }{{"", path}, {doc, "-"}} {
		got := runVerb(t, t.Context(), f.env(), tt.stdin, "monitors", "create", "-f", tt.file, "--json")
		if got.code != 0 || !strings.Contains(got.stdout, `"a_field_of_tomorrow": {`) {
			t.Fatalf("exit code %d, %q, %q", got.code, got.stdout, got.stderr)
		}
		if sent := f.bodies[len(f.bodies)-1]; sent != doc {
			t.Errorf("sent %q, want the document as it is", sent)
		}
	}
}

func TestMonitorsCreateRefuses(t *testing.T) {
	f := newFakeREST(t)
	path := filepath.Join(t.TempDir(), "monitor.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "http://example.com/"
	for _, args := range [][]string{
		{}, {"name"}, {"name", url, "more"}, {"name", "example.com"},
		{"name", url, "--interval", "1500ms"}, {"name", url, "--timeout", "1500us"}, {"name", url, "--label", "a"}, {"name", url, "--label", "=a"},
		{"name", url, "--label", "a=1", "--label", "a=2"}, {"name", url, "-H", "A: 1", "-H", "a: 2"}, {"name", url, "--rule", "x"},
		{"name", url, "--resolver", "dns.example"}, {"name", url, "--dns-ttl", "1500ms"},
		{"-f", path}, {"-f", path + "x"}, {"-f", "-"}, {"-f", "-", "name", url}, {"-f", "-", "--interval", "30s"}, {"-f", "-", "--rule", "size<5"},
	} {
		got := runVerb(t, t.Context(), f.env(), "", append([]string{"monitors", "create"}, args...)...)
		if got.code != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "frogup: ") {
			t.Errorf("%q: exit code %d, %q, %q", args, got.code, got.stdout, got.stderr)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("the server was asked %q", f.asked)
	}
}

// Ctrl-C must end the wait for a document that nobody types.
func TestMonitorsCreateInterrupted(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code := Run(ctx, Process{
		Args: []string{"monitors", "create", "-f", "-"}, Stdin: in, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: func(string) (string, bool) { return "", false },
	})
	if code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
}
