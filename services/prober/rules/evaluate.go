package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/frogstats/uptime/services/prober/nettest"
)

var (
	errUntold  = errors.New(cannotTell)
	errUnknown = errors.New("the rule is not known")
)

// Expect makes rules the Expect of a nettest configuration. No rules make nil,
// with which an HTTP test expects status 200 to 399. Whoever runs a check often
// compiles its rules instead.
func Expect(list []Rule) func(*nettest.TestResult) []string {
	if len(list) == 0 {
		return nil
	}
	conditions := make([]condition, len(list))
	for i, r := range list {
		conditions[i] = r.lenient()
	}
	return func(r *nettest.TestResult) []string {
		return breaches(conditions, FactsOf(r))
	}
}

// NeedBody reports whether any rule looks at what the body says, so that a check
// without such rules need not keep it.
func NeedBody(list []Rule) bool {
	return slices.ContainsFunc(list, func(r Rule) bool {
		c := r.condition()
		return c.needsBody()
	})
}

// Evaluate returns a sentence for each rule that does not hold, such as
// "status_code equals 200: got 503". It compiles expressions anew each time.
func Evaluate(list []Rule, f Facts) []string {
	var out []string
	ev := evaluation{facts: f}
	for _, r := range list {
		c := r.lenient()
		if problem, _ := c.breach(&ev); problem != "" {
			out = append(out, c.String()+": "+problem)
		}
	}
	return out
}

func breaches(conditions []condition, f Facts) []string {
	var out []string
	ev := evaluation{facts: f}
	for i := range conditions {
		if problem, _ := conditions[i].breach(&ev); problem != "" {
			out = append(out, conditions[i].String()+": "+problem)
		}
	}
	return out
}

// lenient is the rule made ready, also if it is not valid: one with an expression
// that cannot be read does not hold, another is taken by its word.
func (r Rule) lenient() condition {
	switch {
	case r.Type == JSONPath, r.Type == CEL, r.Type == BodyMatches, r.Type == BodyNotMatches, r.Operator == Matches:
		c, problems := r.compile()
		if len(problems) > 0 {
			return condition{rule: r}
		}
		return c
	}
	return r.condition()
}

// String is the rule as its messages write it.
func (r Rule) String() string {
	switch r.Type {
	case BodyContains, BodyNotContains, BodyMatches, BodyNotMatches, CEL:
		return fmt.Sprintf("%s %q", r.Type, clip(r.Text))
	case HeaderExists:
		return fmt.Sprintf("%s %s", r.Type, clip(r.Header))
	case HeaderValue:
		return fmt.Sprintf("%s %s %s %q", r.Type, clip(r.Header), clip(string(r.Operator)), clip(r.Text))
	case JSONPath:
		return r.jsonString()
	case CertificateIssuer, CertificateSubject:
		return fmt.Sprintf("%s %s %q", r.Type, clip(string(r.Operator)), clip(r.Text))
	case HTTPVersion, CertificateValid:
		return fmt.Sprintf("%s %s %s", r.Type, clip(string(r.Operator)), clip(r.Text))
	}
	list := make([]string, 0, len(r.Numbers))
	for _, n := range r.Numbers {
		list = append(list, number(n))
	}
	value := strings.Join(list, ", ")
	if r.Operator == In || r.Operator == NotIn {
		value = "[" + value + "]"
	}
	return clip(fmt.Sprintf("%s %s %s", r.Type, r.Operator, value))
}

func (r Rule) jsonString() string {
	start := fmt.Sprintf("%s %s %s", r.Type, clip(r.Path), clip(string(r.Operator)))
	switch {
	case r.Operator == Exists || r.Operator == NotExists:
		return start
	case len(r.Numbers) > 0:
		return start + " " + number(r.Numbers[0])
	}
	return start + fmt.Sprintf(" %q", clip(r.Text))
}

// number shows at most three decimals, and none that are zero.
func number(n float64) string {
	text := strconv.FormatFloat(n, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// maxClip is how much of a text messages show, in bytes.
const maxClip = 200

// clip keeps messages short, whatever a target sends.
func clip(s string) string {
	if len(s) <= maxClip {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:maxClip], "") + "…"
}
