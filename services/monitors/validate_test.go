package monitors_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// body is a monitor as people send it.
type body = monitorsv1.Monitor

// bad is one thing wrong with an otherwise good monitor.
type bad struct {
	name  string
	field string
	spoil func(*body)
}

// badInput is what can be wrong with any monitor; badDepth has the rest.
var badInput = []bad{
	{"name absent", "name", func(m *body) { m.Name = nil }},
	{"name empty", "name", func(m *body) { m.Name = ptr("") }},
	{"name blank", "name", func(m *body) { m.Name = ptr(" \u2003 ") }},
	{"name too long", "name", func(m *body) { m.Name = ptr(strings.Repeat("ü", 201)) }},
	{"name with a line break", "name", func(m *body) { m.Name = ptr("a\nb") }},
	{"no type", "monitor_type", func(m *body) { m.MonitorType = nil }},
	{"type unspecified", "monitor_type", func(m *body) { m.MonitorType = ptr(checkv1.MonitorType_MONITOR_TYPE_UNSPECIFIED) }},
	{"type unknown", "monitor_type", func(m *body) { m.MonitorType = ptr(checkv1.MonitorType(77)) }},
	{"interval 0", "interval_seconds", func(m *body) { m.IntervalSeconds = ptr(int32(0)) }},
	{"interval negative", "interval_seconds", func(m *body) { m.IntervalSeconds = ptr(int32(-1)) }},
	{"interval too long", "interval_seconds", func(m *body) { m.IntervalSeconds = ptr(int32(86401)) }},
	{"no schedule", "interval_seconds", func(m *body) { m.IntervalSeconds = nil }},
	{"no schedule, other field", "cron", func(m *body) { m.IntervalSeconds = nil }},
	{"both schedules", "cron", func(m *body) { m.Cron = ptr("* * * * *") }},
	{"both schedules, other field", "interval_seconds", func(m *body) { m.Cron = ptr("* * * * *") }},
	{"cron never due", "cron", cron("0 0 31 2 *", "")},
	{"cron no words", "cron", cron("often", "")},
	{"cron of seven fields", "cron", cron("* * * * * * *", "")},
	{"cron too long", "cron", cron(strings.Repeat("1,", 130)+"1 * * * *", "")},
	{"zone unknown", "timezone", cron("* * * * *", "Mars/Olympus")},
	{"zone of the host", "timezone", cron("* * * * *", "Local")},
	{"zone without cron", "timezone", func(m *body) { m.Timezone = ptr("UTC") }},
	{"no config", "http_config", func(m *body) { m.HttpConfig = nil }},
	{"both configs", "tcp_config", func(m *body) { m.TcpConfig = &checkv1.TcpConfig{Host: ptr("h"), Port: ptr(int32(1))} }},
	{"no URL", "http_config.url", func(m *body) { m.HttpConfig.Url = nil }},
	{"method", "http_config.method", func(m *body) { m.HttpConfig.Method = ptr("BREW") }},
	{"method in lower case", "http_config.method", func(m *body) { m.HttpConfig.Method = ptr("get") }},
	{"body too large", "http_config.body", func(m *body) { m.HttpConfig.Body = ptr(strings.Repeat("x", 1<<20+1)) }},
	{"timeout 0", "http_config.timeout_ms", func(m *body) { m.HttpConfig.TimeoutMs = ptr(int32(0)) }},
	{"timeout too long", "http_config.timeout_ms", func(m *body) { m.HttpConfig.TimeoutMs = ptr(int32(300_001)) }},
	{"redirects negative", "http_config.max_redirects", func(m *body) { m.HttpConfig.MaxRedirects = ptr(int32(-1)) }},
	{"redirects too many", "http_config.max_redirects", func(m *body) { m.HttpConfig.MaxRedirects = ptr(int32(51)) }},
	{"user agent with a line break", "http_config.user_agent", func(m *body) { m.HttpConfig.UserAgent = ptr("a\r\nX: y") }},
	{"user agent too long", "http_config.user_agent", func(m *body) { m.HttpConfig.UserAgent = ptr(strings.Repeat("x", 257)) }},
	{"header with CR and LF", `http_config.headers["X"]`, header("X", "a\r\nEvil: 1")},
	{"header with LF", `http_config.headers["X"]`, header("X", "a\nEvil: 1")},
	{"secret header with LF", `http_config.headers["X-Token"]`, header("X-Token", "a\nEvil: 1")},
	{"header value too long", `http_config.headers["X"]`, header("X", strings.Repeat("v", 8193))},
	{"header framing", `http_config.headers["Content-Length"]`, header("Content-Length", "5")},
	{"header framing, other case", `http_config.headers["tRANSFER-eNCODING"]`, header("tRANSFER-eNCODING", "chunked")},
	{"header of the connection", `http_config.headers["Connection"]`, header("Connection", "close")},
	{"header hop by hop", `http_config.headers["Keep-Alive"]`, header("Keep-Alive", "1")},
	{"header twice", `http_config.headers["accept"]`, func(m *body) { m.HttpConfig.Headers = map[string]string{"Accept": "a", "accept": "b"} }},
	{"header host", `http_config.headers["Host"]`, header("Host", "a/b")},
	{"header stands for nothing", `http_config.headers["Authorization"]`, header("Authorization", "***")},
	{"credentials without type", "http_config.auth.type", auth(0, func(c *checkv1.HttpCredentials) { c.Token = ptr("t") })},
	{"credentials of none", "http_config.auth.type", auth(checkv1.AuthType_AUTH_TYPE_NONE, func(c *checkv1.HttpCredentials) { c.Token = ptr("t") })},
	{"basic without any", "http_config.auth.credentials.username", auth(checkv1.AuthType_AUTH_TYPE_BASIC, nil)},
	{"basic with a colon", "http_config.auth.credentials.username", auth(checkv1.AuthType_AUTH_TYPE_BASIC, func(c *checkv1.HttpCredentials) { c.Username = ptr("a:b") })},
	{"basic with a token", "http_config.auth.credentials.token", auth(checkv1.AuthType_AUTH_TYPE_BASIC, func(c *checkv1.HttpCredentials) { c.Username, c.Token = ptr("a"), ptr("t") })},
	{"bearer without token", "http_config.auth.credentials.token", auth(checkv1.AuthType_AUTH_TYPE_BEARER, func(*checkv1.HttpCredentials) {})},
	{"bearer with LF", "http_config.auth.credentials.token", auth(checkv1.AuthType_AUTH_TYPE_BEARER, func(c *checkv1.HttpCredentials) { c.Token = ptr("a\nb") })},
	{"api key without value", "http_config.auth.credentials.value", auth(checkv1.AuthType_AUTH_TYPE_API_KEY, func(c *checkv1.HttpCredentials) { c.Key = ptr("X-Key") })},
	{"custom header without name", "http_config.auth.credentials.key", auth(checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER, func(c *checkv1.HttpCredentials) { c.Value = ptr("v") })},
	{"custom header of framing", "http_config.auth.credentials.key", auth(checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER, func(c *checkv1.HttpCredentials) { c.Key, c.Value = ptr("Content-Length"), ptr("1") })},
	{"two spellings that differ", "http_config.auth.credentials.header_name", auth(checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER, func(c *checkv1.HttpCredentials) { c.Key, c.HeaderName, c.Value = ptr("X-A"), ptr("X-B"), ptr("v") })},
	{"no regions that exist", "regions[1]", func(m *body) { m.Regions = []string{"local", "mars"} }},
	{"region twice", "regions", func(m *body) { m.Regions = []string{"local", "local"} }},
	{"too many regions", "regions", func(m *body) { m.Regions = strings.Split(strings.Repeat("a,", 33)+"a", ",") }},
	{"attempts 0", "retries.attempts", func(m *body) { m.Retries = &checkv1.Retries{Attempts: ptr(int32(0))} }},
	{"attempts 11", "retries.attempts", func(m *body) { m.Retries = &checkv1.Retries{Attempts: ptr(int32(11))} }},
	{"delay negative", "retries.delay_ms", func(m *body) { m.Retries = &checkv1.Retries{DelayMs: ptr(int32(-1))} }},
	{"confirm_down 0", "confirm_down", func(m *body) { m.ConfirmDown = ptr(int32(0)) }},
	{"confirm_up 101", "confirm_up", func(m *body) { m.ConfirmUp = ptr(int32(101)) }},
	{"retry interval 0", "retry_interval_seconds", func(m *body) { m.RetryIntervalSeconds = ptr(int32(0)) }},
	{"degraded above 0", "degraded_above_ms", func(m *body) { m.DegradedAboveMs = ptr(int32(0)) }},
	{"overlap unknown", "overlap", func(m *body) { m.Overlap = ptr(monitorsv1.Overlap(9)) }},
	{"quorum word", "quorum", func(m *body) { m.Quorum = ptr("most") }},
	{"quorum 0", "quorum", func(m *body) { m.Quorum = ptr("0") }},
	{"quorum above the regions", "quorum", func(m *body) { m.Quorum = ptr("2") }},
	{"label with a line break", `labels["k"]`, func(m *body) { m.Labels = map[string]string{"k": "a\nb"} }},
	{"label value too long", `labels["k"]`, func(m *body) { m.Labels = map[string]string{"k": strings.Repeat("ü", 201)} }},
	{"label key", `labels["-k"]`, func(m *body) { m.Labels = map[string]string{"-k": "v"} }},
	{"external id empty", "external_id", func(m *body) { m.ExternalId = ptr("") }},
	{"external id with NUL", "external_id", func(m *body) { m.ExternalId = ptr("a\x00") }},
	{"managed by too long", "managed_by", func(m *body) { m.ManagedBy = ptr(strings.Repeat("x", 101)) }},

	{"tcp host URL", "tcp_config.host", tcp("https://example.com", 1)},
	{"tcp host with port", "tcp_config.host", tcp("example.com:443", 1)},
	{"tcp host empty", "tcp_config.host", tcp("", 1)},
	{"tcp host with a space", "tcp_config.host", tcp("a b", 1)},
	{"tcp host that is nearly an address", "tcp_config.host", tcp("256.1.1.1", 1)},
	{"tcp port 0", "tcp_config.port", tcp("h", 0)},
	{"tcp port 65536", "tcp_config.port", tcp("h", 65536)},
	{"tcp port negative", "tcp_config.port", tcp("h", -1)},
	{"tcp timeout 0", "tcp_config.timeout_ms", func(m *body) { tcp("h", 1)(m); m.TcpConfig.TimeoutMs = ptr(int32(0)) }},
	{"tcp with the rule of another kind", "validation_rules[0].type", func(m *body) {
		tcp("h", 1)(m)
		rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 200)(m)
	}},

	{"rule without type", "validation_rules[0].type", rule(0, 0, nil)},
	{"status code operator", "validation_rules[0].operator", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 200)},
	{"status code without operator", "validation_rules[0].operator", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, 0, 200)},
	{"status code as text", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "200")},
	{"status code list for one", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, []any{200})},
	{"status code one for a list", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_IN, 200)},
	{"status code empty list", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_NOT_IN, []any{})},
	{"status code of text in a list", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_IN, []any{200, "x"})},
	{"status code 99", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 99)},
	{"status code 600", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_IN, []any{600})},
	{"status code with a fraction", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 200.5)},
	{"status code absent", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, nil)},
	{"response time negative", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, -1)},
	{"response time below 0", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 0)},
	{"response time infinite", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, math.Inf(1))},
	{"response time not a number", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, math.NaN())},
	{"response time equals", "validation_rules[0].operator", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 5)},
	{"response size with a fraction", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_SIZE, checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN, 1.5)},
	{"body contains a number", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS, 0, 5)},
	{"body contains nothing", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS, 0, "")},
	{"body contains with an operator", "validation_rules[0].operator", rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_CONTAINS, checkv1.RuleOperator_RULE_OPERATOR_CONTAINS, "x")},
	{"header exists without header", "validation_rules[0].header", rule(checkv1.RuleType_RULE_TYPE_HEADER_EXISTS, 0, nil)},
	{"header exists with a value", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_HEADER_EXISTS, 0, "x", "Etag")},
	{"header value without header", "validation_rules[0].header", rule(checkv1.RuleType_RULE_TYPE_HEADER_VALUE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "x")},
	{"header value of a number", "validation_rules[0].value", rule(checkv1.RuleType_RULE_TYPE_HEADER_VALUE, checkv1.RuleOperator_RULE_OPERATOR_CONTAINS, 1, "Etag")},
	{"status code with a header", "validation_rules[0].header", rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 200, "Etag")},
	{"case of a number", "validation_rules[0].case_sensitive", func(m *body) {
		rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, 200)(m)
		m.ValidationRules[0].CaseSensitive = ptr(true)
	}},
	{"second rule", "validation_rules[1].value", func(m *body) {
		rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 5)(m)
		good := m.ValidationRules[0]
		rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, "x")(m)
		m.ValidationRules = []*checkv1.ValidationRule{good, m.ValidationRules[0]}
	}},
	{"too many rules", "validation_rules", func(m *body) {
		rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 5)(m)
		for len(m.ValidationRules) < 51 {
			m.ValidationRules = append(m.ValidationRules, m.ValidationRules[0])
		}
	}},
}

func cron(expr, zone string) func(*body) {
	return func(m *body) {
		m.IntervalSeconds, m.Cron = nil, &expr
		if zone != "" {
			m.Timezone = &zone
		}
	}
}

func header(name, value string) func(*body) {
	return func(m *body) { m.HttpConfig.Headers = map[string]string{name: value} }
}

func auth(t checkv1.AuthType, fill func(*checkv1.HttpCredentials)) func(*body) {
	return func(m *body) {
		m.HttpConfig.Auth = &checkv1.HttpAuth{}
		if t != 0 {
			m.HttpConfig.Auth.Type = &t
		}
		if fill != nil {
			m.HttpConfig.Auth.Credentials = &checkv1.HttpCredentials{}
			fill(m.HttpConfig.Auth.Credentials)
		}
	}
}

func tcp(host string, port int32) func(*body) {
	return func(m *body) {
		m.MonitorType, m.HttpConfig = ptr(checkv1.MonitorType_MONITOR_TYPE_TCP), nil
		m.TcpConfig = &checkv1.TcpConfig{Host: &host, Port: &port}
	}
}

func rule(t checkv1.RuleType, op checkv1.RuleOperator, value any, header ...string) func(*body) {
	return func(m *body) {
		r := &checkv1.ValidationRule{Type: t}
		if op != 0 {
			r.Operator = &op
		}
		if value != nil {
			v, err := structpb.NewValue(value)
			if err != nil {
				panic(err)
			}
			r.Value = v
		}
		if len(header) > 0 {
			r.Header = &header[0]
		}
		m.ValidationRules = []*checkv1.ValidationRule{r}
	}
}

// everyPath names every field that people can set, so that a body replaces all of a monitor.
func everyPath() *fieldmaskpb.FieldMask {
	mask := &fieldmaskpb.FieldMask{Paths: []string{"http_config", "tcp_config", "tls_config", "retries"}}
	mask.Paths = append(mask.Paths, leaves((&body{}).ProtoReflect().Descriptor(), "")...)
	return mask
}

func TestBadInputIsRefusedWhicheverWayItComes(t *testing.T) {
	h := newHouse(t)
	good := h.create(httpMonitor())
	for _, tt := range slices.Concat(badInput, badDepth, badResolvers()) {
		t.Run(tt.name, func(t *testing.T) {
			spoiled := httpMonitor()
			tt.spoil(spoiled)
			_, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: spoiled})
			wantRefusal(t, "create", err, tt.field)
			_, err = h.monitors.UpdateMonitor(h.editor(), &monitorsv1.UpdateMonitorRequest{Id: good.GetId(), Monitor: spoiled, UpdateMask: everyPath()})
			wantRefusal(t, "update", err, tt.field)
			if !strings.HasPrefix(tt.field, "name") && !strings.HasPrefix(tt.name, "no schedule") {
				_, err = h.monitors.TestMonitor(h.editor(), &monitorsv1.TestMonitorRequest{Monitor: spoiled})
				wantRefusal(t, "test", err, tt.field)
			}
		})
	}
	all := h.list(&monitorsv1.ListMonitorsRequest{})
	if len(all) != 1 || !proto.Equal(all[0], good) || len(h.prober.requests()) != 0 {
		t.Errorf("something was stored or checked: %v", all)
	}
}

// wantRefusal is wantField; the schema names an entry of a map or list by the whole of it where the domain names the entry.
func wantRefusal(t *testing.T, how string, err error, field string) {
	t.Helper()
	if _, ok := refused(err, field); !ok {
		t.Errorf("%s:", how)
		wantField(t, err, field)
	}
}

func TestGoodInputIsAccepted(t *testing.T) {
	h := newHouse(t)
	h.arrive("eu")
	for name, polish := range map[string]func(*body){
		"name of 200 characters": func(m *body) { m.Name = ptr(strings.Repeat("ü", 200)) },
		"interval 1":             func(m *body) { m.IntervalSeconds = ptr(int32(1)) },
		"interval 86400":         func(m *body) { m.IntervalSeconds = ptr(int32(86400)) },
		"cron with seconds":      cron("0 12 * * MON 30", "America/New_York"),
		"cron on a leap day":     cron("0 0 29 2 *", ""),
		"body with GET":          func(m *body) { m.HttpConfig.Body = ptr("x") },
		"empty body":             func(m *body) { m.HttpConfig.Body = ptr("") },
		"header with a tab":      header("X", "a\tb"),
		"empty header":           header("X", ""),
		"host header":            header("Host", "other.example:81"),
		"stars elsewhere":        header("X", "***"),
		"basic without password": auth(checkv1.AuthType_AUTH_TYPE_BASIC, func(c *checkv1.HttpCredentials) { c.Username = ptr("key") }),
		"basic without user":     auth(checkv1.AuthType_AUTH_TYPE_BASIC, func(c *checkv1.HttpCredentials) { c.Password = ptr("key") }),
		"custom header": auth(checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER, func(c *checkv1.HttpCredentials) {
			c.HeaderName, c.HeaderValue = ptr("X-A"), ptr("v")
		}),
		"two spellings that agree": auth(checkv1.AuthType_AUTH_TYPE_API_KEY, func(c *checkv1.HttpCredentials) {
			c.Value, c.HeaderValue = ptr("v"), ptr("v")
		}),
		"unspecified enums": func(m *body) {
			m.Overlap = ptr(monitorsv1.Overlap_OVERLAP_UNSPECIFIED)
			m.HttpConfig.IpVersion = ptr(checkv1.IpVersion_IP_VERSION_UNSPECIFIED)
		},
		"quorum of all regions": func(m *body) { m.Regions, m.Quorum = []string{"local", "eu"}, ptr("2") },
		"label without value":   func(m *body) { m.Labels = map[string]string{"a.b/c-d_e": ""} },
		"tcp":                   tcp("my_service", 65535),
		"tcp response time": func(m *body) {
			tcp("h", 1)(m)
			rule(checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN, 0.5)(m)
		},
		"status codes":        rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_IN, []any{100, 599}),
		"status code":         rule(checkv1.RuleType_RULE_TYPE_STATUS_CODE, checkv1.RuleOperator_RULE_OPERATOR_NOT_EQUALS, 404),
		"response size":       rule(checkv1.RuleType_RULE_TYPE_RESPONSE_SIZE, checkv1.RuleOperator_RULE_OPERATOR_GREATER_THAN, 0),
		"body contains":       rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_CONTAINS, 0, "ok"),
		"body lacks":          rule(checkv1.RuleType_RULE_TYPE_RESPONSE_BODY_NOT_CONTAINS, 0, "error"),
		"header exists":       rule(checkv1.RuleType_RULE_TYPE_HEADER_EXISTS, 0, nil, "Etag"),
		"header value":        rule(checkv1.RuleType_RULE_TYPE_HEADER_VALUE, checkv1.RuleOperator_RULE_OPERATOR_CONTAINS, "x", "Etag"),
		"header value, empty": rule(checkv1.RuleType_RULE_TYPE_HEADER_VALUE, checkv1.RuleOperator_RULE_OPERATOR_EQUALS, "", "Etag"),
	} {
		good := httpMonitor()
		polish(good)
		got, err := h.monitors.CreateMonitor(h.editor(), &monitorsv1.CreateMonitorRequest{Monitor: good})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			wantField(t, err, "no field")
			continue
		}
		again, err := h.monitors.UpdateMonitor(h.editor(), &monitorsv1.UpdateMonitorRequest{Id: got.GetId(), Monitor: got})
		if err != nil || again.GetVersion() != 1 {
			t.Errorf("%s: what was answered is not what was stored: version %d, %v", name, again.GetVersion(), err)
		}
	}
}
