package nettest

import (
	"strconv"
	"strings"
	"time"
)

// SecurityFacts are what the headers of a response say about security and
// caching. Empty means that a header is absent.
type SecurityFacts struct {
	// HSTS is Strict-Transport-Security; nil if it is absent, not valid or came
	// over plain HTTP, where browsers ignore it.
	HSTS *HSTS
	// FrameOptions is "DENY", "SAMEORIGIN" or what else X-Frame-Options says.
	FrameOptions string
	// NoSniff says that X-Content-Type-Options is "nosniff".
	NoSniff bool
	// CSP and CSPReportOnly say that there is a Content-Security-Policy that is
	// enforced or only reported.
	CSP, CSPReportOnly bool
	// FrameAncestors says that an enforced policy restricts who may frame the
	// page, which makes FrameOptions superfluous.
	FrameAncestors bool
	// ReferrerPolicy is the last policy in Referrer-Policy, the one that counts.
	ReferrerPolicy string
	// CacheControl is the value, all lines of it joined.
	CacheControl string
	// Server is what the server calls itself.
	Server string
}

// HSTS is what Strict-Transport-Security says (RFC 6797).
type HSTS struct {
	// MaxAge is how long browsers keep to https; 0 ends it.
	MaxAge time.Duration
	// IncludeSubDomains and Preload are its directives.
	IncludeSubDomains, Preload bool
}

// maxHSTS bounds what a header may claim: a hundred years.
const maxHSTS = 100 * 365 * 24 * time.Hour

// SecurityFacts reads the headers of the last response. It looks at what the
// result has kept of them.
func (r *TestResult) SecurityFacts() SecurityFacts {
	var f SecurityFacts
	secure := strings.HasPrefix(r.FinalURL, "https:")
	sawHSTS := false
	for _, h := range r.Headers {
		switch strings.ToLower(h.Name) {
		case "strict-transport-security":
			if secure && !sawHSTS { // the first one counts (RFC 6797, section 8.1)
				sawHSTS = true
				f.HSTS = parseHSTS(h.Value)
			}
		case "x-frame-options":
			f.FrameOptions = strings.ToUpper(h.Value)
		case "x-content-type-options":
			first, _, _ := strings.Cut(h.Value, ",")
			f.NoSniff = f.NoSniff || strings.EqualFold(strings.TrimSpace(first), "nosniff")
		case "content-security-policy":
			f.CSP = f.CSP || h.Value != ""
			f.FrameAncestors = f.FrameAncestors || hasDirective(h.Value, "frame-ancestors")
		case "content-security-policy-report-only":
			f.CSPReportOnly = f.CSPReportOnly || h.Value != ""
		case "referrer-policy":
			for policy := range strings.SplitSeq(h.Value, ",") {
				if policy = strings.ToLower(strings.TrimSpace(policy)); policy != "" {
					f.ReferrerPolicy = policy
				}
			}
		case "cache-control":
			if f.CacheControl != "" {
				f.CacheControl += ", "
			}
			f.CacheControl += h.Value
		case "server":
			f.Server = h.Value
		}
	}
	return f
}

// parseHSTS returns nil for a value that browsers ignore: one without max-age or
// with a directive twice.
func parseHSTS(value string) *HSTS {
	var h HSTS
	seen := map[string]bool{}
	for directive := range strings.SplitSeq(value, ";") {
		name, argument, _ := strings.Cut(directive, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" {
			continue
		}
		if seen[name] {
			return nil
		}
		seen[name] = true
		switch name {
		case "max-age":
			text := strings.TrimSpace(argument)
			if n := len(text); n > 1 && text[0] == '"' && text[n-1] == '"' {
				text = text[1 : n-1]
			}
			if text == "" || strings.Trim(text, "0123456789") != "" {
				return nil
			}
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil || seconds > int64(maxHSTS/time.Second) {
				h.MaxAge = maxHSTS
			} else {
				h.MaxAge = time.Duration(seconds) * time.Second
			}
		case "includesubdomains":
			h.IncludeSubDomains = true
		case "preload":
			h.Preload = true
		}
	}
	if !seen["max-age"] {
		return nil
	}
	return &h
}

func hasDirective(policy, name string) bool {
	for directive := range strings.FieldsFuncSeq(policy, func(c rune) bool { return c == ';' || c == ',' }) {
		if first, _, _ := strings.Cut(strings.TrimSpace(directive), " "); strings.EqualFold(first, name) {
			return true
		}
	}
	return false
}
