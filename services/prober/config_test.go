package prober

import (
	"math"
	"testing"
)

func TestChecksFitTheDescriptors(t *testing.T) {
	for descriptors, want := range map[uint64]int{
		0: 1, 4: 1, 64: 24, 1024: 384, 20_000: 9872, math.MaxInt64: 1 << 30, math.MaxUint64: 1 << 30,
	} {
		if got := checksOf(descriptors); got != want {
			t.Errorf("%d checks with %d descriptors, want %d", got, descriptors, want)
		}
	}
	cfg, err := Config{ProberID: "p", Region: "r", MaxChecks: math.MaxInt}.withDefaults()
	if err != nil || cfg.MaxChecks > checksOf(descriptorLimit()) {
		t.Errorf("%d checks at once, %v", cfg.MaxChecks, err)
	}
}
