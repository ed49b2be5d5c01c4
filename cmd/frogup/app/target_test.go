package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want target
		url  string
	}{
		{"https://example.com/", target{kind: "http", address: "https://example.com/"}, "https://example.com/"},
		{"HTTP://example.com", target{kind: "http", address: "HTTP://example.com"}, "HTTP://example.com"},
		{"db.example.com:5432", target{"tcp", "db.example.com:5432", "db.example.com", 5432}, "tcp://db.example.com:5432"},
		{"tcp://db.example.com:5432/", target{"tcp", "db.example.com:5432", "db.example.com", 5432}, "tcp://db.example.com:5432"},
		{"127.0.0.1:022", target{"tcp", "127.0.0.1:22", "127.0.0.1", 22}, "tcp://127.0.0.1:22"},
		{"[::1]:22", target{"tcp", "[::1]:22", "::1", 22}, "tcp://[::1]:22"},
	} {
		got, err := parseTarget(tt.in)
		if err != nil {
			t.Errorf("parseTarget(%q): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(target{})); diff != "" {
			t.Errorf("parseTarget(%q) (-want +got):\n%s", tt.in, diff)
		}
		if got.url() != tt.url {
			t.Errorf("parseTarget(%q).url() = %q, want %q", tt.in, got.url(), tt.url)
		}
	}
}

func TestParseTargetHints(t *testing.T) {
	for _, tt := range []struct{ in, hint string }{
		{"example.com", "did you mean https://example.com or example.com:443?"},
		{"example.com/health", "did you mean https://example.com/health?"},
		{"localhost:8080/health", "did you mean https://localhost:8080/health?"},
		{"::1", "did you mean [::1]:443?"},
		{"example.com:0", `"0" is not a port`},
		{"example.com:65536", `"65536" is not a port`},
		{"example.com:http", `"http" is not a port`},
		{"example.com:+80", `"+80" is not a port`},
		{"ftp://example.com", "must be http, https, tcp or tls"},
		{"tcp://example.com", "after tcp://"},
		{"tcp://::1:22", "after tcp://"},
		{":80", "neither a URL nor host:port"},
		{"", "neither a URL nor host:port"},
	} {
		if _, err := parseTarget(tt.in); err == nil || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("parseTarget(%q): error %v, want %q in it", tt.in, err, tt.hint)
		}
	}
}
