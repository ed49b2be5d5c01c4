package app

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// fits refuses a rule about something that a check of a kind does not have.
func (r rule) fits(kind string, handshake bool) error {
	certificate := strings.HasPrefix(r.Type, "certificate_")
	switch {
	case r.Type == "response_time", kind == nettest.ProtocolHTTP:
		return nil
	case kind == nettest.ProtocolTCP && !handshake:
		return errors.New("a TCP check has no answer to look at; it knows response_time only")
	case !certificate && r.Type != "cel":
		return errors.New("this check has no answer to look at; its rules are response_time, cert_… or cel:…, and no others")
	}
	return nil
}

// textRules are the rules whose value is a text, with their operators.
var textRules = map[string]map[string]rule{
	"body/re":      {"~": {Type: "response_body_matches"}, "!~": {Type: "response_body_not_matches"}},
	"http_version": {"=": {Type: "http_version", Operator: "equals"}, "!=": {Type: "http_version", Operator: "not_equals"}},
	"cert_issuer":  certificateRules("certificate_issuer"),
	"cert_subject": certificateRules("certificate_subject"),
}

func certificateRules(typ string) map[string]rule {
	return map[string]rule{
		"=": {Type: typ, Operator: "equals"}, "!=": {Type: typ, Operator: "not_equals"},
		"~": {Type: typ, Operator: "contains"}, "!~": {Type: typ, Operator: "not_contains"},
	}
}

func parseTextRule(subject, op, value string) (rule, error) {
	r, ok := textRules[subject][op]
	if !ok {
		return rule{}, fmt.Errorf("%s does not take %s", subject, op)
	}
	r.Value = value
	return r, checkRuleText(value)
}

// jsonOperators in the order in which they are looked for: longer ones first.
var jsonOperators = []struct{ sign, operator string }{
	{"!=", "not_equals"}, {"!~", "not_contains"}, {"=", "equals"}, {"~", "contains"}, {"<", "less_than"}, {">", "greater_than"},
}

// parseJSONRule reads PATH, PATH! and PATH with an operator and a value. Within brackets there are filters, whose
// operators are the path's own.
func parseJSONRule(s string) (rule, error) {
	path, sign, value := cutOperator(s)
	r := rule{Type: "json_path", Path: path, Operator: "exists"}
	switch {
	case sign == "" && strings.HasSuffix(path, "!"):
		r.Path, r.Operator = strings.TrimSuffix(path, "!"), "not_exists"
		return r, nil
	case sign == "":
		return r, nil
	}
	for _, o := range jsonOperators {
		if o.sign == sign {
			r.Operator = o.operator
		}
	}
	r.Value = value
	number, err := strconv.ParseFloat(value, 64)
	switch {
	case sign == "<" || sign == ">":
		if err != nil {
			return rule{}, fmt.Errorf("%q is not a number", value)
		}
		r.Value = number
	case strings.HasSuffix(sign, "~"):
		return r, checkRuleText(value)
	case value == "true" || value == "false":
		r.Value = value == "true"
	case err == nil && value != "":
		r.Value = number
	}
	return r, nil
}

// cutOperator finds the first operator outside brackets and quotes.
func cutOperator(s string) (path, sign, value string) {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		case depth == 0:
			for _, o := range jsonOperators {
				if rest, ok := strings.CutPrefix(s[i:], o.sign); ok {
					return s[:i], o.sign, rest
				}
			}
		}
	}
	return s, "", ""
}

// more writes the rules of this file as parseRule reads them.
func (r rule) more(value string) (string, bool) {
	switch r.Type {
	case "cel":
		return "cel:" + value, true
	case "certificate_valid":
		return "cert_valid", value == "true"
	case "ttfb", "certificate_days_left":
		return pick(r.Type == "ttfb", "ttfb", "cert_days") + pick(r.Operator == "less_than", "<", ">") + value, true
	case "json_path":
		switch r.Operator {
		case "exists":
			return "json:" + r.Path, true
		case "not_exists":
			return "json:" + r.Path + "!", true
		}
		for _, o := range jsonOperators {
			if o.operator == r.Operator {
				return "json:" + r.Path + o.sign + value, true
			}
		}
	}
	for subject, signs := range textRules {
		for sign, t := range signs {
			if t.Type == r.Type && t.Operator == r.Operator {
				return subject + sign + value, true
			}
		}
	}
	return "", false
}
