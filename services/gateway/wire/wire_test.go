package wire_test

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

func TestMarshalGolden(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 6_789_000, time.UTC))
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"empty message", &emptypb.Empty{}, ``},
		{"absent is null, empty list is a list", &alertsv1.Conditions{}, `{"consecutive_failures":null,"response_time_threshold_ms":null,"uptime_percentage_threshold":null,"certificate_days_left":null,"degraded_regions":null,"no_data_seconds":null,"response_time_percentile":null}`},
		{"zero is zero", &checkv1.Retries{DelayMs: proto.Int32(0)}, `{"attempts":null,"delay_ms":0}`},
		{"enum and its absence", &checkv1.ValidationRule{Type: checkv1.RuleType_RULE_TYPE_STATUS_CODE, Value: list(200, 204)},
			`{"type":"status_code","operator":null,"value":[200,204],"header":null,"case_sensitive":null,"path":null}`},
		{"unspecified enum", &checkv1.ValidationRule{Type: checkv1.RuleType_RULE_TYPE_UNSPECIFIED},
			`{"type":null,"operator":null,"value":null,"header":null,"case_sensitive":null,"path":null}`},
		{"time cut to milliseconds", &eventsv1.StateInterval{Status: eventsv1.CurrentStatus_CURRENT_STATUS_DOWN, Start: at},
			`{"status":"down","start":"2026-01-02T03:04:05.006Z","end":null}`},
		{"value of a newer enum", &eventsv1.StateInterval{Status: 99}, `{"status":null,"start":null,"end":null}`},
		{"time beyond RFC 3339", &eventsv1.StateInterval{Start: &timestamppb.Timestamp{Seconds: math.MaxInt64}}, `{"status":null,"start":null,"end":null}`},
		{"floats", &eventsv1.HistogramClass{FromMs: 0.1, ToMs: 1e21, Count: 3}, `{"from_ms":0.1,"to_ms":1e+21,"count":3}`},
		{"whole float", &eventsv1.HistogramClass{FromMs: 100, ToMs: 1e-7}, `{"from_ms":100,"to_ms":1e-07,"count":0}`},
		{"no number for NaN", &eventsv1.HistogramClass{FromMs: math.NaN(), ToMs: math.Inf(1)}, `{"from_ms":null,"to_ms":null,"count":0}`},
		{"64-bit integers are numbers", &eventsv1.ReadFeedRequest{AfterSeq: math.MaxUint64}, `{"after_seq":18446744073709551615}`},
		{"maps in order, HTML left alone", &checkv1.HttpConfig{Headers: map[string]string{"b": "<&>", "a": "\"\\\n\x01é\u2028"}},
			`{"url":null,"method":null,"headers":{"a":"\"\\\n\u0001é\u2028","b":"<&>"},"body":null,"auth":null,"follow_redirects":null,"timeout_ms":null,"ip_version":null,"max_redirects":null,"user_agent":null,"http_version":null,"proxy":null,"tls":null,"cookies":null}`},
		{"not UTF-8", &accountsv1.User{Id: "a\xffb"}, `{"id":"a\ufffdb","email":"","name":"","created_at":null}`},
		{"field mask never written", &alertsv1.UpdateChannelRequest{Id: 1, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"x"}}}, `{"id":1,"channel":null}`},
		{"bare array", []*eventsv1.HistogramClass{{Count: 1}, {Count: 2}}, `[{"from_ms":0,"to_ms":0,"count":1},{"from_ms":0,"to_ms":0,"count":2}]`},
		{"bare array of nothing", []*monitorsv1.Monitor(nil), `[]`},
		{"typed nil", (*monitorsv1.Monitor)(nil), `null`},
		{"free JSON", &alertsv1.AlertHistoryEntry{AlertData: must(structpb.NewStruct(map[string]any{"b": nil, "a": []any{true, 1.5, "x", map[string]any{}}}))},
			`{"id":0,"alert_id":0,"monitor_id":0,"triggered_at":null,"resolved_at":null,"alert_data":{"a":[true,1.5,"x",{}],"b":null}}`},
		{"members of a oneof stand beside each other", &eventsv1.FeedEntry{Seq: 7, At: at, What: &eventsv1.FeedEntry_Transition{Transition: &eventsv1.Transition{
			From: eventsv1.CurrentStatus_CURRENT_STATUS_UP, To: eventsv1.CurrentStatus_CURRENT_STATUS_DOWN, Regions: []string{"local"}}}},
			`{"seq":7,"organization_id":"","monitor_id":0,"at":"2026-01-02T03:04:05.006Z","transition":{"from":"up","to":"down","since":null,"transition_seq":0,"regions":["local"],"error_type":null,"error_message":null,"consecutive_failures":0,"reason":null,"down_regions":[]},"observation":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.Marshaler{}.Marshal(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestMarshalRefusesWhatIsNoMessage(t *testing.T) {
	for _, v := range []any{nil, 5, []int{1}, map[string]proto.Message{}} {
		if got, err := (wire.Marshaler{}).Marshal(v); err == nil {
			t.Errorf("Marshal(%v) = %s, want an error", v, got)
		}
	}
}

func TestUnmarshalReads(t *testing.T) {
	in := ` {"name":"a\u00e9\ud83d\ude00\/","monitor_type":"http","interval_seconds":3e1,"cron":null,"enabled":false,
		"http_config":{"url":"https://example.com/","headers":{"X-A":"1"},"body":null,"auth":{}},
		"validation_rules":[{"type":"status_code","operator":"in","value":[200,{"a":null}]}],"regions":[],
		"labels":{"k":"v"},"created_at":"2026-01-02T04:04:05.0067+01:00","status":null,"id":7}` + "\n"
	want := &monitorsv1.Monitor{
		Id: 7, Name: proto.String("aé😀/"), MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP.Enum(),
		IntervalSeconds: proto.Int32(30), Enabled: proto.Bool(false),
		HttpConfig: &checkv1.HttpConfig{Url: proto.String("https://example.com/"), Headers: map[string]string{"X-A": "1"}, Auth: &checkv1.HttpAuth{}},
		ValidationRules: []*checkv1.ValidationRule{{
			Type: checkv1.RuleType_RULE_TYPE_STATUS_CODE, Operator: checkv1.RuleOperator_RULE_OPERATOR_IN.Enum(),
			Value: must(structpb.NewValue([]any{200, map[string]any{"a": nil}})),
		}},
		Labels: map[string]string{"k": "v"}, CreatedAt: timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)),
	}
	got := &monitorsv1.Monitor{}
	present, err := wire.UnmarshalPresent([]byte(in), got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("message: -want +got\n%s", diff)
	}
	wantPresent := []string{"name", "monitor_type", "interval_seconds", "cron", "enabled", "http_config.url", "http_config.headers",
		"http_config.body", "http_config.auth", "validation_rules", "regions", "labels", "created_at", "status", "id"}
	if diff := cmp.Diff(wantPresent, present); diff != "" {
		t.Errorf("present: -want +got\n%s", diff)
	}
}

func TestPresentStopsAtFreeJSON(t *testing.T) {
	present, err := wire.UnmarshalPresent([]byte(`{"config":{"url":"x","a":{"b":1}},"monitor_ids":[1],"trigger_events":["down"]}`), &alertsv1.Channel{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"config", "monitor_ids", "trigger_events"}, present); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	tests := []struct{ in, path, message string }{
		{`{"nam":"x"}`, "nam", `unknown field; did you mean "name"?`},
		{`{"monitorType":"http"}`, "monitorType", `unknown field; did you mean "monitor_type"?`},
		{`{"zzzzzzzz":1}`, "zzzzzzzz", `unknown field`},
		{`{"update_mask":"name"}`, "update_mask", `unknown field`},
		{`{"http_config":{"urll":"x"}}`, "http_config.urll", `unknown field; did you mean "url"?`},
		{`{"interval_seconds":"30"}`, "interval_seconds", `must be a whole number from -2147483648 to 2147483647, not "30"`},
		{`{"interval_seconds":1.5}`, "interval_seconds", `must be a whole number from -2147483648 to 2147483647, not 1.5`},
		{`{"interval_seconds":3000000000}`, "interval_seconds", `must be a whole number from -2147483648 to 2147483647, not 3000000000`},
		{`{"interval_seconds":true}`, "interval_seconds", `must be a whole number from -2147483648 to 2147483647, not true`},
		{`{"interval_seconds":[]}`, "interval_seconds", `must be a whole number from -2147483648 to 2147483647, not a list`},
		{`{"id":-1}`, "id", `must be a whole number from 0 to 4294967295, not -1`},
		{`{"id":1e30}`, "id", `must be a whole number from 0 to 4294967295, not 1e30`},
		{`{"monitor_type":"htp"}`, "monitor_type", `must be one of "http", "tcp", "tls", not "htp"`},
		{`{"monitor_type":"HTTP"}`, "monitor_type", `must be one of "http", "tcp", "tls", not "HTTP"`},
		{`{"monitor_type":"unspecified"}`, "monitor_type", `must be one of "http", "tcp", "tls", not "unspecified"`},
		{`{"monitor_type":1}`, "monitor_type", `must be one of "http", "tcp", "tls", not 1`},
		{`{"name":123456}`, "name", `must be a string, not a number`},
		{`{"name":{"a":1}}`, "name", `must be a string, not an object`},
		{`{"enabled":"true"}`, "enabled", `must be true or false, not "true"`},
		{`{"enabled":0}`, "enabled", `must be true or false, not 0`},
		{`{"regions":"local"}`, "regions", `must be a list, not "local"`},
		{`{"regions":["a",null]}`, "regions[1]", `must be a string, not null`},
		{`{"labels":{"a":null}}`, "labels.a", `must be a string, not null`},
		{`{"labels":{"a":"1","a":"2"}}`, "labels.a", `must not be given twice`},
		{`{"labels":[]}`, "labels", `must be an object, not a list`},
		{`{"name":"a","name":"b"}`, "name", `must not be given twice`},
		{`{"name":null,"name":"b"}`, "name", `must not be given twice`},
		{`{"http_config":"x"}`, "http_config", `must be an object, not "x"`},
		{`{"validation_rules":[{"type":"status_code"},{"type":"x"}]}`, "validation_rules[1].type", ``},
		{`{"validation_rules":[{"value":{"a":1,"a":2}}]}`, "validation_rules[0].value.a", `must not be given twice`},
		{`{"validation_rules":[{"value":1e400}]}`, "validation_rules[0].value", `must be a number of ordinary size, not 1e400`},
		{`{"validation_rules":[{"value":` + deep + `}]}`, "", `must not be nested deeper than 64 levels`},
		{`{"created_at":"yesterday"}`, "created_at", `must be a time as in "2026-01-02T03:04:05.000Z", not "yesterday"`},
		{`{"created_at":5}`, "created_at", `must be a time as in "2026-01-02T03:04:05.000Z", not 5`},
		{`{"name":"a"} x`, "", `unexpected text after the end of the document, at byte 13`},
		{`[]`, "", `must be an object, not a list`},
		{`null`, "", `must be an object, not null`},
		{`{"name":"a",}`, "", `not valid JSON at byte 12: expected a name in quotes`},
		{`{"name"`, "name", `not valid JSON: the text ends too early`},
		{`{"name":`, "name", `not valid JSON: the text ends too early`},
		{`{"name":"a`, "name", `not valid JSON: the text ends too early`},
		{`{"name":"a\`, "name", `not valid JSON: the text ends too early`},
		{`{"name":"a\x"}`, "name", `not valid JSON at byte 10: unknown escape`},
		{`{"name":"\ud800"}`, "name", `not valid JSON at byte 9: half of a surrogate pair`},
		{"{\"name\":\"a\nb\"}", "name", `not valid JSON at byte 10: control characters must be escaped in a string`},
		{"{\"name\":\"\xff\"}", "name", `not valid JSON at byte 9: a string must be UTF-8`},
		{`{"id":01}`, "id", `not valid JSON at byte 7: a number must not start with 0`},
		{`{"id":+1}`, "id", `not valid JSON at byte 6: expected a value`},
		{`{"enabled":tru}`, "enabled", `not valid JSON at byte 11: expected a value`},
		{`{"name":"` + strings.Repeat("é", 50) + `","monitor_type":"` + strings.Repeat("é", 50) + `"}`, "monitor_type", `must be one of "http", "tcp", "tls", not "` + strings.Repeat("é", 20) + `…"`},
	}
	for _, tt := range tests {
		err := wire.Unmarshal([]byte(tt.in), &monitorsv1.Monitor{})
		var e *wire.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want a *wire.Error", tt.in, err)
			continue
		}
		if tt.path != "" && e.Path != tt.path {
			t.Errorf("%s: path %q, want %q", tt.in, e.Path, tt.path)
		}
		if tt.message != "" && e.Message != tt.message {
			t.Errorf("%s: message %q, want %q", tt.in, e.Message, tt.message)
		}
	}
}

func TestUnmarshalOneof(t *testing.T) {
	err := wire.Unmarshal([]byte(`{"transition":{},"observation":{}}`), &eventsv1.FeedEntry{})
	var e *wire.Error
	if !errors.As(err, &e) || e.Path != "observation" || e.Message != "must not be given beside transition" {
		t.Errorf("got %v", err)
	}
	if err := wire.Unmarshal([]byte(`{"transition":null,"observation":{}}`), &eventsv1.FeedEntry{}); err != nil {
		t.Errorf("null beside a member: %v", err)
	}
}

// source is a body as the edge hands it on.
type source struct {
	io.Reader
	doc     []byte
	present []string
	err     error
}

func (s *source) Document() []byte                    { return s.doc }
func (s *source) Decoded(present []string, err error) { s.present, s.err = present, err }

func TestDecoder(t *testing.T) {
	// The generated handler decodes into the body's field, which is nil until then.
	var req monitorsv1.CreateMonitorRequest
	src := &source{doc: []byte(`{"name":"a"}`)}
	if err := (wire.Marshaler{}).NewDecoder(src).Decode(&req.Monitor); err != nil {
		t.Fatal(err)
	}
	if req.GetMonitor().GetName() != "a" || len(src.present) != 1 {
		t.Errorf("got %v, present %v", req.GetMonitor(), src.present)
	}
	src = &source{doc: []byte(`{"nam":"a"}`)}
	var e *wire.Error
	if err := (wire.Marshaler{}).NewDecoder(src).Decode(&req.Monitor); !errors.As(err, &e) || !errors.As(src.err, &e) {
		t.Errorf("got %v, told %v", err, src.err)
	}
	for _, r := range []io.Reader{strings.NewReader(" \n"), &source{}} {
		if err := (wire.Marshaler{}).NewDecoder(r).Decode(&req); !errors.Is(err, io.EOF) {
			t.Errorf("empty body: got %v, want io.EOF", err)
		}
	}
	if err := (wire.Marshaler{}).NewDecoder(strings.NewReader(`{}`)).Decode(new(string)); err == nil {
		t.Error("decoded into a string")
	}
}

func list(numbers ...float64) *structpb.Value {
	l := &structpb.ListValue{}
	for _, n := range numbers {
		l.Values = append(l.Values, structpb.NewNumberValue(n))
	}
	return structpb.NewListValue(l)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
