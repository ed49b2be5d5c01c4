package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// Reasons why a condition cannot be told.
const (
	noStatus      = "there is no status code"
	noHeaders     = "there is no response"
	noCertificate = "there is no certificate"
	cannotTell    = "it could not be told"
)

// breach says what was found instead of what the condition wants; "" if it holds.
// told is false if there is nothing to compare, which never holds.
func (c *condition) breach(ev *evaluation) (problem string, told bool) {
	f := &ev.facts
	switch c.of {
	case ofStatusCode:
		if f.StatusCode == 0 {
			return noStatus, false
		}
		return got(c.compare(float64(f.StatusCode)), strconv.Itoa, f.StatusCode), true
	case ofResponseTime:
		if f.broken {
			return cannotTell, false
		}
		return c.breachTime(f.ResponseTime, f), true
	case ofLatency:
		return c.breachSpan(f.latency, f)
	case ofTTFB:
		return c.breachSpan(f.TTFB, f)
	case ofSize:
		if f.broken {
			return cannotTell, false
		}
		return got(c.compare(float64(f.Size)), showSize, f.Size), true
	case ofBody:
		if f.broken {
			return cannotTell, false
		}
		return c.breachBody(ev), true
	case ofHeader, ofHeaderNames:
		if f.broken && f.StatusCode == 0 {
			return noHeaders, false
		}
		return c.breachHeader(f.Headers), true
	case ofJSON:
		return c.breachJSON(ev)
	case ofCEL:
		return c.breachCEL(ev)
	case ofReachable:
		return c.breachTruth(f.connected, "it is reachable", "it is not reachable")
	case ofHandshake:
		return c.breachTruth(f.secured, "the handshake succeeded", "the handshake failed")
	case ofHTTPVersion:
		version := f.httpVersion()
		if version == "" {
			return noHeaders, false
		}
		return got((version == c.rule.Text) != c.negative(), strings.Clone, version), true
	}
	return c.breachCertificate(f)
}

// got is what was found, in words, unless the condition holds.
func got[T any](holds bool, show func(T) string, v T) string {
	if holds {
		return ""
	}
	return "got " + show(v)
}

func showSize(n int64) string { return strconv.FormatInt(n, 10) }

func (c *condition) breachSpan(s nettest.Span, f *Facts) (string, bool) {
	if !s.Valid {
		return cannotTell, false
	}
	return c.breachTime(s.Duration, f), true
}

// breachTime writes the found time as the condition writes its own.
func (c *condition) breachTime(d time.Duration, f *Facts) string {
	var now time.Time
	if c.months != 0 {
		now = f.now()
	}
	switch {
	case c.compareTime(d, now):
		return ""
	case c.written.Type == "":
		return "got " + number(float64(d)/float64(time.Millisecond))
	}
	return "got " + showTime(d)
}

func (c *condition) breachTruth(t truth, isSo, isNot string) (string, bool) {
	switch {
	case t == untold:
		return cannotTell, false
	case (t == yes) == c.want:
		return "", true
	case t == yes:
		return isSo, true
	}
	return isNot, true
}

func (c *condition) breachBody(ev *evaluation) string {
	body, f := ev.text(), &ev.facts
	found, looked := c.inBody(body)
	switch partly := f.BodyTruncated || looked < len(body); {
	case found != c.negative():
		return ""
	case found && (c.how == NotEquals || c.how == Equals):
		return "it is that"
	case found:
		return "it is there"
	case c.how == Equals && !partly:
		return fmt.Sprintf("got %q", clip(string(body)))
	case partly:
		return fmt.Sprintf("it is not in the first %d of %d bytes", min(looked, len(f.Body)), f.Size)
	}
	return "it is not there"
}

// inBody reports whether the body is as the condition's value says, a denial left
// aside, and how much of it was looked at.
func (c *condition) inBody(body []byte) (found bool, looked int) {
	if c.how == Matches || c.how == notMatches {
		return c.pattern != nil && c.pattern.Match(body), min(len(body), c.pattern.Limit())
	}
	if c.loose {
		body = bytes.ToLower(body)
	}
	contains := func(text string) bool {
		if c.loose {
			text = strings.ToLower(text)
		}
		return bytes.Contains(body, []byte(text))
	}
	text := c.rule.Text
	if c.written.Type != "" {
		text = c.texts[0]
	}
	switch c.how {
	case Equals, NotEquals:
		found = string(body) == text
	case containsAny:
		found = slices.ContainsFunc(c.texts, contains)
	case containsAll:
		found = !slices.ContainsFunc(c.texts, func(t string) bool { return !contains(t) })
	default:
		found = contains(text)
	}
	return found, len(body)
}

// breachHeader looks at every line of the name, or at every name: one of them is
// enough, and for a denial one is too many.
func (c *condition) breachHeader(headers []nettest.HeaderField) string {
	all := 1
	if c.how == containsAll {
		all = len(c.texts)
	}
	found := true
	for i := range all {
		found = found && slices.ContainsFunc(headers, func(h nettest.HeaderField) bool {
			value, ok := c.headerText(h)
			return ok && c.like(value, i)
		})
	}
	if found != c.negative() {
		return ""
	}
	var values []string
	for _, h := range headers {
		if value, ok := c.headerText(h); ok && (!found || c.like(value, 0)) {
			values = append(values, value)
		}
	}
	switch {
	case len(values) == 0:
		return "there is no such header"
	case c.of == ofHeaderNames && !found:
		return "there is no such header"
	case len(values) == 1:
		return fmt.Sprintf("got %q", clip(values[0]))
	}
	return fmt.Sprintf("got %q and %d more", clip(values[0]), len(values)-1)
}

// headerText is what the condition looks at of a header line, if at anything.
func (c *condition) headerText(h nettest.HeaderField) (string, bool) {
	if c.of == ofHeaderNames {
		return h.Name, true
	}
	return h.Value, strings.EqualFold(h.Name, c.name)
}

func (c *condition) breachJSON(ev *evaluation) (string, bool) {
	found, err := c.findJSON(ev)
	if err != nil {
		return err.Error(), false
	}
	any := slices.ContainsFunc(found, c.likeJSON)
	switch {
	case len(found) == 0 && c.how == NotExists:
		return "", true
	case len(found) == 0:
		return "the path finds nothing", true
	case any != c.negative():
		return "", true
	case len(found) == 1:
		return "got " + show(found[0]), true
	}
	return fmt.Sprintf("got %s and %d more", show(found[0]), len(found)-1), true
}

func (c *condition) findJSON(ev *evaluation) ([]any, error) {
	switch {
	case ev.facts.broken:
		return nil, errUntold
	case c.path == nil:
		return nil, errUnknown
	}
	root, err := ev.document().json()
	if err != nil {
		return nil, err
	}
	return c.path.Find(root)
}

// likeJSON reports whether a value is as the condition's says, a denial left aside.
func (c *condition) likeJSON(v any) bool {
	if len(c.numbers) == 1 {
		n, ok := v.(float64)
		how := c.how
		if how == NotEquals {
			how = Equals
		}
		return ok && compare(how, n, c.numbers)
	}
	if list, ok := v.([]any); ok && (c.how == Contains || c.how == NotContains) {
		return slices.ContainsFunc(list, func(e any) bool { return textOf(e) == c.rule.Text })
	}
	return c.like(textOf(v), 0)
}

func (c *condition) breachCEL(ev *evaluation) (string, bool) {
	if c.program == nil {
		return errUnknown.Error(), false
	}
	if ev.facts.broken {
		return cannotTell, false
	}
	holds, err := c.program.Holds(ev.document())
	switch {
	case err != nil:
		return err.Error(), false
	case holds:
		return "", true
	}
	return "it is false", true
}

func (c *condition) breachCertificate(f *Facts) (string, bool) {
	cert := f.Certificate
	switch {
	case c.of == ofNothing:
		return errUnknown.Error(), false
	case cert == nil:
		return noCertificate, false
	}
	switch c.of {
	case ofDaysLeft:
		days := f.daysLeft()
		return got(c.compare(float64(days)), strconv.Itoa, days), true
	case ofExpiry:
		now := f.now()
		left := cert.NotAfter.Sub(now)
		return got(c.compareTime(left, now), showLeft, left), true
	case ofValid:
		return c.breachValid(cert), true
	case ofIssuer:
		return c.breachNames(cert.Issuer, nil), true
	default:
		return c.breachNames(cert.Subject, cert.Names), true
	}
}

func (c *condition) breachValid(cert *nettest.Certificate) string {
	switch {
	case cert.Valid == c.want:
		return ""
	case cert.Valid:
		return "it is valid"
	case len(cert.Problems) > 0:
		return "it is not valid: " + clip(cert.Problems[0])
	}
	return "it is not valid"
}

// breachNames compares a distinguished name and other names: one is enough.
func (c *condition) breachNames(first string, others []string) string {
	all := 1
	if c.how == containsAll {
		all = len(c.texts)
	}
	found := true
	for i := range all {
		found = found && (c.like(first, i) || slices.ContainsFunc(others, func(s string) bool { return c.like(s, i) }))
	}
	switch {
	case found != c.negative():
		return ""
	case len(others) == 0:
		return fmt.Sprintf("got %q", clip(first))
	}
	return fmt.Sprintf("got %q for %s", clip(first), clip(strings.Join(others[:min(len(others), 5)], ", ")))
}
