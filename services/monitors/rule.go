package monitors

import (
	"slices"
	"strings"
)

// Rule is one condition that a response must meet.
type Rule struct {
	Type          RuleType `json:"type"`
	Operator      Operator `json:"operator,omitempty"`
	Value         any      `json:"value,omitempty"` // float64, []any of float64, bool or string, as encoding/json has it
	Header        string   `json:"header,omitempty"`
	Path          string   `json:"path,omitempty"`           // of json_path
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

	RuleBodyMatches         RuleType = "response_body_matches" // RE2
	RuleBodyNotMatches      RuleType = "response_body_not_matches"
	RuleJSONPath            RuleType = "json_path"
	RuleCEL                 RuleType = "cel"
	RuleHTTPVersion         RuleType = "http_version"
	RuleTTFB                RuleType = "ttfb" // milliseconds from the request to the first byte of the response
	RuleCertificateDaysLeft RuleType = "certificate_days_left"
	RuleCertificateIssuer   RuleType = "certificate_issuer"
	RuleCertificateSubject  RuleType = "certificate_subject"
	RuleCertificateValid    RuleType = "certificate_valid"
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
	OpNotContains Operator = "not_contains"
	OpMatches     Operator = "matches"
	OpExists      Operator = "exists"
	OpNotExists   Operator = "not_exists"
)

const (
	minStatusCode  = 100
	maxStatusCode  = 599
	maxStatusCodes = 500
	maxRuleText    = 8192      // bytes
	maxRuleNumber  = 1<<53 - 1 // beyond, a JSON number is no longer exact
	maxRuleDays    = 36_500    // no certificate lasts longer
)

// ruleShape is what one type of rule takes.
type ruleShape struct {
	operators []Operator // none: it takes no operator
	header    bool
	path      bool
	cased     bool // takes case_sensitive
	needs     need
	value     func(op Operator, v any) string
}

// need is what a check must have for a rule to make sense.
type need int

const (
	needResponse   need = iota // an HTTP response
	needNothing                // any check
	needConnection             // a connection that is used beyond being opened: HTTP or TLS
	needTLS                    // a TLS handshake
)

var (
	equality   = []Operator{OpEquals, OpNotEquals}
	thresholds = []Operator{OpLessThan, OpGreaterThan}
	texts      = []Operator{OpEquals, OpNotEquals, OpContains, OpNotContains}
)

var ruleShapes = map[RuleType]ruleShape{
	RuleStatusCode:      {operators: []Operator{OpEquals, OpNotEquals, OpIn, OpNotIn}, value: statusCodeProblem},
	RuleResponseTime:    {operators: thresholds, value: thresholdProblem, needs: needNothing},
	RuleTTFB:            {operators: thresholds, value: thresholdProblem},
	RuleBodyContains:    {value: textProblem, cased: true},
	RuleBodyNotContains: {value: textProblem, cased: true},
	RuleBodyMatches:     {value: patternProblem},
	RuleBodyNotMatches:  {value: patternProblem},
	RuleHeaderExists:    {value: noValueProblem, header: true},
	RuleHeaderValue:     {operators: []Operator{OpEquals, OpContains, OpMatches}, value: headerTextProblem, header: true},
	RuleResponseSize:    {operators: thresholds, value: sizeProblem},
	RuleHTTPVersion:     {operators: equality, value: httpVersionProblem},
	RuleJSONPath: {
		operators: []Operator{OpEquals, OpNotEquals, OpContains, OpNotContains, OpLessThan, OpGreaterThan, OpMatches, OpExists, OpNotExists},
		value:     jsonValueProblem, path: true,
	},
	RuleCEL:                 {value: expressionProblem, needs: needConnection},
	RuleCertificateDaysLeft: {operators: thresholds, value: daysProblem, needs: needTLS},
	RuleCertificateIssuer:   {operators: texts, value: textProblem, needs: needTLS},
	RuleCertificateSubject:  {operators: texts, value: textProblem, needs: needTLS},
	RuleCertificateValid:    {operators: []Operator{OpEquals}, value: truthProblem, needs: needTLS},
}

func (r Rule) validate(at string, c *Config, p *problems) {
	shape, ok := ruleShapes[r.Type]
	if !ok {
		p.add(at+".type", "is not a type of rule")
		return
	}
	if reason := shape.needs.missing(c); reason != "" {
		p.add(at+".type", "%s %s", r.Type, reason)
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
	if shape.path {
		if reason := jsonPathProblem(r.Path); reason != "" {
			p.add(at+".path", "%s", reason)
		}
	} else if r.Path != "" {
		p.add(at+".path", "must be absent for %s", r.Type)
	}
	if !shape.cased && r.CaseSensitive != nil {
		p.add(at+".case_sensitive", "must be absent for %s", r.Type)
	}
}

// missing says what c lacks, or "".
func (n need) missing(c *Config) string {
	plain := c.Type == TypeTCP && (c.TCP == nil || !c.TCP.TLS)
	switch {
	case n == needResponse && c.Type == TypeTCP, n == needResponse && c.Type == TypeTLS:
		return "needs an HTTP response, which a " + string(c.Type) + " monitor has not"
	case n == needConnection && plain:
		return "needs a response or a TLS handshake; a tcp monitor has one with tls only"
	case n == needTLS && plain:
		return "needs a TLS handshake; a tcp monitor has one with tls only"
	}
	return ""
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
