package rules

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func facts() Facts {
	return Facts{
		StatusCode: 200, ResponseTime: 120500 * time.Microsecond, Body: []byte("Everything is Fine"), Size: 18,
		Headers: []nettest.HeaderField{
			{Name: "Content-Type", Value: "text/plain; charset=utf-8"}, {Name: "set-cookie", Value: "a=1"},
			{Name: "Set-Cookie", Value: "b=2"}, {Name: "X-Empty", Value: ""},
		},
	}
}

func TestEvaluate(t *testing.T) {
	n := func(v ...float64) []float64 { return v }
	for _, tt := range []struct {
		name string
		rule Rule
		want string // the failure's sentence; empty when the rule holds
	}{
		{"equals", Rule{Type: StatusCode, Operator: Equals, Numbers: n(200)}, ""},
		{"equals fails", Rule{Type: StatusCode, Operator: Equals, Numbers: n(503)}, "status_code equals 503: got 200"},
		{"not_equals", Rule{Type: StatusCode, Operator: NotEquals, Numbers: n(500)}, ""},
		{"not_equals fails", Rule{Type: StatusCode, Operator: NotEquals, Numbers: n(200)}, "status_code not_equals 200: got 200"},
		{"in", Rule{Type: StatusCode, Operator: In, Numbers: n(200, 204)}, ""},
		{"in fails", Rule{Type: StatusCode, Operator: In, Numbers: n(201, 204)}, "status_code in [201, 204]: got 200"},
		{"in one", Rule{Type: StatusCode, Operator: In, Numbers: n(201)}, "status_code in [201]: got 200"},
		{"not_in", Rule{Type: StatusCode, Operator: NotIn, Numbers: n(500, 502)}, ""},
		{"not_in fails", Rule{Type: StatusCode, Operator: NotIn, Numbers: n(200, 502)}, "status_code not_in [200, 502]: got 200"},
		{"faster", Rule{Type: ResponseTime, Operator: LessThan, Numbers: n(121)}, ""},
		{"strictly faster", Rule{Type: ResponseTime, Operator: LessThan, Numbers: n(120.5)}, "response_time less_than 120.5: got 120.5"},
		{"slower", Rule{Type: ResponseTime, Operator: GreaterThan, Numbers: n(100)}, ""},
		{"not slower", Rule{Type: ResponseTime, Operator: GreaterThan, Numbers: n(500)}, "response_time greater_than 500: got 120.5"},
		{"contains", Rule{Type: BodyContains, Text: "is Fine", CaseSensitive: true}, ""},
		{"contains in another case", Rule{Type: BodyContains, Text: "is fine", CaseSensitive: true}, `response_body_contains "is fine": it is not there`},
		{"contains whatever the case", Rule{Type: BodyContains, Text: "IS FINE"}, ""},
		{"not contains", Rule{Type: BodyNotContains, Text: "error"}, ""},
		{"not contains in that case", Rule{Type: BodyNotContains, Text: "fine", CaseSensitive: true}, ""},
		{"not contains fails", Rule{Type: BodyNotContains, Text: "fine"}, `response_body_not_contains "fine": it is there`},
		{"header", Rule{Type: HeaderExists, Header: "content-type"}, ""},
		{"empty header", Rule{Type: HeaderExists, Header: "x-empty"}, ""},
		{"no header", Rule{Type: HeaderExists, Header: "X-Gone"}, "header_exists X-Gone: there is no such header"},
		{"header equals", Rule{Type: HeaderValue, Header: "Content-Type", Operator: Equals, Text: "text/plain; charset=utf-8"}, ""},
		{"header contains", Rule{Type: HeaderValue, Header: "Content-Type", Operator: Contains, Text: "plain"}, ""},
		{"header empty", Rule{Type: HeaderValue, Header: "X-Empty", Operator: Equals}, ""},
		{"header differs", Rule{Type: HeaderValue, Header: "Content-Type", Operator: Equals, Text: "text/html"}, `header_value Content-Type equals "text/html": got "text/plain; charset=utf-8"`},
		{"header repeated", Rule{Type: HeaderValue, Header: "Set-Cookie", Operator: Equals, Text: "b=2"}, ""},
		{"header repeated and differs", Rule{Type: HeaderValue, Header: "Set-Cookie", Operator: Contains, Text: "c"}, `header_value Set-Cookie contains "c": got "a=1" and 1 more`},
		{"header gone", Rule{Type: HeaderValue, Header: "X-Gone", Operator: Contains, Text: "a"}, `header_value X-Gone contains "a": there is no such header`},
		{"smaller", Rule{Type: ResponseSize, Operator: LessThan, Numbers: n(19)}, ""},
		{"not smaller", Rule{Type: ResponseSize, Operator: LessThan, Numbers: n(18)}, "response_size less_than 18: got 18"},
		{"bigger", Rule{Type: ResponseSize, Operator: GreaterThan, Numbers: n(17)}, ""},
		{"not bigger", Rule{Type: ResponseSize, Operator: GreaterThan, Numbers: n(18)}, "response_size greater_than 18: got 18"},
	} {
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

func TestEvaluateWithoutFacts(t *testing.T) {
	// A TCP connection has no status code, and none is not "not 500".
	rule := Rule{Type: StatusCode, Operator: NotEquals, Numbers: []float64{500}}
	if got := Evaluate([]Rule{rule}, Facts{}); !cmp.Equal(got, []string{"status_code not_equals 500: there is no status code"}) {
		t.Errorf("got %q", got)
	}
	f := facts()
	f.BodyTruncated, f.Size = true, 5000
	rule = Rule{Type: BodyContains, Text: "nowhere"}
	if got := Evaluate([]Rule{rule}, f); !cmp.Equal(got, []string{`response_body_contains "nowhere": it is not in the first 18 of 5000 bytes`}) {
		t.Errorf("got %q", got)
	}
	if got := Evaluate(nil, Facts{}); got != nil {
		t.Errorf("no rules: got %q", got)
	}
}

func TestValidateRefuses(t *testing.T) {
	n := func(v ...float64) []float64 { return v }
	for _, tt := range []struct {
		name string
		rule Rule
		path string
	}{
		{"no type", Rule{}, "type"},
		{"unknown type", Rule{Type: "ping"}, "type"},
		{"operator of another type", Rule{Type: StatusCode, Operator: LessThan, Numbers: n(200)}, "operator"},
		{"no operator", Rule{Type: ResponseTime, Numbers: n(1)}, "operator"},
		{"operator where none is", Rule{Type: BodyContains, Operator: Equals, Text: "a"}, "operator"},
		{"header with an unknown operator", Rule{Type: HeaderValue, Header: "A", Operator: "resembles", Text: "a"}, "operator"},
		{"status below 100", Rule{Type: StatusCode, Operator: Equals, Numbers: n(99)}, "value"},
		{"status beyond 599", Rule{Type: StatusCode, Operator: Equals, Numbers: n(600)}, "value"},
		{"status with a fraction", Rule{Type: StatusCode, Operator: In, Numbers: n(200, 200.5)}, "value"},
		{"status that is no number", Rule{Type: StatusCode, Operator: In, Numbers: n(math.NaN())}, "value"},
		{"empty list", Rule{Type: StatusCode, Operator: In}, "value"},
		{"long list", Rule{Type: StatusCode, Operator: NotIn, Numbers: slices.Repeat(n(200), 501)}, "value"},
		{"two where one is", Rule{Type: StatusCode, Operator: Equals, Numbers: n(200, 201)}, "value"},
		{"none where one is", Rule{Type: StatusCode, Operator: NotEquals}, "value"},
		{"negative time", Rule{Type: ResponseTime, Operator: LessThan, Numbers: n(-1)}, "value"},
		{"endless time", Rule{Type: ResponseTime, Operator: LessThan, Numbers: n(math.Inf(1))}, "value"},
		{"no size", Rule{Type: ResponseSize, Operator: LessThan}, "value"},
		{"size that is no number", Rule{Type: ResponseSize, Operator: LessThan, Numbers: n(math.NaN())}, "value"},
		{"empty text", Rule{Type: BodyContains}, "value"},
		{"long text", Rule{Type: BodyNotContains, Text: strings.Repeat("x", MaxTextBytes+1)}, "value"},
		{"every header contains nothing", Rule{Type: HeaderValue, Header: "A", Operator: Contains}, "value"},
		{"no header", Rule{Type: HeaderExists}, "header"},
		{"no name of a header", Rule{Type: HeaderValue, Operator: Equals, Header: "a b", Text: "c"}, "header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var paths []string
			for _, p := range tt.rule.Validate() {
				paths = append(paths, p.Path)
			}
			if !cmp.Equal(paths, []string{tt.path}) {
				t.Errorf("problems in %q, want %q", paths, tt.path)
			}
		})
	}
	good := Rule{Type: HeaderExists, Header: "A"}
	if got := ValidateAll([]Rule{good, {Type: StatusCode, Operator: Equals}}); len(got) != 1 || got[0].Path != "[1].value" {
		t.Errorf("got %+v", got)
	}
	if got := ValidateAll(slices.Repeat([]Rule{good}, MaxRules+1)); len(got) != 1 || got[0].Path != "" {
		t.Errorf("got %+v", got)
	}
}

// TestWithHTTP joins rules and a check: a rule that does not hold is a failure
// of the target in the phase validation.
func TestWithHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "no such page")
	}))
	defer s.Close()
	check := func(list ...Rule) (*nettest.TestResult, error) {
		return (&nettest.HTTPTest{}).Execute(context.Background(), nettest.TestConfig{
			Address: s.URL, Timeout: 5 * time.Second, Config: nettest.HTTPConfig{Expect: Expect(list)},
		})
	}
	notFound := Rule{Type: StatusCode, Operator: In, Numbers: []float64{404}}
	if r, err := check(notFound, Rule{Type: BodyContains, Text: "NO SUCH"}); err != nil {
		t.Errorf("%v, %+v", err, r)
	}
	r, err := check(notFound, Rule{Type: BodyNotContains, Text: "page"}, Rule{Type: HeaderExists, Header: "X-Gone"})
	want := []string{`response_body_not_contains "page": it is there`, "header_exists X-Gone: there is no such header"}
	if !errors.Is(err, nettest.ErrValidationFailed) || r.Status != nettest.StatusFailure ||
		r.FailedPhase != nettest.PhaseValidation || !cmp.Equal(r.ValidationErrors, want) {
		t.Errorf("%v, %+v", err, r)
	}
	if r, err = check(); !errors.Is(err, nettest.ErrValidationFailed) || !cmp.Equal(r.ValidationErrors, []string{"status_code in 200-399: got 404"}) {
		t.Errorf("without rules: %v, %+v", err, r)
	}
	if NeedBody([]Rule{notFound}) || !NeedBody([]Rule{notFound, {Type: BodyNotContains, Text: "x"}}) {
		t.Error("only the two body rules need the body")
	}
}

func TestHoldingRulesCostNothing(t *testing.T) {
	list := []Rule{
		{Type: StatusCode, Operator: Equals, Numbers: []float64{200}},
		{Type: ResponseTime, Operator: LessThan, Numbers: []float64{1000}},
		{Type: HeaderValue, Header: "content-type", Operator: Contains, Text: "plain"},
	}
	f := facts()
	if allocs := testing.AllocsPerRun(100, func() { Evaluate(list, f) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzEvaluate holds that rules of any make do not fail, and that two rules that
// say the opposite never hold or fail together.
func FuzzEvaluate(f *testing.F) {
	f.Add("status_code", "in", 200.0, "x", "Content-Type", true, []byte("x"), 200, int64(1))
	f.Add("response_body_contains", "", 0.0, "\xff", "", false, []byte("\xffA"), 0, int64(-1))
	f.Add("header_value", "contains", math.Inf(1), "=", "set-cookie", true, []byte{}, 999, int64(math.MaxInt64))
	opposite := map[Operator]Operator{Equals: NotEquals, NotEquals: Equals, In: NotIn, NotIn: In}
	otherType := map[Type]Type{BodyContains: BodyNotContains, BodyNotContains: BodyContains}
	f.Fuzz(func(t *testing.T, typ, op string, number float64, text, header string, sensitive bool, body []byte, code int, size int64) {
		r := Rule{Type: Type(typ), Operator: Operator(op), Numbers: []float64{number}, Text: text, Header: header, CaseSensitive: sensitive}
		seen := facts()
		seen.Body, seen.StatusCode, seen.Size, seen.ResponseTime = body, code, size, time.Duration(size)
		got := Evaluate([]Rule{r}, seen)
		for _, s := range got {
			if len(s) > 4096 || !utf8.ValidString(s) {
				t.Errorf("unfit message of %d bytes: %q", len(s), s)
			}
		}
		if len(r.Validate()) > 0 || code == 0 {
			return
		}
		other := r
		if o, ok := opposite[r.Operator]; ok && r.Type == StatusCode {
			other.Operator = o
		} else if o, ok := otherType[r.Type]; ok {
			other.Type = o
		} else {
			return
		}
		if (len(got) == 0) == (len(Evaluate([]Rule{other}, seen)) == 0) {
			t.Errorf("%s and %s agree", r, other)
		}
	})
}
