package rules

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func facts() Facts {
	return Facts{
		StatusCode: 200, ResponseTime: 120 * time.Millisecond, Body: []byte("Everything is Fine"), Size: 18,
		Header: func(name string) (string, bool) {
			if strings.EqualFold(name, "Content-Type") {
				return "text/plain; charset=utf-8", true
			}
			return "", false
		},
	}
}

func TestEvaluate(t *testing.T) {
	n := func(v ...float64) []float64 { return v }
	tests := []struct {
		name string
		rule Rule
		want string // the failure's sentence; empty when the rule holds
	}{
		{"equals", Rule{Type: StatusCode, Operator: Equals, Numbers: n(200)}, ""},
		{"equals fails", Rule{Type: StatusCode, Operator: Equals, Numbers: n(503)}, "status_code equals 503: got 200"},
		{"not_equals", Rule{Type: StatusCode, Operator: NotEquals, Numbers: n(500)}, ""},
		{"not_equals fails", Rule{Type: StatusCode, Operator: NotEquals, Numbers: n(200)}, "status_code not_equals 200: got 200"},
		{"in", Rule{Type: StatusCode, Operator: In, Numbers: n(200, 204)}, ""},
		{"in fails", Rule{Type: StatusCode, Operator: In, Numbers: n(201, 204)}, "status_code in [201 204]: got 200"},
		{"not_in", Rule{Type: StatusCode, Operator: NotIn, Numbers: n(500, 502)}, ""},
		{"not_in fails", Rule{Type: StatusCode, Operator: NotIn, Numbers: n(200, 502)}, "status_code not_in [200 502]: got 200"},
		{"faster", Rule{Type: ResponseTime, Operator: LessThan, Numbers: n(121)}, ""},
		{"strictly faster", Rule{Type: ResponseTime, Operator: LessThan, Numbers: n(120)}, "response_time less_than 120: took 120.000 ms"},
		{"slower", Rule{Type: ResponseTime, Operator: GreaterThan, Numbers: n(100)}, ""},
		{"not slower", Rule{Type: ResponseTime, Operator: GreaterThan, Numbers: n(500)}, "response_time greater_than 500: took 120.000 ms"},
		{"contains", Rule{Type: BodyContains, Text: "is Fine", CaseSensitive: true}, ""},
		{"contains in another case", Rule{Type: BodyContains, Text: "is fine", CaseSensitive: true}, `response_body_contains "is fine": the body does not contain it`},
		{"contains whatever the case", Rule{Type: BodyContains, Text: "IS FINE"}, ""},
		{"not contains", Rule{Type: BodyNotContains, Text: "error"}, ""},
		{"not contains fails", Rule{Type: BodyNotContains, Text: "fine"}, `response_body_not_contains "fine": the body contains it`},
		{"header", Rule{Type: HeaderExists, Header: "content-type"}, ""},
		{"no header", Rule{Type: HeaderExists, Header: "X-Gone"}, "header_exists X-Gone: the response has no such header"},
		{"header equals", Rule{Type: HeaderValue, Header: "Content-Type", Operator: Equals, Text: "text/plain; charset=utf-8"}, ""},
		{"header contains", Rule{Type: HeaderValue, Header: "Content-Type", Operator: Contains, Text: "plain"}, ""},
		{"header differs", Rule{Type: HeaderValue, Header: "Content-Type", Operator: Equals, Text: "text/html"}, `header_value Content-Type equals "text/html": got "text/plain; charset=utf-8"`},
		{"header gone", Rule{Type: HeaderValue, Header: "X-Gone", Operator: Contains, Text: "a"}, `header_value X-Gone contains "a": the response has no such header`},
		{"smaller", Rule{Type: ResponseSize, Operator: LessThan, Numbers: n(19)}, ""},
		{"not bigger", Rule{Type: ResponseSize, Operator: GreaterThan, Numbers: n(18)}, "response_size greater_than 18: got 18 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if p := tt.rule.Validate(); len(p) > 0 {
				t.Fatalf("the rule is refused: %v", p)
			}
			got := strings.Join(Evaluate([]Rule{tt.rule}, facts()), "; ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	tests := []struct {
		name string
		rule Rule
		path string
	}{
		{"no type", Rule{}, "type"},
		{"operator of another type", Rule{Type: StatusCode, Operator: LessThan, Numbers: []float64{200}}, "operator"},
		{"no operator", Rule{Type: ResponseTime, Numbers: []float64{1}}, "operator"},
		{"operator where none is", Rule{Type: BodyContains, Operator: Equals, Text: "a"}, "operator"},
		{"status beyond 599", Rule{Type: StatusCode, Operator: Equals, Numbers: []float64{600}}, "value"},
		{"status with a fraction", Rule{Type: StatusCode, Operator: In, Numbers: []float64{200, 200.5}}, "value"},
		{"empty list", Rule{Type: StatusCode, Operator: In}, "value"},
		{"two where one is", Rule{Type: StatusCode, Operator: Equals, Numbers: []float64{200, 201}}, "value"},
		{"negative time", Rule{Type: ResponseTime, Operator: LessThan, Numbers: []float64{-1}}, "value"},
		{"empty text", Rule{Type: BodyContains}, "value"},
		{"no header", Rule{Type: HeaderExists}, "header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.rule.Validate()
			if !slices.ContainsFunc(got, func(p Problem) bool { return p.Path == tt.path }) {
				t.Errorf("problems %v, want one of %q", got, tt.path)
			}
		})
	}
}

func FuzzEvaluate(f *testing.F) {
	f.Add("status_code", "in", 200.0, "x", "Content-Type", true)
	f.Fuzz(func(t *testing.T, typ, op string, number float64, text, header string, sensitive bool) {
		r := Rule{Type: Type(typ), Operator: Operator(op), Numbers: []float64{number}, Text: text, Header: header, CaseSensitive: sensitive}
		valid := len(r.Validate()) == 0
		got := Evaluate([]Rule{r}, facts())
		if !valid && !slices.Contains([]Type{StatusCode, ResponseTime, BodyContains, BodyNotContains, HeaderExists, HeaderValue, ResponseSize}, r.Type) && len(got) != 1 {
			t.Errorf("an unknown rule held: %v", got)
		}
		for _, s := range got {
			if len(s) > 4096 {
				t.Errorf("a message of %d bytes", len(s))
			}
		}
	})
}
