package rules

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/prober/nettest"
)

const store = `{"store": {"book": [
	{"category": "reference", "title": "Sayings", "price": 8.95},
	{"category": "fiction", "title": "Sword", "price": 12.99},
	{"category": "fiction", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
	{"category": "fiction", "title": "Rings", "isbn": "0-395-19395-8", "price": 22.99}],
	"bicycle": {"color": "red", "price": 399}}, "ok": true, "none": null, "big": 9007199254740991, "a-b": "dash"}`

func rich() Facts {
	now := time.Now()
	f := facts()
	f.Body, f.Now = []byte(store), now
	f.Size = int64(len(f.Body))
	f.HTTPVersion, f.TLSVersion = "HTTP/2.0", "1.3"
	f.TTFB = nettest.Span{Duration: 80 * ms, Valid: true}
	f.Certificate = &nettest.Certificate{
		Subject: "CN=example.com", Issuer: "CN=R3,O=Let's Encrypt,C=US", Names: []string{"example.com", "*.example.com"},
		NotAfter: now.Add(20*day + time.Hour), ChainExpiresAt: now.Add(10*day + time.Hour), Valid: true,
	}
	return f
}

func TestEvaluateExpressions(t *testing.T) {
	n := func(v ...float64) []float64 { return v }
	path := func(path string, op Operator, text string) Rule {
		return Rule{Type: JSONPath, Path: path, Operator: op, Text: text}
	}
	count := func(path string, op Operator, v float64) Rule {
		return Rule{Type: JSONPath, Path: path, Operator: op, Numbers: n(v)}
	}
	cel := func(text string) Rule { return Rule{Type: CEL, Text: text} }
	for _, tt := range []struct {
		rule Rule
		want string // how the failure's sentence goes on after the rule; empty when it holds
	}{
		{Rule{Type: BodyMatches, Text: `"title":\s*"Moby`, CaseSensitive: true}, ""},
		{Rule{Type: BodyMatches, Text: `moby`, CaseSensitive: true}, "it is not there"},
		{Rule{Type: BodyMatches, Text: `moby`}, ""},
		{Rule{Type: BodyNotMatches, Text: `error|fatal`}, ""},
		{Rule{Type: BodyNotMatches, Text: `S.ord`, CaseSensitive: true}, "it is there"},
		{Rule{Type: HeaderValue, Header: "Content-Type", Operator: Matches, Text: "^text/"}, ""},
		{Rule{Type: HeaderValue, Header: "Content-Type", Operator: Matches, Text: "^html/"}, `got "text/plain; charset=utf-8"`},
		{Rule{Type: HTTPVersion, Operator: Equals, Text: "2"}, ""},
		{Rule{Type: HTTPVersion, Operator: NotEquals, Text: "2"}, "got 2"},
		{Rule{Type: HTTPVersion, Operator: Equals, Text: "1.1"}, "got 2"},
		{Rule{Type: TTFB, Operator: LessThan, Numbers: n(81)}, ""},
		{Rule{Type: TTFB, Operator: LessThan, Numbers: n(80)}, "got 80"},
		{Rule{Type: CertificateDays, Operator: GreaterThan, Numbers: n(9)}, ""},
		{Rule{Type: CertificateDays, Operator: GreaterThan, Numbers: n(14)}, "got 10"}, // one above the leaf expires first
		{Rule{Type: CertificateIssuer, Operator: Contains, Text: "Let's Encrypt"}, ""},
		{Rule{Type: CertificateIssuer, Operator: Equals, Text: "Let's Encrypt"}, `got "CN=R3,O=Let's Encrypt,C=US"`},
		{Rule{Type: CertificateSubject, Operator: Equals, Text: "*.example.com"}, ""},
		{Rule{Type: CertificateSubject, Operator: NotEquals, Text: "example.com"}, `got "CN=example.com" for example.com, *.example.com`},
		{Rule{Type: CertificateSubject, Operator: NotContains, Text: "example.org"}, ""},
		{Rule{Type: CertificateValid, Operator: Equals, Text: "true"}, ""},
		{Rule{Type: CertificateValid, Operator: Equals, Text: "false"}, "it is valid"},

		{path("$.store.bicycle.color", Equals, "red"), ""},
		{path("store.bicycle.color", Equals, "red"), ""},
		{path("$.store.bicycle.color", Equals, "blue"), `got "red"`},
		{path("$.store.bicycle.color", NotEquals, "blue"), ""},
		{path("$.store.bicycle.color", Contains, "re"), ""},
		{path("$.store.bicycle.color", NotContains, "re"), `got "red"`},
		{path("$.store.bicycle.color", Matches, "^r.d$"), ""},
		{path("$.ok", Equals, "true"), ""}, {path("$.ok", NotEquals, "true"), "got true"}, {path("$.none", Equals, "null"), ""},
		{count("$.store.bicycle.price", Equals, 399), ""}, {count("$.store.bicycle.price", NotEquals, 399), "got 399"},
		{count("$.store.bicycle.price", GreaterThan, 398.5), ""}, {count("$.store.bicycle.price", LessThan, 399), "got 399"},
		{count("$.store.bicycle.color", LessThan, 1), `got "red"`},
		{path("$.none", Exists, ""), ""}, {path("$.gone", Exists, ""), "the path finds nothing"}, {path("$.gone", NotExists, ""), ""},
		{path("$.ok", NotExists, ""), "got true"}, {path("$.gone", NotEquals, "x"), "the path finds nothing"},
		{path("$.store.book[0].title", Equals, "Sayings"), ""}, {path("$.store.book[-1].title", Equals, "Rings"), ""},
		{path("$.store.book[9].title", Exists, ""), "the path finds nothing"},
		{path("$.store.book[*].title", Equals, "Sword"), ""}, {path("$.store.book[*].title", NotEquals, "Sword"), `got "Sayings" and 3 more`},
		{path("$.store.book[1:3].title", Equals, "Rings"), `got "Sword" and 1 more`}, {path("$.store.book[::-1].title", Equals, "Sayings"), ""},
		{path("$.store.book[0,3].title", Equals, "Rings"), ""}, {path("$..price", Exists, ""), ""},
		{count("$..price", GreaterThan, 400), "got 399 and 4 more"}, {path("$..book[2].title", Equals, "Moby Dick"), ""},
		{path("$.store.*.color", Equals, "red"), ""}, {path("$['a-b']", Equals, "dash"), ""},
		{path("$.store.book[?(@.isbn)].title", Equals, "Sword"), `got "Moby Dick" and 1 more`},
		{path("$.store.book[?(@.price < 10)].title", Equals, "Moby Dick"), ""},
		{path("$.store.book[?(@.price < 10 && @.category == 'fiction')].title", NotEquals, "Sayings"), ""},
		{path("$.store.book[?(@.category == 'poetry')]", NotExists, ""), ""},

		{cel("status_code == 200"), ""}, {cel("status_code == 500"), "it is false"},
		{cel("response_time_ms < 500 && ttfb_ms < 100"), ""}, {cel("headers['content-type'].startsWith('text/')"), ""},
		{cel("headers['set-cookie'] == 'a=1, b=2'"), ""}, {cel("'x-gone' in headers"), "it is false"},
		{cel("headers['x-gone'] == ''"), "no such key: x-gone"},
		{cel("json.store.book.size() == 4 && json.store.book.all(b, b.price < 100)"), ""},
		{cel("json.store.bicycle.price == 399 && json.big > 9000"), ""}, {cel("json.ok"), ""}, {cel("json.store"), "it is map instead of true or false"},
		{cel("has(json.store) && !has(json.gone)"), ""}, {cel("json.gone == 1"), "no such key: gone"}, {cel("json.none == null"), ""},
		{cel("body.contains('Moby') && body.matches('\"ok\": *true')"), ""}, {cel(fmt.Sprintf("size == %d", len(store))), ""},
		{cel("http_version == '2' && tls_version == '1.3'"), ""}, {cel("certificate.days_left > 9 && certificate.valid"), ""},
		{cel("certificate.issuer.contains('Encrypt') && '*.example.com' in certificate.names"), ""},
		{cel("body.matches('[0-9]{3}')"), ""}, {cel("body.matches(http_version + '{100}')"), "a regular expression 102 steps long, at most are 100"},
		{cel("1 / (status_code - 200) == 1"), "division by zero"},
	} {
		t.Run(tt.rule.String(), func(t *testing.T) {
			if p := tt.rule.Validate(); len(p) > 0 {
				t.Fatalf("the rule is refused: %v", p)
			}
			want := tt.want
			if want != "" {
				want = tt.rule.String() + ": " + want
			}
			if got := strings.Join(Evaluate([]Rule{tt.rule}, rich()), "; "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// Of what there is not, nothing holds, whatever is asked.
func TestExpressionsWithoutFacts(t *testing.T) {
	for rule, want := range map[*Rule]string{
		{Type: JSONPath, Path: "$.a", Operator: NotExists}:                            "there is no body",
		{Type: TTFB, Operator: LessThan, Numbers: []float64{5}}:                       "it could not be told",
		{Type: HTTPVersion, Operator: NotEquals, Text: "2"}:                           "there is no response",
		{Type: CertificateDays, Operator: LessThan, Numbers: []float64{5}}:            "there is no certificate",
		{Type: CertificateIssuer, Operator: NotEquals, Text: "a"}:                     "there is no certificate",
		{Type: CertificateValid, Operator: Equals, Text: "false"}:                     "there is no certificate",
		{Type: CEL, Text: "certificate.days_left > 5"}:                                "no such key: days_left",
		{Type: CEL, Text: "json.a == 1"}:                                              "there is no body",
		{Type: JSONPath, Path: "$.a", Operator: Equals, Text: "x", Header: "ignored"}: "there is no body",
	} {
		if got := Evaluate([]Rule{*rule}, Facts{}); !cmp.Equal(got, []string{rule.String() + ": " + want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for body, want := range map[string]string{
		"<html>": "the body is not JSON: invalid character '<' looking for beginning of value",
		`{"a":1`: "the body is not JSON: unexpected end of JSON input",
		" \n":    "there is no body",
	} {
		for _, rule := range []Rule{{Type: JSONPath, Path: "$.a", Operator: NotExists}, {Type: CEL, Text: "!has(json.a)"}} {
			if got := Evaluate([]Rule{rule}, Facts{Body: []byte(body)}); !cmp.Equal(got, []string{rule.String() + ": " + want}) {
				t.Errorf("%q: got %q", body, got)
			}
		}
	}
	rule := Rule{Type: JSONPath, Path: "$.a", Operator: Exists}
	if got := Evaluate([]Rule{rule}, Facts{Body: []byte(`{"a":1}`), BodyTruncated: true, Size: 9}); !cmp.Equal(got,
		[]string{"json_path $.a exists: the body is too long to be read as JSON: 7 bytes were kept of 9"}) {
		t.Errorf("got %q", got)
	}
}

func TestExpressionsRefused(t *testing.T) {
	path := func(p string) Rule { return Rule{Type: JSONPath, Path: p, Operator: Exists} }
	for _, tt := range []struct {
		rule Rule
		path string
	}{
		{path(""), "path"}, {path("$."), "path"}, {path("$[?(@.a =~ /x/)]"), "path"}, {path("$[?(length(@.a) > 1)]"), "path"},
		{path("$[?(match(@.a, 'x'))]"), "path"}, {path("$[?(@.a == $.b)]"), "path"}, {path("$[?(@..a == 1)]"), "path"}, {path("$[?(@.* == 1)]"), "path"},
		{path("$[?(@.a[?(@.b == 1)] == 1)]"), "path"}, {path("$[?(@.a[?(@.b == 1)])]"), "path"}, {path("$[(@.length-1)]"), "path"},
		{path("$" + strings.Repeat(".a", 600)), "path"},
		{Rule{Type: JSONPath, Path: "$.a", Operator: Exists, Text: "x"}, "value"}, {Rule{Type: JSONPath, Path: "$.a", Operator: LessThan, Text: "x"}, "value"},
		{Rule{Type: JSONPath, Path: "$.a", Operator: Contains}, "value"}, {Rule{Type: JSONPath, Path: "$.a", Operator: Matches, Text: "("}, "value"},
		{Rule{Type: JSONPath, Path: "$.a", Operator: Equals, Numbers: []float64{1, 2}}, "value"}, {Rule{Type: JSONPath, Path: "$.a", Operator: In}, "operator"},
		{Rule{Type: BodyMatches}, "value"}, {Rule{Type: BodyMatches, Text: "["}, "value"}, {Rule{Type: BodyMatches, Text: "(?=a)"}, "value"},
		{Rule{Type: BodyMatches, Text: strings.Repeat("a", MaxPatternBytes+1)}, "value"}, {Rule{Type: BodyNotMatches, Text: "((a{100}){100}){10}"}, "value"},
		{Rule{Type: BodyMatches, Text: "a", Operator: Equals}, "operator"},
		{Rule{Type: CEL}, "value"}, {Rule{Type: CEL, Text: "status_code"}, "value"}, {Rule{Type: CEL, Text: "status_code =="}, "value"},
		{Rule{Type: CEL, Text: "unknown == 1"}, "value"}, {Rule{Type: CEL, Text: "status_code == 'a'"}, "value"},
		{Rule{Type: CEL, Text: strings.Repeat("!", MaxExpressionBytes) + "true"}, "value"}, {Rule{Type: CEL, Text: strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000)}, "value"},
		{Rule{Type: HTTPVersion, Operator: Equals, Text: "3"}, "value"}, {Rule{Type: HTTPVersion, Text: "2"}, "operator"},
		{Rule{Type: TTFB, Operator: LessThan, Numbers: []float64{-1}}, "value"}, {Rule{Type: CertificateDays, Operator: LessThan, Numbers: []float64{1.5}}, "value"},
		{Rule{Type: CertificateDays, Operator: LessThan, Numbers: []float64{-1}}, "value"}, {Rule{Type: CertificateDays, Operator: LessThan, Numbers: []float64{36_501}}, "value"},
		{Rule{Type: CertificateIssuer, Operator: Equals}, "value"}, {Rule{Type: CertificateSubject, Operator: Matches, Text: "a"}, "operator"},
		{Rule{Type: CertificateValid, Operator: Equals, Text: "yes"}, "value"},
	} {
		problems := tt.rule.Validate()
		if len(problems) != 1 || problems[0].Path != tt.path || len(problems[0].Message) > 500 {
			t.Errorf("%.80s: %+v, want one in %s", tt.rule, problems, tt.path)
		}
	}
}

// What a target sends makes no evaluation long, large or fail.
func TestHostileBodies(t *testing.T) {
	deep := strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19)
	wide := "[" + strings.Repeat("1,", 1<<19-2) + "1]"
	nested := strings.Repeat(`{"a":[`, 49) + "1" + strings.Repeat("]}", 49)
	flat := "[" + strings.Repeat("[[1,2]],", 30_000) + "1]"
	objects := "[" + strings.Repeat(`{"a":{"b":1}},`, 20_000) + `{"a":{"b":1}}]`
	long := strings.Repeat("a", 1<<20)
	for _, tt := range []struct {
		rule Rule
		body string
		want string
	}{
		{Rule{Type: JSONPath, Path: "$..a", Operator: Exists}, deep, "the body nests deeper than 100 levels of JSON"},
		{Rule{Type: JSONPath, Path: "$..a", Operator: Exists}, wide, "the body has more than 200000 values of JSON"},
		{Rule{Type: JSONPath, Path: "$" + strings.Repeat("..*", 30), Operator: NotExists}, nested, "the path takes more than 1000000 steps"},
		{Rule{Type: JSONPath, Path: "$..*..*..*..x", Operator: NotExists}, flat, ""},
		{Rule{Type: JSONPath, Path: "$..*" + strings.Repeat("[0,0,0,0]", 20), Operator: NotExists}, nested, ""},
		{Rule{Type: JSONPath, Path: "$" + strings.Repeat(".a[0,0,0,0,-1]", 40) + ".x", Operator: NotExists}, nested, "the path takes more than 1000000 steps"},
		{Rule{Type: JSONPath, Path: "$..[?(@.a == 1 && @.b == 2 || @.c == 3)].x", Operator: NotExists}, flat, ""},
		{Rule{Type: JSONPath, Path: "$[?(@.a == @.a)]", Operator: NotExists}, objects, ""}, // the library panics at this
		{Rule{Type: CEL, Text: "json.size() == 0"}, deep, "the body nests deeper than 100 levels of JSON"},
		{Rule{Type: CEL, Text: "json.all(a, json.all(b, json.all(c, a == b && b == c || true)))"}, flat, "it takes longer than 1s"},
		{Rule{Type: CEL, Text: "size(" + strings.Repeat("body+", 200) + "body) < 0"}, long, "operation cancelled: actual cost limit exceeded"},
		{Rule{Type: CEL, Text: "[body,body,body].map(a, [body,body,body].map(b, [body,body].map(c, a+b+c))).size() == 1"}, long, "operation cancelled: actual cost limit exceeded"},
		{Rule{Type: CEL, Text: "body.matches('(a*)*(a|b)*(x+x+)+y')"}, long, "it is false"},
		{Rule{Type: BodyMatches, Text: "(a*)*(a|b)*(x+x+)+y"}, long, "it is not there"},
		{Rule{Type: BodyMatches, Text: "((a|b){9}|(a|c){9}|(a|d){9}){30}x"}, long, "it is not in the first"},
		{Rule{Type: BodyContains, Text: "AAAB"}, long, "it is not there"},
	} {
		t.Run(fmt.Sprintf("%.60s", tt.rule), func(t *testing.T) {
			s, problems := Compile(HTTP, []Rule{tt.rule}, nil)
			if len(problems) > 0 {
				t.Fatalf("refused: %v", problems)
			}
			r := answered()
			r.Body, r.ResponseSize = []byte(tt.body), int64(len(tt.body))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			got := strings.Join(s.Expect()(r), "; ")
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			if tt.want == "" && got != "" && !strings.Contains(got, "steps") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			// The bound is on work, not on time; this only tells seconds from minutes.
			if took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<20 {
				t.Errorf("%d MiB were allocated", allocated>>20)
			}
			t.Logf("%v, %d KiB", took, (after.TotalAlloc-before.TotalAlloc)>>10)
		})
	}
}

func TestCharsets(t *testing.T) {
	for _, tt := range []struct {
		contentType string
		body        string
		text        string
	}{
		{"text/plain", "gr\u00fcn", "grün"}, {"text/plain; charset=UTF-8", "\xef\xbb\xbfgr\u00fcn", "grün"}, {"text/plain; charset=\"utf-8\"", "gr\u00fcn", "grün"},
		{"text/plain; charset=iso-8859-1", "gr\xfcn", "grün"}, {"text/html; charset=windows-1252", "\x80", "€"}, {"text/plain;charset=shift_jis", "\x83\x5c", "ソ"},
		{"text/plain; charset=utf-16le", "g\x00\xfc\x00", "gü"}, {"text/plain; charset=utf-16be", "\xfe\xff\x00g\x00\xfc", "gü"},
		{"text/plain; charset=klingon", "gr\u00fcn", "grün"}, {"text/plain; charset", "gr\u00fcn", "grün"}, {"application/json; charset=latin1; x=y", `"gr` + "\xfc" + `n"`, `"grün"`},
		{"text/plain; charset=" + strings.Repeat("x", 5000), "a", "a"},
	} {
		f := Facts{StatusCode: 200, Headers: []nettest.HeaderField{{Name: "content-TYPE", Value: tt.contentType}}, Body: []byte(tt.body)}
		ev := evaluation{facts: f}
		if got := string(ev.text()); got != tt.text {
			t.Errorf("%.60s: %q, want %q", tt.contentType, got, tt.text)
		}
		if !utf8.ValidString(tt.text) {
			t.Fatal("the test is wrong")
		}
		rule := Rule{Type: BodyContains, Text: tt.text, CaseSensitive: true}
		if got := Evaluate([]Rule{rule}, f); len(got) > 0 {
			t.Errorf("%.60s: %q", tt.contentType, got)
		}
	}
	// An encoding may need several bytes at the end of which too few were kept.
	f := Facts{Headers: []nettest.HeaderField{{Name: "Content-Type", Value: "text/plain; charset=utf-16le"}}, Body: []byte("g\x00\xfc"), BodyTruncated: true, Size: 4}
	ev := evaluation{facts: f}
	if got := string(ev.text()); !strings.HasPrefix(got, "g") {
		t.Errorf("%q", got)
	}
}

// What was not looked at is said.
func TestTruncatedBodyWarns(t *testing.T) {
	s, problems := Compile(HTTP, nil, []Assertion{{Type: "body", Operator: "notContains", Value: "error"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r := answered()
	r.BodyTruncated, r.ResponseSize = true, 5000
	if v := s.Judge(r, nil); !v.Passed || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "28 of 5000") {
		t.Errorf("%+v", v)
	}
	s, problems = Compile(HTTP, []Rule{{Type: BodyNotMatches, Text: "((a|b){9}|(a|c){9}|(a|d){9}){30}x"}}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r = answered()
	r.Body = []byte(strings.Repeat("a", 1<<20))
	if v := s.Judge(r, nil); !v.Passed || len(v.Warnings) != 1 {
		t.Errorf("%+v", v)
	}
}
