package app

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

// ruleHelp is the grammar of --rule, for the help texts.
const ruleHelp = `Rules (--rule, no spaces around the operator; without any, status 200 to 399 passes):
  status_code=200         status_code!=500        exactly, or not, this status
  status_code=200,204     status_code!=500,503    one of these, or none of them
  response_time<500       response_time>1.5s      in milliseconds, or with a unit
  size<100000             size>0                  decoded body in bytes
  body~TEXT               body!~TEXT              contains, or does not; TEXT is taken as it stands
  body/i~TEXT             body/i!~TEXT            the same, whatever the case
  header:NAME                                     the header is there
  header:NAME=VALUE       header:NAME~TEXT        it equals, or contains
A TCP check knows response_time only: DNS plus connecting.`

// rule is one validation rule, with the names of the REST surface.
type rule struct {
	Type          string `json:"type"`
	Operator      string `json:"operator,omitempty"`
	Value         any    `json:"value,omitempty"` // float64, []any of float64, or string, as encoding/json has it
	Header        string `json:"header,omitempty"`
	CaseSensitive *bool  `json:"case_sensitive,omitempty"`
}

const (
	maxRules      = 50
	maxRuleText   = 8192      // bytes
	maxRuleNumber = 1<<53 - 1 // beyond, a JSON number is no longer exact
)

func parseRules(args []string, kind string) ([]rule, error) {
	if len(args) > maxRules {
		return nil, fmt.Errorf("--rule may be given %d times at most", maxRules)
	}
	var rules []rule
	for _, arg := range args {
		r, err := parseRule(arg)
		if err != nil {
			return nil, fmt.Errorf("--rule %q: %w", arg, err)
		}
		if kind == nettest.ProtocolTCP && r.Type != "response_time" {
			return nil, fmt.Errorf("--rule %q: a TCP check has no answer to look at; it knows response_time only", arg)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// parseRule reads one rule of the grammar in ruleHelp.
func parseRule(s string) (rule, error) {
	if !utf8.ValidString(s) {
		return rule{}, errors.New("is not UTF-8")
	}
	if rest, ok := strings.CutPrefix(s, "header:"); ok {
		return parseHeaderRule(rest)
	}
	i := strings.IndexAny(s, "=!<>~")
	if i < 0 {
		return rule{}, errors.New("has no operator; write it like status_code=200")
	}
	subject, op, value := s[:i], s[i:i+1], s[i+1:]
	if op == "!" {
		if value == "" || value[0] != '=' && value[0] != '~' {
			return rule{}, errors.New("after ! there must be = or ~")
		}
		op, value = s[i:i+2], s[i+2:]
	}
	switch subject {
	case "status_code":
		return parseStatusRule(op, value)
	case "response_time":
		return parseThreshold("response_time", op, value, milliseconds)
	case "size", "response_size":
		return parseThreshold("response_size", op, value, wholeNumber)
	case "body", "body/i":
		return parseBodyRule(op, value, subject == "body")
	}
	return rule{}, fmt.Errorf("%q is none of status_code, response_time, size, body, body/i, header:NAME", subject)
}

func parseStatusRule(op, value string) (rule, error) {
	if op != "=" && op != "!=" {
		return rule{}, errors.New("status_code takes = or !=")
	}
	if strings.Count(value, ",") >= rules.MaxNumbers {
		return rule{}, fmt.Errorf("has more than %d status codes", rules.MaxNumbers)
	}
	var codes []any
	for word := range strings.SplitSeq(value, ",") {
		n, err := wholeNumber(word)
		if err != nil || n < 100 || n > 599 {
			return rule{}, fmt.Errorf("%q is not a status code from 100 to 599", word)
		}
		codes = append(codes, n)
	}
	r := rule{Type: "status_code", Operator: map[string]string{"=": "in", "!=": "not_in"}[op], Value: codes}
	if len(codes) == 1 {
		r.Operator, r.Value = map[string]string{"=": "equals", "!=": "not_equals"}[op], codes[0]
	}
	return r, nil
}

func parseThreshold(typ, op, value string, number func(string) (float64, error)) (rule, error) {
	operator := map[string]string{"<": "less_than", ">": "greater_than"}[op]
	if operator == "" {
		return rule{}, errors.New("takes < or >")
	}
	n, err := number(value)
	switch {
	case err != nil:
		return rule{}, err
	case n == 0 && op == "<":
		return rule{}, errors.New("nothing is less than 0")
	}
	return rule{Type: typ, Operator: operator, Value: n}, nil
}

func parseBodyRule(op, value string, caseSensitive bool) (rule, error) {
	typ := map[string]string{"~": "response_body_contains", "!~": "response_body_not_contains"}[op]
	if typ == "" {
		return rule{}, errors.New("body takes ~ or !~")
	}
	r := rule{Type: typ, Value: value}
	if !caseSensitive {
		r.CaseSensitive = new(bool)
	}
	return r, checkRuleText(value)
}

func parseHeaderRule(s string) (rule, error) {
	name, op, value := s, "", ""
	// A name may itself hold ~, but nobody's does.
	if i := strings.IndexAny(s, "=~"); i >= 0 {
		name, op, value = s[:i], s[i:i+1], s[i+1:]
	}
	if name == "" || len(name) > 256 || strings.ContainsFunc(name, notInHeaderName) {
		return rule{}, fmt.Errorf("%q is not a header name", name)
	}
	switch op {
	case "":
		return rule{Type: "header_exists", Header: name}, nil
	case "=":
		if value == "" { // a header may be there and empty
			return rule{Type: "header_value", Operator: "equals", Header: name, Value: ""}, nil
		}
		return rule{Type: "header_value", Operator: "equals", Header: name, Value: value}, checkRuleText(value)
	}
	return rule{Type: "header_value", Operator: "contains", Header: name, Value: value}, checkRuleText(value)
}

func notInHeaderName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+.^_`|~-", r)
}

func checkRuleText(s string) error {
	switch {
	case s == "":
		return errors.New("there must be a text after the operator")
	case len(s) > maxRuleText:
		return fmt.Errorf("the text is longer than %d bytes", maxRuleText)
	}
	return nil
}

func wholeNumber(s string) (float64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > maxRuleNumber {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return float64(n), nil
}

// milliseconds reads 500, 0.5 or a duration with its unit, 1.5s.
func milliseconds(s string) (float64, error) {
	if strings.Trim(s, "0123456789.") == "" {
		if n, err := strconv.ParseFloat(s, 64); err == nil && n <= maxRuleNumber {
			return n, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return float64(d) / float64(time.Millisecond), nil
	}
	return 0, fmt.Errorf("%q is neither milliseconds, such as 500, nor a duration, such as 1.5s", s)
}

// expectation is what a check's result is held to: nil without rules, which leaves it
// to the check's own default.
func expectation(list []rule) func(*nettest.TestResult) []string {
	ready := make([]rules.Rule, len(list))
	for i, r := range list {
		ready[i] = r.evaluable()
	}
	return rules.Expect(ready)
}

// evaluable is r as the rules that probers evaluate.
func (r rule) evaluable() rules.Rule {
	out := rules.Rule{
		Type: rules.Type(r.Type), Operator: rules.Operator(r.Operator), Header: r.Header,
		CaseSensitive: r.CaseSensitive == nil || *r.CaseSensitive,
	}
	switch v := r.Value.(type) {
	case string:
		out.Text = v
	case float64:
		out.Numbers = []float64{v}
	case []any:
		for _, e := range v {
			if n, ok := e.(float64); ok {
				out.Numbers = append(out.Numbers, n)
			}
		}
	}
	return out
}

// String writes r as parseRule reads it, for whatever that grammar can say.
func (r rule) String() string {
	value := ruleValue(r.Value)
	switch {
	case r.Type == "status_code":
		return "status_code" + pick(strings.HasPrefix(r.Operator, "not"), "!=", "=") + value
	case r.Type == "response_time", r.Type == "response_size":
		name := strings.TrimPrefix(r.Type, "response_size")
		return pick(name == "", "size", name) + pick(r.Operator == "less_than", "<", ">") + value
	case strings.HasPrefix(r.Type, "response_body_"):
		loose := r.CaseSensitive != nil && !*r.CaseSensitive
		return pick(loose, "body/i", "body") + pick(strings.Contains(r.Type, "_not_"), "!~", "~") + value
	case r.Type == "header_exists":
		return "header:" + r.Header
	case r.Type == "header_value":
		return "header:" + r.Header + pick(r.Operator == "contains", "~", "=") + value
	}
	return strings.Join(slices.DeleteFunc([]string{r.Type, r.Header, r.Operator, value}, func(s string) bool { return s == "" }), " ")
}

func ruleValue(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		words := make([]string, len(v))
		for i, e := range v {
			words[i] = ruleValue(e)
		}
		return strings.Join(words, ",")
	}
	return fmt.Sprint(v)
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
