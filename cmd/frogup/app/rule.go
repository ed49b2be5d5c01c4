package app

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
  ttfb<200                                        from the request to the first byte
  body/re~REGEX           body/re!~REGEX          matches an RE2 expression, or does not
  json:$.PATH             json:$.PATH!            a JSON path finds something, or nothing
  json:$.PATH=VALUE       json:$.PATH!=VALUE      what it finds is this, or not
  json:$.PATH<5  >5       json:$.PATH~TEXT        it is less, greater, contains
  http_version=2                                  1.0, 1.1 or 2
  cel:EXPRESSION                                  a CEL expression, such as cel:size<1000&&status_code==200
  cert_days>14                                    days until a certificate of the chain expires
  cert_issuer~TEXT        cert_subject=TEXT       contains (~, !~) or equals (=, !=)
  cert_valid                                      in time, trusted, and for this name
A TCP check knows response_time only: DNS plus connecting. A TLS check, and a TCP check
with --tls, know cert_… and cel: too.`

// rule is one validation rule, with the names of the REST surface.
type rule struct {
	Type          string `json:"type"`
	Operator      string `json:"operator,omitempty"`
	Value         any    `json:"value,omitempty"` // float64, []any of float64, or string, as encoding/json has it
	Header        string `json:"header,omitempty"`
	Path          string `json:"path,omitempty"`
	CaseSensitive *bool  `json:"case_sensitive,omitempty"`
}

const (
	maxRules      = 50
	maxRuleText   = 8192      // bytes
	maxRuleNumber = 1<<53 - 1 // beyond, a JSON number is no longer exact
)

// parseRules reads the rules of a check of a kind; handshake says whether there is TLS to look at.
func parseRules(args []string, kind string, handshake bool) ([]rule, error) {
	if len(args) > maxRules {
		return nil, fmt.Errorf("--rule may be given %d times at most", maxRules)
	}
	var rules []rule
	for _, arg := range args {
		r, err := parseRule(arg)
		if err != nil {
			return nil, fmt.Errorf("--rule %q: %w", arg, err)
		}
		if err := r.fits(kind, handshake); err != nil {
			return nil, fmt.Errorf("--rule %q: %w", arg, err)
		}
		if problems := r.evaluable().Validate(); len(problems) > 0 {
			return nil, fmt.Errorf("--rule %q: %s %s", arg, problems[0].Path, problems[0].Message)
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
	switch name, rest, _ := strings.Cut(s, ":"); name {
	case "header":
		return parseHeaderRule(rest)
	case "json":
		return parseJSONRule(rest)
	case "cel":
		return rule{Type: "cel", Value: rest}, checkRuleText(rest)
	}
	if s == "cert_valid" {
		return rule{Type: "certificate_valid", Operator: "equals", Value: true}, nil
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
	case "ttfb":
		return parseThreshold("ttfb", op, value, milliseconds)
	case "cert_days":
		return parseThreshold("certificate_days_left", op, value, wholeNumber)
	case "body/re", "http_version", "cert_issuer", "cert_subject":
		return parseTextRule(subject, op, value)
	}
	return rule{}, fmt.Errorf("%q is none of status_code, response_time, ttfb, size, body, body/i, body/re, header:NAME, json:PATH, cel:EXPRESSION, http_version, cert_days, cert_issuer, cert_subject, cert_valid", subject)
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

// evaluable is r as the rules that probers evaluate.
func (r rule) evaluable() rules.Rule {
	out := rules.Rule{
		Type: rules.Type(r.Type), Operator: rules.Operator(r.Operator), Header: r.Header, Path: r.Path,
		CaseSensitive: r.CaseSensitive == nil || *r.CaseSensitive,
	}
	switch v := r.Value.(type) {
	case string:
		out.Text = v
	case bool:
		out.Text = strconv.FormatBool(v)
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
	if text, ok := r.more(value); ok {
		return text
	}
	return strings.Join(slices.DeleteFunc([]string{r.Type, r.Header, r.Path, r.Operator, value}, func(s string) bool { return s == "" }), " ")
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
