package alerts

import (
	"fmt"
	"strings"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// dependents says what depends on a monitor that is down: nobody is told of that by itself.
func (w *sheet) dependents() {
	d := w.m.Content.Dependents
	if d == nil || d.Total == 0 {
		return
	}
	what, depend := fmt.Sprintf("%d monitors", d.Total), "depend"
	if d.Total == 1 {
		what, depend = "1 monitor", "depends"
	}
	w.Title += fmt.Sprintf(" (%s %s on it)", what, depend)
	names := make([]string, 0, len(d.Monitors)+1)
	for _, m := range d.Monitors {
		name := notify.OneLine(m.Name, maxListedName)
		if name == "" {
			name = "monitor " + number(m.ID)
		}
		names = append(names, name)
	}
	if more := d.Total - len(d.Monitors); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	down := ""
	if d.Down > 0 {
		down = fmt.Sprintf(", of which %d are down as well", d.Down)
		if d.Down == 1 {
			down = ", of which 1 is down as well"
		}
	}
	w.line(fmt.Sprintf("%s %s on it%s: %s.", what, depend, down, strings.Join(names, ", ")))
	w.fact("Depending on it", fmt.Sprintf("%d, down: %d", d.Total, d.Down))
}
