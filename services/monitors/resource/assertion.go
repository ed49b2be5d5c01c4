package resource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frogstats/uptime/internal/expr"
)

// base is what an assertion compares with.
type base string

const (
	ofBool     base = "boolean"
	ofNumber   base = "number"
	ofTime     base = "time"
	ofString   base = "string"
	ofKeyValue base = "key and value"
)

// assertionTypes are those of each kind.
var assertionTypes = map[string]map[string]base{
	KindTCP:  {"reachable": ofBool, "latency": ofTime, "sslHandshake": ofBool},
	KindHTTP: {"statusCode": ofNumber, "duration": ofTime, "ttfb": ofTime, "size": ofNumber, "body": ofString, "header": ofKeyValue},
	KindTLS:  {"expirationTime": ofTime, "certificateIssuer": ofString, "certificateSubject": ofString, "valid": ofBool},
}

// typeNames are the same in the order in which they are told.
var typeNames = map[string][]string{
	KindTCP:  {"reachable", "latency", "sslHandshake"},
	KindHTTP: {"statusCode", "duration", "ttfb", "size", "body", "header"},
	KindTLS:  {"expirationTime", "certificateIssuer", "certificateSubject", "valid"},
}

var (
	orders  = []string{"equals", "notEquals", "greaterThan", "lessThan", "greaterThanOrEquals", "lessThanOrEquals"}
	strs    = []string{"equals", "notEquals", "contains", "notContains", "matches"}
	allowed = map[base][]string{
		ofBool: {"is", "isNot", "equals", "notEquals"}, ofNumber: orders, ofTime: orders, ofString: strs, ofKeyValue: strs,
	}
	// operatorSpellings are accepted beside the canonical ones.
	operatorSpellings = map[string]string{"greaterThanOrEqual": "greaterThanOrEquals", "lessThanOrEqual": "lessThanOrEquals"}
)

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// implied are the assertions that an empty list stands for in the permissive mode.
var implied = map[string][]Assertion{
	KindTCP: {{Type: "reachable", Operator: "is", Value: true}},
	KindHTTP: {
		{Type: "statusCode", Operator: "greaterThan", Value: int64(199)}, {Type: "statusCode", Operator: "lessThan", Value: int64(400)},
	},
	KindTLS: {{Type: "valid", Operator: "is", Value: true}},
}

var impliedText = map[string]string{
	KindTCP: "reachable is true", KindHTTP: "a status code from 200 to 399", KindTLS: "valid is true",
}

func (r *reader) assertions(o *object, c *Check) {
	n, path := o.field("checks")
	if n == nil {
		n = &node{kind: isList, line: o.n.line, column: o.n.column}
	}
	items := r.list(n, path)
	switch {
	case n.kind == isList && len(items) == 0:
		r.overlook(n, path, "empty-checks", "", "must not be empty; what can be meant is %s", impliedText[c.Kind])
		c.Assertions = implied[c.Kind]
	case len(items) > maxAssertions:
		r.fail(n, path, "list-length", "must have at most %d entries", maxAssertions)
		return
	}
	for i, item := range items {
		if a, ok := r.assertion(item, index(path, i), c); ok {
			c.Assertions = append(c.Assertions, a)
		}
	}
	r.across(o, c)
}

// across checks what assertions and fields say together.
func (r *reader) across(o *object, c *Check) {
	asserts := func(kind string) bool {
		return slices.ContainsFunc(c.Assertions, func(a Assertion) bool { return a.Type == kind })
	}
	if c.TLS != nil && c.TLS.InsecureSkipVerify {
		if n, path := o.field("checks"); n != nil {
			for i, item := range n.items {
				if t := item.get("type"); t != nil && t.text == "valid" {
					r.fail(t, index(path, i)+".type", "tls-trust", "valid must not be asserted with insecureSkipVerify: nothing is verified")
				}
			}
		}
	}
	if n, path := o.field("starttls"); n != nil && c.TCP != nil && !asserts("sslHandshake") {
		r.note(n, path, "starttls", "", true, "has no effect without an sslHandshake assertion")
	}
}

func (r *reader) assertion(n *node, path string, c *Check) (a Assertion, ok bool) {
	if n.kind != isMap {
		r.fail(n, path, "wrong-type", "must be a mapping with type, operator and value, not %s", article(n.kind))
		return a, false
	}
	known := []string{"type", "operator", "value"}
	types := assertionTypes[c.Kind]
	t := n.get("type")
	if t == nil || t.kind == isString && types[t.text] == ofKeyValue {
		known = append(known, "name")
	}
	o := r.object(n, path, known, fieldWords["assertion"])
	tn, tpath := o.needed("type")
	on, opath := o.needed("operator")
	vn, vpath := o.needed("value")
	if tn == nil {
		return a, false
	}
	if a.Type, ok = r.text(tn, tpath); !ok {
		return a, false
	}
	b, known2 := types[a.Type]
	if !known2 {
		r.failMeant(tn, tpath, "assertion-type", meantWord(a.Type, typeNames[c.Kind], assertionWords[c.Kind]), "must be %s for a %s", oneOf(typeNames[c.Kind]), c.Kind)
		return a, false
	}
	if on != nil {
		a.Operator = r.operator(on, opath, b)
	}
	if vn != nil {
		a.Value = r.value(vn, vpath, a, b)
	}
	if nn, npath := o.field("name"); nn != nil && nn.kind != isNull && b == ofKeyValue {
		if a.Name, ok = r.text(nn, npath); ok && wrongHeaderName(a.Name) {
			r.fail(nn, npath, "header-grammar", "must be the name of a header")
		}
	}
	return a, on != nil && vn != nil
}

func (r *reader) operator(n *node, path string, b base) string {
	op, ok := r.text(n, path)
	if !ok {
		return ""
	}
	if canonical, other := operatorSpellings[op]; other {
		op = canonical
	}
	if !slices.Contains(allowed[b], op) {
		r.failMeant(n, path, "operator", meantWord(op, allowed[b], operatorWords), "must be %s", oneOf(allowed[b]))
	}
	return op
}

// value reads what an assertion compares with; nil if it is not right.
func (r *reader) value(n *node, path string, a Assertion, b base) any {
	switch b {
	case ofBool:
		if v, ok := r.boolean(n, path); ok {
			return v
		}
	case ofTime:
		if p, ok := r.period(n, path, true); ok {
			return p.String()
		}
	case ofNumber:
		low, high := int64(0), int64(1)<<50
		if a.Type == "statusCode" {
			low, high = 100, 599
		}
		if v, ok := r.integer(n, path, low, high); ok {
			return v
		}
	default:
		s, ok := r.text(n, path)
		if !ok {
			return nil
		}
		r.stringValue(n, path, s, a)
		return s
	}
	return nil
}

func (r *reader) stringValue(n *node, path, s string, a Assertion) {
	switch {
	case len(s) > maxTextBytes:
		r.fail(n, path, "value-range", "must be at most %d bytes", maxTextBytes)
	case s == "" && strings.HasSuffix(strings.ToLower(a.Operator), "contains"):
		r.fail(n, path, "value-range", "must not be empty: every text contains it")
	case a.Operator == "matches":
		// The prober takes no notice of case where header names are matched.
		if _, err := expr.ParsePattern(s, a.Type == "header" && a.Name == ""); err != nil {
			r.fail(n, path, "pattern-grammar", "%s", err.Error())
		}
	}
}
