package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// normaliser names what differs from run to run, and leaves everything else to be compared.
type normaliser struct {
	known *strings.Replacer // addresses of targets
}

// shownHeaders are part of the contract.
var shownHeaders = []string{"Content-Type", "Etag", "Link", "X-Next-Page-Token", "Set-Cookie", "Cache-Control", "Www-Authenticate", "Allow", "Location"}

var (
	timeText   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	uuidText   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	dateText   = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
	tokenText  = regexp.MustCompile(`page_token=[^&>"]+`)
	cookieText = regexp.MustCompile(`(frogup_session=)[^;]+`)
	keyText    = regexp.MustCompile(`upt_[^" ]*`) // of an API key, or to join with
	secretText = regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)
	messageID  = regexp.MustCompile(`msg_[a-z0-9-]+`)
)

func (n normaliser) text(s string) string {
	s = n.known.Replace(s)
	s = timeText.ReplaceAllString(s, "<time>")
	s = keyText.ReplaceAllString(s, "<key>")
	s = messageID.ReplaceAllString(s, "<message>")
	s = uuidText.ReplaceAllString(s, "<uuid>")
	s = dateText.ReplaceAllString(s, "<date>")
	s = tokenText.ReplaceAllString(s, "page_token=<token>")
	return secretText.ReplaceAllString(s, "<secret>")
}

func (n normaliser) headers(h http.Header) map[string]string {
	out := map[string]string{}
	for _, name := range shownHeaders {
		value := h.Get(name)
		switch {
		case value == "":
			continue
		case name == "X-Next-Page-Token":
			value = "<token>"
		case name == "Etag" && len(value) > 8:
			value = "<etag>" // of a file; that of a monitor is its version
		case name == "Set-Cookie":
			value = cookieText.ReplaceAllString(value, "$1<token>")
		}
		out[name] = n.text(value)
	}
	return out
}

// body returns the answer's body: JSON normalised, frames of a stream by line, of other
// documents only that they are there.
func (n normaliser) body(t testing.TB, r reply) any {
	t.Helper()
	kind := r.header.Get("Content-Type")
	switch {
	case len(r.body) == 0:
		return nil
	case strings.HasPrefix(kind, "text/event-stream"):
		return n.frames(t, r.body)
	case !strings.HasPrefix(kind, "application/json") || bytes.HasPrefix(r.body, []byte(`{"openapi"`)) || bytes.HasPrefix(r.body, []byte("{\n  \"openapi\"")):
		return "<document>"
	}
	return n.decode(t, r.body)
}

func (n normaliser) decode(t testing.TB, raw []byte) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	return n.value("", v)
}

// frames shows the first frame that has data.
func (n normaliser) frames(t testing.TB, raw []byte) any {
	t.Helper()
	for part := range strings.SplitSeq(string(raw), "\n\n") {
		out := obj{}
		for line := range strings.Lines(part) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "data":
				out["data"] = n.decode(t, []byte(value))
			case "id":
				out["id"] = "<seq>"
			case "event":
				out["event"] = value
			}
		}
		if out["data"] != nil {
			return out
		}
	}
	t.Fatalf("no frame with data in %s", raw)
	return nil
}

// measured are numbers that a clock gave, by the ends of their names.
var measured = map[string]string{
	"response_time_ms": "<ms>", "dns_time_ms": "<ms>", "tcp_time_ms": "<ms>", "tls_time_ms": "<ms>", "ttfb_ms": "<ms>",
	"latency_ms": "<ms>", "transfer_time_ms": "<ms>", "last_response_time_ms": "<ms>", "duration_ms": "<ms>", "from_ms": "<ms>", "to_ms": "<ms>",
	"average_response_time_24h": "<ms>", "avg_response_time": "<ms>", "avg_dns_time": "<ms>", "avg_tcp_time": "<ms>",
	"avg_tls_time": "<ms>", "avg_ttfb": "<ms>", "avg_transfer_time": "<ms>", "min_response_time": "<ms>",
	"max_response_time": "<ms>", "p95_response_time": "<ms>", "value": "",
	"avg": "<ms>", "min": "<ms>", "max": "<ms>", "p50": "<ms>", "p75": "<ms>", "p90": "<ms>", "p95": "<ms>", "p99": "<ms>",
	"response_time_us": "<us>", "dns_time_us": "<us>", "tcp_time_us": "<us>", "tls_time_us": "<us>", "ttfb_us": "<us>",
	"transfer_time_us": "<us>", "duration_us": "<us>", "total_us": "<us>", "mean_response_time_us": "<us>", "max_response_time_us": "<us>",
	"up_seconds": "<seconds>", "lasted_seconds": "<seconds>", "degraded_seconds": "<seconds>", "down_seconds": "<seconds>", "unknown_seconds": "<seconds>",
	"current_uptime_seconds": "<seconds>", "coverage_percentage": "<percent>",
	"clock_offset_ms": "<ms>", "lateness_p99_ms": "<ms>", "spool_age_ms": "<ms>", "spool_bytes": "<bytes>", "spool_results": "<results>", "checks_in_flight": "<checks>",
	"seq": "<seq>", "head_seq": "<seq>", "transition_seq": "<seq>", "port": "<port>",
}

// volatile are strings without a form of their own.
var volatile = map[string]string{
	"token": "<token>", "request_id": "<request>", "next_page_token": "<token>", "event_id": "<event>", "prober_id": "<prober>", "user_agent": "<agent>",
}

// many are lists whose length hangs on the time of day: of each, every different element
// is shown once.
var many = []string{"distribution", "buckets", "histogram", "intervals"}

func (n normaliser) value(key string, v any) any {
	switch v := v.(type) {
	case obj:
		out := obj{}
		for k, e := range v {
			out[n.text(k)] = n.value(k, e)
		}
		if key == "histogram" {
			out["count"] = "<count>"
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			e = n.value(key, e)
			if slices.Contains(many, key) && slices.ContainsFunc(out, func(o any) bool { return same(o, e) }) {
				continue
			}
			out = append(out, e)
		}
		return out
	case json.Number:
		return n.number(key, v)
	case string:
		if name, ok := volatile[key]; ok && v != "" {
			return name
		}
		if clean := n.text(v); clean != v || key != "id" {
			return clean
		}
		return "<id>"
	}
	return v
}

func (n normaliser) number(key string, v json.Number) any {
	if name := measured[key]; name != "" {
		return name
	}
	if v != "0" && (key == "id" || strings.HasSuffix(key, "_id") || key == "monitor_ids") {
		return "<id>"
	}
	return v
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
