//go:build !unix

package prober

import "math"

// descriptorLimit is how many descriptors the process may open: here nobody says.
func descriptorLimit() uint64 { return math.MaxUint32 }
