package requestid

import (
	"context"
	"strings"
	"testing"
)

func TestAccept(t *testing.T) {
	for _, good := range []string{"a", "0192-ABC_x.y", strings.Repeat("x", 64)} {
		if got := Accept(good); got != good {
			t.Errorf("Accept(%q) = %q", good, got)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "a\nb", "é", "a;b", "\x1b[31m"} {
		if got := Accept(bad); got == bad || got == "" || Accept(got) != got {
			t.Errorf("Accept(%q) = %q, want a fresh id", bad, got)
		}
	}
}

func TestNewIsNew(t *testing.T) {
	if a, b := New(), New(); a == b || a >= b {
		t.Errorf("ids %q then %q, want ascending", a, b)
	}
}

func TestContext(t *testing.T) {
	if got := FromContext(context.Background()); got != "" {
		t.Errorf("id %q from an empty context", got)
	}
	if got := FromContext(NewContext(context.Background(), "x")); got != "x" {
		t.Errorf("id %q, want x", got)
	}
}
