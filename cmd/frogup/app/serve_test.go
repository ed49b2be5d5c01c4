package app

import (
	"strings"
	"testing"

	"github.com/frogstats/uptime/internal/egress"
)

// A flag that cannot be meant as it stands is refused before anything is opened.
func TestServeRefusesBadFlags(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--log-level", "loud"}, "--log-level"},
		{[]string{"--egress", "everything"}, "egress"},
		{[]string{"--egress", "allow 10.0.0.0/33"}, "10.0.0.0/33"},
		{[]string{"--otlp-endpoint", "127.0.0.1:4317"}, "--otlp-endpoint"},
		{[]string{"--retention", "a year"}, "a year"},
		{[]string{"--deadman", "pings.example"}, "--deadman: must be an http:// or https:// URL"},
		{[]string{"--deadman-interval", "10ms"}, "--deadman-interval"},
		{[]string{"--notice-quiet", "0s"}, "--notice-quiet"},
		{[]string{"--trusted-proxy", "10.0.0.1"}, "--trusted-proxy"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := runVerb(t, t.Context(), nil, "", append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, tt.args...)...)
			if got.code != exitError || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("exit code %d, stderr %q; want %d and %q named", got.code, got.stderr, exitError, tt.want)
			}
		})
	}
}

// Without a mode the server may check its own network; a mode that is given stands.
func TestServePolicy(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   egress.Mode
	}{
		{nil, egress.Private},
		{[]string{"deny 10.0.0.0/8"}, egress.Private},
		{[]string{"public-only"}, egress.PublicOnly},
		{[]string{"allow 10.1.0.0/16", "public-only"}, egress.PublicOnly},
	} {
		p, err := (&settings{egress: tt.values}).policy()
		if err != nil || p.Mode != tt.want {
			t.Errorf("policy of %q = %v, %v, want mode %v", tt.values, p, err, tt.want)
		}
	}
}
