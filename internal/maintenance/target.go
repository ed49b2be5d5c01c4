package maintenance

import (
	"slices"
	"strings"
)

// Target is which monitors a window is for: those that are named, and those that have all of the labels.
type Target struct {
	MonitorIDs []uint32 `json:"monitor_ids"` // ascending
	Labels     []string `json:"labels"`      // each "key=value", or "key" for whatever value
}

// Covers reports whether the window is for a monitor.
func (t Target) Covers(id uint32, labels map[string]string) bool {
	if slices.Contains(t.MonitorIDs, id) {
		return true
	}
	for _, l := range t.Labels {
		key, want, exact := strings.Cut(l, "=")
		if have, ok := labels[key]; !ok || exact && have != want {
			return false
		}
	}
	return len(t.Labels) > 0
}
