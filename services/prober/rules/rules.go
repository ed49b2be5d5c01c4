// Package rules holds the validation rules of a monitor: conditions that a response
// must meet beyond having arrived.
//
// A rule is plain data, checked once by Validate and then evaluated any number of
// times; an evaluation cannot fail and does not allocate unless a rule does not hold.
package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Type is what a rule looks at.
type Type string

// The seven types.
const (
	StatusCode      Type = "status_code"                // equals, not_equals, in, not_in; Numbers
	ResponseTime    Type = "response_time"              // less_than, greater_than; Numbers, in milliseconds
	BodyContains    Type = "response_body_contains"     // Text
	BodyNotContains Type = "response_body_not_contains" // Text
	HeaderExists    Type = "header_exists"              // Header
	HeaderValue     Type = "header_value"               // equals, contains; Header and Text
	ResponseSize    Type = "response_size"              // less_than, greater_than; Numbers, in bytes
)

// Operator is how a rule compares; rules with only one way have none.
type Operator string

// The operators.
const (
	Equals      Operator = "equals"
	NotEquals   Operator = "not_equals"
	In          Operator = "in"
	NotIn       Operator = "not_in"
	LessThan    Operator = "less_than"
	GreaterThan Operator = "greater_than"
	Contains    Operator = "contains"
)

// operators that each type takes; an empty list means none.
var operators = map[Type][]Operator{
	StatusCode:      {Equals, NotEquals, In, NotIn},
	ResponseTime:    {LessThan, GreaterThan},
	BodyContains:    nil,
	BodyNotContains: nil,
	HeaderExists:    nil,
	HeaderValue:     {Equals, Contains},
	ResponseSize:    {LessThan, GreaterThan},
}

// Rule is one condition.
type Rule struct {
	Type          Type
	Operator      Operator
	Numbers       []float64 // one, or for in and not_in at least one
	Text          string
	Header        string // any case
	CaseSensitive bool   // of the two body rules
}

// Problem says what is wrong with a rule.
type Problem struct {
	Path    string // "type", "operator", "value" or "header"
	Message string
}

// Validate returns every problem of the rule; none means that it can be evaluated.
func (r Rule) Validate() []Problem {
	allowed, known := operators[r.Type]
	if !known {
		return []Problem{{"type", fmt.Sprintf("%q is not a rule", r.Type)}}
	}
	var out []Problem
	switch {
	case len(allowed) == 0 && r.Operator != "":
		out = append(out, Problem{"operator", fmt.Sprintf("%s takes none", r.Type)})
	case len(allowed) > 0 && !slices.Contains(allowed, r.Operator):
		out = append(out, Problem{"operator", fmt.Sprintf("must be one of %v for %s", allowed, r.Type)})
	}
	return append(out, r.validateValue()...)
}

func (r Rule) validateValue() []Problem {
	var out []Problem
	switch r.Type {
	case StatusCode:
		many := r.Operator == In || r.Operator == NotIn
		if len(r.Numbers) == 0 || !many && len(r.Numbers) != 1 {
			out = append(out, Problem{"value", "must be one status code, or a list of them for in and not_in"})
		}
		for _, n := range r.Numbers {
			if n < 100 || n > 599 || n != float64(int(n)) {
				out = append(out, Problem{"value", fmt.Sprintf("%v is not a status code from 100 to 599", n)})
			}
		}
	case ResponseTime, ResponseSize:
		if len(r.Numbers) != 1 || !(r.Numbers[0] >= 0) {
			out = append(out, Problem{"value", "must be one number that is not negative"})
		}
	case BodyContains, BodyNotContains:
		if r.Text == "" {
			out = append(out, Problem{"value", "must be a text that is not empty"})
		}
	}
	if (r.Type == HeaderExists || r.Type == HeaderValue) && r.Header == "" {
		out = append(out, Problem{"header", "must name a header"})
	}
	return out
}

// Facts are what rules look at.
type Facts struct {
	StatusCode   int // 0 without a response
	ResponseTime time.Duration
	Body         []byte // decoded; as much as was kept
	Size         int64  // of the decoded body in bytes
	Header       func(name string) (value string, ok bool)
}

// NeedBody reports whether any rule looks at the body's text.
func NeedBody(list []Rule) bool {
	return slices.ContainsFunc(list, func(r Rule) bool { return r.Type == BodyContains || r.Type == BodyNotContains })
}

// Evaluate returns a sentence for each rule that does not hold, such as
// "status_code equals 200: got 503".
func Evaluate(list []Rule, f Facts) []string {
	var out []string
	for _, r := range list {
		if ok, got := r.holds(f); !ok {
			out = append(out, r.String()+": "+got)
		}
	}
	return out
}

func (r Rule) holds(f Facts) (ok bool, got string) {
	switch r.Type {
	case StatusCode:
		return r.compare(float64(f.StatusCode)), fmt.Sprintf("got %d", f.StatusCode)
	case ResponseTime:
		ms := float64(f.ResponseTime) / float64(time.Millisecond)
		return r.compare(ms), fmt.Sprintf("took %.3f ms", ms)
	case ResponseSize:
		return r.compare(float64(f.Size)), fmt.Sprintf("got %d bytes", f.Size)
	case BodyContains:
		return r.inBody(f.Body), "the body does not contain it"
	case BodyNotContains:
		return !r.inBody(f.Body), "the body contains it"
	case HeaderExists:
		_, ok := f.Header(r.Header)
		return ok, "the response has no such header"
	case HeaderValue:
		value, ok := f.Header(r.Header)
		if !ok {
			return false, "the response has no such header"
		}
		if r.Operator == Contains {
			return strings.Contains(value, r.Text), fmt.Sprintf("got %q", clip(value))
		}
		return value == r.Text, fmt.Sprintf("got %q", clip(value))
	}
	return false, "the rule is not known"
}

func (r Rule) compare(v float64) bool {
	switch r.Operator {
	case Equals, In:
		return slices.Contains(r.Numbers, v)
	case NotEquals, NotIn:
		return !slices.Contains(r.Numbers, v)
	case LessThan:
		return len(r.Numbers) == 1 && v < r.Numbers[0]
	case GreaterThan:
		return len(r.Numbers) == 1 && v > r.Numbers[0]
	}
	return false
}

func (r Rule) inBody(body []byte) bool {
	if r.CaseSensitive {
		return strings.Contains(string(body), r.Text)
	}
	return strings.Contains(strings.ToLower(string(body)), strings.ToLower(r.Text))
}

// String is the rule as its messages write it.
func (r Rule) String() string {
	switch r.Type {
	case BodyContains, BodyNotContains:
		return fmt.Sprintf("%s %q", r.Type, clip(r.Text))
	case HeaderExists:
		return fmt.Sprintf("header_exists %s", r.Header)
	case HeaderValue:
		return fmt.Sprintf("header_value %s %s %q", r.Header, r.Operator, clip(r.Text))
	}
	if len(r.Numbers) == 1 {
		return fmt.Sprintf("%s %s %v", r.Type, r.Operator, r.Numbers[0])
	}
	return fmt.Sprintf("%s %s %v", r.Type, r.Operator, r.Numbers)
}

// clip keeps messages short, whatever a target sends.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
