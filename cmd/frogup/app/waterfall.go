package app

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

// phaseRow is one line of the waterfall.
type phaseRow struct {
	name   string
	span   nettest.Span
	colour string
	failed bool
}

// phaseRows are the phases that happened, in order.
func phaseRows(r *nettest.TestResult) []phaseRow {
	at := r.FailedPhase
	all := []phaseRow{
		{"dns", r.Phases.DNS, cyan, at == nettest.PhaseDNS},
		{"connect", r.Phases.Connect, green, at == nettest.PhaseConnect},
		{"tls", r.Phases.TLS, purple, at == nettest.PhaseTLS},
		{"ttfb", r.Phases.TTFB, yellow, at == nettest.PhaseRequest || at == nettest.PhaseHeaders},
		{"transfer", r.Phases.Transfer, blue, at == nettest.PhaseBody},
	}
	var rows []phaseRow
	for _, row := range all {
		if row.span.Valid {
			rows = append(rows, row)
		}
	}
	return rows
}

// waterfall shows one check to a person: the outcome, where the time went, and what was found.
func (t terminal) waterfall(url string, c checked, now time.Time) {
	r := c.TestResult
	fmt.Fprintf(t, "%s  %s\n", t.outcome(r), t.paint(bold, clean(url)))
	if rows := phaseRows(r); len(rows) > 0 {
		fmt.Fprintln(t)
		t.bars(rows, r.Phases.Total)
	}
	fmt.Fprintln(t)
	t.resolvers(c.resolvers)
	t.findings(r, now)
	t.securityFacts(r)
	if len(c.rules) == 0 {
		for _, problem := range r.ValidationErrors {
			t.fact("rule", t.paint(red, "✘ ")+clean(problem))
		}
	}
	t.certificates(r.Certificates, now)
	t.outcomes(c.rules)
}

// outcome is the status as symbol and word, and the one fact that goes with it.
func (t terminal) outcome(r *nettest.TestResult) string {
	word := checkStatus(string(r.Status))
	facts := []string{t.paint(word.colour, word.text)}
	if r.ErrorType != "" {
		facts = append(facts, string(r.ErrorType))
	}
	if r.StatusCode != 0 {
		facts = append(facts, strings.TrimSpace(fmt.Sprintf("%d %s", r.StatusCode, http.StatusText(r.StatusCode))))
	}
	return strings.Join(append(facts, formatMillis(r.Latency, decimalsFor(r.Latency))), "  ")
}

// checkStatus is the outcome of a check as symbol and word, which say it without their colour.
func checkStatus(status string) cell {
	switch status {
	case "success":
		return cell{"✔ success", green}
	case "failure":
		return cell{"✘ failure", red}
	case "timeout":
		return cell{"✘ timeout", red}
	case "missed":
		return cell{"- missed", yellow}
	case "error":
		return cell{"! error", yellow}
	}
	return cell{"? " + clean(status), ""}
}

const (
	minBar    = 10
	maxBar    = 48
	besideBar = 2 + 8 + 2 + 2 + 12 + 10 // margin, name, gaps, figure, mark
)

// bars draws every phase where it stood in the whole.
func (t terminal) bars(rows []phaseRow, total time.Duration) {
	width := min(max(t.width-besideBar, minBar), maxBar)
	decimals := decimalsFor(total)
	figure := len(formatMillis(total, decimals))
	var before time.Duration
	for _, row := range rows {
		start, end := barCells(before, row.span.Duration, total, width)
		before += row.span.Duration
		colour, mark := row.colour, ""
		if row.failed {
			colour, mark = red, t.paint(red, "  ✘ failed")
		}
		fmt.Fprintf(t, "  %-8s  %s%s%s  %*s%s\n", row.name,
			strings.Repeat(" ", start), t.paint(colour, strings.Repeat("█", end-start)), strings.Repeat(" ", width-end),
			figure, formatMillis(row.span.Duration, decimals), mark)
	}
	fmt.Fprintf(t, "  %s  %s  %*s\n", t.paint(faint, "total   "), strings.Repeat(" ", width), figure, formatMillis(total, decimals))
}

// barCells places a span in width cells: never less than one cell, never beyond the end.
func barCells(before, d, total time.Duration, width int) (start, end int) {
	if total <= 0 {
		return 0, 1
	}
	cell := func(at time.Duration) int {
		return int(math.Round(float64(at) / float64(total) * float64(width)))
	}
	start = min(cell(before), width-1)
	end = min(max(cell(before+d), start+1), width)
	return start, end
}

func decimalsFor(d time.Duration) int {
	if d < 100*time.Millisecond {
		return 2
	}
	return 1
}

func formatMillis(d time.Duration, decimals int) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', decimals, 64) + " ms"
}

// findings lists what the check learned, one fact per line.
func (t terminal) findings(r *nettest.TestResult, now time.Time) {
	if len(r.Addresses) > 1 || len(r.Addresses) == 1 && r.Addresses[0].ErrorType != "" {
		t.addresses(r.Addresses)
	}
	if r.ResolvedIP.IsValid() {
		t.fact("address", fmt.Sprintf("%s port %d (%s)", r.ResolvedIP, r.Port, r.IPFamily()))
	}
	if r.TLSVersion != "" {
		t.fact("tls", "version "+r.TLSVersion)
	}
	if r.DNSCached {
		t.fact("name", "known from an earlier check")
	}
	if !r.CertExpiresAt.IsZero() && len(r.Certificates) == 0 {
		t.fact("certificate", t.expiry(r.CertExpiresAt, now))
	}
	if r.Banner != "" {
		t.fact("banner", clean(r.Banner))
	}
	if r.StatusCode != 0 {
		size := fmt.Sprintf("%d bytes", r.ResponseSize)
		if r.WireSize != r.ResponseSize {
			size += fmt.Sprintf(" (%d on the wire)", r.WireSize)
		}
		t.fact("answer", fmt.Sprintf("%s, %s", clean(r.HTTPVersion), size))
	}
	for _, hop := range r.Redirects {
		note := ""
		if hop.Downgraded {
			note = t.paint(yellow, "  ! from https to http")
		}
		t.fact("redirect", fmt.Sprintf("%d → %s%s", hop.StatusCode, clean(hop.URL), note))
	}
	if r.FailedPhase != nettest.PhaseNone {
		t.fact("failed in", string(r.FailedPhase))
	}
	if r.Error != "" {
		t.fact("error", clean(r.Error))
	}
	for _, w := range r.Warnings {
		t.fact("remark", t.paint(yellow, "! ")+clean(w))
	}
}

// addresses shows what was tried, in order.
func (t terminal) addresses(list []nettest.AddressAttempt) {
	for _, a := range list {
		word := t.paint(green, "✔ used")
		if a.ErrorType != "" {
			word = t.paint(red, "✘ "+string(a.ErrorType))
		}
		t.fact("tried", fmt.Sprintf("%-15s  %s  %s", a.Addr, formatMillis(a.Duration, decimalsFor(a.Duration)), word))
	}
}

// certificates shows what each handshake showed.
func (t terminal) certificates(list []nettest.Certificate, now time.Time) {
	for i, c := range list {
		fmt.Fprintln(t)
		mark := t.paint(green, "✔ valid")
		if !c.Valid {
			mark = t.paint(red, "✘ not valid")
		}
		title := "certificate"
		if len(list) > 1 {
			title = fmt.Sprintf("certificate %d of %d", i+1, len(list))
		}
		fmt.Fprintf(t, "  %s  %s  %s\n", t.paint(bold, title), clean(c.Peer), mark)
		t.fact("subject", clean(c.Subject))
		t.fact("issuer", clean(c.Issuer))
		if len(c.Names) > 0 {
			t.fact("names", clean(namesOf(c.Names)))
		}
		t.fact("expires", t.expiry(c.NotAfter, now))
		if !c.ChainExpiresAt.IsZero() && !c.ChainExpiresAt.Equal(c.NotAfter) {
			t.fact("chain", t.expiry(c.ChainExpiresAt, now))
		}
		t.fact("key", clean(c.Key+", signed with "+c.SignatureAlgorithm))
		if c.CipherSuite != "" {
			t.fact("cipher", clean(c.CipherSuite))
		}
		if c.OCSPStatus != "" {
			t.fact("ocsp", fmt.Sprintf("%s (%s)", c.OCSPStatus, c.OCSPSource))
		}
		for _, problem := range c.Problems {
			t.fact("problem", t.paint(red, "✘ ")+clean(problem))
		}
	}
}

// maxNames is how many names of a certificate are shown.
const maxNames = 6

func namesOf(names []string) string {
	if len(names) <= maxNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), len(names)-maxNames)
}

// securityFacts shows what the headers of an answer over https say to browsers, and which do not.
func (t terminal) securityFacts(r *nettest.TestResult) {
	if r.StatusCode == 0 || !strings.HasPrefix(r.FinalURL, "https:") {
		return
	}
	f := r.SecurityFacts()
	var said, missing []string
	note := func(name string, there bool, text string) {
		if there {
			said = append(said, text)
		} else {
			missing = append(missing, name)
		}
	}
	hsts := ""
	if h := f.HSTS; h != nil {
		hsts = "HSTS for " + days(h.MaxAge) + pick(h.IncludeSubDomains, " with subdomains", "") + pick(h.Preload, ", preloaded", "")
	}
	note("HSTS", hsts != "", hsts)
	note("CSP", f.CSP, "CSP")
	note("framing", f.FrameAncestors || f.FrameOptions != "", pick(f.FrameAncestors, "framing by policy", "framing "+clean(f.FrameOptions)))
	note("nosniff", f.NoSniff, "nosniff")
	note("referrer policy", f.ReferrerPolicy != "", "referrer "+clean(f.ReferrerPolicy))
	if f.CSPReportOnly && !f.CSP {
		said = append(said, "CSP reported only")
	}
	if len(said) > 0 {
		t.fact("security", strings.Join(said, ", "))
	}
	if len(missing) > 0 {
		t.fact("absent", t.paint(faint, strings.Join(missing, ", ")))
	}
}

// outcomes shows how each rule turned out; of a check that never came to its rules, none did.
func (t terminal) outcomes(list []rules.Outcome) {
	if len(list) > 0 {
		fmt.Fprintln(t)
	}
	for _, o := range list {
		if o.Passed {
			t.fact("rule", t.paint(green, "✔ ")+clean(o.String()))
		} else {
			t.fact("rule", t.paint(red, "✘ ")+clean(o.String())+": "+clean(o.Problem))
		}
	}
}

func (t terminal) fact(name, text string) {
	fmt.Fprintf(t, "  %s  %s\n", t.paint(faint, fmt.Sprintf("%-11s", name)), text)
}

// soon is when a certificate's expiry starts to be worth a colour.
const soon = 14 * 24 * time.Hour

func (t terminal) expiry(at, now time.Time) string {
	day := at.UTC().Format("2006-01-02 15:04 UTC")
	left := at.Sub(now)
	if left <= 0 {
		return t.paint(red, fmt.Sprintf("✘ expired on %s, %s ago", day, days(-left)))
	}
	text := fmt.Sprintf("valid until %s, %s left", day, days(left))
	if left < soon {
		return t.paint(yellow, "! "+text)
	}
	return text
}

// days counts whole days.
func days(d time.Duration) string {
	n := int(d / (24 * time.Hour))
	if n == 1 {
		return "1 day"
	}
	return strconv.Itoa(n) + " days"
}

// clean makes text that somebody else chose safe to print: no control characters, so
// that no target and no server can write to the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}
