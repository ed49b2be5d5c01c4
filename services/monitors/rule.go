package monitors

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Rule is one condition that a response must meet.
type Rule struct {
	Type          RuleType `json:"type"`
	Operator      Operator `json:"operator,omitempty"`
	Value         any      `json:"value,omitempty"` // float64, []any of float64, or string, as encoding/json has it
	Header        string   `json:"header,omitempty"`
	CaseSensitive *bool    `json:"case_sensitive,omitempty"` // set for the body rules only
}

// RuleType is what a rule looks at.
type RuleType string

// The rules.
const (
	RuleStatusCode      RuleType = "status_code"
	RuleResponseTime    RuleType = "response_time" // milliseconds
	RuleBodyContains    RuleType = "response_body_contains"
	RuleBodyNotContains RuleType = "response_body_not_contains"
	RuleHeaderExists    RuleType = "header_exists"
	RuleHeaderValue     RuleType = "header_value"
	RuleResponseSize    RuleType = "response_size" // bytes of the decoded body
)

// Operator is how a rule compares.
type Operator string

// The operators.
const (
	OpEquals      Operator = "equals"
	OpNotEquals   Operator = "not_equals"
	OpIn          Operator = "in"
	OpNotIn       Operator = "not_in"
	OpLessThan    Operator = "less_than"
	OpGreaterThan Operator = "greater_than"
	OpContains    Operator = "contains"
)

const (
	minStatusCode  = 100
	maxStatusCode  = 599
	maxStatusCodes = 500
	maxRuleText    = 8192      // bytes
	maxRuleNumber  = 1<<53 - 1 // beyond, a JSON number is no longer exact
)

// ruleShape is what one type of rule takes.
type ruleShape struct {
	operators []Operator // none: it takes no operator
	header    bool
	cased     bool // takes case_sensitive
	tcp       bool // makes sense for a connection without a response
	value     func(op Operator, v any) string
}

var ruleShapes = map[RuleType]ruleShape{
	RuleStatusCode: {
		operators: []Operator{OpEquals, OpNotEquals, OpIn, OpNotIn}, value: statusCodeProblem,
	},
	RuleResponseTime: {
		operators: []Operator{OpLessThan, OpGreaterThan}, value: thresholdProblem, tcp: true,
	},
	RuleBodyContains:    {value: textProblem, cased: true},
	RuleBodyNotContains: {value: textProblem, cased: true},
	RuleHeaderExists:    {value: noValueProblem, header: true},
	RuleHeaderValue: {
		operators: []Operator{OpEquals, OpContains}, value: headerTextProblem, header: true,
	},
	RuleResponseSize: {
		operators: []Operator{OpLessThan, OpGreaterThan}, value: sizeProblem,
	},
}

func (r Rule) validate(at string, monitor Type, p *problems) {
	shape, ok := ruleShapes[r.Type]
	if !ok {
		p.add(at+".type", "is not a type of rule")
		return
	}
	if monitor == TypeTCP && !shape.tcp {
		p.add(at+".type", "%s needs an HTTP response; a tcp monitor may have response_time only", r.Type)
	}
	r.validateOperator(at+".operator", shape, p)
	if reason := shape.value(r.Operator, r.Value); reason != "" {
		p.add(at+".value", "%s", reason)
	}
	switch {
	case shape.header && r.Header == "":
		p.add(at+".header", "is required for %s", r.Type)
	case !shape.header && r.Header != "":
		p.add(at+".header", "must be absent for %s", r.Type)
	case shape.header && headerSyntaxProblem(r.Header) != "":
		p.add(at+".header", "%s", headerSyntaxProblem(r.Header))
	}
	if !shape.cased && r.CaseSensitive != nil {
		p.add(at+".case_sensitive", "must be absent for %s", r.Type)
	}
}

func (r Rule) validateOperator(at string, shape ruleShape, p *problems) {
	switch {
	case len(shape.operators) == 0 && r.Operator != "":
		p.add(at, "must be absent for %s", r.Type)
	case len(shape.operators) > 0 && r.Operator == "":
		p.add(at, "is required for %s: one of %s", r.Type, join(shape.operators))
	case len(shape.operators) > 0 && !slices.Contains(shape.operators, r.Operator):
		p.add(at, "must be one of %s for %s", join(shape.operators), r.Type)
	}
}

func join(ops []Operator) string {
	words := make([]string, len(ops))
	for i, op := range ops {
		words[i] = string(op)
	}
	return strings.Join(words, ", ")
}

// The functions below say what is wrong with a rule's value, or "".

func statusCodeProblem(op Operator, v any) string {
	codes, list := v.([]any)
	switch wantsList := op == OpIn || op == OpNotIn; {
	case wantsList && !list:
		return fmt.Sprintf("must be a list of status codes for the operator %s", op)
	case !wantsList && list:
		return "must be one status code; use the operator in or not_in for a list"
	case list && (len(codes) == 0 || len(codes) > maxStatusCodes):
		return fmt.Sprintf("must have between 1 and %d status codes", maxStatusCodes)
	case !list:
		codes = []any{v}
	}
	for _, c := range codes {
		n, ok := c.(float64)
		if !ok || n != math.Trunc(n) || n < minStatusCode || n > maxStatusCode {
			return fmt.Sprintf("must be a whole number between %d and %d", minStatusCode, maxStatusCode)
		}
	}
	return ""
}

// thresholdProblem is for times: fractions of a millisecond are fine.
func thresholdProblem(op Operator, v any) string {
	n, ok := v.(float64)
	switch {
	case !ok || math.IsNaN(n) || n < 0 || n > maxRuleNumber:
		return "must be a number, 0 or more"
	case op == OpLessThan && n == 0:
		return "must be above 0: nothing is less than that"
	}
	return ""
}

func sizeProblem(op Operator, v any) string {
	if n, ok := v.(float64); !ok || n != math.Trunc(n) {
		return "must be a whole number of bytes"
	}
	return thresholdProblem(op, v)
}

func textProblem(_ Operator, v any) string {
	s, ok := v.(string)
	switch {
	case !ok:
		return "must be a string"
	case s == "":
		return "must not be empty"
	case len(s) > maxRuleText:
		return fmt.Sprintf("must be at most %d bytes", maxRuleText)
	}
	return ""
}

func headerTextProblem(op Operator, v any) string {
	if v == "" && op == OpEquals {
		return "" // a header may be there and empty
	}
	return textProblem(op, v)
}

func noValueProblem(_ Operator, v any) string {
	if v != nil {
		return "must be absent for header_exists"
	}
	return ""
}
