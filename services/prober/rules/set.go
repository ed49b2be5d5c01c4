package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// Outcome is how one condition turned out.
type Outcome struct {
	Assertion        // as it was written; of a rule its type, operator, header or path, and value
	Actual    any    // what was found, like Value; nil if it could not be told
	Passed    bool   // whether it holds
	Problem   string // why it does not hold or could not be told; empty if it holds
}

// Verdict is what conditions say of one check.
type Verdict struct {
	// Passed says that all hold, and that what went wrong in the check, if anything
	// did, is what they want.
	Passed bool
	// Stands says that what went wrong in the check remains the reason why it did
	// not pass; otherwise it did not pass for the conditions alone.
	Stands bool
	// Outcomes are all conditions in order, the rules first.
	Outcomes []Outcome
	// Problems is a sentence for each that could be told and does not hold.
	Problems []string
	// Warnings are remarks that change no outcome.
	Warnings []string
}

// Set is rules and assertions ready to be evaluated any number of times at once.
// All of them must hold, and all are evaluated.
type Set struct {
	kind       Kind
	conditions []condition
	asserts    bool
}

// Compile makes rules and assertions of a check ready, with all their expressions.
// It returns every problem instead if there are any; their paths begin with
// "rules[2]." or "assertions[0].".
func Compile(kind Kind, list []Rule, assertions []Assertion) (*Set, []Problem) {
	s := &Set{kind: kind, asserts: len(assertions) > 0}
	var problems []Problem
	if len(list) > MaxRules {
		return nil, []Problem{{"rules", fmt.Sprintf("must be at most %d rules", MaxRules)}}
	}
	if len(assertions) > MaxRules {
		return nil, []Problem{{"assertions", fmt.Sprintf("must be at most %d assertions", MaxRules)}}
	}
	for i, r := range list {
		c, bad := r.compile()
		problems = append(problems, at("rules["+strconv.Itoa(i)+"].", bad)...)
		s.conditions = append(s.conditions, c)
	}
	for i, a := range assertions {
		c, bad := a.compile(kind)
		problems = append(problems, at("assertions["+strconv.Itoa(i)+"].", bad)...)
		s.conditions = append(s.conditions, c)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

// Expect judges a check that got its answer; nil if there are no conditions, with
// which an HTTP test expects status 200 to 399.
func (s *Set) Expect() func(*nettest.TestResult) []string {
	if len(s.conditions) == 0 {
		return nil
	}
	return func(r *nettest.TestResult) []string {
		return breaches(s.conditions, factsOf(r, nil))
	}
}

// Asserts reports whether there are assertions, which judge a broken connection too.
func (s *Set) Asserts() bool { return s.asserts }

// NeedBody reports whether any condition looks at what the body says.
func (s *Set) NeedBody() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool { return c.needsBody() })
}

// NeedTLS reports whether any condition is about a handshake or a certificate.
func (s *Set) NeedTLS() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool { return c.aboutCertificate() })
}

// NeedRedirect reports whether an assertion is about the answer that leads
// elsewhere: a status of 3xx, or the header Location. Then it must not be followed.
func (s *Set) NeedRedirect() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool { return c.wantsRedirect() })
}

// OnlyConnecting reports whether nothing is asked but whether a connection came
// about, and how fast.
func (s *Set) OnlyConnecting() bool {
	return !slices.ContainsFunc(s.conditions, func(c condition) bool {
		return c.of != ofReachable && c.of != ofLatency && (c.of != ofResponseTime || s.kind != TCP)
	})
}

// Judge evaluates all conditions over the result of a check and its error. With
// assertions an error is a fact: one of connecting is what "reachable is false"
// wants, one of the handshake what "sslHandshake is false" wants, and a refused
// certificate what "valid is false" wants. Any other error stands, and so does
// every error of the observer.
func (s *Set) Judge(r *nettest.TestResult, err error) Verdict {
	ev := evaluation{facts: factsOf(r, err)}
	v := Verdict{Outcomes: make([]Outcome, 0, len(s.conditions))}
	failed, untold, wanted := false, false, false
	for i := range s.conditions {
		c := &s.conditions[i]
		problem, told := c.breach(&ev)
		o := Outcome{Assertion: c.asWritten(), Passed: problem == "", Problem: validUTF8(problem)}
		if told {
			o.Actual = c.actual(&ev)
		}
		switch {
		case !o.Passed && told:
			failed = true
			v.Problems = append(v.Problems, c.String()+": "+problem)
		case !o.Passed:
			untold = true
			if err == nil {
				v.Problems = append(v.Problems, c.String()+": "+problem)
			}
		case err != nil && c.wants(r):
			wanted = true
		}
		v.Outcomes = append(v.Outcomes, o)
	}
	v.Warnings = s.warnings(r, &ev.facts, err)
	v.Passed = !failed && !untold && (err == nil || wanted)
	v.Stands = err != nil && (!wanted || untold)
	return v
}

// wants reports whether the condition, which holds, is about the error that the
// check ended with.
func (c *condition) wants(r *nettest.TestResult) bool {
	if c.written.Type == "" || c.want || r.Status == nettest.StatusError {
		return false
	}
	switch c.of {
	case ofReachable:
		return r.FailedPhase == nettest.PhaseDNS || r.FailedPhase == nettest.PhaseConnect
	case ofHandshake:
		return r.FailedPhase == nettest.PhaseTLS
	case ofValid:
		return errors.Is(r.ErrorType, nettest.ErrCertificateExpired) || errors.Is(r.ErrorType, nettest.ErrCertificateInvalid)
	}
	return false
}

func (s *Set) warnings(r *nettest.TestResult, f *Facts, err error) []string {
	var out []string
	if err != nil && r.FailedPhase == nettest.PhaseDNS && r.Status != nettest.StatusError &&
		slices.ContainsFunc(s.conditions, func(c condition) bool { return c.of == ofReachable && !c.want }) {
		out = append(out, "The name could not be resolved, so that no connection was tried: "+clip(r.Error))
	}
	if f.BodyTruncated && s.NeedBody() {
		out = append(out, fmt.Sprintf("Only the first %d of %d bytes of the body were looked at.", len(f.Body), f.Size))
	}
	if i := slices.IndexFunc(s.conditions, func(c condition) bool { return c.pattern != nil && c.of == ofBody && c.pattern.Limit() < len(f.Body) }); i >= 0 {
		out = append(out, fmt.Sprintf("%s: only the first %d bytes of the body were looked at, as the expression is long.",
			s.conditions[i].String(), s.conditions[i].pattern.Limit()))
	}
	return out
}
