package prober

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/rules"
)

// rulesOf reads the rules of a spec. The monitors service has checked them; what does
// not hold here was made by another version of it.
func rulesOf(spec *checkv1.CheckSpec) ([]rules.Rule, error) {
	list := make([]rules.Rule, 0, len(spec.GetValidationRules()))
	for i, v := range spec.GetValidationRules() {
		r := rules.Rule{
			Type:   rules.Type(strings.ToLower(strings.TrimPrefix(v.GetType().String(), "RULE_TYPE_"))),
			Header: v.GetHeader(), CaseSensitive: v.CaseSensitive == nil || v.GetCaseSensitive(),
		}
		if op := v.GetOperator(); op != checkv1.RuleOperator_RULE_OPERATOR_UNSPECIFIED {
			r.Operator = rules.Operator(strings.ToLower(strings.TrimPrefix(op.String(), "RULE_OPERATOR_")))
		}
		switch value := v.GetValue().GetKind().(type) {
		case *structpb.Value_NumberValue:
			r.Numbers = []float64{value.NumberValue}
		case *structpb.Value_StringValue:
			r.Text = value.StringValue
		case *structpb.Value_ListValue:
			for _, n := range value.ListValue.GetValues() {
				r.Numbers = append(r.Numbers, n.GetNumberValue())
			}
		}
		if p := r.Validate(); len(p) > 0 {
			return nil, fmt.Errorf("rule %d: %s %s", i, p[0].Path, p[0].Message)
		}
		list = append(list, r)
	}
	return list, nil
}
