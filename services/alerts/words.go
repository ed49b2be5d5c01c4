package alerts

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// The limits of what people are shown, in UTF-16 units. A message is read on a telephone.
const (
	maxShownName   = 100
	maxShownURL    = 300
	maxShownReason = 300
)

// lateTold is how much later than it happened something may be told before the message says so.
const lateTold = 2 * time.Minute

// words are the message for people, as it is sent at time now. publicURL is where the client is; "" if nobody knows.
func (m Message) words(now time.Time, publicURL string) notify.Words {
	w := sheet{m: m, now: now}
	w.Type, w.Thread, w.Link = m.Type, m.dedupKey(), m.link(publicURL)
	w.Severity, w.Action = notify.Informational, notify.Info
	switch m.Type {
	case TypeDown:
		w.down()
	case TypeUnstable, TypeStable:
		w.unstable()
	case TypeReminder:
		w.reminder()
	case TypeDegraded:
		w.degraded()
	case TypeRecovered:
		w.recovered()
	case TypeTriggered, TypeResolved:
		w.rule()
	case TypeNoticeRaised, TypeNoticeCleared:
		w.notice()
	case TypeGroupDown, TypeGroupRecovered, TypeGroupDegraded:
		w.group()
	case TypeDigest:
		w.digest()
	case TypeTest:
		w.test()
	default: // of a newer version, which wrote it to the outbox that this one works off
		w.Title = w.what() + ": " + m.Type
		w.about()
	}
	w.insteadOf()
	if late := now.Sub(m.OccurredAt); late > lateTold && m.Type != TypeTest {
		w.line("Told late: " + lasting(late) + " after it happened.")
	}
	w.Text = strings.Join(w.lines, "\n")
	return w.Words
}

// sheet is what words are written on.
type sheet struct {
	notify.Words
	m     Message
	now   time.Time
	lines []string
}

func (w *sheet) line(text string) { w.lines = append(w.lines, text) }

// fact adds a line to the table, unless it would say nothing.
func (w *sheet) fact(name, value string) {
	if value != "" {
		w.Facts = append(w.Facts, notify.Fact{Name: name, Value: value})
	}
}

// what names the monitor.
func (w *sheet) what() string {
	mon := w.m.Content.Monitor
	switch {
	case mon.Name != "":
		return notify.OneLine(mon.Name, maxShownName)
	case mon.URL != "":
		return notify.OneLine(mon.URL, maxShownName)
	}
	return "monitor " + number(mon.ID)
}

func (w *sheet) down() {
	c := w.m.Content
	w.Action, w.Severity, w.Title = notify.Trigger, notify.Critical, w.what()+" is down"
	since := w.since()
	w.target("down")
	w.line("Since " + moment(since) + " (for " + lasting(w.now.Sub(since)) + ").")
	w.why(c.ErrorType, c.ErrorMessage)
	w.dependents()
	w.about()
	w.fact("Since", moment(since))
	w.fact("Reason", reason(c.ErrorType, c.ErrorMessage))
	w.incident()
}

func (w *sheet) reminder() {
	c := w.m.Content
	since := w.since()
	lasts := lasting(w.now.Sub(since))
	w.Action, w.Severity, w.Title = notify.Trigger, notify.Critical, w.what()+" is still down after "+lasts
	w.target("still down")
	w.line("Since " + moment(since) + " (for " + lasts + "). Nobody has taken the incident yet.")
	w.why(c.ErrorType, c.ErrorMessage)
	w.about()
	w.fact("Since", moment(since))
	w.fact("Duration", lasts)
	w.fact("Reason", reason(c.ErrorType, c.ErrorMessage))
	w.incident()
}

func (w *sheet) degraded() {
	c := w.m.Content
	w.Action, w.Severity, w.Title = notify.Trigger, notify.Medium, w.what()+" is degraded"
	since := w.since()
	w.target("degraded: it works for some regions only, or slowly")
	w.line("Since " + moment(since) + ".")
	w.why(c.ErrorType, c.ErrorMessage)
	w.about()
	w.fact("Since", moment(since))
	w.fact("Reason", reason(c.ErrorType, c.ErrorMessage))
}

func (w *sheet) recovered() {
	c := w.m.Content
	w.Action, w.Severity = notify.Resolve, notify.Medium
	state := "up again"
	if c.Status == StatusDegraded {
		state = "no longer down, but degraded"
	}
	if c.Status == StatusDown {
		state = "no longer degraded, but down"
	}
	w.Title = w.what() + " is " + state
	if inc := c.Incident; inc != nil && inc.EndTime != nil {
		w.Severity = notify.Critical
		from, to := inc.downSince(), time.Time(*inc.EndTime)
		w.Title += " after " + lasting(to.Sub(from))
		w.target(state)
		w.span("Down", from, to)
		w.why(inc.LastErrorType, inc.LastError)
		w.about()
		w.fact("Down", moment(from))
		w.fact("Up", moment(to))
		w.fact("Duration", lasting(to.Sub(from)))
		w.fact("Reason", reason(inc.LastErrorType, inc.LastError))
		w.incident()
		return
	}
	w.target(state)
	w.line("Since " + moment(w.since()) + ".")
	w.about()
	w.fact("Since", moment(w.since()))
}

// The conditions of rules, for people: what the figure is called, its unit, and what the threshold is.
var conditionWords = map[string]string{
	conditionFailures:     "%s failed checks in a row (alert from %s)",
	conditionResponseTime: "response took %s ms (alert above %s ms)",
	conditionUptime:       "uptime of 24 hours is %s % (alert below %s %)",
	conditionCertificate:  "the certificate has %s days left (alert below %s)",
	conditionRegions:      "fails from %s regions (alert from %s)",
	conditionNoData:       "nothing is known of it for %s s (alert from %s s)",
}

func (w *sheet) rule() {
	c, a := w.m.Content, w.m.Content.Alert
	if a == nil {
		w.Title = w.what() + ": alert"
		return
	}
	form, ok := conditionWords[a.Data.Condition]
	if a.Data.Condition == conditionPercentile {
		form, ok = "p"+figure(a.Data.Percentile)+" of response times is %s ms (alert above %s ms)", true
	}
	if !ok {
		form = a.Data.Condition + " is %s (threshold %s)"
	}
	held := strings.Replace(strings.Replace(form, "%s", figure(a.Data.Value), 1), "%s", figure(a.Data.Threshold), 1)
	w.Severity, w.Action = notify.Severity(cmp.Or(a.Data.Severity, SeverityHigh)), notify.Trigger
	from := time.Time(a.TriggeredAt)
	if a.ResolvedAt != nil {
		to := time.Time(*a.ResolvedAt)
		w.Action, w.Title = notify.Resolve, w.what()+" is fine again after "+lasting(to.Sub(from))
		w.target("fine again")
		w.line("It was: " + held + ".")
		w.span("Alert", from, to)
	} else {
		w.Title = w.what() + ": " + held
		w.target(held)
		w.line("Since " + moment(from) + ".")
		w.dependents()
	}
	w.why(a.Data.ErrorType, a.Data.ErrorMessage)
	w.about()
	w.fact("Condition", held)
	w.fact("Since", moment(from))
	if a.ResolvedAt != nil {
		w.fact("Until", moment(time.Time(*a.ResolvedAt)))
	}
	w.fact("Reason", reason(a.Data.ErrorType, a.Data.ErrorMessage))
	if c.Incident != nil {
		w.incident()
	}
}

func (w *sheet) notice() {
	n := w.m.Content.Notice
	if n == nil {
		w.Title = "Notice of this installation"
		return
	}
	w.Severity, w.Action = notify.High, notify.Trigger
	from := time.Time(n.StartedAt)
	what := notify.OneLine(noticeText(n.Kind, n.Subject, n.Key), maxShownReason)
	w.Title = "Monitoring: " + what
	if n.EndedAt != nil {
		to := time.Time(*n.EndedAt)
		w.Action, w.Title = notify.Resolve, "Monitoring: over after "+lasting(to.Sub(from))+": "+what
		w.span("It lasted", from, to)
	} else {
		w.line("Since " + moment(from) + ".")
	}
	if n.Message != "" {
		w.line(notify.OneLine(n.Message, maxShownReason))
	}
	w.fact("Notice", n.Key)
	w.fact("Since", moment(from))
	if n.EndedAt != nil {
		w.fact("Until", moment(time.Time(*n.EndedAt)))
	}
}

func (w *sheet) test() {
	w.Test, w.Title = true, "Test message"
	if w.Scheduled = w.m.Content.Scheduled; w.Scheduled {
		w.Title = "Scheduled test message"
		w.line("It comes every so often to see whether messages still arrive here. Nothing is wrong.")
	} else {
		w.line("Somebody asked for it to see whether messages arrive here. Nothing is wrong.")
	}
	if w.m.MonitorID != 0 {
		w.about()
	}
	w.fact("Sent", moment(w.now))
}

// target says in a line what is in which state, and where.
func (w *sheet) target(state string) {
	subject := notify.OneLine(w.m.Content.Monitor.URL, maxShownURL)
	if subject == "" {
		subject = w.what()
	}
	if regions := w.regions(); regions != "" {
		state += " (regions: " + regions + ")"
	}
	w.line(subject + ": " + state + ".")
}

// about adds what the monitor is to the table.
func (w *sheet) about() {
	w.fact("Monitor", w.what())
	w.fact("Target", notify.OneLine(w.m.Content.Monitor.URL, maxShownURL))
	w.fact("Regions", w.regions())
}

func (w *sheet) regions() string {
	regions := w.m.Content.Regions
	if inc := w.m.Content.Incident; len(regions) == 0 && inc != nil {
		regions = inc.AffectedRegions
	}
	return notify.OneLine(strings.Join(regions, ", "), maxShownName)
}

func (w *sheet) incident() {
	if inc := w.m.Content.Incident; inc != nil {
		w.fact("Failed checks", number(inc.FailureCount))
		w.fact("Incident", "#"+number(inc.ID))
	}
}

func (w *sheet) why(kind, text string) {
	if why := reason(kind, text); why != "" {
		w.line("Why: " + why + ".")
	}
}

func (w *sheet) span(what string, from, to time.Time) {
	w.line(what + " from " + moment(from) + " to " + moment(to) + " (" + lasting(to.Sub(from)) + ").")
}

// since is when the state that the message is about began.
func (w *sheet) since() time.Time {
	c := w.m.Content
	switch {
	case c.Incident != nil:
		return c.Incident.downSince()
	case c.Since != nil:
		return time.Time(*c.Since)
	}
	return w.m.OccurredAt
}

func reason(kind, text string) string {
	kind = strings.ReplaceAll(kind, "_", " ")
	switch {
	case text == "" || strings.EqualFold(text, kind):
	case kind == "":
		kind = text
	default:
		kind += ": " + text
	}
	return strings.TrimRight(notify.OneLine(kind, maxShownReason), ". ")
}

func moment(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// lasting is a duration for people: its two greatest units.
func lasting(d time.Duration) string {
	d = max(d, 0)
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.of {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.of, u.name)
		if i+1 < len(units) {
			if rest := d % u.of / units[i+1].of; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return ""
}

func figure(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 2, 64), "0"), ".")
}

// link is where the client shows what the message is about.
func (m Message) link(publicURL string) string {
	switch {
	case publicURL == "":
		return ""
	case m.MonitorID != 0 && m.IncidentID != 0:
		return publicURL + "/uptime/incidents/" + number(m.IncidentID)
	case m.MonitorID != 0:
		return publicURL + "/uptime/" + number(m.MonitorID)
	case m.Content.Group != nil:
		return publicURL + "/uptime/groups?group=" + number(m.Content.Group.ID)
	case m.Content.Notice != nil:
		return publicURL + "/uptime/notices"
	}
	return publicURL + "/uptime"
}

const dedupPrefix = "frogup-"

// dedupKey is the same for the message that begins a trouble and the one that ends it. The beginning is part of it, because
// numbers begin anew with a new database, and the receiver may know the old ones.
func (m Message) dedupKey() string {
	c := m.Content
	story, began := storyOf(m.Thread), time.Time{}
	switch {
	case m.Type == TypeTest, m.Type == TypeDigest:
		story = m.ID
	case c.Alert != nil:
		began = time.Time(c.Alert.TriggeredAt)
	case c.Notice != nil:
		began = time.Time(c.Notice.StartedAt)
	case c.Group != nil: // which thread it is says since when
	case c.Unstable != nil:
		began = time.Time(c.Unstable.Since)
	case c.Incident != nil:
		began = time.Time(c.Incident.StartTime)
	default:
		story = "degraded:" + number(m.MonitorID) // the message that ends it knows nothing else of the one that began it
	}
	h := sha256.New()
	for _, part := range []string{m.OrganizationID, story, strconv.FormatInt(began.UnixMilli(), 10)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return dedupPrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:20]))
}
