package expr

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// programPatternSize bounds the regular expressions within a program, in
// instructions.
const programPatternSize = 100

// boundPatterns bounds the regular expressions of the function matches: those that
// are written down when the program is made, others when they are known. The
// library has such a bound too, which panics at every counted repetition.
func boundPatterns(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || call.Function() != "matches" || len(call.Args()) != 2 {
		return node, nil
	}
	if written, ok := call.Args()[1].(interpreter.InterpretableConst); ok {
		if text, ok := written.Value().(types.String); ok {
			return node, checkProgramPattern(string(text)) // the library compiles it once
		}
		return node, nil
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), matches), nil
}

// matches is the library's function of that name, bounded.
func matches(values ...ref.Val) ref.Val {
	if len(values) != 2 {
		return types.NoSuchOverloadErr()
	}
	text, isText := values[0].(types.String)
	pattern, isPattern := values[1].(types.String)
	if !isText || !isPattern {
		return types.MaybeNoSuchOverloadErr(values[0])
	}
	if err := checkProgramPattern(string(pattern)); err != nil {
		return types.WrapErr(err)
	}
	re, err := regexp.Compile(string(pattern))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(re.MatchString(string(text)))
}

func checkProgramPattern(text string) error {
	if len(text) > MaxProgramBytes {
		return fmt.Errorf("a regular expression of more than %d bytes", MaxProgramBytes)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return err
	}
	if len(prog.Inst) > programPatternSize {
		return fmt.Errorf("a regular expression %d steps long, at most are %d", len(prog.Inst), programPatternSize)
	}
	return nil
}
