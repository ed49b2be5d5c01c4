package monitors

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/frogstats/uptime/internal/expr"
)

// ruleValue is a value as encoding/json has it. A number that JSON has not stays one, to be refused as such, where the library
// makes a text of it.
func ruleValue(v *structpb.Value) any {
	if n, ok := v.GetKind().(*structpb.Value_NumberValue); ok {
		return n.NumberValue
	}
	return v.AsInterface()
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
	if op == OpMatches {
		return patternProblem(op, v)
	}
	if v == "" && op == OpEquals {
		return "" // a header may be there and empty
	}
	return textProblem(op, v)
}

func noValueProblem(_ Operator, v any) string {
	if v != nil {
		return "must be absent"
	}
	return ""
}

// The bounds of expressions are internal/expr's, which probers evaluate them with: what is accepted here runs there.

func patternProblem(op Operator, v any) string {
	if reason := textProblem(op, v); reason != "" {
		return reason
	}
	if _, err := expr.ParsePattern(v.(string), false); err != nil {
		return err.Error()
	}
	return ""
}

// ruleVariables are what a CEL expression may look at. Probers have the same list; a test beside both holds them together.
var ruleVariables = []expr.Variable{
	{Name: "status_code", Kind: expr.Int},
	{Name: "response_time_ms", Kind: expr.Double},
	{Name: "ttfb_ms", Kind: expr.Double},
	{Name: "headers", Kind: expr.StringMap},
	{Name: "body", Kind: expr.String},
	{Name: "json", Kind: expr.Any},
	{Name: "size", Kind: expr.Int},
	{Name: "http_version", Kind: expr.String},
	{Name: "tls_version", Kind: expr.String},
	{Name: "certificate", Kind: expr.AnyMap},
}

// RuleVariables are what rules of type cel may look at.
func RuleVariables() []expr.Variable { return slices.Clone(ruleVariables) }

var ruleLanguage = expr.NewLanguage(ruleVariables...)

func expressionProblem(op Operator, v any) string {
	if reason := textProblem(op, v); reason != "" {
		return reason
	}
	if _, err := ruleLanguage.Compile(v.(string)); err != nil {
		return err.Error()
	}
	return ""
}

func jsonPathProblem(path string) string {
	if path == "" {
		return "is required for json_path"
	}
	if _, err := expr.ParsePath(path); err != nil {
		return err.Error()
	}
	return ""
}

// jsonValueProblem is for what a JSON path finds: texts, numbers, true and false.
func jsonValueProblem(op Operator, v any) string {
	switch op {
	case OpExists, OpNotExists:
		return noValueProblem(op, v)
	case OpLessThan, OpGreaterThan:
		if n, ok := v.(float64); !ok || math.IsNaN(n) || math.IsInf(n, 0) {
			return "must be a number"
		}
		return ""
	case OpMatches:
		return patternProblem(op, v)
	case OpContains, OpNotContains:
		return textProblem(op, v)
	}
	switch v := v.(type) {
	case bool:
		return ""
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "must be a finite number"
		}
		return ""
	case string:
		if len(v) > maxRuleText {
			return fmt.Sprintf("must be at most %d bytes", maxRuleText)
		}
		return ""
	}
	return "must be a string, a number, true or false"
}

func httpVersionProblem(_ Operator, v any) string {
	if v != "1.0" && v != "1.1" && v != "2" {
		return `must be "1.0", "1.1" or "2"`
	}
	return ""
}

func daysProblem(_ Operator, v any) string {
	if n, ok := v.(float64); !ok || n != math.Trunc(n) || n < 0 || n > maxRuleDays {
		return fmt.Sprintf("must be a whole number of days from 0 to %d", maxRuleDays)
	}
	return ""
}

func truthProblem(_ Operator, v any) string {
	if _, ok := v.(bool); !ok {
		return "must be true or false"
	}
	return ""
}
