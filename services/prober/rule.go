package prober

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/rules"
)

var kinds = map[checkv1.MonitorType]rules.Kind{
	checkv1.MonitorType_MONITOR_TYPE_TCP:  rules.TCP,
	checkv1.MonitorType_MONITOR_TYPE_HTTP: rules.HTTP,
	checkv1.MonitorType_MONITOR_TYPE_TLS:  rules.TLS,
}

// conditionsOf reads the rules and assertions of a spec. The monitors service has
// checked them; what does not hold here was made by another version of it.
func conditionsOf(spec *checkv1.CheckSpec) (*rules.Set, error) {
	list := make([]rules.Rule, 0, len(spec.GetValidationRules()))
	for _, v := range spec.GetValidationRules() {
		list = append(list, ruleOf(v))
	}
	assertions := make([]rules.Assertion, 0, len(spec.GetAssertions()))
	for _, a := range spec.GetAssertions() {
		assertions = append(assertions, rules.Assertion{
			Type: a.GetType(), Operator: a.GetOperator(), Name: a.GetName(), Value: plainValue(a.GetValue()),
		})
	}
	set, problems := rules.Compile(kinds[spec.GetMonitorType()], list, assertions)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s %s", problems[0].Path, problems[0].Message)
	}
	return set, nil
}

func ruleOf(v *checkv1.ValidationRule) rules.Rule {
	r := rules.Rule{
		Type:   rules.Type(strings.ToLower(strings.TrimPrefix(v.GetType().String(), "RULE_TYPE_"))),
		Header: v.GetHeader(), Path: v.GetPath(), CaseSensitive: v.CaseSensitive == nil || v.GetCaseSensitive(),
	}
	if op := v.GetOperator(); op != checkv1.RuleOperator_RULE_OPERATOR_UNSPECIFIED {
		r.Operator = rules.Operator(strings.ToLower(strings.TrimPrefix(op.String(), "RULE_OPERATOR_")))
	}
	switch value := v.GetValue().GetKind().(type) {
	case *structpb.Value_NumberValue:
		r.Numbers = []float64{value.NumberValue}
	case *structpb.Value_StringValue:
		r.Text = value.StringValue
	case *structpb.Value_BoolValue:
		r.Text = strconv.FormatBool(value.BoolValue)
	case *structpb.Value_ListValue:
		for _, n := range value.ListValue.GetValues() {
			r.Numbers = append(r.Numbers, n.GetNumberValue())
		}
	}
	return r
}

// plainValue is a value of the contract in the conditions' world; nil for one that
// has no place there.
func plainValue(v *structpb.Value) any {
	switch value := v.GetKind().(type) {
	case *structpb.Value_NumberValue:
		return value.NumberValue
	case *structpb.Value_StringValue:
		return value.StringValue
	case *structpb.Value_BoolValue:
		return value.BoolValue
	case *structpb.Value_ListValue:
		list := make([]string, 0, len(value.ListValue.GetValues()))
		for _, e := range value.ListValue.GetValues() {
			s, ok := e.GetKind().(*structpb.Value_StringValue)
			if !ok {
				return nil
			}
			list = append(list, s.StringValue)
		}
		return list
	}
	return nil
}
