package app

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// monitorView is what the command line shows of a monitor. It reads what it knows and
// lets the rest be: a server may be newer.
type monitorView struct {
	ID              uint32 `json:"id"`
	Name            string `json:"name"`
	Type            string `json:"monitor_type"`
	IntervalSeconds int    `json:"interval_seconds"`
	Cron            string `json:"cron"`
	Timezone        string `json:"timezone"`
	Enabled         bool   `json:"enabled"`
	HTTP            *struct {
		URL       string `json:"url"`
		Method    string `json:"method"`
		TimeoutMS int    `json:"timeout_ms"`
	} `json:"http_config"`
	TCP *struct {
		Host      string `json:"host"`
		Port      int    `json:"port"`
		TimeoutMS int    `json:"timeout_ms"`
	} `json:"tcp_config"`
	TLS *struct {
		Host      string `json:"host"`
		Port      int    `json:"port"`
		TimeoutMS int    `json:"timeout_ms"`
	} `json:"tls_config"`
	DNS *struct {
		Servers       []string `json:"servers"`
		MaxTTLSeconds int      `json:"max_ttl_seconds"`
	} `json:"dns_config"`
	Rules        []rule            `json:"validation_rules"`
	Regions      []string          `json:"regions"`
	ConfirmDown  int               `json:"confirm_down"`
	ConfirmUp    int               `json:"confirm_up"`
	AlertDelayMS uint32            `json:"worst_case_alert_delay_ms"`
	Labels       map[string]string `json:"labels"`
	CreatedAt    *time.Time        `json:"created_at"`
	UpdatedAt    *time.Time        `json:"updated_at"`
	Status       *statusView       `json:"status"`
}

type statusView struct {
	Current       string     `json:"current_status"`
	Since         *time.Time `json:"since"`
	LastCheckedAt *time.Time `json:"last_checked_at"`
	NextCheckAt   *time.Time `json:"next_check_at"`
	Uptime24h     *float64   `json:"uptime_percentage_24h"`
	Uptime7d      *float64   `json:"uptime_percentage_7d"`
	Uptime30d     *float64   `json:"uptime_percentage_30d"`
	AverageMS     *float64   `json:"average_response_time_24h"`
	LastErrorType string     `json:"last_error_type"`
	LastError     string     `json:"last_error"`
}

// eventView is what the command line shows of a stored check.
type eventView struct {
	Timestamp      time.Time `json:"timestamp"`
	Region         string    `json:"region"`
	Status         string    `json:"status"`
	StatusCode     *int      `json:"status_code"`
	ResponseTimeUS float64   `json:"response_time_us"`
	ErrorType      string    `json:"error_type"`
	ErrorMessage   string    `json:"error_message"`
	MissedCount    int       `json:"missed_count"`
}

// url is what is checked.
func (m monitorView) url() string {
	switch {
	case m.HTTP != nil:
		return m.HTTP.URL
	case m.TCP != nil:
		return "tcp://" + net.JoinHostPort(m.TCP.Host, strconv.Itoa(m.TCP.Port))
	case m.TLS != nil:
		return "tls://" + net.JoinHostPort(m.TLS.Host, strconv.Itoa(m.TLS.Port))
	}
	return ""
}

// status never is nil: nothing known is unknown.
func (m monitorView) status() statusView {
	if m.Status == nil || m.Status.Current == "" {
		return statusView{Current: "unknown"}
	}
	return *m.Status
}

// monitorStatus is a monitor's state as symbol and word, and their colour.
func monitorStatus(status string) cell {
	switch status {
	case "up":
		return cell{"✔ up", green}
	case "degraded":
		return cell{"! degraded", yellow}
	case "down":
		return cell{"✘ down", red}
	case "unknown":
		return cell{"? unknown", purple}
	case "paused":
		return cell{"- paused", faint}
	case "maintenance":
		return cell{"~ maintenance", blue}
	}
	return cell{"? " + clean(status), ""}
}

const (
	nothing    = "–" // no data
	nameWidth  = 32  // runes, at a terminal
	whereWidth = 48
)

// monitors prints the table of many monitors; short cuts long cells for a person's eyes.
func (t terminal) monitors(all []monitorView, short bool, now time.Time) {
	cut := func(s string, _ int) string { return clean(s) }
	if short {
		cut = shorten
	}
	rows := make([][]cell, len(all))
	for i, m := range all {
		s := m.status()
		rows[i] = []cell{
			{strconv.FormatUint(uint64(m.ID), 10), ""},
			{cut(m.Name, nameWidth), bold},
			{clean(m.Type), ""},
			{cut(m.url(), whereWidth), cyan},
			monitorStatus(s.Current),
			{uptime(s.Uptime24h), uptimeColour(s.Uptime24h)},
			{averageMillis(s.AverageMS), ""},
			{ago(s.LastCheckedAt, now), ""},
		}
	}
	t.table([]string{"ID", "NAME", "TYPE", "TARGET", "STATUS", "UPTIME 24H", "AVERAGE", "LAST CHECKED"}, rows)
}

// monitor prints everything about one monitor; cause is why it is down, if that is known.
func (t terminal) monitor(m monitorView, cause string, checks []eventView, now time.Time) {
	s := m.status()
	word := monitorStatus(s.Current)
	fmt.Fprintf(t, "%s  %s  %s\n\n", t.paint(word.colour, word.text), t.paint(bold, clean(m.Name)), t.paint(cyan, clean(m.url())))
	t.fact("id", strconv.FormatUint(uint64(m.ID), 10))
	if s.Since != nil {
		t.fact("since", fmt.Sprintf("%s, %s", moment(*s.Since), ago(s.Since, now)))
	}
	if s.LastError != "" || s.LastErrorType != "" {
		t.fact("last error", strings.Trim(clean(s.LastErrorType)+": "+clean(s.LastError), ": "))
	}
	if cause != "" {
		t.fact("cause", cause)
	}
	t.fact("uptime", fmt.Sprintf("24 hours %s, 7 days %s, 30 days %s", uptime(s.Uptime24h), uptime(s.Uptime7d), uptime(s.Uptime30d)))
	t.fact("average", averageMillis(s.AverageMS)+" over 24 hours")
	t.fact("checked", ago(s.LastCheckedAt, now))
	if s.NextCheckAt != nil {
		t.fact("next check", moment(*s.NextCheckAt))
	}
	t.configuration(m)
	if m.CreatedAt != nil {
		t.fact("created", moment(*m.CreatedAt))
	}
	if m.UpdatedAt != nil {
		t.fact("changed", moment(*m.UpdatedAt))
	}
	t.checks(checks, now)
}

func (t terminal) configuration(m monitorView) {
	schedule := "every " + shortDuration(time.Duration(m.IntervalSeconds)*time.Second)
	if m.Cron != "" {
		schedule = strings.TrimSpace("cron " + clean(m.Cron) + " " + clean(m.Timezone))
	}
	if !m.Enabled {
		schedule += ", disabled"
	}
	t.fact("schedule", schedule)
	switch {
	case m.HTTP != nil:
		t.fact("request", fmt.Sprintf("%s, timeout %s", clean(m.HTTP.Method), shortDuration(time.Duration(m.HTTP.TimeoutMS)*time.Millisecond)))
	case m.TCP != nil:
		t.fact("connect", "timeout "+shortDuration(time.Duration(m.TCP.TimeoutMS)*time.Millisecond))
	case m.TLS != nil:
		t.fact("handshake", "timeout "+shortDuration(time.Duration(m.TLS.TimeoutMS)*time.Millisecond))
	}
	if d := m.DNS; d != nil {
		who, kept := "the prober's", "every check asks"
		if len(d.Servers) > 0 {
			who = clean(strings.Join(d.Servers, ", "))
		}
		if d.MaxTTLSeconds > 0 {
			kept = "answers kept for " + shortDuration(time.Duration(d.MaxTTLSeconds)*time.Second) + " at most"
		}
		t.fact("resolver", who+"; "+kept)
	}
	for _, r := range m.Rules {
		t.fact("rule", clean(r.String()))
	}
	t.fact("regions", clean(strings.Join(m.Regions, ", ")))
	t.fact("verdict", fmt.Sprintf("down after %s, up after %s, an alert after %s at worst", times(m.ConfirmDown, "failure"),
		times(m.ConfirmUp, "success"), shortDuration(time.Duration(m.AlertDelayMS)*time.Millisecond)))
	for _, key := range slices.Sorted(maps.Keys(m.Labels)) {
		t.fact("label", clean(key+"="+m.Labels[key]))
	}
}

// checks prints the last checks, newest first.
func (t terminal) checks(checks []eventView, now time.Time) {
	fmt.Fprintln(t)
	if len(checks) == 0 {
		fmt.Fprintln(t, "no checks yet")
		return
	}
	rows := make([][]cell, len(checks))
	for i, e := range checks {
		code, took := nothing, formatMillis(time.Duration(e.ResponseTimeUS*float64(time.Microsecond)), 2)
		if e.StatusCode != nil {
			code = strconv.Itoa(*e.StatusCode)
		}
		problem := strings.Trim(clean(e.ErrorType)+": "+clean(e.ErrorMessage), ": ")
		if e.Status == "missed" {
			took = nothing
			problem = fmt.Sprintf("%s  %s", times(e.MissedCount, "slot"), problem)
		}
		rows[i] = []cell{
			{moment(e.Timestamp), ""}, {ago(&e.Timestamp, now), faint}, checkStatus(e.Status),
			{code, ""}, {took, ""}, {clean(e.Region), ""}, {problem, ""},
		}
	}
	t.table([]string{"CHECKED", "", "STATUS", "CODE", "TIME", "REGION", "PROBLEM"}, rows)
}

// uptime rounds down: what is not whole must not look whole. No data is a dash.
func uptime(percent *float64) string {
	if percent == nil {
		return nothing
	}
	if *percent >= 100 {
		return "100 %"
	}
	const hair = 1e-9 // 99.99 × 100 is a hair below 9999
	return strconv.FormatFloat(math.Floor(*percent*100+hair)/100, 'f', 2, 64) + " %"
}

func uptimeColour(percent *float64) string {
	switch {
	case percent == nil:
		return faint
	case *percent >= 99.9:
		return green
	case *percent >= 99:
		return yellow
	}
	return red
}

func averageMillis(ms *float64) string {
	if ms == nil {
		return nothing
	}
	d := time.Duration(*ms * float64(time.Millisecond))
	return formatMillis(d, decimalsFor(d))
}

// ago is how long something is past, in its largest unit.
func ago(at *time.Time, now time.Time) string {
	if at == nil {
		return "never"
	}
	d := now.Sub(*at)
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return days(d) + " ago"
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

// shortDuration is d without the units that are zero: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func times(n int, noun string) string {
	plural := map[string]string{"failure": "failures", "success": "successes", "slot": "slots", "member": "members"}
	return fmt.Sprintf("%d %s", n, pick(n == 1, noun, plural[noun]))
}

// shorten cuts s to n runes.
func shorten(s string, n int) string {
	if r := []rune(clean(s)); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return clean(s)
}
