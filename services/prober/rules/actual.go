package rules

import (
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// actual is what the condition is about, as it was found; nil if it could not be told.
func (c *condition) actual(ev *evaluation) any {
	f := &ev.facts
	switch c.of {
	case ofStatusCode:
		return float64(f.StatusCode)
	case ofResponseTime:
		return c.actualTime(f.ResponseTime)
	case ofLatency:
		return c.actualTime(f.latency.Duration)
	case ofTTFB:
		return c.actualTime(f.TTFB.Duration)
	case ofSize:
		return float64(f.Size)
	case ofBody:
		body := ev.text()
		return clip(string(body[:min(len(body), 4*maxClip)]))
	case ofHeader, ofHeaderNames:
		return c.actualHeaders(f.Headers)
	case ofJSON:
		found, _ := c.findJSON(ev)
		return oneOrMany(found, func(v any) string { return clip(textOf(v)) })
	case ofCEL:
		problem, _ := c.breachCEL(ev)
		return problem == ""
	case ofReachable:
		return f.connected == yes
	case ofHandshake:
		return f.secured == yes
	case ofHTTPVersion:
		return f.httpVersion()
	case ofDaysLeft:
		return float64(f.daysLeft())
	case ofExpiry:
		return showLeft(f.Certificate.NotAfter.Sub(f.now()))
	case ofIssuer:
		return clip(f.Certificate.Issuer)
	case ofSubject:
		return oneOrMany(append([]string{f.Certificate.Subject}, f.Certificate.Names...), clip)
	case ofValid:
		return f.Certificate.Valid
	}
	return nil
}

// actualTime is a number of milliseconds for rules, a text with its unit for assertions.
func (c *condition) actualTime(d time.Duration) any {
	if c.written.Type == "" {
		return float64(d) / float64(time.Millisecond)
	}
	return showTime(d)
}

func (c *condition) actualHeaders(headers []nettest.HeaderField) any {
	var values []string
	for _, h := range headers {
		if value, ok := c.headerText(h); ok {
			values = append(values, value)
		}
	}
	return oneOrMany(values, clip)
}

// maxActual bounds what is told of many values.
const maxActual = 50

// oneOrMany is a text, or a list of none or several.
func oneOrMany[T any](list []T, text func(T) string) any {
	if len(list) == 1 {
		return text(list[0])
	}
	out := make([]string, 0, min(len(list), maxActual))
	for _, v := range list[:min(len(list), maxActual)] {
		out = append(out, text(v))
	}
	return out
}
