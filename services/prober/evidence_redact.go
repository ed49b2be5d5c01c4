package prober

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/prober/nettest"
)

const (
	// evidenceBody is how much of a response's body is kept, and evidenceSource how much is read for that: a secret goes before
	// the text is cut, since half of one would not be found.
	evidenceBody   = 4 << 10
	evidenceSource = 12 << 10
	// leastSecret is how long a secret has to be to be looked for; shorter ones are parts of words.
	leastSecret = 3
	// tokenLength is how long the value of a query parameter has to be to be taken for a secret, whatever its name.
	tokenLength = 16
)

// redactor takes what a check proves itself with out of what is told of it.
type redactor struct {
	parts   []string
	longest int
}

// redactorOf knows the secrets of a check.
func redactorOf(p *prepared) *redactor {
	r := &redactor{}
	switch c := p.config.Config.(type) {
	case nettest.HTTPConfig:
		r.add(c.Auth.Password, c.Auth.Token, c.Auth.Value)
		r.addPair(c.Auth.Username, c.Auth.Password)
		if c.Auth.OAuth2 != nil {
			r.add(c.Auth.OAuth2.ClientSecret)
			r.addPair(c.Auth.OAuth2.ClientID, c.Auth.OAuth2.ClientSecret)
		}
		if c.Proxy != nil {
			r.add(c.Proxy.Password)
			r.addPair(c.Proxy.Username, c.Proxy.Password)
		}
		for _, h := range c.Headers {
			if sensitiveName(h.Name) {
				r.addHeader(h.Value)
			}
		}
		r.addURL(p.config.Address)
	}
	return r
}

// sensitiveName reports whether a header or parameter of this name is taken to carry a credential.
func sensitiveName(name string) bool {
	lower := strings.ToLower(name)
	for _, word := range []string{"token", "secret", "cookie", "auth", "session", "signature", "password"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return secret.Sensitive(name) || strings.HasSuffix(lower, "key") || lower == "sig" || lower == "code"
}

func (r *redactor) add(secrets ...string) {
	for _, s := range secrets {
		if len(s) < leastSecret {
			continue
		}
		r.parts = append(r.parts, s, url.QueryEscape(s), url.PathEscape(s))
		r.longest = max(r.longest, len(s))
	}
}

// addPair adds what basic authentication makes of a user and a password.
func (r *redactor) addPair(user, password string) {
	if password != "" {
		r.add(base64.StdEncoding.EncodeToString([]byte(user + ":" + password)))
	}
}

// addHeader adds a header's value, what follows a scheme in it, and the values of cookies.
func (r *redactor) addHeader(value string) {
	r.add(value)
	if _, credentials, ok := strings.Cut(value, " "); ok {
		r.add(credentials)
	}
	for pair := range strings.SplitSeq(value, ";") {
		if _, cookie, ok := strings.Cut(pair, "="); ok {
			r.add(strings.TrimSpace(cookie))
		}
	}
}

// addURL adds a URL's query, and the values in it that look like secrets.
func (r *redactor) addURL(address string) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	r.add(u.RawQuery)
	for name, values := range u.Query() {
		for _, v := range values {
			if sensitiveName(name) || len(v) >= tokenLength {
				r.add(v)
			}
		}
	}
}

func (r *redactor) text(s string) string { return secret.Without(s, r.parts) }

// identities are fields that name things, or are words of a closed set: nothing that a target or a secret had a say in.
var identities = map[protoreflect.Name]bool{
	"organization_id": true, "region": true, "prober_id": true, "monitor_name": true, "error_type": true, "resolver": true,
}

// message takes the secrets out of every text in m, and the values out of headers that carry some by their names.
func (r *redactor) message(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case identities[f.Name()]:
		case f.IsMap():
			r.entries(f, v.Map())
		case f.IsList():
			list := v.List()
			for i := range list.Len() {
				switch {
				case f.Message() != nil:
					r.message(list.Get(i).Message())
				case f.Kind() == protoreflect.StringKind:
					list.Set(i, protoreflect.ValueOfString(r.text(list.Get(i).String())))
				}
			}
		case f.Message() != nil:
			r.message(v.Message())
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(r.text(v.String())))
		}
		return true
	})
}

// entries are the headers of a response; nothing else that is told is a map of texts.
func (r *redactor) entries(f protoreflect.FieldDescriptor, entries protoreflect.Map) {
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		switch {
		case f.MapValue().Message() != nil:
			r.message(v.Message())
		case f.MapValue().Kind() == protoreflect.StringKind:
			text := r.text(v.String())
			switch name := k.String(); {
			case strings.EqualFold(name, "WWW-Authenticate"): // asks for a proof, and has none
			case sensitiveName(name):
				text = "***"
			case strings.EqualFold(name, "Location") || strings.EqualFold(name, "Content-Location"):
				text = secret.ScrubURL(text)
			}
			entries.Set(k, protoreflect.ValueOfString(text))
		}
		return true
	})
}

// body is the beginning of a response's body as people may read it; nil if there was none.
func (r *redactor) body(t *nettest.TestResult) *eventsv1.EvidenceBody {
	if t.StatusCode == 0 || t.ResponseSize == 0 && len(t.Body) == 0 {
		return nil
	}
	out := &eventsv1.EvidenceBody{SizeBytes: uint64(max(t.ResponseSize, 0))}
	source, more := t.Body, t.ResponseSize > int64(len(t.Body))
	if len(source) > evidenceSource {
		source, more = source[:evidenceSource], true
	}
	if !printable(source, more) {
		out.Binary, out.Truncated = true, true
		return out
	}
	text := r.text(strings.ToValidUTF8(string(source), ""))
	if more { // where half of one may stand
		text = strings.ToValidUTF8(text[:max(len(text)-2*r.longest, 0)], "")
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, text)
	if len(text) > evidenceBody {
		text, more = strings.ToValidUTF8(text[:evidenceBody], ""), true
	}
	out.Text, out.Truncated = &text, more
	return out
}

// printable reports whether bytes are text. Of those that are not all, a letter may be cut at the end.
func printable(b []byte, more bool) bool {
	if more {
		for cut := 0; cut < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b); cut++ {
			b = b[:len(b)-1]
		}
	}
	if !utf8.Valid(b) {
		return false
	}
	odd := 0
	for _, c := range string(b) {
		if c == 0 {
			return false
		}
		if unicode.IsControl(c) && !unicode.IsSpace(c) {
			odd++
		}
	}
	return odd*20 <= len(b)
}
