package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/expr"
)

// variables are what expressions of CEL see:
//
//	status_code       0 without a response
//	response_time_ms
//	ttfb_ms           from the start, connecting included; 0 without a response
//	headers           names in lower case, repeated ones joined with ", "
//	body              what was kept, in UTF-8
//	json              the body as JSON; an error if it is none
//	size              of the decoded body in bytes
//	http_version      "1.1", "2"; empty without a response
//	tls_version       "1.2", "1.3"; empty without TLS
//	certificate       days_left int, issuer string, subject string, names list, valid bool; empty without TLS
var variables = []expr.Variable{
	{Name: "status_code", Kind: expr.Int},
	{Name: "response_time_ms", Kind: expr.Double},
	{Name: "ttfb_ms", Kind: expr.Double},
	{Name: "headers", Kind: expr.StringMap},
	{Name: "body", Kind: expr.String},
	{Name: "json", Kind: expr.Any},
	{Name: "size", Kind: expr.Int},
	{Name: "http_version", Kind: expr.String},
	{Name: "tls_version", Kind: expr.String},
	{Name: "certificate", Kind: expr.AnyMap},
}

// Variables are those that rules of type cel may use.
func Variables() []expr.Variable { return slices.Clone(variables) }

var language = expr.NewLanguage(variables...)

// Fact gives expressions what they ask for, and makes nothing else.
func (d *document) Fact(name string) (any, error) {
	f := &d.facts
	switch name {
	case "status_code":
		return int64(f.StatusCode), nil
	case "response_time_ms":
		return float64(f.ResponseTime) / float64(time.Millisecond), nil
	case "ttfb_ms":
		return float64(f.TTFB.Duration) / float64(time.Millisecond), nil
	case "headers":
		return joinedHeaders(f), nil
	case "body":
		return validUTF8(string(d.body())), nil
	case "json":
		return d.json()
	case "size":
		return f.Size, nil
	case "http_version":
		return f.httpVersion(), nil
	case "tls_version":
		return f.TLSVersion, nil
	case "certificate":
		return certificateMap(f), nil
	}
	return nil, errUnknown
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
