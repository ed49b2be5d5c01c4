//go:build unix

package prober

import (
	"math"
	"syscall"
)

// descriptorLimit is how many descriptors the process may open.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint32 // not known; opening will tell
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some systems
}
