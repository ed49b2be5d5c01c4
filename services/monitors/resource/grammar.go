package resource

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"
)

const maxNameBytes = 63 // of one label of a DNS name

// wrongName says what a name of a resource lacks; empty if nothing.
func wrongName(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case len(s) > maxNameBytes:
		return "must be at most 63 characters"
	case strings.HasPrefix(s, "-"), strings.HasSuffix(s, "-"):
		return "must not begin or end with a hyphen"
	case strings.ContainsFunc(s, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }):
		return "may hold letters, digits and hyphens only"
	}
	return ""
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// meantName makes a name of what is none.
func meantName(s string) string {
	s = strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '-'
	}, strings.TrimSpace(s))
	for strings.Contains(s, "--") {
		s = strings.ReplaceAll(s, "--", "-")
	}
	if s = strings.Trim(s, "-"); wrongName(s) != "" {
		return ""
	}
	return s
}

// wrongHostname says what a DNS name lacks. Hyphens may stand anywhere inside a label: the schema's own expression
// refuses "us-east-1" by an oversight.
func wrongHostname(s string) (wrong, meant string) {
	switch {
	case s == "":
		return "must not be empty", ""
	case strings.Contains(s, "://"), strings.ContainsAny(s, "/?#@"):
		if u, err := url.Parse(s); err == nil && u.Hostname() != "" {
			meant = u.Hostname()
		}
		return "must be a host, not a URL", meant
	case strings.ContainsAny(s, " \t\n"):
		return "must not hold blanks", strings.Join(strings.Fields(s), "")
	case strings.HasSuffix(s, "."):
		return "must not end with a dot", strings.TrimRight(s, ".")
	case strings.Contains(s, ":"):
		host, _, _ := strings.Cut(s, ":")
		return "must be a host alone; the port goes into port", host
	case len(s) > 253:
		return "must be at most 253 characters", ""
	case strings.Contains(s, "_"):
		return "must not hold underscores", ""
	}
	for _, r := range s {
		if r > 0x7f {
			if mapped, err := idna.Lookup.ToASCII(s); err == nil {
				meant = mapped
			}
			return "must be ASCII", meant
		}
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > maxNameBytes {
			return "must have labels of 1 to 63 characters between its dots", ""
		}
		if wrong := wrongName(l); wrong != "" {
			return wrong + " in a label", ""
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "looks like a number but is not an address", ""
	}
	return "", ""
}

// wrongHost is wrongHostname for a field that takes addresses too; host is its canonical form.
func wrongHost(s string) (host, wrong, meant string) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return "", "must not have a zone", addr.WithZone("").String()
		}
		return addr.String(), "", ""
	}
	if bare, ok := strings.CutPrefix(s, "["); ok {
		bare = strings.TrimSuffix(bare, "]")
		if addr, err := netip.ParseAddr(bare); err == nil {
			return "", "must be an address without brackets", addr.String()
		}
	}
	if strings.Count(s, ":") > 1 && !strings.Contains(s, "/") {
		return "", "is not an IPv6 address", ""
	}
	wrong, meant = wrongHostname(s)
	return strings.ToLower(s), wrong, meant
}

// wrongURL says what is wrong with the URL of an HttpCheck.
func wrongURL(s string) (rule, wrong, meant string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsAny(s, " \t\n"):
		return "url-grammar", "is not a URL", ""
	case u.Scheme == "" || u.Opaque != "" || u.Host == "":
		if host, _, _ := strings.Cut(strings.TrimPrefix(s, "//"), "/"); u.Scheme != "http" && u.Scheme != "https" && !strings.Contains(s, "://") && host != "" {
			meant = "https://" + strings.TrimPrefix(s, "//")
		}
		return "url-grammar", "must begin with http:// or https:// and a host", meant
	case u.Scheme != "http" && u.Scheme != "https":
		return "url-grammar", "must have the scheme http or https", ""
	case u.User != nil:
		u.User = nil
		return "url-credentials", "must not hold credentials; the header Authorization can", u.String()
	case len(s) > 2048:
		return "url-grammar", "must be at most 2048 characters", ""
	}
	if port := u.Port(); port != "" {
		if wrongPort(port) {
			return "url-grammar", "must have a port from 1 to 65535", ""
		}
	}
	host := u.Hostname()
	if _, wrong, _ := wrongHost(host); wrong != "" && !strings.ContainsFunc(host, func(r rune) bool { return r == '_' || r > 0x7f }) {
		return "url-grammar", "must have a host that is a name or an address: it " + wrong, ""
	}
	return "", "", ""
}

var portGrammar = regexp.MustCompile(`^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$`)

func wrongPort(s string) bool { return !portGrammar.MatchString(s) }

func wrongHeaderName(s string) bool { return len(s) > 256 || !httpguts.ValidHeaderFieldName(s) }

func wrongHeaderValue(s string) bool { return len(s) > 8192 || !httpguts.ValidHeaderFieldValue(s) }
