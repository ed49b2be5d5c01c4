package monitors

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"sync"

	"cel.dev/cel-go/cel"
	"github.com/ohler55/ojg/jp"
)

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

// patternProblem is for RE2 expressions. The size of what they compile to is bounded, because it costs memory in every prober.
func patternProblem(op Operator, v any) string {
	if reason := textProblem(op, v); reason != "" {
		return reason
	}
	text := v.(string)
	if len(text) > maxPattern {
		return fmt.Sprintf("must be at most %d bytes", maxPattern)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return "must be a regular expression of RE2: " + err.Error()
	}
	if prog, err := syntax.Compile(parsed.Simplify()); err != nil || len(prog.Inst) > maxPatternSteps {
		return "is too large a regular expression"
	}
	if _, err := regexp.Compile(text); err != nil {
		return "must be a regular expression of RE2"
	}
	return ""
}

const (
	maxPattern      = 1024 // bytes
	maxPatternSteps = 10_000
	maxExpression   = 4096 // bytes
	maxJSONPath     = 1024 // bytes
)

// expressionVariables are what a CEL expression may look at, as probers have them.
var expressionVariables = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("status_code", cel.IntType), cel.Variable("response_time_ms", cel.DoubleType), cel.Variable("ttfb_ms", cel.DoubleType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)), cel.Variable("body", cel.StringType),
		cel.Variable("json", cel.DynType), cel.Variable("size", cel.IntType), cel.Variable("http_version", cel.StringType),
		cel.Variable("tls_version", cel.StringType), cel.Variable("certificate", cel.MapType(cel.StringType, cel.DynType)),
	)
})

func expressionProblem(op Operator, v any) string {
	if reason := textProblem(op, v); reason != "" {
		return reason
	}
	text := v.(string)
	if len(text) > maxExpression {
		return fmt.Sprintf("must be at most %d bytes", maxExpression)
	}
	env, err := expressionVariables()
	if err != nil {
		return "cannot be checked here"
	}
	ast, issues := env.Compile(text)
	switch {
	case issues.Err() != nil:
		return "must be a CEL expression: " + issues.Errors()[0].Message
	case ast.OutputType() != cel.BoolType && ast.OutputType() != cel.DynType:
		return "must be a CEL expression that is true or false"
	}
	return ""
}

func jsonPathProblem(path string) string {
	switch {
	case path == "":
		return "is required for json_path"
	case len(path) > maxJSONPath:
		return fmt.Sprintf("must be at most %d bytes", maxJSONPath)
	}
	if _, err := jp.ParseString(path); err != nil {
		return "must be a JSONPath, such as $.status"
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
	case float64, bool:
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
	if n, ok := v.(float64); !ok || n != math.Trunc(n) || math.Abs(n) > maxRuleNumber {
		return "must be a whole number of days"
	}
	return ""
}

func truthProblem(_ Operator, v any) string {
	if _, ok := v.(bool); !ok {
		return "must be true or false"
	}
	return ""
}
