package monitors

import (
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// The enums of the wire and the words of the domain. An enum that is unspecified has the word of its default, and one that
// is unknown has none, which validation then refuses.
var (
	typeNames = map[checkv1.MonitorType]Type{
		checkv1.MonitorType_MONITOR_TYPE_HTTP: TypeHTTP,
		checkv1.MonitorType_MONITOR_TYPE_TCP:  TypeTCP,
	}
	overlapNames = map[monitorsv1.Overlap]Overlap{
		monitorsv1.Overlap_OVERLAP_UNSPECIFIED: OverlapSkip,
		monitorsv1.Overlap_OVERLAP_SKIP:        OverlapSkip,
		monitorsv1.Overlap_OVERLAP_PARALLEL:    OverlapParallel,
	}
	ipVersionNames = map[checkv1.IpVersion]string{
		checkv1.IpVersion_IP_VERSION_UNSPECIFIED: defaultIPVersion,
		checkv1.IpVersion_IP_VERSION_ANY:         defaultIPVersion,
		checkv1.IpVersion_IP_VERSION_IPV4:        "ipv4",
		checkv1.IpVersion_IP_VERSION_IPV6:        "ipv6",
	}
	authNames = map[checkv1.AuthType]AuthType{
		checkv1.AuthType_AUTH_TYPE_UNSPECIFIED:   AuthNone,
		checkv1.AuthType_AUTH_TYPE_NONE:          AuthNone,
		checkv1.AuthType_AUTH_TYPE_BASIC:         AuthBasic,
		checkv1.AuthType_AUTH_TYPE_BEARER:        AuthBearer,
		checkv1.AuthType_AUTH_TYPE_API_KEY:       AuthAPIKey,
		checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER: AuthCustomHeader,
	}
	ruleTypeNames = map[checkv1.RuleType]RuleType{
		checkv1.RuleType_RULE_TYPE_STATUS_CODE:                RuleStatusCode,
		checkv1.RuleType_RULE_TYPE_RESPONSE_TIME:              RuleResponseTime,
		checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS:     RuleBodyContains,
		checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_CONTAINS: RuleBodyNotContains,
		checkv1.RuleType_RULE_TYPE_HEADER_EXISTS:              RuleHeaderExists,
		checkv1.RuleType_RULE_TYPE_HEADER_VALUE:               RuleHeaderValue,
		checkv1.RuleType_RULE_TYPE_RESPONSE_SIZE:              RuleResponseSize,
	}
	operatorNames = map[checkv1.RuleOperator]Operator{
		checkv1.RuleOperator_RULE_OPERATOR_EQUALS:       OpEquals,
		checkv1.RuleOperator_RULE_OPERATOR_NOT_EQUALS:   OpNotEquals,
		checkv1.RuleOperator_RULE_OPERATOR_IN:           OpIn,
		checkv1.RuleOperator_RULE_OPERATOR_NOT_IN:       OpNotIn,
		checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN:    OpLessThan,
		checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN: OpGreaterThan,
		checkv1.RuleOperator_RULE_OPERATOR_CONTAINS:     OpContains,
	}
)

// enumOf finds the enum of a word. Of several the largest is meant, because unspecified, which shares its default's word, is 0.
func enumOf[E ~int32, W comparable](names map[E]W, word W) E {
	var found E
	for e, w := range names {
		if w == word && e > found {
			found = e
		}
	}
	return found
}
