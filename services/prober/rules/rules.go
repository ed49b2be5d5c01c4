// Package rules judges a response by the validation rules of a monitor: status
// code, response time, body, headers and size.
//
// A rule is plain data, checked once by [Rule.Validate] and then evaluated any
// number of times; evaluating cannot fail. Rules see what was measured and
// nothing else: a rule about something that the check does not have, such as the
// status code of a TCP connection, does not hold and says so.
package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"golang.org/x/net/http/httpguts"
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
	ResponseSize    Type = "response_size"              // less_than, greater_than; Numbers, in bytes of the decoded body
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

// Bounds of rules.
const (
	MaxRules      = 100
	MaxNumbers    = 500
	MaxTextBytes  = 64 << 10
	MaxHeaderName = 256
)

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
	Path    string // "type", "operator", "value" or "header"; of several rules "[2].operator"
	Message string // completes the sentence "operator …"
}

// ValidateAll returns every problem of a monitor's rules; none means that they
// can be evaluated.
func ValidateAll(list []Rule) []Problem {
	if len(list) > MaxRules {
		return []Problem{{"", fmt.Sprintf("must be at most %d rules", MaxRules)}}
	}
	var out []Problem
	for i, r := range list {
		for _, p := range r.Validate() {
			out = append(out, Problem{"[" + strconv.Itoa(i) + "]." + p.Path, p.Message})
		}
	}
	return out
}

// Validate returns every problem of the rule; none means that it can be evaluated.
func (r Rule) Validate() []Problem {
	allowed, known := operators[r.Type]
	if !known {
		return []Problem{{"type", fmt.Sprintf("%q is not a rule", clip(string(r.Type)))}}
	}
	var out []Problem
	switch {
	case len(allowed) == 0 && r.Operator != "":
		out = append(out, Problem{"operator", fmt.Sprintf("must be absent: %s takes none", r.Type)})
	case len(allowed) > 0 && !slices.Contains(allowed, r.Operator):
		out = append(out, Problem{"operator", fmt.Sprintf("must be one of %v for %s", allowed, r.Type)})
	}
	if r.Type == HeaderExists || r.Type == HeaderValue {
		if len(r.Header) > MaxHeaderName || !httpguts.ValidHeaderFieldName(r.Header) {
			out = append(out, Problem{"header", "must be the name of a header"})
		}
	}
	if message := r.checkValue(); message != "" {
		out = append(out, Problem{"value", message})
	}
	return out
}

func (r Rule) checkValue() string {
	switch r.Type {
	case StatusCode:
		return r.checkCodes()
	case ResponseTime, ResponseSize:
		if len(r.Numbers) != 1 || !(r.Numbers[0] >= 0) || math.IsInf(r.Numbers[0], 0) {
			return "must be one number that is not negative"
		}
	case BodyContains, BodyNotContains:
		if r.Text == "" || len(r.Text) > MaxTextBytes {
			return fmt.Sprintf("must be a text of 1 to %d bytes", MaxTextBytes)
		}
	case HeaderValue:
		// An empty value is worth asking for, but every value contains it.
		if len(r.Text) > MaxTextBytes || r.Text == "" && r.Operator == Contains {
			return fmt.Sprintf("must be a text of 1 to %d bytes", MaxTextBytes)
		}
	}
	return ""
}

func (r Rule) checkCodes() string {
	switch list := r.Operator == In || r.Operator == NotIn; {
	case list && (len(r.Numbers) == 0 || len(r.Numbers) > MaxNumbers):
		return fmt.Sprintf("must be a list of 1 to %d status codes", MaxNumbers)
	case !list && len(r.Numbers) != 1:
		return "must be one status code"
	}
	for _, n := range r.Numbers {
		if !(n >= 100 && n <= 599) || n != math.Trunc(n) {
			return fmt.Sprintf("must be a status code from 100 to 599, not %v", n)
		}
	}
	return ""
}
