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
		checkv1.MonitorType_MONITOR_TYPE_TLS:  TypeTLS,
	}
	httpVersionNames = map[checkv1.HttpVersion]string{
		checkv1.HttpVersion_HTTP_VERSION_UNSPECIFIED: "",
		checkv1.HttpVersion_HTTP_VERSION_ANY:         "",
		checkv1.HttpVersion_HTTP_VERSION_HTTP1:       "http1",
		checkv1.HttpVersion_HTTP_VERSION_HTTP2:       "http2",
	}
	startTLSNames = map[checkv1.StartTls]string{
		checkv1.StartTls_START_TLS_UNSPECIFIED: "",
		checkv1.StartTls_START_TLS_AUTO:        startTLSAuto,
		checkv1.StartTls_START_TLS_NONE:        startTLSNone,
		checkv1.StartTls_START_TLS_POSTGRES:    "postgres",
		checkv1.StartTls_START_TLS_MYSQL:       "mysql",
		checkv1.StartTls_START_TLS_SMTP:        "smtp",
		checkv1.StartTls_START_TLS_IMAP:        "imap",
		checkv1.StartTls_START_TLS_POP3:        "pop3",
		checkv1.StartTls_START_TLS_LDAP:        "ldap",
	}
	tlsVersionNames = map[checkv1.TlsVersion]string{
		checkv1.TlsVersion_TLS_VERSION_UNSPECIFIED: "",
		checkv1.TlsVersion_TLS_VERSION_TLS10:       "tls10",
		checkv1.TlsVersion_TLS_VERSION_TLS11:       "tls11",
		checkv1.TlsVersion_TLS_VERSION_TLS12:       "tls12",
		checkv1.TlsVersion_TLS_VERSION_TLS13:       "tls13",
	}
	revocationNames = map[checkv1.Revocation]string{
		checkv1.Revocation_REVOCATION_UNSPECIFIED: "",
		checkv1.Revocation_REVOCATION_OFF:         "off",
		checkv1.Revocation_REVOCATION_STAPLED:     "stapled",
		checkv1.Revocation_REVOCATION_ONLINE:      "online",
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
		checkv1.AuthType_AUTH_TYPE_DIGEST:        AuthDigest,
		checkv1.AuthType_AUTH_TYPE_OAUTH2:        AuthOAuth2,
	}
	ruleTypeNames = map[checkv1.RuleType]RuleType{
		checkv1.RuleType_RULE_TYPE_STATUS_CODE:                RuleStatusCode,
		checkv1.RuleType_RULE_TYPE_RESPONSE_TIME:              RuleResponseTime,
		checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS:     RuleBodyContains,
		checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_CONTAINS: RuleBodyNotContains,
		checkv1.RuleType_RULE_TYPE_HEADER_EXISTS:              RuleHeaderExists,
		checkv1.RuleType_RULE_TYPE_HEADER_VALUE:               RuleHeaderValue,
		checkv1.RuleType_RULE_TYPE_RESPONSE_SIZE:              RuleResponseSize,
		checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_MATCHES:      RuleBodyMatches,
		checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_MATCHES:  RuleBodyNotMatches,
		checkv1.RuleType_RULE_TYPE_JSON_PATH:                  RuleJSONPath,
		checkv1.RuleType_RULE_TYPE_CEL:                        RuleCEL,
		checkv1.RuleType_RULE_TYPE_HTTP_VERSION:               RuleHTTPVersion,
		checkv1.RuleType_RULE_TYPE_TTFB:                       RuleTTFB,
		checkv1.RuleType_RULE_TYPE_CERTIFICATE_DAYS_LEFT:      RuleCertificateDaysLeft,
		checkv1.RuleType_RULE_TYPE_CERTIFICATE_ISSUER:         RuleCertificateIssuer,
		checkv1.RuleType_RULE_TYPE_CERTIFICATE_SUBJECT:        RuleCertificateSubject,
		checkv1.RuleType_RULE_TYPE_CERTIFICATE_VALID:          RuleCertificateValid,
	}
	operatorNames = map[checkv1.RuleOperator]Operator{
		checkv1.RuleOperator_RULE_OPERATOR_EQUALS:       OpEquals,
		checkv1.RuleOperator_RULE_OPERATOR_NOT_EQUALS:   OpNotEquals,
		checkv1.RuleOperator_RULE_OPERATOR_IN:           OpIn,
		checkv1.RuleOperator_RULE_OPERATOR_NOT_IN:       OpNotIn,
		checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN:    OpLessThan,
		checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN: OpGreaterThan,
		checkv1.RuleOperator_RULE_OPERATOR_CONTAINS:     OpContains,
		checkv1.RuleOperator_RULE_OPERATOR_NOT_CONTAINS: OpNotContains,
		checkv1.RuleOperator_RULE_OPERATOR_MATCHES:      OpMatches,
		checkv1.RuleOperator_RULE_OPERATOR_EXISTS:       OpExists,
		checkv1.RuleOperator_RULE_OPERATOR_NOT_EXISTS:   OpNotExists,
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
