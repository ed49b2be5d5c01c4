package floor

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/bench/target"
)

func TestParse(t *testing.T) {
	r, err := parse("1000 20000000 500000000\n")
	if err != nil || r != (Result{1000, 20 * time.Millisecond, 500 * time.Millisecond}) || r.PerConnection() != 20*time.Microsecond {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "1 2", "0 5 5\n", "5 0 5\n", "x 1 1\n"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestMainRefusesWhatItDoesNotKnow(t *testing.T) {
	arguments := Arguments("fastest", time.Millisecond, target.For(50))
	if err := Main(t.Context(), arguments); err == nil {
		t.Error("an unknown loop runs")
	}
	arguments[2] = "soon"
	if err := Main(t.Context(), arguments); err == nil {
		t.Error("a time that is no number is taken")
	}
	if err := Main(t.Context(), arguments[:3]); err == nil {
		t.Error("missing arguments are not noticed")
	}
}
