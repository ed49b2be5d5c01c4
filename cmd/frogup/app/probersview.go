package app

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// proberView is what the command line shows of a prober.
type proberView struct {
	ID         string     `json:"id"`
	Region     string     `json:"region"`
	Version    string     `json:"version"`
	LastSeenAt *time.Time `json:"last_seen_at"`
	Health     string     `json:"health"`
	Monitors   int        `json:"monitors"`
	Report     *struct {
		SpoolResults   uint64  `json:"spool_results"`
		SpoolAgeMS     uint64  `json:"spool_age_ms"`
		LatenessP99MS  float64 `json:"lateness_p99_ms"`
		ChecksInFlight int     `json:"checks_in_flight"`
		Faults         []struct {
			Type    string `json:"error_type"`
			Message string `json:"message"`
		} `json:"faults"`
	} `json:"report"`
	CertificateExpiresAt *time.Time `json:"certificate_expires_at"`
}

// regionView is what it shows of a region.
type regionView struct {
	Code       string     `json:"code"`
	Name       string     `json:"name"`
	Healthy    bool       `json:"is_healthy"`
	LastSeenAt *time.Time `json:"last_seen_at"`
	Probers    int        `json:"probers"`
	Monitors   int        `json:"monitors"`
	Unplaced   int        `json:"unplaced_monitors"`
}

// noticeView is what it shows of a notice.
type noticeView struct {
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	Message   string     `json:"message"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// proberHealth is a prober's health as symbol and word, and their colour.
func proberHealth(health string) cell {
	switch health {
	case "healthy":
		return cell{"✔ healthy", green}
	case "impaired":
		return cell{"! impaired", yellow}
	case "offline":
		return cell{"✘ offline", red}
	case "removed":
		return cell{"- removed", faint}
	case "":
		return cell{"? unknown", purple}
	}
	return cell{"? " + clean(health), ""}
}

// certificateSoon is when the end of a certificate is worth a word: probers renew theirs long before.
const certificateSoon = 7 * 24 * time.Hour

func (p proberView) problems(now time.Time) string {
	var out []string
	if p.Report != nil {
		for _, f := range p.Report.Faults {
			out = append(out, clean(f.Type)+": "+clean(f.Message))
		}
	}
	if at := p.CertificateExpiresAt; at != nil && p.Health != "removed" && at.Sub(now) < certificateSoon {
		out = append(out, "certificate expires "+moment(*at))
	}
	return strings.Join(out, "; ")
}

// waiting is what a prober keeps that is not stored.
func (p proberView) waiting() string {
	switch {
	case p.Report == nil:
		return nothing
	case p.Report.SpoolResults == 0:
		return "0"
	}
	age := time.Duration(p.Report.SpoolAgeMS) * time.Millisecond
	return fmt.Sprintf("%d, %s", p.Report.SpoolResults, shortDuration(age.Round(time.Second)))
}

func (p proberView) late() string {
	if p.Report == nil {
		return nothing
	}
	return averageMillis(&p.Report.LatenessP99MS)
}

func (t terminal) probers(all []proberView, now time.Time) {
	rows := make([][]cell, len(all))
	for i, p := range all {
		problems := p.problems(now)
		rows[i] = []cell{
			{clean(p.ID), bold}, {clean(p.Region), cyan}, proberHealth(p.Health), {ago(p.LastSeenAt, now), ""},
			{strconv.Itoa(p.Monitors), ""}, {p.waiting(), ""}, {p.late(), ""}, {clean(p.Version), faint}, {problems, yellow},
		}
	}
	t.table([]string{"ID", "REGION", "HEALTH", "LAST SEEN", "MONITORS", "WAITING", "LATE P99", "VERSION", "PROBLEM"}, rows)
}

func (t terminal) regions(all []regionView, now time.Time) {
	rows := make([][]cell, len(all))
	for i, r := range all {
		state := cell{"✔ served", green}
		if !r.Healthy {
			state = cell{"✘ no prober", red}
		}
		unplaced := cell{strconv.Itoa(r.Unplaced), ""}
		if r.Unplaced > 0 {
			unplaced.colour = red
		}
		rows[i] = []cell{
			{clean(r.Code), bold}, {clean(r.Name), ""}, state, {strconv.Itoa(r.Probers), ""}, {strconv.Itoa(r.Monitors), ""},
			unplaced, {ago(r.LastSeenAt, now), ""},
		}
	}
	t.table([]string{"CODE", "NAME", "STATE", "PROBERS", "MONITORS", "UNPLACED", "LAST SEEN"}, rows)
}

func (t terminal) notices(all []noticeView, now time.Time) {
	rows := make([][]cell, len(all))
	for i, n := range all {
		state, until, lasted := cell{"✘ open", red}, nothing, now.Sub(n.StartedAt)
		if n.EndedAt != nil {
			state, until, lasted = cell{"✔ over", green}, moment(*n.EndedAt), n.EndedAt.Sub(n.StartedAt)
		}
		rows[i] = []cell{
			state, {strings.ReplaceAll(clean(n.Kind), "_", " "), bold}, {clean(n.Subject), cyan}, {moment(n.StartedAt), ""},
			{until, ""}, {shortDuration(max(lasted, 0).Round(time.Second)), ""}, {clean(n.Message), ""},
		}
	}
	t.table([]string{"STATE", "TROUBLE", "OF", "FROM", "TO", "LASTED", "MESSAGE"}, rows)
}
