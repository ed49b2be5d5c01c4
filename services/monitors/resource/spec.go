package resource

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/cron"
)

// Bounds of this implementation; the schema has none.
const (
	maxTimeout     = 5 * time.Minute
	minInterval    = time.Second
	maxRetries     = 10
	maxAssertions  = 100
	maxLocations   = 100
	maxChannels    = 100
	maxTrustedCAs  = 64
	maxHeaders     = 64
	maxTextBytes   = 64 << 10
	maxTitleLength = 256
)

var (
	commonFields = []string{"interval", "cron", "timezone", "timeout", "retries", "locations", "channels", "checks"}
	kindFields   = map[string][]string{
		KindTCP:  {"host", "port", "starttls"},
		KindHTTP: {"url", "method", "headers", "body"},
		KindTLS:  {"hostname", "port", "starttls", "trustedCAs", "insecureSkipVerify"},
	}
	defaultTimeouts = map[string]time.Duration{KindTCP: 10 * time.Second, KindHTTP: 10 * time.Second, KindTLS: time.Second}
	methods         = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
	startTLS        = []string{"auto", "none", "postgres", "mysql", "smtp", "imap", "pop3", "ldap"}
	severities      = []string{"Critical", "High", "Medium", "Low", "Info"}
)

func (r *reader) spec(n *node, path string, c *Check) {
	o := r.object(n, path, append(slices.Clone(kindFields[c.Kind]), commonFields...), fieldWords[c.Kind], fieldWords["spec"])
	if o == nil {
		return
	}
	r.schedule(o, c)
	r.common(o, c)
	switch c.Kind {
	case KindTCP:
		r.tcp(o, c)
	case KindHTTP:
		r.http(o, c)
	case KindTLS:
		r.tls(o, c)
	}
	r.assertions(o, c)
}

// schedule reads interval or cron.
func (r *reader) schedule(o *object, c *Check) {
	in, ipath := o.field("interval")
	cn, cpath := o.field("cron")
	zn, zpath := o.field("timezone")
	absent := func(n *node) bool { return n == nil || n.kind == isNull }
	switch {
	case absent(in) && absent(cn):
		r.fail(&node{kind: isMap, line: o.n.line, column: o.n.column}, o.path, "schedule-required", "must have interval or cron")
	case !absent(in) && !absent(cn):
		r.fail(cn, cpath, "schedule-both", "must not stand beside interval")
	}
	if !absent(in) {
		if p, ok := r.period(in, ipath, false); ok {
			c.Interval = p
			if d, fixed := p.Duration(); fixed && d < minInterval {
				r.fail(in, ipath, "interval-range", "must be at least %s", minInterval)
			}
		}
	}
	if zn != nil {
		if zone, ok := r.text(zn, zpath); ok {
			switch _, err := cron.LoadZone(zone); {
			case err != nil || zone == "":
				r.fail(zn, zpath, "timezone", "is not a time zone of the IANA database")
			case absent(cn):
				r.fail(zn, zpath, "timezone", "must not stand without cron")
			default:
				c.Timezone = zone
			}
		}
	}
	if absent(cn) {
		return
	}
	expr, ok := r.text(cn, cpath)
	if !ok {
		return
	}
	_, err := cron.Parse(expr, "")
	switch {
	case len(expr) > 256:
		r.fail(cn, cpath, "cron-grammar", "must be at most 256 characters")
	case errors.Is(err, cron.ErrNeverDue):
		r.fail(cn, cpath, "cron-grammar", "%s", err.Error())
	case err != nil:
		r.failMeant(cn, cpath, "cron-grammar", meantCron(expr), "%s", err.Error())
	default:
		c.Cron = expr
	}
}

// meantCron writes out the names that some crons have for schedules.
func meantCron(expr string) string {
	return map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
		"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	}[strings.ToLower(strings.TrimSpace(expr))]
}

// common reads what every kind has.
func (r *reader) common(o *object, c *Check) {
	c.Timeout = defaultTimeouts[c.Kind]
	if n, path := o.field("timeout"); n != nil {
		if p, ok := r.period(n, path, false); ok {
			if d, fixed := p.Duration(); !fixed || d > maxTimeout {
				r.fail(n, path, "timeout-range", "must be at most %s", "5m")
			} else {
				c.Timeout = d
			}
		}
	}
	if n, path := o.field("retries"); n != nil {
		if v, ok := r.integer(n, path, 1, maxRetries); ok {
			c.Retries = int(v)
		}
	}
	if n, path := o.field("locations"); n != nil {
		r.locations(n, path, c)
	}
	if n, path := o.field("channels"); n != nil {
		r.channels(n, path, c)
	}
}

func (r *reader) locations(n *node, path string, c *Check) {
	items := r.list(n, path)
	if len(items) > maxLocations {
		r.fail(n, path, "list-length", "must have at most %d entries", maxLocations)
		return
	}
	for i, item := range items {
		at := index(path, i)
		s, ok := r.text(item, at)
		switch {
		case !ok:
		case strings.TrimSpace(s) == "" || len(s) > 64:
			r.fail(item, at, "location", "must have 1 to 64 characters")
		case slices.Contains(c.Locations, s):
			r.note(item, at, "duplicate-item", "", true, "is in the list already")
		default:
			c.Locations = append(c.Locations, s)
		}
	}
}

func (r *reader) channels(n *node, path string, c *Check) {
	items := r.list(n, path)
	if len(items) > maxChannels {
		r.fail(n, path, "list-length", "must have at most %d entries", maxChannels)
		return
	}
	for i, item := range items {
		at := index(path, i)
		if item.kind == isString {
			r.failMeant(item, at, "wrong-type", "{channel: "+clip(item.text)+", severity: High}", "must be a mapping with channel and severity, not a string")
			continue
		}
		o := r.object(item, at, []string{"channel", "severity"}, fieldWords["channel"])
		if o == nil {
			continue
		}
		var ch Channel
		if n, path := o.needed("channel"); n != nil {
			s, ok := r.text(n, path)
			if ok && (strings.TrimSpace(s) == "" || len(s) > 256) {
				r.fail(n, path, "channel", "must have 1 to 256 characters")
			}
			ch.Channel = s
		}
		if n, path := o.needed("severity"); n != nil {
			s, ok := r.text(n, path)
			if ok && !slices.Contains(severities, s) {
				r.overlook(n, path, "severity", meantWord(s, severities), "must be %s", oneOf(severities))
			}
			ch.Severity = s
		}
		c.Channels = append(c.Channels, ch)
	}
}

func (r *reader) port(n *node, path string) int {
	v, _ := r.integer(n, path, 1, 65535)
	return int(v)
}

func (r *reader) starttls(o *object) string {
	n, path := o.field("starttls")
	if n == nil {
		return ""
	}
	return r.word(n, path, "starttls", startTLS)
}

// word reads one of a few strings.
func (r *reader) word(n *node, path, rule string, words []string) string {
	s, ok := r.text(n, path)
	if ok && !slices.Contains(words, s) {
		r.failMeant(n, path, rule, meantWord(s, words), "must be %s", oneOf(words))
	}
	return s
}

func (r *reader) tcp(o *object, c *Check) {
	c.TCP = &TCP{StartTLS: r.starttls(o)}
	if n, path := o.needed("host"); n != nil {
		if s, ok := r.text(n, path); ok {
			host, wrong, meant := wrongHost(s)
			if wrong != "" {
				r.failMeant(n, path, "host-grammar", meant, "%s", wrong)
			}
			c.TCP.Host = host
		}
	}
	if n, path := o.needed("port"); n != nil {
		c.TCP.Port = r.port(n, path)
	}
}

func (r *reader) http(o *object, c *Check) {
	c.HTTP = &HTTP{Method: "GET"}
	if n, path := o.needed("url"); n != nil {
		if s, ok := r.text(n, path); ok {
			if rule, wrong, meant := wrongURL(s); wrong != "" {
				if rule == "url-credentials" {
					n = &node{kind: isMap, line: n.line, column: n.column} // the value stays unsaid
				}
				r.failMeant(n, path, rule, meant, "%s", wrong)
			}
			c.HTTP.URL = s
		}
	}
	if n, path := o.field("method"); n != nil {
		c.HTTP.Method = r.word(n, path, "method", methods)
	}
	if n, path := o.field("headers"); n != nil {
		c.HTTP.Headers = r.stringMap(n, path)
		r.headers(n, path)
	}
	if n, path := o.field("body"); n != nil && n.kind != isNull {
		c.HTTP.Body, _ = r.text(n, path)
	}
}

// headers checks the names and values of what was read as strings already.
func (r *reader) headers(n *node, path string) {
	if len(n.fields) > maxHeaders {
		r.fail(n, path, "list-length", "must have at most %d entries", maxHeaders)
		return
	}
	lower := map[string]bool{}
	for _, f := range n.fields {
		at := join(path, f.key.text)
		name := strings.ToLower(f.key.text)
		switch {
		case f.key.kind == isMap || f.key.kind == isList:
		case wrongHeaderName(f.key.text):
			r.fail(f.key, at, "header-grammar", "must have a name of letters, digits and !#$%%&'*+-.^_`|~")
		case lower[name] && n.get(f.key.text) == f.value:
			r.fail(f.key, at, "duplicate-field", "is there already in another case")
		case name == "content-length" || name == "transfer-encoding" || name == "connection" || name == "upgrade":
			r.fail(f.key, at, "header-grammar", "must be left to the program, which frames the request")
		case f.value.kind == isString && wrongHeaderValue(f.value.text):
			r.fail(f.value, at, "header-grammar", "must have a value of one line, at most 8192 characters")
		}
		lower[name] = true
	}
}

func (r *reader) tls(o *object, c *Check) {
	c.TLS = &TLS{Port: 443, StartTLS: r.starttls(o)}
	if n, path := o.needed("hostname"); n != nil {
		if s, ok := r.text(n, path); ok {
			if isAddress(s) {
				r.fail(n, path, "hostname-grammar", "must be a DNS name: certificates are checked against it")
			} else if wrong, meant := wrongHostname(s); wrong != "" {
				r.failMeant(n, path, "hostname-grammar", meant, "%s", wrong)
			}
			c.TLS.Hostname = strings.ToLower(s)
		}
	}
	if n, path := o.field("port"); n != nil {
		c.TLS.Port = r.port(n, path)
	}
	skip, spath := o.field("insecureSkipVerify")
	if skip != nil {
		c.TLS.InsecureSkipVerify, _ = r.boolean(skip, spath)
	}
	n, path := o.field("trustedCAs")
	if n == nil || n.kind == isNull {
		return
	}
	if c.TLS.InsecureSkipVerify {
		r.fail(skip, spath, "tls-trust", "must not stand beside trustedCAs")
	}
	items := r.list(n, path)
	switch {
	case n.kind == isList && len(items) == 0:
		r.fail(n, path, "list-length", "must not be empty: nobody would be trusted")
	case len(items) > maxTrustedCAs:
		r.fail(n, path, "list-length", "must have at most %d entries", maxTrustedCAs)
		return
	}
	for i, item := range items {
		at := index(path, i)
		s, ok := r.text(item, at)
		if ok && !isCertificates(s) {
			r.fail(item, at, "trusted-ca", "must be an X.509 certificate in PEM")
		}
		c.TLS.TrustedCAs = append(c.TLS.TrustedCAs, s)
	}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// isCertificates reports whether text is one certificate or more, and nothing else.
func isCertificates(text string) bool {
	if len(text) > maxTextBytes {
		return false
	}
	rest := []byte(text)
	found := false
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			return found && len(strings.TrimSpace(string(rest))) == 0
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			return false
		}
		found, rest = true, after
	}
}
