package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// What an error of the exchange means depends on what is asserted.
func TestJudgeBrokenExchange(t *testing.T) {
	broken := func(phase nettest.Phase, typ nettest.ErrorType) *nettest.TestResult {
		r := &nettest.TestResult{Protocol: "tcp", Status: typ.Status(), FailedPhase: phase, ErrorType: typ, Error: "It broke", Latency: 5 * ms}
		if phase == nettest.PhaseTLS {
			r.Phases.Connect = nettest.Span{Duration: 5 * ms, Valid: true}
		}
		if phase == nettest.PhaseConnect { // begun, but not ended
			r.Phases.Connect = nettest.Span{Duration: 5 * ms, Valid: true}
		}
		return r
	}
	refused := broken(nettest.PhaseConnect, nettest.ErrConnectionRefused)
	slow := broken(nettest.PhaseConnect, nettest.ErrConnectionTimeout)
	far := broken(nettest.PhaseConnect, nettest.ErrHostUnreachable)
	nameless := broken(nettest.PhaseDNS, nettest.ErrDNSNXDomain)
	offline := broken(nettest.PhaseConnect, nettest.ErrObserverOffline)
	noTLS := broken(nettest.PhaseTLS, nettest.ErrTLS)
	expired := broken(nettest.PhaseTLS, nettest.ErrCertificateExpired)
	closed := Assertion{Type: "reachable", Operator: "is", Value: false}
	open := Assertion{Type: "reachable", Operator: "is", Value: true}
	quick := Assertion{Type: "latency", Operator: "lessThan", Value: "100ms"}
	quickest := Assertion{Type: "latency", Operator: "lessThan", Value: "1ms"}
	bare := Assertion{Type: "sslHandshake", Operator: "isNot", Value: true}
	secure := Assertion{Type: "sslHandshake", Operator: "is", Value: true}
	for _, tt := range []struct {
		name    string
		r       *nettest.TestResult
		list    []Assertion
		want    string // passes, stands, or fails for the conditions alone
		warns   bool
		untold  int // outcomes with nothing found
		problem int
	}{
		{"refused as wanted", refused, []Assertion{closed}, "passes", false, 0, 0},
		{"silent as wanted", slow, []Assertion{closed}, "passes", false, 0, 0},
		{"unreachable as wanted", far, []Assertion{closed}, "passes", false, 0, 0},
		{"no name as wanted", nameless, []Assertion{closed}, "passes", true, 0, 0},
		{"refused", refused, []Assertion{open}, "stands", false, 0, 1},
		{"refused, with all asserted", refused, []Assertion{open, quick, secure}, "stands", false, 2, 1},
		{"closed and quick cannot be", refused, []Assertion{closed, quick}, "stands", false, 1, 0},
		{"our own fault", offline, []Assertion{closed}, "stands", false, 1, 0},
		{"no TLS as wanted", noTLS, []Assertion{bare}, "passes", false, 0, 0},
		{"no TLS as wanted, but open and quick", noTLS, []Assertion{bare, open, quick}, "passes", false, 0, 0},
		{"no TLS as wanted, but slow", noTLS, []Assertion{bare, quickest}, "fails", false, 0, 1},
		{"no TLS", noTLS, []Assertion{secure, quick}, "stands", false, 0, 1},
		{"no TLS that nobody asked about", noTLS, []Assertion{open}, "stands", false, 0, 0},
		{"open though it should not be", noTLS, []Assertion{closed}, "stands", false, 0, 1},
		{"expired is no handshake", expired, []Assertion{bare}, "passes", false, 0, 0},
		{"no connection says nothing about TLS", refused, []Assertion{bare}, "stands", false, 1, 0},
		{"no assertions", refused, nil, "stands", false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, problems := Compile(TCP, nil, tt.list)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			v := s.Judge(tt.r, &nettest.CheckError{Type: tt.r.ErrorType})
			got := map[[2]bool]string{{true, false}: "passes", {false, true}: "stands", {false, false}: "fails"}[[2]bool{v.Passed, v.Stands}]
			untold := 0
			for _, o := range v.Outcomes {
				if o.Actual == nil {
					untold++
				}
				if o.Actual == nil && o.Passed || o.Passed != (o.Problem == "") {
					t.Errorf("%+v", o)
				}
			}
			if got != tt.want || (len(v.Warnings) > 0) != tt.warns || untold != tt.untold || len(v.Problems) != tt.problem || len(v.Outcomes) != len(tt.list) {
				t.Errorf("%s, want %s: %+v", got, tt.want, v)
			}
		})
	}
	// A rule wants its answer, whatever else is asserted.
	s, _ := Compile(TCP, []Rule{{Type: ResponseTime, Operator: LessThan, Numbers: []float64{100}}}, []Assertion{closed})
	if v := s.Judge(refused, nettest.ErrConnectionRefused); v.Passed || !v.Stands {
		t.Errorf("%+v", v)
	}
}

// A certificate that was refused is known all the same.
func TestJudgeRefusedCertificate(t *testing.T) {
	now := time.Now()
	r := secured(now.Add(-50 * day))
	r.Status, r.FailedPhase, r.ErrorType = nettest.StatusFailure, nettest.PhaseTLS, nettest.ErrCertificateExpired
	r.Certificates[0].Valid, r.Certificates[0].Problems = false, []string{"it expired on a Friday"}
	invalid := Assertion{Type: "valid", Operator: "is", Value: false}
	long := Assertion{Type: "expirationTime", Operator: "greaterThan", Value: "30d"}
	ours := Assertion{Type: "certificateIssuer", Operator: "contains", Value: "Let's Encrypt"}
	valid := Assertion{Type: "valid", Operator: "is", Value: true}
	for _, tt := range []struct {
		list    []Assertion
		passed  bool
		stands  bool
		problem string
	}{
		{[]Assertion{invalid}, true, false, ""},
		{[]Assertion{invalid, ours}, true, false, ""},
		{[]Assertion{invalid, long}, false, false, "expirationTime greaterThan 30d: got -10d"},
		{[]Assertion{ours}, false, true, ""},
		{[]Assertion{valid}, false, true, "valid is true: it is not valid: it expired on a Friday"},
	} {
		s, problems := Compile(TLS, nil, tt.list)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		v := s.Judge(r, nettest.ErrCertificateExpired)
		if v.Passed != tt.passed || v.Stands != tt.stands || strings.Join(v.Problems, "; ") != tt.problem {
			t.Errorf("%v: %+v", tt.list, v)
		}
	}
}

func TestAssertionsRefused(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		a    Assertion
		path string
	}{
		{TCP, Assertion{Type: "statusCode", Operator: "equals", Value: 200.0}, "type"},
		{TCP, Assertion{Type: "Reachable", Operator: "is", Value: true}, "type"},
		{HTTP, Assertion{Type: "reachable", Operator: "is", Value: true}, "type"},
		{TLS, Assertion{Type: "latency", Operator: "lessThan", Value: "1s"}, "type"},
		{TCP, Assertion{Type: "reachable", Value: true}, "operator"},
		{TCP, Assertion{Type: "reachable", Operator: "contains", Value: true}, "operator"},
		{TCP, Assertion{Type: "latency", Operator: "matches", Value: "1s"}, "operator"},
		{HTTP, Assertion{Type: "body", Operator: "greaterThan", Value: "a"}, "operator"},
		{TCP, Assertion{Type: "reachable", Operator: "is", Value: "true"}, "value"},
		{TCP, Assertion{Type: "reachable", Operator: "is"}, "value"},
		{TCP, Assertion{Type: "latency", Operator: "lessThan", Value: 100.0}, "value"},
		{TCP, Assertion{Type: "latency", Operator: "lessThan", Value: "100"}, "value"},
		{HTTP, Assertion{Type: "statusCode", Operator: "equals", Value: 99.0}, "value"},
		{HTTP, Assertion{Type: "statusCode", Operator: "equals", Value: "200"}, "value"},
		{HTTP, Assertion{Type: "size", Operator: "lessThan", Value: 1.5}, "value"},
		{HTTP, Assertion{Type: "size", Operator: "lessThan", Value: -1.0}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "contains", Value: ""}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "contains", Value: []string{"a"}}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "containsAny", Value: []string{}}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "containsAll", Value: []string{"a", ""}}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "matches", Value: "("}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "matches", Value: "((a{100}){100}){10}"}, "value"},
		{HTTP, Assertion{Type: "body", Operator: "equals", Value: strings.Repeat("a", MaxTextBytes+1)}, "value"},
		{HTTP, Assertion{Type: "header", Name: "a b", Operator: "equals", Value: "a"}, "name"},
		{HTTP, Assertion{Type: "body", Name: "X", Operator: "equals", Value: "a"}, "name"},
	} {
		t.Run(fmt.Sprint(tt.kind, " ", tt.a), func(t *testing.T) {
			s, problems := Compile(tt.kind, nil, []Assertion{{Type: "nothing"}, tt.a})
			if s != nil || len(problems) != 2 || problems[1].Path != "assertions[1]."+tt.path || problems[1].Message == "" {
				t.Errorf("%+v", problems)
			}
		})
	}
	if _, problems := Compile(TCP, []Rule{{}}, nil); len(problems) != 1 || problems[0].Path != "rules[0].type" {
		t.Errorf("%+v", problems)
	}
	if _, problems := Compile(TCP, nil, make([]Assertion, MaxRules+1)); len(problems) != 1 || problems[0].Path != "assertions" {
		t.Errorf("%+v", problems)
	}
}

func TestNeeds(t *testing.T) {
	for _, tt := range []struct {
		kind                             Kind
		rules                            []Rule
		list                             []Assertion
		body, tls, redirect, onlyConnect bool
	}{
		{kind: TCP, onlyConnect: true},
		{kind: TCP, rules: []Rule{{Type: ResponseTime, Operator: LessThan, Numbers: []float64{5}}}, onlyConnect: true},
		{kind: TCP, list: []Assertion{{Type: "reachable", Operator: "is", Value: true}, {Type: "latency", Operator: "lessThan", Value: "1s"}}, onlyConnect: true},
		{kind: TCP, list: []Assertion{{Type: "sslHandshake", Operator: "is", Value: true}}, tls: true},
		{kind: TCP, rules: []Rule{{Type: CertificateDays, Operator: GreaterThan, Numbers: []float64{5}}}, tls: true},
		{kind: HTTP, list: []Assertion{{Type: "statusCode", Operator: "equals", Value: 301.0}}, redirect: true},
		{kind: HTTP, list: []Assertion{{Type: "statusCode", Operator: "notEquals", Value: 301.0}}},
		{kind: HTTP, list: []Assertion{{Type: "header", Name: "LOCATION", Operator: "contains", Value: "x"}}, redirect: true},
		{kind: HTTP, list: []Assertion{{Type: "body", Operator: "contains", Value: "x"}}, body: true},
		{kind: HTTP, rules: []Rule{{Type: JSONPath, Path: "$.a", Operator: Exists}}, body: true},
		{kind: HTTP, rules: []Rule{{Type: CEL, Text: "status_code == 200 && size > 5"}}},
		{kind: HTTP, rules: []Rule{{Type: CEL, Text: "has(json.a)"}}, body: true},
		{kind: HTTP, rules: []Rule{{Type: CEL, Text: "body.startsWith('a')"}}, body: true},
	} {
		s, problems := Compile(tt.kind, tt.rules, tt.list)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if s.NeedBody() != tt.body || s.NeedTLS() != tt.tls || s.NeedRedirect() != tt.redirect || s.OnlyConnecting() != tt.onlyConnect {
			t.Errorf("%+v %+v: body %v, tls %v, redirect %v, only connecting %v", tt.rules, tt.list, s.NeedBody(), s.NeedTLS(), s.NeedRedirect(), s.OnlyConnecting())
		}
		if (s.Expect() == nil) != (len(tt.rules)+len(tt.list) == 0) || s.Asserts() != (len(tt.list) > 0) {
			t.Errorf("%+v %+v: expects %v, asserts %v", tt.rules, tt.list, s.Expect() != nil, s.Asserts())
		}
	}
}

// What holds is told by Expect without a word.
func TestHoldingAssertionsCostNothing(t *testing.T) {
	s, problems := Compile(TCP, nil, []Assertion{
		{Type: "reachable", Operator: "is", Value: true}, {Type: "latency", Operator: "lessThan", Value: "1s"}, {Type: "sslHandshake", Operator: "is", Value: true},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	expect, r := s.Expect(), connected()
	if allocs := testing.AllocsPerRun(100, func() { expect(r) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
