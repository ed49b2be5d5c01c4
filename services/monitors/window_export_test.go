package monitors

import (
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// StartOfWindow is where a window begins that somebody makes at now.
func StartOfWindow(w *monitorsv1.MaintenanceWindow, now time.Time) time.Time {
	return windowConfigFromProto(w, now, &problems{}).Start
}
