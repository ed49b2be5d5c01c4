package rules

import (
	"math/rand/v2"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// FuzzSet holds that no body and no expression makes an evaluation fail, and that
// what it tells is fit to be told.
func FuzzSet(f *testing.F) {
	f.Add(`$..a[?(@.b == 1)]`, `json.a == 1`, `a+`, []byte(`{"a":[{"b":1}]}`), "application/json; charset=utf-8")
	f.Add(`$[?(@.a == @.b)]`, `has(json.x) || body.matches("a")`, `(?i)x`, []byte(`[{"a":{},"b":{}}]`), "text/plain; charset=utf-16")
	f.Add(`$[::-1][0,'a'].*`, `json.all(a, a > 1)`, `.`, []byte(`[[[1,2]],[{}]]`), "text/html; charset=gbk")
	f.Add(`$.a[?(!@.b || @.c in ['x',1])]`, `json == null`, `^$`, []byte("null"), "")
	f.Fuzz(func(t *testing.T, path, expression, pattern string, body []byte, contentType string) {
		r := answered()
		r.Body, r.ResponseSize = body, int64(len(body))
		r.Headers[0].Value = contentType
		for _, rule := range []Rule{
			{Type: JSONPath, Path: path, Operator: Exists}, {Type: JSONPath, Path: path, Operator: Equals, Text: pattern},
			{Type: JSONPath, Path: path, Operator: LessThan, Numbers: []float64{1}}, {Type: CEL, Text: expression}, {Type: BodyMatches, Text: pattern},
		} {
			s, problems := Compile(HTTP, []Rule{rule}, nil)
			for _, p := range problems {
				if p.Path == "" || p.Message == "" || !utf8.ValidString(p.Message) || len(p.Message) > 1000 {
					t.Errorf("%+v", p)
				}
			}
			if s == nil {
				continue
			}
			v := s.Judge(r, nil)
			if (len(s.Expect()(r)) == 0) != v.Passed {
				t.Errorf("%s: Expect and Judge disagree", rule)
			}
			for _, text := range append(v.Problems, v.Warnings...) {
				if !utf8.ValidString(text) || len(text) > 4096 {
					t.Errorf("unfit text of %d bytes: %q", len(text), text)
				}
			}
		}
	})
}

// FuzzAssertion holds that an assertion is refused or judged, and that its denial
// says the opposite.
func FuzzAssertion(f *testing.F) {
	f.Add("http", "body", "contains", "", "x", 0.0, false, byte(1))
	f.Add("tcp", "latency", "lessThan", "", "100ms", 0.0, false, byte(1))
	f.Add("http", "header", "equals", "X-Two", "first", 0.0, false, byte(1))
	f.Add("tls", "valid", "is", "", "", 0.0, true, byte(0))
	f.Add("http", "statusCode", "equals", "", "", 200.0, true, byte(2))
	f.Add("tls", "expirationTime", "greaterThan", "", "1mo", 0.0, true, byte(3))
	f.Fuzz(func(t *testing.T, kind, typ, op, name, text string, number float64, truth bool, which byte) {
		a := Assertion{Type: typ, Operator: op, Name: name, Value: []any{truth, text, number, []string{text}}[which%4]}
		s, problems := Compile(Kind(kind), nil, []Assertion{a})
		if (s == nil) == (len(problems) == 0) {
			t.Fatalf("%+v", problems)
		}
		if s == nil {
			return
		}
		results := map[Kind]*nettest.TestResult{TCP: connected(), HTTP: answered(), TLS: secured(time.Now())}
		v := s.Judge(results[Kind(kind)], nil)
		opposite := map[string]string{"is": "isNot", "equals": "notEquals", "contains": "notContains"}[op]
		if opposite == "" {
			return
		}
		a.Operator = opposite
		s, problems = Compile(Kind(kind), nil, []Assertion{a})
		if len(problems) > 0 || s.Judge(results[Kind(kind)], nil).Passed == v.Passed {
			t.Errorf("%s and its opposite agree: %v", a, problems)
		}
	})
}

// A set is used by many checks at once.
func TestSetIsSafeForConcurrentUse(t *testing.T) {
	s, problems := Compile(HTTP, []Rule{
		{Type: JSONPath, Path: "$..book[?(@.price > 10)].title", Operator: Exists}, {Type: CEL, Text: "json.store.book.exists(b, b.price > n) || true"},
	}, nil)
	if len(problems) != 1 { // n is nothing
		t.Fatal(problems)
	}
	s, problems = Compile(HTTP, []Rule{
		{Type: JSONPath, Path: "$..book[?(@.price > 10)].title", Operator: Equals, Text: "Rings"},
		{Type: CEL, Text: "json.store.book.exists(b, b.price > 10.0)"}, {Type: BodyMatches, Text: "M.by"},
	}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	done := make(chan bool)
	for range 8 {
		go func() {
			ok := true
			for range 50 {
				r := answered()
				r.Body = []byte(store)
				broken := rand.IntN(2) == 0
				if broken {
					r.Body = []byte(`{"store":{"book":[]}}`)
				}
				ok = ok && (len(s.Expect()(r)) == 0) != broken
			}
			done <- ok
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("a check was judged by another's body")
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	r := answered()
	r.Body = []byte(store)
	for name, list := range map[string][]Rule{
		"status and time": {{Type: StatusCode, Operator: Equals, Numbers: []float64{200}}, {Type: ResponseTime, Operator: LessThan, Numbers: []float64{500}}},
		"json path":       {{Type: JSONPath, Path: "$.store.bicycle.color", Operator: Equals, Text: "red"}},
		"cel":             {{Type: CEL, Text: "status_code == 200 && response_time_ms < 500"}},
		"cel of json":     {{Type: CEL, Text: "json.store.book.all(b, b.price < 100)"}},
		"expression":      {{Type: BodyMatches, Text: `"color":\s*"red"`}},
	} {
		b.Run(name, func(b *testing.B) {
			s, problems := Compile(HTTP, list, nil)
			if len(problems) > 0 {
				b.Fatal(problems)
			}
			expect := s.Expect()
			b.ReportAllocs()
			for b.Loop() {
				if got := expect(r); len(got) > 0 {
					b.Fatal(got)
				}
			}
		})
	}
}
