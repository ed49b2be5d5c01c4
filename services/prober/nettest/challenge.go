package nettest

import (
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Bounds of what is read of one WWW-Authenticate header.
const (
	maxChallengeBytes = 8 << 10
	maxChallenges     = 8
	maxAuthParams     = 32
)

// challenge is one of a WWW-Authenticate header. Names are in lower case, values
// without their quotes; the first of several with one name counts.
type challenge struct {
	scheme string
	params map[string]string
}

// parseChallenges reads the grammar of RFC 9110, section 11.6.1, up to the first
// thing that does not fit it.
func parseChallenges(value string) []challenge {
	if len(value) > maxChallengeBytes || !httpguts.ValidHeaderFieldValue(value) {
		return nil
	}
	p := challengeParser{rest: value}
	var all []challenge
	for params := 0; params < maxAuthParams; {
		p.skip(", \t")
		name := p.token()
		if name == "" {
			return all
		}
		p.skip(" \t")
		if !p.ahead('=') || len(all) == 0 { // the name of a scheme
			if len(all) == maxChallenges {
				return all
			}
			all = append(all, challenge{scheme: name, params: map[string]string{}})
			p.token68()
			continue
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		text, ok := p.value()
		if !ok {
			return all[:len(all)-1] // the challenge is broken, and so is what follows
		}
		last := all[len(all)-1].params
		if name = strings.ToLower(name); last[name] == "" {
			last[name] = text
		}
		params++
	}
	return all
}

type challengeParser struct{ rest string }

func (p *challengeParser) skip(chars string) { p.rest = strings.TrimLeft(p.rest, chars) }

func (p *challengeParser) ahead(c byte) bool { return p.rest != "" && p.rest[0] == c }

func (p *challengeParser) token() string {
	n := 0
	for n < len(p.rest) && httpguts.IsTokenRune(rune(p.rest[n])) {
		n++
	}
	token := p.rest[:n]
	p.rest = p.rest[n:]
	return token
}

// token68 passes over credentials in one piece, as of Negotiate, if that is what
// stands between a scheme and the next comma.
func (p *challengeParser) token68() {
	piece, after, _ := strings.Cut(p.rest, ",")
	piece = strings.Trim(piece, " \t")
	body := strings.TrimRight(piece, "=")
	if piece != "" && strings.Trim(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") == "" {
		p.rest = after
	}
}

// value reads a token or a quoted-string.
func (p *challengeParser) value() (string, bool) {
	if !p.ahead('"') {
		token := p.token()
		return token, token != ""
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
