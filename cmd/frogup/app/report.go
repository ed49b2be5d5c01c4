package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// checkRecord is one check as JSON, with the names and units of a REST event. What did not happen is null.
type checkRecord struct {
	Timestamp         string            `json:"timestamp"`
	MonitorType       string            `json:"monitor_type"`
	MonitorURL        string            `json:"monitor_url"`
	Status            string            `json:"status"`
	StatusCode        *int              `json:"status_code"`
	ResponseTimeMS    uint32            `json:"response_time_ms"`
	DNSTimeMS         *uint32           `json:"dns_time_ms"`
	TCPTimeMS         *uint32           `json:"tcp_time_ms"`
	TLSTimeMS         *uint32           `json:"tls_time_ms"`
	TTFBMS            *uint32           `json:"ttfb_ms"`
	TransferTimeMS    *uint32           `json:"transfer_time_ms"`
	ResponseTimeUS    float64           `json:"response_time_us"`
	DNSTimeUS         *float64          `json:"dns_time_us"`
	TCPTimeUS         *float64          `json:"tcp_time_us"`
	TLSTimeUS         *float64          `json:"tls_time_us"`
	TTFBUS            *float64          `json:"ttfb_us"`
	TransferTimeUS    *float64          `json:"transfer_time_us"`
	ErrorType         *string           `json:"error_type"`
	ErrorMessage      *string           `json:"error_message"`
	FailedPhase       *string           `json:"failed_phase"`
	ValidationErrors  []string          `json:"validation_errors"`
	ResolvedIP        *string           `json:"resolved_ip"`
	IPFamily          *string           `json:"ip_family"`
	Port              *int              `json:"port"`
	TLSVersion        *string           `json:"tls_version"`
	CertExpiresAt     *string           `json:"cert_expires_at"`
	ResponseSizeBytes *int64            `json:"response_size_bytes"`
	ResponseHeaders   map[string]string `json:"response_headers"`
	Attempt           int               `json:"attempt"`
	// What events do not have.
	Resolvers   []string         `json:"resolvers,omitempty"`
	HTTPVersion *string          `json:"http_version"`
	FinalURL    *string          `json:"final_url"`
	Redirects   []redirectRecord `json:"redirects"`
	Details     detailsRecord    `json:"details"`
}

// redirectRecord is one redirect that was followed.
type redirectRecord struct {
	StatusCode int    `json:"status_code"`
	URL        string `json:"url"`
}

// timeLayout is RFC 3339 with milliseconds, as REST has it.
const timeLayout = "2006-01-02T15:04:05.000Z"

func newCheckRecord(t target, c checked) checkRecord {
	r := c.TestResult
	record := checkRecord{
		Timestamp: r.Timestamp.UTC().Format(timeLayout), MonitorType: t.kind, MonitorURL: t.url(),
		Status: string(r.Status), ResponseTimeMS: millis(r.Latency), ResponseTimeUS: micros(r.Latency),
		StatusCode: present(r.StatusCode), Attempt: r.Attempt,
		ErrorType: present(string(r.ErrorType)), ErrorMessage: present(r.Error), FailedPhase: present(string(r.FailedPhase)),
		ValidationErrors: append([]string{}, r.ValidationErrors...),
		IPFamily:         present(r.IPFamily()), TLSVersion: present(r.TLSVersion),
		ResponseHeaders: joinHeaders(r.Headers),
		HTTPVersion:     present(r.HTTPVersion), Redirects: []redirectRecord{}, Resolvers: resolverTexts(c.resolvers),
		Details: newDetails(c),
	}
	p := r.Phases
	record.DNSTimeMS, record.DNSTimeUS = span(p.DNS)
	record.TCPTimeMS, record.TCPTimeUS = span(p.Connect)
	record.TLSTimeMS, record.TLSTimeUS = span(p.TLS)
	record.TTFBMS, record.TTFBUS = span(p.TTFB)
	record.TransferTimeMS, record.TransferTimeUS = span(p.Transfer)
	if r.ResolvedIP.IsValid() {
		record.ResolvedIP = present(r.ResolvedIP.String())
	}
	if !r.CertExpiresAt.IsZero() {
		record.CertExpiresAt = present(r.CertExpiresAt.UTC().Format(timeLayout))
	}
	if t.kind != nettest.ProtocolHTTP {
		record.Port = present(t.port)
		return record
	}
	record.FinalURL = present(r.FinalURL)
	if r.StatusCode != 0 {
		record.ResponseSizeBytes = &r.ResponseSize
	}
	for _, hop := range r.Redirects {
		record.Redirects = append(record.Redirects, redirectRecord{hop.StatusCode, hop.URL})
	}
	return record
}

// present returns nil for a zero value: here, it stands for what did not happen.
func present[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func millis(d time.Duration) uint32 { return uint32(d.Round(time.Millisecond).Milliseconds()) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func span(s nettest.Span) (*uint32, *float64) {
	if !s.Valid {
		return nil, nil
	}
	ms, us := millis(s.Duration), micros(s.Duration)
	return &ms, &us
}

// joinHeaders puts the values of a repeated header into one, as RFC 9110 allows.
func joinHeaders(fields []nettest.HeaderField) map[string]string {
	joined, spelling := map[string]string{}, map[string]string{}
	for _, f := range fields {
		name, seen := spelling[strings.ToLower(f.Name)]
		if !seen {
			spelling[strings.ToLower(f.Name)] = f.Name
			joined[f.Name] = f.Value
			continue
		}
		joined[name] += ", " + f.Value
	}
	return joined
}

// writeJSON writes v as one line.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeControls(b.Bytes()))
	return err
}

// escapeControls escapes the control characters that JSON allows as they are and
// terminals obey: DEL and U+0080 to U+009F. They occur within strings only.
func escapeControls(doc []byte) []byte {
	if !bytes.ContainsAny(doc, "\u007f") && !bytes.Contains(doc, []byte{0xc2}) {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if r >= 0x7f && r <= 0x9f {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// line is one check of a series.
func (t terminal) line(r *nettest.TestResult) {
	facts := []string{t.outcome(r)}
	for _, row := range phaseRows(r) {
		facts = append(facts, t.paint(faint, row.name)+" "+strings.TrimSuffix(formatMillis(row.span.Duration, 2), " ms"))
	}
	if r.ResolvedIP.IsValid() {
		facts = append(facts, r.ResolvedIP.String())
	}
	fmt.Fprintf(t, "%s  %s\n", t.paint(faint, r.Timestamp.Local().Format(time.TimeOnly)), strings.Join(facts, "  "))
	for _, problem := range r.ValidationErrors {
		fmt.Fprintf(t, "          %s %s\n", t.paint(red, "✘"), clean(problem))
	}
}

// tally adds up a series of checks.
type tally struct {
	counts    map[nettest.Status]int
	total     int
	successes []time.Duration
}

func (s *tally) add(r *nettest.TestResult) {
	if s.counts == nil {
		s.counts = map[nettest.Status]int{}
	}
	s.counts[r.Status]++
	s.total++
	if r.Status == nettest.StatusSuccess {
		s.successes = append(s.successes, r.Latency)
	}
}

// code is the exit code: one target fault counts more than any number of our own.
func (s *tally) code() int {
	switch {
	case s.counts[nettest.StatusFailure]+s.counts[nettest.StatusTimeout] > 0:
		return exitNo
	case s.total == 0 || s.counts[nettest.StatusError] > 0:
		return exitError
	}
	return exitOK
}

// summary is the last word on a series.
func (t terminal) summary(s *tally) {
	noun := "checks"
	if s.total == 1 {
		noun = "check"
	}
	facts := []string{}
	for _, status := range []nettest.Status{nettest.StatusSuccess, nettest.StatusFailure, nettest.StatusTimeout, nettest.StatusError} {
		if n := s.counts[status]; n > 0 {
			facts = append(facts, fmt.Sprintf("%d %s", n, status))
		}
	}
	fmt.Fprintf(t, "\n%s\n", t.paint(bold, fmt.Sprintf("%d %s: %s", s.total, noun, strings.Join(facts, ", "))))
	if len(s.successes) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(s.successes))
	var sum time.Duration
	for _, d := range sorted {
		sum += d
	}
	n := len(sorted)
	p95 := sorted[int(math.Ceil(0.95*float64(n)))-1]
	fmt.Fprintf(t, "response time of the successes: min %s  avg %s  p95 %s  max %s\n",
		formatMillis(sorted[0], 2), formatMillis(sum/time.Duration(n), 2), formatMillis(p95, 2), formatMillis(sorted[n-1], 2))
}
