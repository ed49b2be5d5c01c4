package alerts

import (
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

func (w *sheet) unstable() {
	c := w.m.Content
	u := c.Unstable
	if u == nil {
		w.Title = w.what() + " is unstable"
		return
	}
	from, within := time.Time(u.Since), lasting(time.Duration(u.WithinSeconds)*time.Second)
	w.Severity, w.Action, w.Title = notify.High, notify.Trigger, w.what()+" is unstable"
	if u.Until != nil {
		to := time.Time(*u.Until)
		w.Action, w.Title = notify.Resolve, w.what()+" is steady again: "+string(c.Status)
		w.target("steady, and " + string(c.Status))
		w.span("Unstable", from, to)
		w.line(fmt.Sprintf("It changed %d times.", u.Changes))
		w.about()
		w.fact("Until", moment(to))
	} else {
		w.target("unstable")
		w.line(fmt.Sprintf("It went down or came up again %d times within %s. Single changes are not told until it has not changed for %s.", u.Changes, within, within))
		w.why(c.ErrorType, c.ErrorMessage)
		w.about()
	}
	w.fact("Since", moment(from))
	w.fact("Changes", number(uint32(u.Changes)))
	w.incident()
}
