package monitors

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/monitors/resource"
)

// translation makes a monitor of a resource, and notes what a monitor cannot have: nothing of a file is dropped in silence.
type translation struct {
	c     *resource.Check
	m     *monitorsv1.Monitor
	notes []*monitorsv1.ResourceNote
}

// monitorOfResource is what a resource says, as a new monitor. What the resource leaves open is left to a monitor's defaults, save
// for its timeout, whose defaults differ.
func monitorOfResource(c *resource.Check, knownRegion func(string) bool) (*monitorsv1.Monitor, []*monitorsv1.ResourceNote) {
	spec := c.Spec()
	t := &translation{c: c, m: &monitorsv1.Monitor{
		Name: proto.String(c.Name), MonitorType: spec.MonitorType.Enum(),
		HttpConfig: spec.GetHttpConfig(), TcpConfig: spec.GetTcpConfig(), TlsConfig: spec.GetTlsConfig(),
	}}
	if c.Title != "" {
		t.m.Name = proto.String(c.Title)
	}
	if c.Retries > 1 {
		t.m.Retries = spec.GetRetries()
	}
	t.schedule()
	t.labels()
	t.places(knownRegion)
	for i, a := range c.Assertions {
		t.assertion(fmt.Sprintf("spec.checks[%d]", i), a)
	}
	return t.m, t.notes
}

func (t *translation) note(path, format string, args ...any) {
	t.notes = append(t.notes, &monitorsv1.ResourceNote{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (t *translation) schedule() {
	if t.c.Cron != "" {
		t.m.Cron = proto.String(t.c.Cron)
		if t.c.Timezone != "" {
			t.m.Timezone = proto.String(t.c.Timezone)
		}
		return
	}
	d, fixed := t.c.Interval.Duration()
	switch {
	case !fixed || d > maxInterval.Duration():
		t.note("spec.interval", "%s is longer than the day that a monitor may wait; it is checked once a day", t.c.Interval)
		d = maxInterval.Duration()
	case d%time.Second != 0:
		t.note("spec.interval", "%s is rounded up to whole seconds", t.c.Interval)
		d = (d + time.Second - 1).Truncate(time.Second)
	}
	t.m.IntervalSeconds = proto.Int32(int32(d / time.Second))
}

func (t *translation) labels() {
	for key, value := range t.c.Labels {
		if !labelKey.MatchString(key) {
			t.note("metadata.labels", "%q cannot be the name of a monitor's label", key)
			continue
		}
		if t.m.Labels == nil {
			t.m.Labels = map[string]string{}
		}
		t.m.Labels[key] = value
	}
	slices.SortFunc(t.notes, func(a, b *monitorsv1.ResourceNote) int { return strings.Compare(a.GetMessage(), b.GetMessage()) })
}

func (t *translation) places(known func(string) bool) {
	for i, location := range t.c.Locations {
		if known(location) {
			t.m.Regions = append(t.m.Regions, location)
			continue
		}
		t.note(fmt.Sprintf("spec.locations[%d]", i), "there is no region %q", location)
	}
	if len(t.c.Channels) > 0 {
		t.note("spec.channels", "who is told is a matter of channels and alert rules")
	}
}

// The operators of resources that rules have too.
var ruleOperators = map[string]checkv1.RuleOperator{
	"is": checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "equals": checkv1.RuleOperator_RULE_OPERATOR_EQUALS,
	"isNot": checkv1.RuleOperator_RULE_OPERATOR_NOT_EQUALS, "notEquals": checkv1.RuleOperator_RULE_OPERATOR_NOT_EQUALS,
	"lessThan": checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, "greaterThan": checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN,
	"contains": checkv1.RuleOperator_RULE_OPERATOR_CONTAINS, "notContains": checkv1.RuleOperator_RULE_OPERATOR_NOT_CONTAINS,
	"matches": checkv1.RuleOperator_RULE_OPERATOR_MATCHES,
}

// assertion makes a rule of an assertion, or notes why there is none like it.
func (t *translation) assertion(path string, a resource.Assertion) {
	rule := &checkv1.ValidationRule{}
	if op, ok := ruleOperators[a.Operator]; ok {
		rule.Operator = op.Enum()
	}
	ok := false
	switch a.Type {
	case "reachable":
		if !affirms(a) {
			t.note(path, "a monitor cannot be well because its target is out of reach")
		}
		return // that it can be reached is what a monitor is about
	case "sslHandshake", "valid":
		if a.Type == "sslHandshake" && !affirms(a) {
			t.note(path, "a monitor cannot be well because a handshake fails")
			return
		}
		rule.Type, rule.Operator, rule.Value = checkv1.RuleType_RULE_TYPE_CERTIFICATE_VALID, checkv1.RuleOperator_RULE_OPERATOR_EQUALS.Enum(), structpb.NewBoolValue(affirms(a))
		ok = true
	case "latency", "duration":
		rule.Type, ok = checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, milliseconds(a, rule)
	case "ttfb":
		rule.Type, ok = checkv1.RuleType_RULE_TYPE_TTFB, milliseconds(a, rule)
	case "size":
		rule.Type, ok = checkv1.RuleType_RULE_TYPE_RESPONSE_SIZE, threshold(a, rule, numberOf(a))
	case "expirationTime":
		rule.Type, ok = checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT, t.days(path, a, rule)
	case "statusCode":
		rule.Type, rule.Value = checkv1.RuleType_RULE_TYPE_STATUS_CODE, structpb.NewNumberValue(numberOf(a))
		ok = a.Operator == "equals" || a.Operator == "notEquals"
	case "body":
		ok = bodyRule(a, rule)
	case "header":
		ok = headerRule(a, rule)
	case "certificateIssuer":
		rule.Type, ok = checkv1.RuleType_RULE_TYPE_CERTIFICATE_ISSUER, a.Operator != "matches"
		rule.Value = structpb.NewStringValue(textOf(a))
	case "certificateSubject":
		rule.Type, ok = checkv1.RuleType_RULE_TYPE_CERTIFICATE_SUBJECT, a.Operator != "matches"
		rule.Value = structpb.NewStringValue(textOf(a))
	}
	if !ok {
		t.note(path, "a monitor has no rule like %s %s", a.Type, a.Operator)
		return
	}
	t.m.ValidationRules = append(t.m.ValidationRules, rule)
}

// affirms reports whether an assertion about a truth wants it to be true.
func affirms(a resource.Assertion) bool {
	value, _ := a.Value.(bool)
	return value == (a.Operator == "is" || a.Operator == "equals")
}

func numberOf(a resource.Assertion) float64 {
	n, _ := a.Value.(int64)
	return float64(n)
}

func textOf(a resource.Assertion) string {
	text, _ := a.Value.(string)
	return text
}

// threshold makes a rule that compares whole numbers: at most 5 is less than 6, at least 5 is greater than 4.
func threshold(a resource.Assertion, rule *checkv1.ValidationRule, limit float64) bool {
	switch a.Operator {
	case "lessThanOrEquals":
		rule.Operator, limit = checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN.Enum(), math.Floor(limit)+1
	case "greaterThanOrEquals":
		rule.Operator, limit = checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN.Enum(), math.Ceil(limit)-1
	case "lessThan", "greaterThan":
	default:
		return false
	}
	rule.Value = structpb.NewNumberValue(limit)
	return limit >= 0
}

// milliseconds makes a rule about a time, which rules compare in milliseconds.
func milliseconds(a resource.Assertion, rule *checkv1.ValidationRule) bool {
	d, fixed := periodOf(a).Duration()
	if !fixed {
		return false
	}
	switch a.Operator { // times are no whole numbers: nothing lies between “less than” and “at most” that anybody could measure
	case "lessThanOrEquals":
		rule.Operator = checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN.Enum()
	case "greaterThanOrEquals":
		rule.Operator = checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN.Enum()
	case "lessThan", "greaterThan":
	default:
		return false
	}
	rule.Value = structpb.NewNumberValue(float64(d) / float64(time.Millisecond))
	return true
}

// days makes a rule about how long a certificate is valid, which rules compare in days.
func (t *translation) days(path string, a resource.Assertion, rule *checkv1.ValidationRule) bool {
	p := periodOf(a)
	d, fixed := p.Duration()
	if !fixed {
		d = time.Duration(p.Count) * map[string]time.Duration{"mo": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour}[p.Unit]
		t.note(path, "%s is counted as %d days", p, d/(24*time.Hour))
	}
	days := math.Ceil(d.Hours() / 24)
	if fixed && days != d.Hours()/24 {
		t.note(path, "%s is rounded up to %v days", p, days)
	}
	return threshold(a, rule, days)
}

func periodOf(a resource.Assertion) resource.Period {
	p, _ := resource.ParsePeriod(textOf(a))
	return p
}

func bodyRule(a resource.Assertion, rule *checkv1.ValidationRule) bool {
	kinds := map[string]checkv1.RuleType{
		"contains": checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS, "notContains": checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_CONTAINS,
		"matches": checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_MATCHES,
	}
	rule.Type, rule.Operator, rule.Value = kinds[a.Operator], nil, structpb.NewStringValue(textOf(a))
	return rule.Type != 0
}

// headerRule makes a rule about a header's value or, of an assertion that names none, about whether there is such a header.
func headerRule(a resource.Assertion, rule *checkv1.ValidationRule) bool {
	if a.Name == "" {
		rule.Type, rule.Operator, rule.Header = checkv1.RuleType_RULE_TYPE_HEADER_EXISTS, nil, proto.String(textOf(a))
		return a.Operator == "contains" && headerSyntaxProblem(textOf(a)) == ""
	}
	rule.Type, rule.Header, rule.Value = checkv1.RuleType_RULE_TYPE_HEADER_VALUE, proto.String(a.Name), structpb.NewStringValue(textOf(a))
	return a.Operator == "equals" || a.Operator == "contains" || a.Operator == "matches"
}
