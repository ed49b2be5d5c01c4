package resource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// reader reads one document into a Check and notes every problem on the way.
type reader struct {
	p      *parser
	kind   string // of the check; empty until it is known
	failed bool   // there was a problem that is no warning
}

// object is a mapping whose fields are being read.
type object struct {
	r    *reader
	n    *node
	path string
}

func (r *reader) note(n *node, path, rule, hint string, warning bool, format string, args ...any) {
	r.failed = r.failed || !warning
	problem := Problem{
		Position: Position{Line: n.line, Column: n.column}, Path: path, Rule: rule, Hint: hint, Warning: warning,
		Message: fmt.Sprintf(format, args...), Secret: strings.HasPrefix(path, "spec.headers"),
	}
	if n.kind != isList && n.kind != isMap && !problem.Secret {
		problem.Value = clip(n.text)
	}
	r.p.report(problem)
}

// fail notes an error.
func (r *reader) fail(n *node, path, rule, format string, args ...any) {
	r.note(n, path, rule, "", false, format, args...)
}

// failMeant notes an error of which it may be known what was meant.
func (r *reader) failMeant(n *node, path, rule, hint, format string, args ...any) {
	r.note(n, path, rule, hint, false, format, args...)
}

// overlook notes what the permissive mode puts up with.
func (r *reader) overlook(n *node, path, rule, hint, format string, args ...any) {
	r.note(n, path, rule, hint, r.p.options.Permissive, format, args...)
}

// object returns n as a mapping with known fields; nil if it is none. Unknown and repeated fields are noted.
func (r *reader) object(n *node, path string, known []string, words ...map[string]string) *object {
	if n.kind != isMap {
		r.fail(n, path, "wrong-type", "must be a mapping, not %s", article(n.kind))
		return nil
	}
	r.repeated(n, path)
	for _, f := range n.fields {
		if f.key.kind == isString && slices.Contains(known, f.key.text) {
			continue
		}
		meant := meantWord(f.key.text, known, words...)
		switch f.key.text {
		case "retryDelay", "retry_delay", "retryInterval":
			r.overlook(f.key, join(path, f.key.text), "unknown-field", "", "is no field: attempts follow one another at once")
		case "followRedirects", "follow_redirects":
			r.overlook(f.key, join(path, f.key.text), "unknown-field", "", "is no field: redirects are followed unless a status code of 3xx or the header Location is asserted")
		default:
			r.overlook(f.key, join(path, f.key.text), "unknown-field", meant, "is no field of %s", r.placeName(path))
		}
	}
	return &object{r, n, path}
}

func (r *reader) repeated(n *node, path string) {
	first := make(map[string]*node, len(n.fields))
	for _, f := range n.fields {
		if f.key.kind == isList || f.key.kind == isMap {
			continue
		}
		if before, again := first[f.key.text]; again {
			r.fail(f.key, join(path, f.key.text), "duplicate-field", "is there already, in line %d", before.line)
			continue
		}
		first[f.key.text] = f.key
	}
}

func (r *reader) placeName(path string) string {
	switch {
	case path == "":
		return "a resource"
	case strings.HasPrefix(path, "spec.checks"):
		return "this assertion"
	case path == "spec" && r.kind != "":
		return "a " + r.kind
	}
	return path
}

func join(path, name string) string {
	plainName := name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' })
	switch {
	case !plainName:
		return fmt.Sprintf("%s[%q]", path, clip(name))
	case path == "":
		return clip(name)
	}
	return path + "." + clip(name)
}

func article(k kind) string {
	if k == isNull {
		return "null"
	}
	if k == isInt {
		return "an integer"
	}
	return "a " + string(k)
}

// field is the value of a field and its path; the value is nil if the field is absent.
func (o *object) field(name string) (*node, string) { return o.n.get(name), join(o.path, name) }

// needed is field, and notes its absence at the mapping that lacks it.
func (o *object) needed(name string) (*node, string) {
	n, path := o.field(name)
	if n == nil {
		o.r.note(&node{kind: isMap, line: o.n.line, column: o.n.column}, path, "required-field", "", false, "is required")
	}
	return n, path
}

// text reads a string; ok is false if it is none, which was noted then.
func (r *reader) text(n *node, path string) (s string, ok bool) {
	if n.kind == isString {
		return n.text, true
	}
	hint := ""
	if n.kind == isInt || n.kind == isBool || n.kind == isFloat {
		hint = `"` + n.text + `"`
	}
	r.failMeant(n, path, "wrong-type", hint, "must be a string, not %s", article(n.kind))
	return "", false
}

var plainInteger = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// integer reads a whole number from low to high.
func (r *reader) integer(n *node, path string, low, high int64) (v int64, ok bool) {
	if n.kind != isInt {
		hint := ""
		if n.kind == isString && plainInteger.MatchString(n.text) {
			hint = n.text
		}
		r.failMeant(n, path, "wrong-type", hint, "must be an integer, not %s", article(n.kind))
		return 0, false
	}
	if !plainInteger.MatchString(n.text) {
		r.failMeant(n, path, "number-spelling", strings.TrimLeft(strings.TrimLeft(n.text, "+"), "0_"), "is written in a way that programs read differently; write decimal digits alone")
		return 0, false
	}
	if _, err := fmt.Sscanf(n.text, "%d", &v); err != nil || v < low || v > high {
		r.fail(n, path, "integer-range", "must be from %d to %d", low, high)
		return 0, false
	}
	return v, true
}

func (r *reader) boolean(n *node, path string) (v, ok bool) {
	if n.kind == isBool {
		return strings.EqualFold(n.text, "true"), true
	}
	hint := ""
	switch strings.ToLower(n.text) {
	case "yes", "on", "y", "1", "true":
		hint = "true"
	case "no", "off", "n", "0", "false":
		hint = "false"
	}
	r.failMeant(n, path, "wrong-type", hint, "must be true or false, not %s", article(n.kind))
	return false, false
}

// list reads a list; nil if it is none.
func (r *reader) list(n *node, path string) []*node {
	if n.kind != isList {
		r.fail(n, path, "wrong-type", "must be a list, not %s", article(n.kind))
		return nil
	}
	return n.items
}

// period reads a time.
func (r *reader) period(n *node, path string, strict bool) (Period, bool) {
	rule := "time-grammar"
	if strict {
		rule = "strict-time-grammar"
	}
	switch {
	case n.kind == isInt && !plainInteger.MatchString(n.text):
		r.fail(n, path, "number-spelling", "is written in a way that programs read differently; write decimal digits and a unit")
		return Period{}, false
	case n.kind != isInt && n.kind != isString:
		hint := ""
		if n.kind == isFloat {
			hint = meantPeriod(n.text + "s")
		}
		r.failMeant(n, path, "wrong-type", hint, "must be a whole number with a unit, such as 5s, not %s", article(n.kind))
		return Period{}, false
	}
	p, wrong := parsePeriod(n.text, strict)
	switch wrong {
	case wrongGrammar:
		r.failMeant(n, path, rule, meantPeriod(n.text), "must be a whole number and one unit: ns, ms, s, m, h, d, w, mo or y")
	case wrongUnit:
		hint := n.text + "ms"
		if strings.Contains(path, "checks") && r.kind == KindTLS {
			hint = n.text + "d"
		}
		r.failMeant(n, path, rule, hint, "must have a unit: ns, ms, s, m, h, d, w, mo or y")
	case wrongZero:
		r.fail(n, path, "time-range", "must be more than 0")
	case wrongLength:
		r.fail(n, path, "time-range", "must be at most 100 years")
	}
	return p, wrong == ""
}

// stringMap reads a mapping of strings; scalars of other kinds are taken as they are written if they may be overlooked.
func (r *reader) stringMap(n *node, path string) map[string]string {
	if n.kind != isMap {
		r.fail(n, path, "wrong-type", "must be a mapping, not %s", article(n.kind))
		return nil
	}
	r.repeated(n, path)
	out := make(map[string]string, len(n.fields))
	for _, f := range n.fields {
		if f.key.kind == isMap || f.key.kind == isList {
			r.fail(f.key, path, "wrong-type", "must have strings as keys, not %s", article(f.key.kind))
			continue
		}
		at := join(path, f.key.text)
		if f.key.kind != isString {
			r.overlook(f.key, at, "wrong-type", `"`+f.key.text+`"`, "must have a string as its key, not %s", article(f.key.kind))
		}
		switch f.value.kind {
		case isString:
		case isInt, isBool, isFloat:
			hint := `"` + f.value.text + `"`
			if strings.HasPrefix(path, "spec.headers") {
				hint = ""
			}
			r.overlook(f.value, at, "wrong-type", hint, "must be a string, not %s", article(f.value.kind))
		default:
			r.fail(f.value, at, "wrong-type", "must be a string, not %s", article(f.value.kind))
			continue
		}
		out[f.key.text] = f.value.text
	}
	return out
}
