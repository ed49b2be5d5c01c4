package expr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// Bounds of CEL. An expression's cost is counted while it is evaluated, by the
// language's own model. The time is a second wall: the library's counting itself
// takes time that grows with the square of a list's length.
const (
	MaxProgramBytes   = 4 << 10 // as written
	maxProgramDepth   = 250     // nesting of operators, calls and parentheses
	maxProgramNesting = 32      // of lists, maps and comprehensions: their types grow with it, and cost the cube of it
	programCostLimit  = 2_000_000
	programTimeLimit  = time.Second
	programCheckEvery = 100 // comprehension steps
)

// Variable is a name that expressions may use.
type Variable struct {
	Name string
	Kind Kind
}

// Kind is the type of a variable.
type Kind string

// The kinds.
const (
	Int       Kind = "int"    // int64
	Double    Kind = "double" // float64
	String    Kind = "string" // in UTF-8
	Any       Kind = "dyn"    // as encoding/json decodes it
	StringMap Kind = "map(string, string)"
	AnyMap    Kind = "map(string, dyn)"
)

var kindTypes = map[Kind]*cel.Type{
	Int: cel.IntType, Double: cel.DoubleType, String: cel.StringType, Any: cel.DynType,
	StringMap: cel.MapType(cel.StringType, cel.StringType), AnyMap: cel.MapType(cel.StringType, cel.DynType),
}

// Language is CEL over a list of variables. It is safe for concurrent use.
type Language struct {
	env func() (*cel.Env, error)
}

// NewLanguage is CEL over these variables. It is made when the first program is.
func NewLanguage(variables ...Variable) *Language {
	return &Language{sync.OnceValues(func() (*cel.Env, error) { return newEnv(variables) })}
}

func newEnv(variables []Variable) (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxProgramBytes),
		cel.ParserRecursionLimit(maxProgramDepth),
	}
	for _, v := range variables {
		t, ok := kindTypes[v.Kind]
		if !ok {
			return nil, fmt.Errorf("variable %s: %q is not a kind", v.Name, v.Kind)
		}
		options = append(options, cel.Variable(v.Name, t))
	}
	return cel.NewEnv(options...)
}

// Program is an expression that is true or false.
type Program struct {
	program cel.Program
	names   []string
}

// Compile reads an expression. What the library cannot take is refused, even if it
// is the library's fault.
func (l *Language) Compile(text string) (p *Program, err error) {
	defer func() {
		if recover() != nil {
			p, err = nil, errors.New("is not supported: it cannot be taken to pieces")
		}
	}()
	return l.compile(text)
}

func (l *Language) compile(text string) (*Program, error) {
	if text == "" || len(text) > MaxProgramBytes {
		return nil, fmt.Errorf("must be an expression of 1 to %d bytes", MaxProgramBytes)
	}
	env, err := l.env()
	if err != nil {
		return nil, fmt.Errorf("cannot be read here: %w", err)
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, notProgram(issues.Err())
	}
	if nesting(parsed) > maxProgramNesting {
		return nil, fmt.Errorf("must nest lists, maps and what goes over them at most %d deep", maxProgramNesting)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, notProgram(issues.Err())
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("must be true or false; it is %s", clip(t.String()))
	}
	p := &Program{}
	for _, ref := range checked.NativeRep().ReferenceMap() {
		if ref.Name != "" {
			p.names = append(p.names, ref.Name)
		}
	}
	p.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(programCostLimit),
		cel.InterruptCheckFrequency(programCheckEvery), cel.CustomDecoratorV2(boundPatterns))
	if err != nil {
		return nil, notProgram(err)
	}
	return p, nil
}

// nesting is how deep lists, maps and comprehensions stand within one another.
func nesting(parsed *cel.Ast) int {
	isNested := func(e ast.NavigableExpr) bool {
		return e.Kind() == ast.ListKind || e.Kind() == ast.MapKind || e.Kind() == ast.ComprehensionKind
	}
	deepest := 0
	for _, e := range ast.MatchDescendants(ast.NavigateAST(parsed.NativeRep()), isNested) {
		n := 1
		for up, ok := e.Parent(); ok; up, ok = up.Parent() {
			if isNested(up) {
				n++
			}
		}
		deepest = max(deepest, n)
	}
	return deepest
}

func notProgram(err error) error { return errors.New("is not a CEL expression: " + firstLine(err)) }

// firstLine leaves out the drawing that the library makes of where the error is.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return clip(strings.TrimPrefix(line, "ERROR: "))
}

// Uses reports whether the expression has any of the names in it, so that a
// variable that nobody asks for need not be had.
func (p *Program) Uses(names ...string) bool {
	return slices.ContainsFunc(p.names, func(n string) bool { return slices.Contains(names, n) })
}

// Facts are the values of variables.
type Facts interface {
	// Fact is the value of a variable, of its kind; nil is null. An error ends the
	// evaluation, unless the expression gets by without the value. It is called for
	// the variables that are asked for only.
	Fact(name string) (any, error)
}

// Holds evaluates the expression; an error says why it cannot be told, as the
// beginning of no sentence but its own: "it takes longer than 1s".
func (p *Program) Holds(facts Facts) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), programTimeLimit)
	defer cancel()
	out, _, err := p.program.ContextEval(ctx, activation{facts})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return false, fmt.Errorf("it takes longer than %v", programTimeLimit)
	case err != nil:
		return false, errors.New(firstLine(err))
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it is %s instead of true or false", clip(out.Type().TypeName()))
	}
	return holds, nil
}

// activation gives expressions what they ask for.
type activation struct{ facts Facts }

func (activation) Parent() cel.Activation { return nil }

func (a activation) ResolveName(name string) (any, bool) {
	switch v, err := a.facts.Fact(name); {
	case err != nil:
		return types.NewErr("%s", err.Error()), true
	case v == nil:
		return types.NullValue, true
	default:
		return v, true
	}
}
