package rules

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/expr"
)

// subject is the fact that a condition is about.
type subject uint8

const (
	ofNothing subject = iota
	ofStatusCode
	ofResponseTime
	ofTTFB
	ofSize
	ofBody
	ofHeader
	ofHeaderNames
	ofHTTPVersion
	ofJSON
	ofCEL
	ofDaysLeft
	ofExpiry
	ofIssuer
	ofSubject
	ofValid
	ofReachable
	ofHandshake
	ofLatency
)

// Ways of comparing that only assertions have, beside those of rules.
const (
	lessOrEqual    Operator = "less_or_equal"
	greaterOrEqual Operator = "greater_or_equal"
	notMatches     Operator = "not_matches"
	containsAny    Operator = "contains_any"
	containsAll    Operator = "contains_all"
)

// condition is a rule or an assertion, ready to be evaluated any number of times
// at once.
type condition struct {
	of      subject
	how     Operator
	name    string        // of a header
	numbers []float64     // in unit, for times
	unit    time.Duration // that one of numbers stands for
	months  int           // a time by the calendar, instead of numbers
	rounded bool          // times are equal if they are so in whole units
	texts   []string
	loose   bool // letters need not match in case
	want    bool // of what is true or false
	pattern *expr.Pattern
	path    *expr.Path
	program *expr.Program

	rule    Rule
	written Assertion // instead of rule if it has a type
}

// String is the condition as messages write it.
func (c *condition) String() string {
	if c.written.Type != "" {
		return c.written.String()
	}
	return c.rule.String()
}

// asWritten is the condition in the form of an assertion.
func (c *condition) asWritten() Assertion {
	if c.written.Type != "" {
		return c.written
	}
	r := c.rule
	a := Assertion{Type: string(r.Type), Operator: string(r.Operator), Name: r.Header + r.Path}
	switch {
	case r.Operator == In || r.Operator == NotIn:
		a.Value = slices.Clone(r.Numbers)
	case len(r.Numbers) > 0:
		a.Value = r.Numbers[0]
	case r.Type == CertificateValid:
		a.Value = r.Text == "true"
	case r.Type != HeaderExists && r.Operator != Exists && r.Operator != NotExists:
		a.Value = r.Text
	}
	return a
}

// ruleSubjects are what the types of rules look at.
var ruleSubjects = map[Type]subject{
	StatusCode: ofStatusCode, ResponseTime: ofResponseTime, TTFB: ofTTFB, ResponseSize: ofSize, HTTPVersion: ofHTTPVersion,
	BodyContains: ofBody, BodyNotContains: ofBody, BodyMatches: ofBody, BodyNotMatches: ofBody,
	HeaderExists: ofHeader, HeaderValue: ofHeader, JSONPath: ofJSON, CEL: ofCEL,
	CertificateDays: ofDaysLeft, CertificateIssuer: ofIssuer, CertificateSubject: ofSubject, CertificateValid: ofValid,
}

// ruleOperators are what the types without an operator do.
var ruleOperators = map[Type]Operator{
	BodyContains: Contains, BodyNotContains: NotContains, BodyMatches: Matches, BodyNotMatches: notMatches, HeaderExists: Exists,
}

// condition is the rule before its expressions are compiled; it allocates nothing
// but for the texts.
func (r Rule) condition() condition {
	c := condition{
		of: ruleSubjects[r.Type], how: r.Operator, name: r.Header, numbers: r.Numbers, unit: time.Millisecond,
		want: r.Text == "true", rule: r,
	}
	if how, ok := ruleOperators[r.Type]; ok {
		c.how = how
	}
	if c.of == ofBody {
		c.loose = !r.CaseSensitive
	}
	return c
}

// compile makes the rule ready, or says what is wrong with it.
func (r Rule) compile() (condition, []Problem) {
	problems := r.check()
	if len(problems) > 0 && problems[0].Path == "type" {
		return condition{}, problems
	}
	c := r.condition()
	var err error
	switch {
	case r.Type == JSONPath:
		if c.path, err = expr.ParsePath(r.Path); err != nil {
			problems = append(problems, Problem{"path", err.Error()})
		}
	case r.Type == CEL:
		if c.program, err = language.Compile(r.Text); err != nil {
			problems = append(problems, Problem{"value", err.Error()})
		}
	}
	if len(problems) == 0 && (c.how == Matches || c.how == notMatches) {
		if c.pattern, err = expr.ParsePattern(r.Text, c.loose); err != nil {
			problems = append(problems, Problem{"value", err.Error()})
		}
	}
	return c, problems
}

// needsBody reports whether the condition looks at what the body says.
func (c *condition) needsBody() bool {
	return c.of == ofBody || c.of == ofJSON || c.of == ofCEL && (c.program == nil || c.program.Uses("body", "json"))
}

// aboutCertificate reports whether the condition cannot be told without TLS.
func (c *condition) aboutCertificate() bool {
	switch c.of {
	case ofDaysLeft, ofExpiry, ofIssuer, ofSubject, ofValid, ofHandshake:
		return true
	}
	return false
}

// negative reports whether the condition holds if nothing is as its value says.
func (c *condition) negative() bool {
	switch c.how {
	case NotEquals, NotContains, notMatches, NotExists, NotIn:
		return true
	}
	return false
}

// compare holds the condition's numbers against v.
func (c *condition) compare(v float64) bool { return compare(c.how, v, c.numbers) }

func compare(how Operator, v float64, numbers []float64) bool {
	switch how {
	case Equals, In:
		return slices.Contains(numbers, v)
	case NotEquals, NotIn:
		return !slices.Contains(numbers, v)
	}
	if len(numbers) != 1 {
		return false
	}
	switch n := numbers[0]; how {
	case LessThan:
		return v < n
	case GreaterThan:
		return v > n
	case lessOrEqual:
		return v <= n
	case greaterOrEqual:
		return v >= n
	}
	return false
}

// compareTime holds the condition's time against d. To be equal is a matter of
// whole units, as no time is measured twice alike: 100ms is from 99.5 to 100.5 ms.
func (c *condition) compareTime(d time.Duration, now time.Time) bool {
	v, numbers := float64(d)/float64(c.unit), c.numbers
	if c.months != 0 {
		numbers = []float64{float64(addMonths(now, c.months).Sub(now)) / float64(c.unit)}
	}
	if c.rounded && (c.how == Equals || c.how == NotEquals) {
		v = math.Floor(v + 0.5) // in UTC, the calendar's months are whole days
	}
	return compare(c.how, v, numbers)
}

// like reports whether s is as the condition's value says, a denial left aside.
// For containsAll that is one of its texts, the i-th.
func (c *condition) like(s string, i int) bool {
	switch c.how {
	case Exists, NotExists:
		return true
	case Matches, notMatches:
		return c.pattern != nil && c.pattern.MatchString(s)
	case containsAny:
		return slices.ContainsFunc(c.texts, func(t string) bool { return strings.Contains(s, t) })
	}
	text := c.rule.Text
	if c.written.Type != "" {
		text = c.texts[i]
	}
	switch c.how {
	case Equals, NotEquals:
		return s == text || c.loose && strings.EqualFold(s, text)
	case Contains, NotContains, containsAll:
		if c.loose {
			s, text = strings.ToLower(s), strings.ToLower(text)
		}
		return strings.Contains(s, text)
	}
	return false
}
