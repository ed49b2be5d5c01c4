package postgrestest

import (
	"errors"
	"fmt"
	"testing"
)

// verdict is a test that notes how it was ended.
type verdict struct {
	testing.TB
	ended string
}

func (v *verdict) Helper()      {}
func (v *verdict) Skip(...any)  { v.ended = "skipped" }
func (v *verdict) Fatal(...any) { v.ended = "failed" }

// Only the want of any server lets a test be skipped, and only where none is required.
func TestWhatATestIsSkippedFor(t *testing.T) {
	for _, tt := range []struct {
		err     error
		require string
		want    string
	}{
		{nil, "1", ""},
		{errNoServer, "", "skipped"},
		{fmt.Errorf("start: %w", errNoServer), "0", "skipped"},
		{errNoServer, "1", "failed"},
		{errors.New("initdb: the disk is full"), "", "failed"},
	} {
		t.Setenv("FROGUP_TEST_REQUIRE", tt.require)
		v := &verdict{TB: t}
		need(v, tt.err)
		if v.ended != tt.want {
			t.Errorf("%v with FROGUP_TEST_REQUIRE=%q: %q, want %q", tt.err, tt.require, v.ended, tt.want)
		}
	}
}
