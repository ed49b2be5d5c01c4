package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Bounds of regular expressions. MaxPatternBytes is for one as written,
// maxPatternSize for what it is compiled to, in instructions: repetitions are
// written short and become long. maxPatternSteps bounds one match.
const (
	MaxPatternBytes = 1 << 10
	maxPatternSize  = 10_000
	maxPatternSteps = 64 << 20
)

// Pattern is a regular expression of RE2. Its steps are at most its size times
// the length of what it is matched with.
type Pattern struct {
	re   *regexp.Regexp
	size int
}

// ParsePattern compiles a regular expression; with fold, letters need not match in
// case.
func ParsePattern(text string, fold bool) (*Pattern, error) {
	if text == "" || len(text) > MaxPatternBytes {
		return nil, fmt.Errorf("must be an expression of 1 to %d bytes", MaxPatternBytes)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, notPattern(err)
	}
	if fold {
		text = "(?i)" + text // no group around it: a text that leaves its own would be let out
		if tree, err = syntax.Parse(text, syntax.Perl); err != nil {
			return nil, notPattern(err)
		}
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, notPattern(err)
	}
	if len(prog.Inst) > maxPatternSize {
		return nil, fmt.Errorf("is too complex: its repetitions make it %d steps long, at most are %d", len(prog.Inst), maxPatternSize)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, notPattern(err)
	}
	return &Pattern{re, len(prog.Inst)}, nil
}

func notPattern(err error) error {
	return errors.New("is not an RE2 expression: " + clip(err.Error()))
}

// Limit is how much of a text is matched, in bytes; at least 6 KiB, and the more
// the shorter the expression is.
func (p *Pattern) Limit() int { return maxPatternSteps / p.size }

// Match reports whether the first bytes of b, up to the limit, match anywhere.
func (p *Pattern) Match(b []byte) bool { return p.re.Match(b[:min(len(b), p.Limit())]) }

// MatchString is Match for a string.
func (p *Pattern) MatchString(s string) bool { return p.re.MatchString(s[:min(len(s), p.Limit())]) }
