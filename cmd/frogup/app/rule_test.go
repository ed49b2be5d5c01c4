package app

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/rules"
)

func TestParseRule(t *testing.T) {
	loose := new(bool)
	for _, tt := range []struct {
		in   string
		want rule
	}{
		{"status_code=200", rule{Type: "status_code", Operator: "equals", Value: 200.0}},
		{"status_code!=500", rule{Type: "status_code", Operator: "not_equals", Value: 500.0}},
		{"status_code=200,204", rule{Type: "status_code", Operator: "in", Value: []any{200.0, 204.0}}},
		{"status_code!=500,503", rule{Type: "status_code", Operator: "not_in", Value: []any{500.0, 503.0}}},
		{"response_time<500", rule{Type: "response_time", Operator: "less_than", Value: 500.0}},
		{"response_time<0.25", rule{Type: "response_time", Operator: "less_than", Value: 0.25}},
		{"response_time>1.5s", rule{Type: "response_time", Operator: "greater_than", Value: 1500.0}},
		{"response_time>0", rule{Type: "response_time", Operator: "greater_than", Value: 0.0}},
		{"size<1000", rule{Type: "response_size", Operator: "less_than", Value: 1000.0}},
		{"response_size>0", rule{Type: "response_size", Operator: "greater_than", Value: 0.0}},
		{"body~ok", rule{Type: "response_body_contains", Value: "ok"}},
		{"body~ =~! ", rule{Type: "response_body_contains", Value: " =~! "}},
		{"body!~error", rule{Type: "response_body_not_contains", Value: "error"}},
		{"body/i~OK", rule{Type: "response_body_contains", Value: "OK", CaseSensitive: loose}},
		{"body/i!~Error", rule{Type: "response_body_not_contains", Value: "Error", CaseSensitive: loose}},
		{"header:X-Foo", rule{Type: "header_exists", Header: "X-Foo"}},
		{"header:X-Foo=bar=baz", rule{Type: "header_value", Operator: "equals", Header: "X-Foo", Value: "bar=baz"}},
		{"header:X-Foo=", rule{Type: "header_value", Operator: "equals", Header: "X-Foo", Value: ""}},
		{"header:X-Foo~bar", rule{Type: "header_value", Operator: "contains", Header: "X-Foo", Value: "bar"}},
		{"ttfb<200ms", rule{Type: "ttfb", Operator: "less_than", Value: 200.0}},
		{"body/re~^o.k$", rule{Type: "response_body_matches", Value: "^o.k$"}},
		{"body/re!~a|b", rule{Type: "response_body_not_matches", Value: "a|b"}},
		{"http_version=2", rule{Type: "http_version", Operator: "equals", Value: "2"}},
		{"json:$.a.b", rule{Type: "json_path", Path: "$.a.b", Operator: "exists"}},
		{"json:$.a!", rule{Type: "json_path", Path: "$.a", Operator: "not_exists"}},
		{"json:$.a=ok", rule{Type: "json_path", Path: "$.a", Operator: "equals", Value: "ok"}},
		{"json:$.a=", rule{Type: "json_path", Path: "$.a", Operator: "equals", Value: ""}},
		{"json:$.a!=true", rule{Type: "json_path", Path: "$.a", Operator: "not_equals", Value: true}},
		{"json:$.a>1.5", rule{Type: "json_path", Path: "$.a", Operator: "greater_than", Value: 1.5}},
		{"json:$.a[?(@.n<3)].x~y=z", rule{Type: "json_path", Path: "$.a[?(@.n<3)].x", Operator: "contains", Value: "y=z"}},
		{"json:$['a=b']=3", rule{Type: "json_path", Path: "$['a=b']", Operator: "equals", Value: 3.0}},
		{"cel:size<1000&&status_code==200", rule{Type: "cel", Value: "size<1000&&status_code==200"}},
		{"cert_days>14", rule{Type: "certificate_days_left", Operator: "greater_than", Value: 14.0}},
		{"cert_issuer~Let's Encrypt", rule{Type: "certificate_issuer", Operator: "contains", Value: "Let's Encrypt"}},
		{"cert_subject!=CN=x", rule{Type: "certificate_subject", Operator: "not_equals", Value: "CN=x"}},
		{"cert_valid", rule{Type: "certificate_valid", Operator: "equals", Value: true}},
	} {
		got, err := parseRule(tt.in)
		if err != nil {
			t.Errorf("parseRule(%q): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("parseRule(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestParseRuleRefuses(t *testing.T) {
	for _, in := range []string{
		"", "status_code", "status_code=", "status_code=99", "status_code=600", "status_code=200,", "status_code=2xx",
		"status_code=+200", "status_code<500", "status_code =200", "status_code= 200", "status_code!200", "status_code!",
		"response_time=500", "response_time<", "response_time<0", "response_time<-1", "response_time<1e3", "response_time<NaN",
		"response_time<0x1p4", "response_time<.", "response_time<5parsecs", "response_time<-5s",
		"size<1.5", "size<0", "size<99999999999999999999", "size~5",
		"body=", "body=x", "body~", "body!~", "body<5", "body/x~y",
		"header:", "header:=x", "header:X Foo", "header:X-Foo~", "header:Ä",
		"color=red", "=200", "body~\xff", "body~" + strings.Repeat("x", maxRuleText+1),
		"status_code=200" + strings.Repeat(",200", rules.MaxNumbers),
	} {
		if got, err := parseRule(in); err == nil {
			t.Errorf("parseRule(%q) = %+v, want an error", in, got)
		}
	}
}

// FuzzParseRule: whatever parses can be written again as a rule that means the same,
// also after a journey through JSON.
func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{
		"status_code=200", "status_code!=500,503", "response_time<0.25", "response_time>1h", "size<1000", "body~x", "body/i!~x",
		"header:X", "header:X=", "header:X~ y", "body!~!~", "response_time<1ns", "header:a~=b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, err := parseRule(in)
		if err != nil {
			return
		}
		if problems := first.evaluable().Validate(); len(problems) > 0 {
			t.Fatalf("%q gives a rule that probers would refuse: %v", in, problems)
		}
		again, err := parseRule(first.String())
		if err != nil {
			t.Fatalf("parseRule(%q) gave %+v, written %q: %v", in, first, first.String(), err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("%q, written %q (-first +again):\n%s", in, first.String(), diff)
		}
		doc, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		var back rule
		if err := json.Unmarshal(doc, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, back); diff != "" {
			t.Fatalf("%q by way of %s (-first +back):\n%s", in, doc, diff)
		}
	})
}

func TestParseRules(t *testing.T) {
	if _, err := parseRules([]string{"response_time<5"}, "tcp", false); err != nil {
		t.Errorf("response_time for tcp: %v", err)
	}
	for _, tt := range []struct {
		rule, kind string
		handshake  bool
		fine       bool
	}{
		{"status_code=200", "tcp", false, false}, {"status_code=200", "tcp", true, false}, {"status_code=200", "tls", true, false},
		{"cert_days>1", "tcp", false, false}, {"cert_days>1", "tcp", true, true}, {"cert_days>1", "tls", true, true}, {"cert_days>1", "http", true, true}, {"cert_days>40000", "http", true, false},
		{"cel:tls_version=='1.3'", "tls", true, true}, {"cel:true", "tcp", false, false}, {"response_time<5", "tls", true, true},
		{"json:$.a[", "http", true, false}, {"json:a", "http", true, true}, {"cel:nothing()", "http", true, false}, {"body/re~(", "http", true, false},
		{"http_version=3", "http", true, false}, {"json:$.a<x", "http", true, false}, {"cert_issuer<5", "http", true, false},
	} {
		if _, err := parseRules([]string{tt.rule}, tt.kind, tt.handshake); (err == nil) != tt.fine {
			t.Errorf("%s for %s: %v", tt.rule, tt.kind, err)
		}
	}
	if _, err := parseRules(make([]string, maxRules+1), "http", true); err == nil {
		t.Errorf("%d rules were accepted", maxRules+1)
	}
}
