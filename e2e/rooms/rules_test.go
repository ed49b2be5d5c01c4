package rooms_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	monitorsservice "github.com/frogstats/uptime/services/monitors"
	monitorsqlite "github.com/frogstats/uptime/services/monitors/sqlite"
	"github.com/frogstats/uptime/services/prober"
	"github.com/frogstats/uptime/services/prober/rules"
)

// gates are the two who look at a rule: the monitors service when somebody sends it, the prober when it is to be evaluated.
type gates struct {
	monitors monitorsv1.MonitorsServiceClient
	prober   proberv1.ProberServiceClient
	asked    int
}

func newGates(t *testing.T) *gates {
	t.Helper()
	policy, err := egress.ParsePolicy([]string{"private"})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p, err := prober.New(prober.Config{ProberID: "p", Region: "local"}, prober.Deps{Egress: policy, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	store, err := monitorsqlite.Open(t.Context(), filepath.Join(t.TempDir(), "monitors.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	access := rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access))
	conn := rpctest.Conn(t, "prober", p.Register, access, as("monitors"))
	m, err := monitorsservice.New(monitorsservice.Deps{Store: store, Log: log, Secrets: box, PageKey: box.Derive("monitors pages"), Prober: conn})
	if err != nil {
		t.Fatal(err)
	}
	return &gates{
		monitors: monitorsv1.NewMonitorsServiceClient(rpctest.Conn(t, "monitors", m.Register, access, rpctest.Log(log))),
		prober:   proberv1.NewProberServiceClient(conn),
	}
}

// nowhere is a target that answers at once: nobody listens there.
const nowhere = "http://127.0.0.1:1/"

// accepted asks the monitors service to test a monitor with the rule, which its prober then does. refusals say why the service
// will not have it; err is anything else.
func (g *gates) accepted(ctx context.Context, r *checkv1.ValidationRule) (refusals []fault.Field, err error) {
	g.asked++
	ctx = rpctest.AsUser(ctx, fmt.Sprintf("org-%d", g.asked), identity.RoleEditor) // each may ask only so often
	_, err = g.monitors.TestMonitor(ctx, &monitorsv1.TestMonitorRequest{Monitor: &monitorsv1.Monitor{
		MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_HTTP), HttpConfig: &checkv1.HttpConfig{Url: ptr(nowhere)},
		ValidationRules: []*checkv1.ValidationRule{r},
	}})
	if status.Code(err) == codes.InvalidArgument {
		return fault.FromStatus(status.Convert(err)).Fields, nil
	}
	return nil, err
}

// evaluated asks the prober alone; the error is why it cannot evaluate the rule.
func (g *gates) evaluated(ctx context.Context, r *checkv1.ValidationRule) error {
	_, err := g.prober.RunCheck(rpctest.AsService(ctx), &proberv1.RunCheckRequest{Spec: &checkv1.CheckSpec{
		MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, ValidationRules: []*checkv1.ValidationRule{r},
		HttpConfig: &checkv1.HttpConfig{Url: ptr(nowhere), Method: ptr("GET"), TimeoutMs: ptr(int32(10_000))},
	}})
	return err
}

func ptr[T any](v T) *T { return &v }

// ruleOf makes a rule as people send it; op, value, header and path may be absent.
func ruleOf(t checkv1.RuleType, op checkv1.RuleOperator, value *structpb.Value, header, path string) *checkv1.ValidationRule {
	r := &checkv1.ValidationRule{Type: t, Value: value}
	if op != 0 {
		r.Operator = &op
	}
	if header != "" {
		r.Header = &header
	}
	if path != "" {
		r.Path = &path
	}
	return r
}

// The expressions of both know the same names, of the same kinds.
func TestVariablesAreTheSame(t *testing.T) {
	if diff := cmp.Diff(monitorsservice.RuleVariables(), rules.Variables()); diff != "" {
		t.Errorf("of monitors (-) and of the prober (+):\n%s", diff)
	}
}

const (
	equals      = checkv1.RuleOperator_RULE_OPERATOR_EQUALS
	contains    = checkv1.RuleOperator_RULE_OPERATOR_CONTAINS
	matches     = checkv1.RuleOperator_RULE_OPERATOR_MATCHES
	exists      = checkv1.RuleOperator_RULE_OPERATOR_EXISTS
	lessThan    = checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN
	greaterThan = checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN

	bodyMatches  = checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_MATCHES
	bodyContains = checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS
	headerValue  = checkv1.RuleType_RULE_TYPE_HEADER_VALUE
	jsonPath     = checkv1.RuleType_RULE_TYPE_JSON_PATH
	cel          = checkv1.RuleType_RULE_TYPE_CEL
	httpVersion  = checkv1.RuleType_RULE_TYPE_HTTP_VERSION
	daysLeft     = checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT
	issuer       = checkv1.RuleType_RULE_TYPE_CERTIFICATE_ISSUER
	ttfb         = checkv1.RuleType_RULE_TYPE_TTFB
)

// Rules that both must take or both refuse, but for those of which people may send less than could be evaluated.
func TestRulesAreTakenByBothOrNeither(t *testing.T) {
	g := newGates(t)
	text, number := structpb.NewStringValue, structpb.NewNumberValue
	pattern := func(s string) *checkv1.ValidationRule { return ruleOf(bodyMatches, 0, text(s), "", "") }
	expression := func(s string) *checkv1.ValidationRule { return ruleOf(cel, 0, text(s), "", "") }
	path := func(s string) *checkv1.ValidationRule { return ruleOf(jsonPath, exists, nil, "", s) }
	find := func(op checkv1.RuleOperator, v *structpb.Value) *checkv1.ValidationRule {
		return ruleOf(jsonPath, op, v, "", "$.a")
	}
	version := func(s string) *checkv1.ValidationRule { return ruleOf(httpVersion, equals, text(s), "", "") }
	days := func(n float64) *checkv1.ValidationRule { return ruleOf(daysLeft, greaterThan, number(n), "", "") }
	contain := func(n int) *checkv1.ValidationRule {
		return ruleOf(bodyContains, 0, text(strings.Repeat("x", n)), "", "")
	}
	const (
		both        = "both"
		neither     = "neither"
		onlyProbers = "only the prober"
	)
	for _, tt := range []struct {
		name string
		rule *checkv1.ValidationRule
		want string
	}{
		{"pattern", pattern(`"ok":\s*true`), both},
		{"pattern with an open quotation", pattern(`\Qa.b`), both},
		{"pattern of 1024 bytes", pattern(strings.Repeat("a", 1024)), both},
		{"pattern of 1025 bytes", pattern(strings.Repeat("a", 1025)), neither},
		{"pattern of 9000 steps", pattern(strings.Repeat("a{1000}", 9)), both},
		{"pattern of 11000 steps", pattern(strings.Repeat("a{1000}", 11)), neither},
		{"pattern of another language", pattern("(?=a)"), neither},
		{"header that matches", ruleOf(headerValue, matches, text("^text/"), "Content-Type", ""), both},
		{"header that matches nothing readable", ruleOf(headerValue, matches, text("("), "Content-Type", ""), neither},
		{"header that matches 11000 steps", ruleOf(headerValue, matches, text(strings.Repeat("a{1000}", 11)), "A", ""), neither},
		{"header that is empty", ruleOf(headerValue, equals, text(""), "A", ""), both},
		{"header that contains nothing", ruleOf(headerValue, contains, text(""), "A", ""), neither},
		{"header of 256 bytes", ruleOf(headerValue, equals, text("a"), strings.Repeat("h", 256), ""), both},
		{"header of 257 bytes", ruleOf(headerValue, equals, text("a"), strings.Repeat("h", 257), ""), neither},

		{"expression", expression("status_code == 200 && headers['content-type'].startsWith('text/')"), both},
		{"expression that compares kinds of numbers", expression("response_time_ms < 500 && ttfb_ms <= 100"), both},
		{"expression of JSON", expression("json.items.all(i, i.price < 100)"), both},
		{"expression that may be true or false", expression("json.ok"), both},
		{"expression of a certificate", expression("certificate.days_left > 14 && tls_version == '1.3' && http_version != '2' && size > 0"), both},
		{"expression with a counted repetition", expression("body.matches('^[0-9]{3}$')"), both},
		{"expression with a long pattern", expression("body.matches('(a{10}){50}')"), neither},
		{"expression with a bad pattern", expression("body.matches('(')"), neither},
		{"expression of the unknown", expression("latency < 5.0"), neither},
		{"expression that is a number", expression("status_code"), neither},
		{"expression of another kind", expression("status_code == '200'"), neither},
		{"expression of 4096 bytes", expression(strings.Repeat(" ", 4092) + "true"), both},
		{"expression of 4097 bytes", expression(strings.Repeat(" ", 4093) + "true"), neither},
		{"expression nested deeply", expression(strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000)), neither},

		{"path", path("$.store.book[0].title"), both},
		{"path without a beginning", path("store.book"), both},
		{"path of everything", path("$..book[*]['a','b'][1:3:2]"), both},
		{"path with a filter", path("$[?(@.price < 10 && @.name == 'x')]"), both},
		{"path with a filter that only asks", path("$[?(@.isbn)]"), both},
		{"path with a function", path("$[?(length(@.a) > 1)]"), neither},
		{"path with a pattern", path("$[?(@.a =~ /x/)]"), neither},
		{"path with a script", path("$[(@.length-1)]"), neither},
		{"path with a filter of the whole document", path("$[?(@.a == $.b)]"), neither},
		{"path with a filter that searches", path("$[?(@..a == 1)]"), neither},
		{"path that ends early", path("$["), neither},
		{"path of 1025 bytes", path("$." + strings.Repeat("a", 1023)), neither},
		{"found number", find(lessThan, number(5)), both},
		{"found text that is to be less", find(lessThan, text("x")), neither},
		{"found truth", find(equals, structpb.NewBoolValue(true)), both},
		{"found nothing", find(equals, text("")), both},
		{"found not a number", find(equals, number(math.NaN())), neither},
		{"found infinity", find(equals, number(math.Inf(1))), neither},
		{"found infinity that is less", find(lessThan, number(math.Inf(-1))), neither},
		{"found by a bad pattern", find(matches, text("(")), neither},
		{"found with what contains nothing", find(contains, text("")), neither},
		{"found with a value", find(exists, text("x")), neither},

		{"HTTP 1.0", version("1.0"), both}, {"HTTP 1.1", version("1.1"), both}, {"HTTP 2", version("2"), both},
		{"HTTP 2.0", version("2.0"), neither}, {"HTTP 3", version("3"), neither}, {"HTTP of a number", ruleOf(httpVersion, equals, number(2), "", ""), neither},
		{"today", days(0), both}, {"a hundred years", days(36_500), both}, {"more", days(36_501), neither}, {"yesterday", days(-1), neither},
		{"half a day", days(0.5), neither}, {"no day", days(math.NaN()), neither}, {"for ever", days(math.Inf(1)), neither},
		{"time", ruleOf(ttfb, lessThan, number(0.5), "", ""), both}, {"time that is negative", ruleOf(ttfb, lessThan, number(-1), "", ""), neither},
		{"time that nothing is less than", ruleOf(ttfb, lessThan, number(0), "", ""), onlyProbers},
		{"time beyond exact numbers", ruleOf(ttfb, lessThan, number(1<<53), "", ""), onlyProbers},
		{"text of 8192 bytes", contain(8192), both}, {"text of 8193 bytes", contain(8193), onlyProbers}, {"text of 65537 bytes", contain(65537), neither},
		{"issuer of nothing", ruleOf(issuer, equals, text(""), "", ""), neither},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refusals, err := g.accepted(t.Context(), tt.rule)
			if err != nil {
				t.Errorf("a monitor can be saved with it that cannot be checked: %v", err)
			}
			for _, f := range refusals {
				if !strings.Contains(f.Name, "validation_rules[0].") || f.Message == "" || len(f.Message) > 500 {
					t.Errorf("refused for %s: %s", f.Name, f.Message)
				}
			}
			cannot := g.evaluated(t.Context(), tt.rule)
			if cannot != nil && status.Code(cannot) != codes.InvalidArgument {
				t.Errorf("the prober: %v", cannot)
			}
			got := map[[2]bool]string{{true, true}: both, {false, false}: neither, {false, true}: onlyProbers, {true, false}: "only monitors"}[[2]bool{len(refusals) == 0, cannot == nil}]
			if got != tt.want {
				t.Errorf("taken by %s, want %s; monitors: %v; prober: %v", got, tt.want, refusals, cannot)
			}
		})
	}
}

// ruleTypes and ruleOperators are those of the contract.
func ruleTypes() (out []checkv1.RuleType) {
	for n := range checkv1.RuleType_name {
		if n != 0 {
			out = append(out, checkv1.RuleType(n))
		}
	}
	slices.Sort(out)
	return out
}

func ruleOperators() (out []checkv1.RuleOperator) {
	for n := range checkv1.RuleOperator_name {
		out = append(out, checkv1.RuleOperator(n))
	}
	slices.Sort(out)
	return out
}

// fits gives a rule its header or path, if its type takes one.
func fits(r *checkv1.ValidationRule, header, path string) *checkv1.ValidationRule {
	switch r.GetType() {
	case checkv1.RuleType_RULE_TYPE_HEADER_EXISTS, headerValue:
		r.Header = &header
	case jsonPath:
		r.Path = &path
	}
	return r
}

// Each type takes the same operators on both sides: with some value, or with none.
func TestOperatorsAreTheSame(t *testing.T) {
	g := newGates(t)
	list, err := structpb.NewList([]any{200})
	if err != nil {
		t.Fatal(err)
	}
	values := []*structpb.Value{
		nil, structpb.NewNumberValue(200), structpb.NewListValue(list), structpb.NewStringValue("1.1"), structpb.NewStringValue("true"), structpb.NewBoolValue(true),
	}
	for _, typ := range ruleTypes() {
		taken := 0
		for _, op := range ruleOperators() {
			var byMonitors, byProber bool
			for _, v := range values {
				r := fits(ruleOf(typ, op, v, "", ""), "Etag", "$.a")
				refusals, err := g.accepted(t.Context(), r)
				if err != nil {
					t.Errorf("%v: %v", r, err)
				}
				byMonitors = byMonitors || len(refusals) == 0
				byProber = byProber || g.evaluated(t.Context(), r) == nil
			}
			if byMonitors != byProber {
				t.Errorf("%v with %v: taken by monitors %v, by the prober %v", typ, op, byMonitors, byProber)
			}
			if byMonitors {
				taken++
			}
		}
		if taken == 0 {
			t.Errorf("%v is taken with no operator", typ)
		}
	}
}

// Whatever rule monitors takes, the prober can evaluate.
func TestWhatMonitorsTakesTheProberEvaluates(t *testing.T) {
	g := newGates(t)
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"", "1.0", "1.1", "2", "true", "a+", "(", `\Qa`, "(?i)a|b", "a{1000}", "[[:alpha:]]{3}", "\\pL", "$", "@", "null"}),
		rapid.StringMatching(`(\$|@)?(\.[a-c]|\.\.[a-c]|\[(0|-1|\*|1:|::2|'a'|\?\(@(\.[a-c]|\.\.a)? ?(==|<|=~|in|has|&&|!|empty) ?(1|'x'|true|@\.b|\$\.b|/x/|\[1,2\])\))\]){0,4}`),
		rapid.StringMatching(`(\(|\[|a|b|\||\*|\+|\{1,9\}|\{1000\}|\)|\]|\\[1bdQE]|\(\?[i=!:P]|\^|\$){0,9}`),
		rapid.StringMatching(`(status_code|response_time_ms|ttfb_ms|size|body|json|json\.a|headers\['a'\]|certificate\.valid|tls_version|n) (==|<|!=|in|\+|\.matches) ?(200|1\.5|'a'|\('a\{3\}'\)|\('\('\)|body|json|headers|true)`),
		rapid.String(),
	)
	text := rapid.Map(word, func(s string) *structpb.Value { return structpb.NewStringValue(strings.ToValidUTF8(s, "")) })
	value := rapid.OneOf(
		text,
		rapid.Map(rapid.OneOf(rapid.Float64(), rapid.Map(rapid.IntRange(-1, 600), func(n int) float64 { return float64(n) }),
			rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), 36_500, 36_501, 1 << 53})), structpb.NewNumberValue),
		rapid.Map(rapid.Bool(), structpb.NewBoolValue), rapid.Just[*structpb.Value](nil), rapid.Just(structpb.NewNullValue()),
		rapid.Map(rapid.SliceOfN(rapid.IntRange(99, 600), 0, 3), func(list []int) *structpb.Value {
			out := &structpb.ListValue{}
			for _, n := range list {
				out.Values = append(out.Values, structpb.NewNumberValue(float64(n)))
			}
			return structpb.NewListValue(out)
		}),
	)
	expressions := []checkv1.RuleType{bodyMatches, checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_MATCHES, cel}
	drawn, taken := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		// Half of them are expressions, which are what can be read in two ways.
		typ, op := rapid.SampledFrom(ruleTypes()).Draw(rt, "type"), rapid.SampledFrom(ruleOperators()).Draw(rt, "operator")
		values := text
		switch rapid.IntRange(0, 5).Draw(rt, "shape") {
		case 0:
			typ, op = rapid.SampledFrom(expressions).Draw(rt, "expression"), 0
		case 1:
			typ, op = jsonPath, rapid.SampledFrom([]checkv1.RuleOperator{equals, matches, contains, exists}).Draw(rt, "comparison")
		case 2:
			typ, op = headerValue, matches
		default:
			values = value
		}
		v := values.Draw(rt, "value")
		if op == exists {
			v = nil
		}
		r := ruleOf(typ, op, v, "", "")
		drawn++
		fits(r, rapid.SampledFrom([]string{"Etag", "a b", ""}).Draw(rt, "header"), strings.ToValidUTF8(word.Draw(rt, "path"), ""))
		refusals, err := g.accepted(t.Context(), r)
		if err != nil {
			rt.Fatalf("%v: monitors takes it, and then: %v", r, err)
		}
		if len(refusals) > 0 {
			return
		}
		taken++
		if err := g.evaluated(t.Context(), r); err != nil {
			rt.Fatalf("%v: monitors takes it, the prober does not: %v", r, err)
		}
	})
	t.Logf("%d of %d were taken", taken, drawn)
}
