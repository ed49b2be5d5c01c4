package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/frogstats/uptime/internal/expr"
)

// Kind is the kind of check whose assertions are meant.
type Kind string

// The kinds.
const (
	TCP  Kind = "tcp"
	HTTP Kind = "http"
	TLS  Kind = "tls"
)

// Assertion is one condition in the vocabulary of resources.
type Assertion struct {
	// Type is reachable, latency or sslHandshake of tcp; statusCode, duration, ttfb,
	// size, body or header of http; expirationTime, certificateIssuer,
	// certificateSubject or valid of tls.
	Type string
	// Operator is, by the kind of value: is, isNot, equals, notEquals; equals,
	// notEquals, greaterThan, lessThan, greaterThanOrEqual, lessThanOrEqual; equals,
	// notEquals, contains, notContains, matches, containsAny, containsAll.
	Operator string
	// Name is that of a header; header without it is about the names of all headers.
	Name string
	// Value is a bool, a float64, a string or a []string; a time is a string with its
	// unit. An Outcome of a rule may also have a []float64.
	Value any
}

// valueKind decides which operators an assertion takes and what its value is.
type valueKind uint8

const (
	truthValue valueKind = iota
	codeValue
	countValue
	timeValue
	textValue
)

var assertionTypes = map[Kind]map[string]struct {
	of   subject
	kind valueKind
}{
	TCP: {
		"reachable": {ofReachable, truthValue}, "latency": {ofLatency, timeValue}, "sslHandshake": {ofHandshake, truthValue},
	},
	HTTP: {
		"statusCode": {ofStatusCode, codeValue}, "duration": {ofResponseTime, timeValue}, "ttfb": {ofTTFB, timeValue},
		"size": {ofSize, countValue}, "body": {ofBody, textValue}, "header": {ofHeader, textValue},
	},
	TLS: {
		"expirationTime": {ofExpiry, timeValue}, "certificateIssuer": {ofIssuer, textValue},
		"certificateSubject": {ofSubject, textValue}, "valid": {ofValid, truthValue},
	},
}

var (
	truthOperators  = map[string]Operator{"is": Equals, "isNot": NotEquals, "equals": Equals, "notEquals": NotEquals}
	numberOperators = map[string]Operator{
		"equals": Equals, "notEquals": NotEquals, "greaterThan": GreaterThan, "lessThan": LessThan,
		"greaterThanOrEqual": greaterOrEqual, "greaterThanOrEquals": greaterOrEqual,
		"lessThanOrEqual": lessOrEqual, "lessThanOrEquals": lessOrEqual,
	}
	textOperators = map[string]Operator{
		"equals": Equals, "notEquals": NotEquals, "contains": Contains, "notContains": NotContains, "matches": Matches,
		"containsAny": containsAny, "containsAll": containsAll,
	}
	operatorsOf = map[valueKind]map[string]Operator{
		truthValue: truthOperators, codeValue: numberOperators, countValue: numberOperators, timeValue: numberOperators, textValue: textOperators,
	}
)

// MaxTexts bounds the list of containsAny and containsAll.
const MaxTexts = 100

// compile makes the assertion ready, or says what is wrong with it.
func (a Assertion) compile(kind Kind) (condition, []Problem) {
	typ, ok := assertionTypes[kind][a.Type]
	if !ok {
		return condition{}, []Problem{{"type", fmt.Sprintf("%q is not an assertion of %s", clip(a.Type), kind)}}
	}
	c := condition{of: typ.of, name: a.Name, written: a, rounded: true}
	var problems []Problem
	if c.how, ok = operatorsOf[typ.kind][a.Operator]; !ok {
		problems = append(problems, Problem{"operator", fmt.Sprintf("must be one of %s for %s", namesOf(operatorsOf[typ.kind]), a.Type)})
	}
	switch {
	case a.Name == "" && typ.of == ofHeader:
		c.of, c.loose = ofHeaderNames, true
	case a.Name != "" && typ.of != ofHeader:
		problems = append(problems, Problem{"name", "must be absent: " + a.Type + " takes none"})
	case a.Name != "" && (len(a.Name) > MaxHeaderName || !httpguts.ValidHeaderFieldName(a.Name)):
		problems = append(problems, Problem{"name", "must be the name of a header"})
	}
	if message := c.setValue(typ.kind, a.Value); message != "" {
		problems = append(problems, Problem{"value", message})
	}
	return c, problems
}

// namesOf lists the canonical names of operators; the other spelling of two is
// read, but not proposed.
func namesOf(operators map[string]Operator) string {
	var names []string
	for name := range operators {
		if !strings.HasSuffix(name, "OrEquals") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// setValue reads the value of an assertion; it returns what is wrong with it.
func (c *condition) setValue(kind valueKind, value any) string {
	switch kind {
	case truthValue:
		b, ok := value.(bool)
		if !ok {
			return "must be true or false"
		}
		c.want = b == (c.how != NotEquals)
	case codeValue:
		n, ok := value.(float64)
		if !ok || !isStatusCode(n) {
			return "must be a status code from 100 to 599"
		}
		c.numbers = []float64{n}
	case countValue:
		n, ok := value.(float64)
		if !ok || !(n >= 0 && n <= 1<<53) || n != math.Trunc(n) {
			return "must be a whole number that is not negative"
		}
		c.numbers = []float64{n}
	case timeValue:
		s, _ := value.(string)
		t, err := parseSpan(s)
		if err != nil {
			return err.Error()
		}
		c.unit, c.months, c.numbers = t.unit, t.months, []float64{t.count}
	case textValue:
		return c.setText(value)
	}
	return ""
}

func (c *condition) setText(value any) string {
	list, isList := value.([]string)
	if s, ok := value.(string); ok {
		list = []string{s}
	}
	several := c.how == containsAny || c.how == containsAll
	switch {
	case isList && !several || len(list) == 0:
		return fmt.Sprintf("must be a text of at most %d bytes", MaxTextBytes)
	case len(list) > MaxTexts:
		return fmt.Sprintf("must be at most %d texts", MaxTexts)
	}
	total := 0
	for _, s := range list {
		// An empty value is worth asking for, but every value contains it.
		if s == "" && c.how != Equals && c.how != NotEquals {
			return "must not be empty"
		}
		if total += len(s); total > MaxTextBytes {
			return fmt.Sprintf("must be a text of at most %d bytes", MaxTextBytes)
		}
	}
	c.texts = list
	if c.how == Matches {
		p, err := expr.ParsePattern(list[0], c.loose)
		if err != nil {
			return err.Error()
		}
		c.pattern = p
	}
	return ""
}

// wantsRedirect reports whether the assertion is about an answer that leads
// elsewhere, which is gone once it has been followed.
func (c *condition) wantsRedirect() bool {
	if c.written.Type == "" {
		return false
	}
	switch c.of {
	case ofStatusCode:
		return c.how == Equals && c.numbers[0] >= 300 && c.numbers[0] <= 399
	case ofHeader:
		return strings.EqualFold(c.name, "Location")
	}
	return false
}

// String is the assertion as its messages write it.
func (a Assertion) String() string {
	parts := []string{a.Type}
	if a.Name != "" {
		parts = append(parts, clip(a.Name))
	}
	if a.Operator != "" { // a rule of one way only has none
		parts = append(parts, a.Operator)
	}
	switch v := a.Value.(type) {
	case string:
		if operatorsOf[textValue][a.Operator] != "" && (a.Type == "body" || a.Type == "header" || strings.HasPrefix(a.Type, "certificate")) {
			parts = append(parts, fmt.Sprintf("%q", clip(v)))
		} else {
			parts = append(parts, clip(v))
		}
	case float64:
		parts = append(parts, number(v))
	case []string:
		parts = append(parts, clip(fmt.Sprintf("%q", v)))
	default:
		parts = append(parts, fmt.Sprint(v))
	}
	return strings.Join(parts, " ")
}
