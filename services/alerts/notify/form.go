package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/secret"
)

// hiddenValue is what reads show in place of a secret; given back it keeps the value.
const hiddenValue = "***"

// kind is how a setting is written in JSON.
type kind int

const (
	text    kind = iota
	number       // a whole one
	boolean      //
	list         // of texts
)

// The limits of settings that do not say otherwise.
const (
	maxText = 2048 // bytes
	maxList = 50
)

// field is one setting of a provider.
type field struct {
	name     string
	kind     kind
	required bool
	secret   bool // a text that can be written and never read
	// destination is a setting that says where secrets are sent. With a new one they have to be given anew, so that whoever may
	// change a target but does not know its secrets cannot have them sent to an address of their own.
	destination bool
	numeric     bool                     // a text that may be given as a number
	fallback    any                      // what holds when nothing is given; nil for nothing
	oneOf       []string                 // the only texts there are
	low, high   int                      // bounds of a number, ends included; both 0 for none
	check       func(text string) string // what is wrong with a text, or with one of a list
	lines       int                      // most bytes of a text that may have several lines; 0 for one line of maxText bytes at most
}

// form is the settings of one type.
type form struct {
	name   string // of the type
	fields []field
	check  func(v values) []fault.Field // what is wrong with settings that are right one by one; may be nil
}

// values are settings by name: string, int, bool or []string. What is not set is not there.
type values map[string]any

func (v values) text(name string) string   { s, _ := v[name].(string); return s }
func (v values) number(name string) int    { n, _ := v[name].(int); return n }
func (v values) boolean(name string) bool  { b, _ := v[name].(bool); return b }
func (v values) server(name string) string { return strings.TrimRight(v.text(name), "/") }
func (v values) list(name string) []string { l, _ := v[name].([]string); return l }

// formPublic is the half of the settings that everybody may read.
type formPublic struct {
	Values  map[string]any `json:"values"`
	Secrets []string       `json:"secrets,omitempty"` // names of those that are set
}

func (f form) field(name string) (field, bool) {
	i := slices.IndexFunc(f.fields, func(fd field) bool { return fd.name == name })
	if i < 0 {
		return field{}, false
	}
	return f.fields[i], true
}

func (f form) names() string {
	var out []string
	for _, fd := range f.fields {
		out = append(out, fd.name)
	}
	return strings.Join(out, ", ")
}

// merge is a Notifier's Merge.
func (f form) merge(old Settings, given map[string]any) (Settings, map[string]any, []fault.Field) {
	before, err := f.stored(old)
	if err != nil {
		before = values{} // then everything has to be given anew
	}
	next, fresh, wrong := maps.Clone(before), map[string]bool{}, map[string]bool{}
	var bad []fault.Field
	note := func(name, message string) {
		wrong[name] = true
		bad = append(bad, fault.Field{Name: name, Message: message})
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		fd, ok := f.field(name)
		if !ok {
			note(name, "is not a setting of "+f.name+"; known are: "+f.names())
			continue
		}
		if fd.secret && given[name] == hiddenValue {
			if _, ok := before[name]; !ok {
				note(name, "has no value yet that could be kept")
			}
			continue
		}
		value, problem := fd.take(given[name])
		if problem != "" {
			note(name, problem)
		}
		fresh[name] = true
		if next[name] = value; value == nil {
			delete(next, name)
		}
	}
	for _, fd := range f.fields {
		if _, ok := next[fd.name]; !ok && fd.required && fd.fallback == nil && !wrong[fd.name] {
			note(fd.name, "is required")
		}
	}
	if len(bad) == 0 {
		bad = append(f.carried(before, next, fresh), f.judge(next)...)
	}
	if len(bad) > 0 {
		return Settings{}, nil, bad
	}
	return f.split(next), nil, nil
}

func (f form) judge(v values) []fault.Field {
	if f.check == nil {
		return nil
	}
	return f.check(f.complete(v))
}

// carried are the secrets that would be sent to another place than they were given for.
func (f form) carried(before, next values, fresh map[string]bool) (bad []fault.Field) {
	before, after := f.complete(before), f.complete(next)
	for _, to := range f.fields {
		if !to.destination || before[to.name] == nil || reflect.DeepEqual(before[to.name], after[to.name]) {
			continue
		}
		for _, fd := range f.fields {
			if _, set := next[fd.name]; set && fd.secret && !fresh[fd.name] {
				bad = append(bad, fault.Field{Name: fd.name, Message: "must be given again, because " + to.name + " changes where it is sent"})
			}
		}
	}
	return bad
}

// split puts every value into its half.
func (f form) split(v values) Settings {
	public, hidden := formPublic{Values: map[string]any{}}, map[string]any{}
	for _, fd := range f.fields {
		value, ok := v[fd.name]
		switch {
		case !ok:
		case fd.secret:
			hidden[fd.name] = value
			public.Secrets = append(public.Secrets, fd.name)
		default:
			public.Values[fd.name] = value
		}
	}
	return Settings{Public: encode(public), Secret: encode(hidden)}
}

// show is a Notifier's Show.
func (f form) show(public json.RawMessage) map[string]any {
	var pub formPublic
	if err := json.Unmarshal(public, &pub); err != nil || pub.Values == nil {
		return map[string]any{}
	}
	for _, name := range pub.Secrets {
		pub.Values[name] = hiddenValue
	}
	return pub.Values
}

// stored reads what is set.
func (f form) stored(s Settings) (values, error) {
	v := values{}
	if s.Public == nil {
		return v, nil
	}
	var public formPublic
	var hidden map[string]any
	if err := errors.Join(json.Unmarshal(s.Public, &public), json.Unmarshal(s.Secret, &hidden)); err != nil {
		return nil, errors.New("the settings are malformed") // the decoder's error might quote them
	}
	for _, fd := range f.fields {
		from := public.Values
		if fd.secret {
			from = hidden
		}
		if value, ok := fd.read(from[fd.name]); ok {
			v[fd.name] = value
		}
	}
	return v, nil
}

// complete is v with what holds for settings that are not set.
func (f form) complete(v values) values {
	v = maps.Clone(v)
	for _, fd := range f.fields {
		if _, ok := v[fd.name]; !ok && fd.fallback != nil {
			v[fd.name] = fd.fallback
		}
	}
	return v
}

// usable reads the settings that a message is to be sent with.
func (f form) usable(s Settings) (values, bool) {
	v, err := f.stored(s)
	if err != nil {
		return nil, false
	}
	v = f.complete(v)
	for _, fd := range f.fields {
		if _, ok := v[fd.name]; fd.required && !ok {
			return nil, false
		}
	}
	return v, true
}

// read turns what JSON made of a value back into it.
func (fd field) read(value any) (any, bool) {
	switch fd.kind {
	case number:
		n, ok := value.(float64)
		return int(n), ok && n == math.Trunc(n) && math.Abs(n) <= math.MaxInt32
	case boolean:
		b, ok := value.(bool)
		return b, ok
	case list:
		all, ok := value.([]any)
		out := make([]string, 0, len(all))
		for _, one := range all {
			s, isText := one.(string)
			ok = ok && isText
			out = append(out, s)
		}
		return out, ok
	}
	if n, ok := value.(float64); ok && fd.numeric && n == math.Trunc(n) && math.Abs(n) <= maxExact {
		return strconv.FormatInt(int64(n), 10), true
	}
	s, ok := value.(string)
	return s, ok
}

// maxExact is the greatest number up to which JSON's numbers are exact.
const maxExact = 1 << 53

// take reads what a caller gave; nil without a problem takes the setting away.
func (fd field) take(given any) (value any, problem string) {
	if given == nil || given == "" {
		return nil, ""
	}
	value, ok := fd.read(given)
	switch v := value.(type) {
	case int:
		if bounded := fd.low != 0 || fd.high != 0; !ok || bounded && (v < fd.low || v > fd.high) {
			if !bounded {
				return nil, "must be a whole number"
			}
			return nil, fmt.Sprintf("must be a whole number between %d and %d", fd.low, fd.high)
		}
	case bool:
		if !ok {
			return nil, "must be true or false"
		}
	case []string:
		if !ok || len(v) > maxList {
			return nil, fmt.Sprintf("must be a list of at most %d texts", maxList)
		}
		if len(v) == 0 {
			return nil, ""
		}
		for i, one := range v {
			if problem := fd.judge(one); problem != "" {
				return nil, fmt.Sprintf("[%d] %s", i, problem)
			}
		}
	case string:
		if !ok {
			return nil, "must be a text"
		}
		return v, fd.judge(v)
	}
	return value, ""
}

// judge says what is wrong with a text; it never quotes it.
func (fd field) judge(v string) string {
	switch {
	case len(v) > max(maxText, fd.lines):
		return fmt.Sprintf("must have at most %d bytes", max(maxText, fd.lines))
	case v == "" || strings.ContainsFunc(v, fd.refuses) || strings.ToValidUTF8(v, "") != v:
		return "must be a text without control characters"
	case fd.oneOf != nil && !slices.Contains(fd.oneOf, v):
		return "must be one of " + strings.Join(fd.oneOf, ", ")
	case fd.check != nil:
		return fd.check(v)
	}
	return ""
}

// refuses reports whether a text must not have the character.
func (fd field) refuses(r rune) bool {
	return unicode.IsControl(r) && !(fd.lines > 0 && strings.ContainsRune("\n\r\t", r))
}

// redact takes the secrets out of a text, and of secrets that are addresses the parts that make them so.
func (f form) redact(v values, line string) string {
	var parts []string
	for _, fd := range f.fields {
		if fd.secret {
			parts = append(parts, secretParts(v.text(fd.name))...)
		}
	}
	return without(line, parts)
}

// without takes the parts out of a text, also where it is JSON or HTML that quotes them.
func without(text string, parts []string) string { return secret.Without(text, parts) }

// leastSecret is how long a part of an address has to be to be worth hiding: shorter ones are words.
const leastSecret = 6

func secretParts(secret string) []string {
	if secret == "" {
		return nil
	}
	out := []string{secret, url.QueryEscape(secret), url.PathEscape(secret)}
	u, err := url.Parse(secret)
	if err != nil || u.Host == "" {
		if _, half, ok := strings.Cut(secret, ":"); ok && len(half) >= leastSecret { // in the tokens of Telegram it is the half that counts
			out = append(out, half)
		}
		return out
	}
	add := func(part string) {
		if len(part) >= leastSecret {
			out = append(out, part)
		}
	}
	for _, text := range []string{u.Path, u.EscapedPath(), u.RawQuery} {
		add(text)
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("/&=", r) }) {
			add(part)
		}
	}
	return out
}
