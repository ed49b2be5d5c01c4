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

// ways are the notifiers that an installation takes, by the name that alerts and channels give in their type.
type ways map[string]notify.Notifier

// newWays are all that there are; what the operator has to switch on is among them if it is: through is nil if it is not.
func newWays(through notify.ShoutrrrSender) ways {
	w := maps.Clone(ways(notify.All))
	delete(w, notify.KindShoutrrr)
	if through != nil {
		w[notify.KindShoutrrr] = notify.Shoutrrr(through)
	}
	return w
}

func (w ways) names() []string { return slices.Sorted(maps.Keys(w)) }

// find returns the notifier called name; field is where the caller named it.
func (w ways) find(name, field string) (notify.Notifier, []fault.Field) {
	if n, ok := w[name]; ok {
		return n, nil
	}
	if _, known := notify.All[name]; known {
		return notify.Notifier{}, []fault.Field{{Name: field, Message: name + " is off in this installation; its operator can switch it on with the setting " + name}}
	}
	return notify.Notifier{}, []fault.Field{{Name: field, Message: "is not a known type; known are: " + strings.Join(w.names(), ", ")}}
}

// sender returns the notifier that a stored target is sent through. One that is off by now says so.
func (w ways) sender(name string) (notify.Notifier, bool) {
	if n, ok := w[name]; ok {
		return n, true
	}
	n, ok := notify.All[name]
	return n, ok
}
