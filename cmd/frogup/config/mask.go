package config

import (
	"regexp"
	"strings"

	"github.com/frogstats/uptime/internal/secret"
)

// Mask is what stands for a secret.
const Mask = "***"

// plainHosts are hosts with their ports, and a path.
var plainHosts = regexp.MustCompile(`^([^:/,]*(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?)(,([^:/,]*(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?))*(/.*)?$`)

// MaskDSN returns the address of a store without its password. It does not rely on the address being well-formed: one that
// cannot be read is the one that gets printed in an error.
func MaskDSN(dsn string) string {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok {
		if strings.ContainsAny(dsn, "@= ") { // key=value, or something odd
			return Mask
		}
		return dsn
	}
	// A raw "?", "/" or "#" in a password would end the authority too early, so the last @ counts if there is one before the
	// parameters begin.
	body, query, hasQuery := rest, "", false
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, _, hasPassword := strings.Cut(rest[:at], ":")
		if hasPassword {
			user += ":" + Mask
		}
		body = user + rest[at:]
		if strings.Contains(rest[at:], "?") {
			q := strings.LastIndex(body, "?")
			body, query, hasQuery = body[:q], body[q+1:], true
		}
	} else {
		body, query, hasQuery = strings.Cut(rest, "?")
		if !plainHosts.MatchString(body) { // the host was forgotten, and what looks like its port is a password
			body = Mask
		}
	}
	if !hasQuery {
		return scheme + "://" + body
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		if name, _, ok := strings.Cut(p, "="); ok && secret.Sensitive(name) {
			params[i] = name + "=" + Mask
		}
	}
	return scheme + "://" + body + "?" + strings.Join(params, "&")
}

// Shown is the value as it may be printed, one text per element of a list.
func (s *Setting) Shown() []string {
	switch {
	case len(s.texts) == 0 || s.texts[0] == "":
		return nil
	case s.Secret:
		return []string{Mask}
	case s.DSN:
		return []string{MaskDSN(last(s.texts))}
	}
	return s.texts
}

// Masked reports whether Shown hides something.
func (s *Setting) Masked() bool {
	return len(s.texts) > 0 && s.texts[0] != "" && (s.Secret || s.DSN && MaskDSN(last(s.texts)) != last(s.texts))
}
