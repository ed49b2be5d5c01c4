package alerts

import (
	"maps"
	"slices"
	"strings"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// Settings are how one target is reached, and Result is what came of one attempt at it.
type (
	Settings = notify.Settings
	Result   = notify.Result
)

// notifierFor returns the notifier called name; field is where the caller named it.
func notifierFor(name, field string) (notify.Notifier, []fault.Field) {
	n, ok := notify.All[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(notify.All)), ", ")
		return notify.Notifier{}, []fault.Field{{Name: field, Message: "is not a known type; known are: " + known}}
	}
	return n, nil
}
