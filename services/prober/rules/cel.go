package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Bounds of CEL. An expression's cost is counted while it is evaluated, by the
// language's own model. The time is a second wall: the library's counting itself
// takes time that grows with the square of a list's length.
const (
	celCostLimit   = 2_000_000
	celTimeLimit   = time.Second
	celCheckEvery  = 100 // comprehension steps
	celPatternSize = 100
)

// celEnv declares what expressions see:
//
//	status_code       int     0 without a response
//	response_time_ms  double
//	ttfb_ms           double  from the start, connecting included; 0 without a response
//	headers           map(string, string), names in lower case, repeated ones joined with ", "
//	body              string  what was kept, in UTF-8
//	json              dyn     the body as JSON; an error if it is none
//	size              int     of the decoded body in bytes
//	http_version      string  "1.1", "2"; empty without a response
//	tls_version       string  "1.2", "1.3"; empty without TLS
//	certificate       map     days_left int, issuer string, subject string, names list, valid bool; empty without TLS
var celEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("status_code", cel.IntType),
		cel.Variable("response_time_ms", cel.DoubleType),
		cel.Variable("ttfb_ms", cel.DoubleType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("body", cel.StringType),
		cel.Variable("json", cel.DynType),
		cel.Variable("size", cel.IntType),
		cel.Variable("http_version", cel.StringType),
		cel.Variable("tls_version", cel.StringType),
		cel.Variable("certificate", cel.MapType(cel.StringType, cel.DynType)),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxExpressionBytes),
		cel.RegexProgramSizeLimit(celPatternSize),
	)
})

// program is an expression ready to be evaluated any number of times at once.
type program struct {
	cel.Program
	body bool // whether it looks at what the body says
}

func compileCEL(text string) (*program, error) {
	if text == "" || len(text) > MaxExpressionBytes {
		return nil, fmt.Errorf("must be an expression of 1 to %d bytes", MaxExpressionBytes)
	}
	env, err := celEnv()
	if err != nil {
		return nil, fmt.Errorf("cannot be read here: %w", err)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, errors.New("is not a CEL expression: " + firstLine(issues.Err()))
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("must be true or false; it is %s", clip(t.String()))
	}
	p := &program{}
	for _, ref := range ast.NativeRep().ReferenceMap() {
		p.body = p.body || ref.Name == "body" || ref.Name == "json"
	}
	p.Program, err = env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(celCostLimit), cel.InterruptCheckFrequency(celCheckEvery))
	if err != nil {
		return nil, errors.New("is not a CEL expression: " + firstLine(err))
	}
	return p, nil
}

// firstLine leaves out the drawing that the library makes of where the error is.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return clip(strings.TrimPrefix(line, "ERROR: "))
}

// holds evaluates the expression; an error says why it cannot be told.
func (p *program) holds(d *document) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), celTimeLimit)
	defer cancel()
	out, _, err := p.ContextEval(ctx, celFacts{d})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return false, fmt.Errorf("it takes longer than %v", celTimeLimit)
	case err != nil:
		return false, errors.New(firstLine(err))
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it is %s instead of true or false", clip(out.Type().TypeName()))
	}
	return holds, nil
}

// celFacts gives expressions what they ask for, and makes nothing else.
type celFacts struct{ *document }

func (celFacts) Parent() cel.Activation { return nil }

func (c celFacts) ResolveName(name string) (any, bool) {
	f := &c.facts
	switch name {
	case "status_code":
		return int64(f.StatusCode), true
	case "response_time_ms":
		return float64(f.ResponseTime) / float64(time.Millisecond), true
	case "ttfb_ms":
		return float64(f.TTFB.Duration) / float64(time.Millisecond), true
	case "headers":
		return joinedHeaders(f), true
	case "body":
		return validUTF8(string(c.document.body())), true
	case "json":
		value, err := c.json()
		if err != nil {
			return types.NewErr("%s", err.Error()), true
		}
		if value == nil {
			return types.NullValue, true
		}
		return value, true
	case "size":
		return f.Size, true
	case "http_version":
		return f.httpVersion(), true
	case "tls_version":
		return f.TLSVersion, true
	case "certificate":
		return certificateMap(f), true
	}
	return nil, false
}

func joinedHeaders(f *Facts) map[string]string {
	out := make(map[string]string, len(f.Headers))
	for _, h := range f.Headers {
		name := strings.ToLower(h.Name)
		if have, ok := out[name]; ok && len(have) < 64<<10 {
			out[name] = have + ", " + validUTF8(h.Value)
		} else if !ok {
			out[name] = validUTF8(h.Value)
		}
	}
	return out
}

func certificateMap(f *Facts) map[string]any {
	c := f.Certificate
	if c == nil {
		return map[string]any{}
	}
	return map[string]any{
		"days_left": int64(f.daysLeft()), "issuer": c.Issuer, "subject": c.Subject, "names": c.Names, "valid": c.Valid,
	}
}
