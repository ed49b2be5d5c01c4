package rules

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
)

const ms = time.Millisecond

// answered is a response that every assertion of http can be held against.
func answered() *nettest.TestResult {
	valid := func(d time.Duration) nettest.Span { return nettest.Span{Duration: d, Valid: true} }
	return &nettest.TestResult{
		Protocol: "http", Status: nettest.StatusSuccess, StatusCode: 200, HTTPVersion: "HTTP/2.0", TLSVersion: "1.3", Latency: 150 * ms,
		Phases: nettest.Phases{DNS: valid(10 * ms), Connect: valid(20 * ms), TLS: valid(30 * ms), TTFB: valid(40 * ms), Transfer: valid(50 * ms), Total: 150 * ms},
		Headers: []nettest.HeaderField{
			{Name: "Content-Type", Value: "application/json"}, {Name: "X-Two", Value: "first"}, {Name: "x-two", Value: "second"},
		},
		Body: []byte(`{"status":"fine","load":0.5}`), ResponseSize: 28,
	}
}

// secured is a handshake whose certificate lasts 40 days.
func secured(now time.Time) *nettest.TestResult {
	end := now.Add(40*day + time.Hour)
	return &nettest.TestResult{
		Protocol: "tls", Status: nettest.StatusSuccess, TLSVersion: "1.3", CertExpiresAt: end, Latency: 60 * ms,
		Phases: nettest.Phases{Connect: nettest.Span{Duration: 20 * ms, Valid: true}, TLS: nettest.Span{Duration: 40 * ms, Valid: true}, Total: 60 * ms},
		Certificates: []nettest.Certificate{{
			Subject: "CN=example.com", Issuer: "CN=R3,O=Let's Encrypt,C=US", Names: []string{"example.com", "www.example.com"},
			NotAfter: end, Valid: true, Trusted: true, NameMatches: true,
		}},
	}
}

// connected is a port that is open; it has spoken TLS too.
func connected() *nettest.TestResult {
	return &nettest.TestResult{
		Protocol: "tcp", Status: nettest.StatusSuccess, Latency: 30 * ms, TLSVersion: "1.3",
		Phases: nettest.Phases{
			DNS: nettest.Span{Duration: 10 * ms, Valid: true}, Connect: nettest.Span{Duration: 20 * ms, Valid: true},
			TLS: nettest.Span{Duration: 70 * ms, Valid: true}, Total: 100 * ms,
		},
	}
}

type assertionCase struct {
	operator string
	value    any
	holds    bool
}

// numeric are the cases of a number or time by whether the value is below, at or
// above what is found.
func numeric(below, at, above any) []assertionCase {
	holds := map[string][3]bool{
		"equals": {false, true, false}, "notEquals": {true, false, true}, "greaterThan": {true, false, false}, "lessThan": {false, false, true},
		"greaterThanOrEqual": {true, true, false}, "greaterThanOrEquals": {true, true, false},
		"lessThanOrEqual": {false, true, true}, "lessThanOrEquals": {false, true, true},
	}
	var out []assertionCase
	for _, op := range slices.Sorted(maps.Keys(holds)) {
		for i, v := range []any{below, at, above} {
			out = append(out, assertionCase{op, v, holds[op][i]})
		}
	}
	return out
}

// boolean are the cases of what is so.
var boolean = []assertionCase{
	{"is", true, true}, {"is", false, false}, {"isNot", true, false}, {"isNot", false, true},
	{"equals", true, true}, {"equals", false, false}, {"notEquals", true, false}, {"notEquals", false, true},
}

// textual are the cases of a text that is whole, has part, matches pattern, and has
// nothing of what is alien.
func textual(whole, part, pattern string) []assertionCase {
	return []assertionCase{
		{"equals", whole, true}, {"equals", part, false}, {"notEquals", whole, false}, {"notEquals", part, true},
		{"contains", part, true}, {"contains", "alien", false}, {"notContains", part, false}, {"notContains", "alien", true},
		{"matches", pattern, true}, {"matches", "^alien$", false},
		{"containsAny", []string{"alien", part}, true}, {"containsAny", []string{"alien", "stranger"}, false}, {"containsAny", part, true},
		{"containsAll", []string{part, part[:1]}, true}, {"containsAll", []string{part, "alien"}, false}, {"containsAll", "alien", false},
	}
}

// Every assertion with every operator, holding and not.
func TestAssertions(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		kind   Kind
		typ    string
		name   string
		result *nettest.TestResult
		cases  []assertionCase
	}{
		{TCP, "reachable", "", connected(), boolean},
		{TCP, "sslHandshake", "", connected(), boolean},
		{TCP, "latency", "", connected(), numeric("29ms", "30ms", "31ms")},
		{HTTP, "statusCode", "", answered(), numeric(199.0, 200.0, 201.0)},
		{HTTP, "duration", "", answered(), numeric("149ms", "150ms", "151ms")},
		{HTTP, "ttfb", "", answered(), numeric("99ms", "100ms", "1s")},
		{HTTP, "size", "", answered(), numeric(27.0, 28.0, 29.0)},
		{HTTP, "body", "", answered(), textual(`{"status":"fine","load":0.5}`, "fine", `"status":"f.ne"`)},
		{HTTP, "header", "X-TWO", answered(), textual("second", "secon", "^se.*d$")},
		{HTTP, "header", "", answered(), textual("x-two", "x-tw", "(?i)^X-T")},
		{TLS, "expirationTime", "", secured(now), []assertionCase{
			{"greaterThan", "30d", true}, {"greaterThan", "40d", true}, {"greaterThan", "41d", false}, {"greaterThan", "1mo", true}, {"greaterThan", "1y", false},
			{"lessThan", "6w", true}, {"lessThan", "5w", false}, {"lessThan", "2mo", true},
			{"equals", "40d", true}, {"equals", "41d", false}, {"notEquals", "40d", false}, {"notEquals", "41d", true},
			{"greaterThanOrEqual", "40d", true}, {"greaterThanOrEqual", "41d", false}, {"lessThanOrEqual", "41d", true}, {"lessThanOrEqual", "40d", false},
		}},
		{TLS, "certificateIssuer", "", secured(now), textual("CN=R3,O=Let's Encrypt,C=US", "Let's Encrypt", "^CN=R[0-9]+,")},
		{TLS, "certificateSubject", "", secured(now), textual("www.example.com", "www.", `^www\.`)},
		{TLS, "valid", "", secured(now), boolean},
	} {
		seen := map[string]map[bool]bool{}
		for _, c := range tt.cases {
			a := Assertion{Type: tt.typ, Operator: c.operator, Name: tt.name, Value: c.value}
			t.Run(a.String(), func(t *testing.T) {
				s, problems := Compile(tt.kind, nil, []Assertion{a})
				if len(problems) > 0 {
					t.Fatalf("refused: %v", problems)
				}
				v := s.Judge(tt.result, nil)
				o := v.Outcomes[0]
				if v.Passed != c.holds || o.Passed != c.holds || o.Actual == nil {
					t.Errorf("passed %v, want %v: %+v", v.Passed, c.holds, o)
				}
				if c.holds != (len(v.Problems) == 0) || c.holds != (o.Problem == "") || c.holds != (len(s.Expect()(tt.result)) == 0) {
					t.Errorf("problems %q, of the outcome %q", v.Problems, o.Problem)
				}
				if len(v.Problems) > 0 && !strings.HasPrefix(v.Problems[0], a.String()+": ") {
					t.Errorf("the problem %q does not begin with the assertion", v.Problems[0])
				}
				if !cmp.Equal(o.Assertion, a) {
					t.Errorf("told as %+v, written %+v", o.Assertion, a)
				}
			})
			if seen[c.operator] == nil {
				seen[c.operator] = map[bool]bool{}
			}
			seen[c.operator][c.holds] = true
		}
		for op := range operatorsOf[assertionTypes[tt.kind][tt.typ].kind] {
			if tt.typ == "expirationTime" && strings.HasSuffix(op, "OrEquals") {
				continue // the other spelling, seen with the other times
			}
			if len(seen[op]) != 2 {
				t.Errorf("%s %s was seen with %d of 2 outcomes", tt.typ, op, len(seen[op]))
			}
		}
	}
}

// What is found is told in the vocabulary of the assertion.
func TestActual(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		kind    Kind
		a       Assertion
		r       *nettest.TestResult
		actual  any
		problem string
	}{
		{TCP, Assertion{Type: "latency", Operator: "lessThan", Value: "5ms"}, connected(), "30ms", "latency lessThan 5ms: got 30ms"},
		{TCP, Assertion{Type: "reachable", Operator: "is", Value: false}, connected(), true, "reachable is false: it is reachable"},
		{HTTP, Assertion{Type: "statusCode", Operator: "equals", Value: 404.0}, answered(), 200.0, "statusCode equals 404: got 200"},
		{HTTP, Assertion{Type: "header", Name: "X-Two", Operator: "equals", Value: "third"}, answered(), []string{"first", "second"},
			`header X-Two equals "third": got "first" and 1 more`},
		{HTTP, Assertion{Type: "header", Name: "X-Gone", Operator: "equals", Value: "a"}, answered(), []string{}, `header X-Gone equals "a": there is no such header`},
		{HTTP, Assertion{Type: "header", Name: "X-Two", Operator: "notContains", Value: "cond"}, answered(), []string{"first", "second"},
			`header X-Two notContains "cond": got "second"`},
		{HTTP, Assertion{Type: "header", Operator: "equals", Value: "Location"}, answered(), []string{"Content-Type", "X-Two", "x-two"},
			`header equals "Location": there is no such header`},
		{HTTP, Assertion{Type: "body", Operator: "contains", Value: "down"}, answered(), `{"status":"fine","load":0.5}`, `body contains "down": it is not there`},
		{TLS, Assertion{Type: "expirationTime", Operator: "greaterThan", Value: "60d"}, secured(now), "40d", "expirationTime greaterThan 60d: got 40d"},
		{TLS, Assertion{Type: "valid", Operator: "isNot", Value: true}, secured(now), true, "valid isNot true: it is valid"},
	} {
		s, problems := Compile(tt.kind, nil, []Assertion{tt.a})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		v := s.Judge(tt.r, nil)
		if !cmp.Equal(v.Outcomes[0].Actual, tt.actual) || !cmp.Equal(v.Problems, []string{tt.problem}) {
			t.Errorf("actual %#v, problems %q; want %#v, %q", v.Outcomes[0].Actual, v.Problems, tt.actual, tt.problem)
		}
	}
	// A header that is not there has nothing of what is denied.
	s, _ := Compile(HTTP, nil, []Assertion{{Type: "header", Name: "Server", Operator: "notContains", Value: "Apache"}})
	if v := s.Judge(answered(), nil); !v.Passed {
		t.Errorf("%+v", v)
	}
}

// To be equal is a matter of whole units, the other comparisons are exact.
func TestTimesAreEqualInTheirUnit(t *testing.T) {
	for _, tt := range []struct {
		latency  time.Duration
		operator string
		value    string
		holds    bool
	}{
		{99*ms + 500*time.Microsecond, "equals", "100ms", true}, {100*ms + 499_999, "equals", "100ms", true},
		{100*ms + 500_000, "equals", "100ms", false}, {100 * ms, "equals", "0s", true}, {600 * ms, "equals", "1s", true},
		{100*ms + 1, "notEquals", "100000000ns", true}, {100*ms - 1, "lessThan", "100ms", true}, {100 * ms, "lessThan", "100ms", false},
		{100*ms + 1, "greaterThan", "100ms", true}, {100*ms + 1, "lessThanOrEqual", "100ms", false}, {100 * ms, "lessThanOrEqual", "100ms", true},
	} {
		r := connected()
		r.Phases.DNS, r.Phases.Connect.Duration = nettest.Span{}, tt.latency
		s, problems := Compile(TCP, nil, []Assertion{{Type: "latency", Operator: tt.operator, Value: tt.value}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if v := s.Judge(r, nil); v.Passed != tt.holds {
			t.Errorf("%v %s %s: %v", tt.latency, tt.operator, tt.value, v.Passed)
		}
	}
}

func TestSpans(t *testing.T) {
	for in, want := range map[string]span{
		"0ns": {0, 1, 0}, "100ms": {100, ms, 0}, "2s": {2, time.Second, 0}, "3m": {3, time.Minute, 0}, "4h": {4, time.Hour, 0},
		"30d": {30, day, 0}, "2w": {14, day, 0}, "3mo": {0, day, 3}, "99y": {0, day, 1188}, "36500d": {36500, day, 0}, "007s": {7, time.Second, 0},
	} {
		if got, err := parseSpan(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "100", "ms", "1us", "1.5s", "1h30m", "-1s", "+1s", " 1s", "1s ", "1S", "1 s", "36501d", "100y", "1200mo", "99999999999999999999s", "١s"} {
		if got, err := parseSpan(in); err == nil {
			t.Errorf("%q is read as %+v", in, got)
		}
	}
}

func TestMonthsByTheCalendar(t *testing.T) {
	at := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 13, 14, 15, 16, time.UTC) }
	for _, tt := range []struct {
		from   time.Time
		months int
		want   time.Time
	}{
		{at(2026, 1, 31), 1, at(2026, 2, 28)}, {at(2028, 1, 31), 1, at(2028, 2, 29)}, {at(2026, 12, 15), 1, at(2027, 1, 15)},
		{at(2028, 2, 29), 12, at(2029, 2, 28)}, {at(2026, 10, 31), 13, at(2027, 11, 30)}, {at(2026, 3, 31), 0, at(2026, 3, 31)},
	} {
		if got := addMonths(tt.from, tt.months); !got.Equal(tt.want) {
			t.Errorf("%v and %d months: %v, want %v", tt.from, tt.months, got, tt.want)
		}
	}
	// From the last of January on, a month is 28 days.
	now := at(2026, 1, 31)
	c, problems := Assertion{Type: "expirationTime", Operator: "greaterThan", Value: "1mo"}.compile(TLS)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for left, want := range map[time.Duration]bool{28 * day: false, 28*day + 1: true} {
		ev := evaluation{facts: Facts{Now: now, Certificate: &nettest.Certificate{NotAfter: now.Add(left)}}}
		if problem, _ := c.breach(&ev); (problem == "") != want {
			t.Errorf("%v left: %q", left, problem)
		}
	}
}
