// Package rules judges what a check measured: by the validation rules of a
// monitor and by the assertions of a resource. Both are compiled into one list of
// conditions over the same facts.
//
// A condition is plain data, checked once and then evaluated any number of times.
// Conditions see what was measured and nothing else: one about something that the
// check does not have, such as the status code of a TCP connection, does not hold
// and says so. Evaluating cannot fail: what goes wrong on the way, such as a body
// that is not JSON, is the reason why the condition does not hold. It is bounded in
// steps and memory whatever the target sends.
package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"golang.org/x/net/http/httpguts"

	"github.com/frogstats/uptime/internal/expr"
)

// Type is what a rule looks at.
type Type string

// The types, their operators and where their value stands.
const (
	StatusCode         Type = "status_code"                // equals, not_equals, in, not_in; Numbers
	ResponseTime       Type = "response_time"              // less_than, greater_than; Numbers, in milliseconds
	BodyContains       Type = "response_body_contains"     // Text
	BodyNotContains    Type = "response_body_not_contains" // Text
	BodyMatches        Type = "response_body_matches"      // Text, an RE2 expression
	BodyNotMatches     Type = "response_body_not_matches"  // Text, an RE2 expression
	HeaderExists       Type = "header_exists"              // Header
	HeaderValue        Type = "header_value"               // equals, contains, matches; Header and Text
	ResponseSize       Type = "response_size"              // less_than, greater_than; Numbers, in bytes of the decoded body
	JSONPath           Type = "json_path"                  // Path; one number, or Text, which "true", "false" and "null" are too
	CEL                Type = "cel"                        // Text, an expression that is true or false
	HTTPVersion        Type = "http_version"               // equals, not_equals; Text, "1.0", "1.1" or "2"
	TTFB               Type = "ttfb"                       // less_than, greater_than; Numbers, in milliseconds
	CertificateDays    Type = "certificate_days_left"      // less_than, greater_than; Numbers, whole days
	CertificateIssuer  Type = "certificate_issuer"         // equals, not_equals, contains, not_contains; Text
	CertificateSubject Type = "certificate_subject"        // equals, not_equals, contains, not_contains; Text
	CertificateValid   Type = "certificate_valid"          // equals; Text, "true" or "false"
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
	NotContains Operator = "not_contains"
	Matches     Operator = "matches"
	Exists      Operator = "exists"
	NotExists   Operator = "not_exists"
)

// operators that each type takes; an empty list means none.
var operators = map[Type][]Operator{
	StatusCode:         {Equals, NotEquals, In, NotIn},
	ResponseTime:       {LessThan, GreaterThan},
	BodyContains:       nil,
	BodyNotContains:    nil,
	BodyMatches:        nil,
	BodyNotMatches:     nil,
	HeaderExists:       nil,
	HeaderValue:        {Equals, Contains, Matches},
	ResponseSize:       {LessThan, GreaterThan},
	JSONPath:           {Equals, NotEquals, Contains, NotContains, LessThan, GreaterThan, Matches, Exists, NotExists},
	CEL:                nil,
	HTTPVersion:        {Equals, NotEquals},
	TTFB:               {LessThan, GreaterThan},
	CertificateDays:    {LessThan, GreaterThan},
	CertificateIssuer:  {Equals, NotEquals, Contains, NotContains},
	CertificateSubject: {Equals, NotEquals, Contains, NotContains},
	CertificateValid:   {Equals},
}

// Bounds of rules.
const (
	MaxRules      = 100
	MaxNumbers    = 500
	MaxTextBytes  = 64 << 10
	MaxHeaderName = 256
	// MaxPatternBytes bounds a regular expression, MaxPathBytes a JSON path and
	// MaxExpressionBytes one of CEL.
	MaxPatternBytes    = expr.MaxPatternBytes
	MaxPathBytes       = expr.MaxPathBytes
	MaxExpressionBytes = expr.MaxProgramBytes
)

// Rule is one condition.
type Rule struct {
	Type          Type
	Operator      Operator
	Numbers       []float64 // one, or for in and not_in at least one
	Text          string
	Header        string // any case
	Path          string // of json_path
	CaseSensitive bool   // of the four body rules
}

// Problem says what is wrong with a rule or an assertion.
type Problem struct {
	Path    string // "type", "operator", "value", "header" or "path"; of several rules "[2].operator"
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
		out = append(out, at("["+strconv.Itoa(i)+"].", r.Validate())...)
	}
	return out
}

// at puts the place of what has problems before their paths.
func at(place string, problems []Problem) []Problem {
	for i := range problems {
		problems[i].Path = place + problems[i].Path
	}
	return problems
}

// Validate returns every problem of the rule; none means that it can be evaluated.
func (r Rule) Validate() []Problem {
	_, problems := r.compile()
	return problems
}

// check returns every problem that can be seen without compiling expressions.
func (r Rule) check() []Problem {
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
	case ResponseTime, ResponseSize, TTFB:
		if len(r.Numbers) != 1 || !(r.Numbers[0] >= 0) || math.IsInf(r.Numbers[0], 0) {
			return "must be one number that is not negative"
		}
	case CertificateDays:
		if len(r.Numbers) != 1 || !(r.Numbers[0] >= 0 && r.Numbers[0] <= maxDays) || r.Numbers[0] != math.Trunc(r.Numbers[0]) {
			return fmt.Sprintf("must be a whole number of days from 0 to %d", maxDays)
		}
	case BodyContains, BodyNotContains:
		if r.Text == "" || len(r.Text) > MaxTextBytes {
			return fmt.Sprintf("must be a text of 1 to %d bytes", MaxTextBytes)
		}
	case HeaderValue, CertificateIssuer, CertificateSubject:
		// An empty value is worth asking for, but every value contains it.
		if len(r.Text) > MaxTextBytes || r.Text == "" && (r.Operator != Equals || r.Type != HeaderValue) {
			return fmt.Sprintf("must be a text of 1 to %d bytes", MaxTextBytes)
		}
	case JSONPath:
		return r.checkJSONValue()
	case HTTPVersion:
		if r.Text != "1.0" && r.Text != "1.1" && r.Text != "2" {
			return `must be "1.0", "1.1" or "2"`
		}
	case CertificateValid:
		if r.Text != "true" && r.Text != "false" {
			return "must be true or false"
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
		if !isStatusCode(n) {
			return fmt.Sprintf("must be a status code from 100 to 599, not %v", n)
		}
	}
	return ""
}

func isStatusCode(n float64) bool { return n >= 100 && n <= 599 && n == math.Trunc(n) }

func (r Rule) checkJSONValue() string {
	isNumber := len(r.Numbers) == 1 && !math.IsNaN(r.Numbers[0]) && !math.IsInf(r.Numbers[0], 0)
	switch r.Operator {
	case Exists, NotExists:
		if len(r.Numbers) > 0 || r.Text != "" {
			return fmt.Sprintf("must be absent: %s takes none", r.Operator)
		}
	case LessThan, GreaterThan:
		if !isNumber {
			return "must be one number"
		}
	case Equals, NotEquals:
		if len(r.Numbers) > 0 && !isNumber || len(r.Text) > MaxTextBytes {
			return fmt.Sprintf("must be one number, true, false or a text of at most %d bytes", MaxTextBytes)
		}
	case Contains, NotContains, Matches:
		if len(r.Numbers) > 0 || r.Text == "" || len(r.Text) > MaxTextBytes {
			return fmt.Sprintf("must be a text of 1 to %d bytes", MaxTextBytes)
		}
	}
	return ""
}
