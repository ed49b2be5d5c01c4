package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/gateway"
)

func someMonitor(id uint32) *monitorsv1.Monitor {
	return &monitorsv1.Monitor{
		Id: id, OrganizationId: orgID, Name: proto.String("api"), MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP.Enum(), Version: 3,
		TcpConfig: &checkv1.TcpConfig{Host: proto.String("example.com"), Port: proto.Int32(443)},
	}
}

const createdBody = `{"id":1,"organization_id":"01920000-0000-7000-8000-00000000000a","name":"api","monitor_type":"tcp","interval_seconds":30,` +
	`"cron":null,"timezone":null,"enabled":null,"http_config":null,"tcp_config":{"host":"example.com","port":443,"timeout_ms":null,"ip_version":null,` +
	`"send_data":null,"expected_data":null,"banner":null,"tls":null,"starttls":null,"tls_options":null},` +
	`"validation_rules":[],"regions":[],"retries":null,"confirm_down":null,"confirm_up":null,"retry_interval_seconds":null,"overlap":null,"quorum":null,` +
	`"degraded_above_ms":null,"labels":{},"external_id":null,"managed_by":null,"worst_case_alert_delay_ms":0,"created_at":null,"updated_at":null,` +
	`"created_by":"","status":null,"version":1,"tls_config":null,"dns_config":null,"depends_on":[]}`

func TestAnswersGolden(t *testing.T) {
	tests := []struct {
		name, key, request string
		status             int
		header             map[string]string // "-" means that it must be absent
		body               string
	}{
		{"list is a bare array", viewerKey, "GET /api/uptime/monitors?enabled=true&label=a%3Db", 200, map[string]string{"X-Next-Page-Token": "-", "Link": "-"}, "[]"},
		{"head has no body", viewerKey, "HEAD /api/uptime/monitors", 200, map[string]string{"Content-Length": "2"}, ""},
		{
			"create", editorKey, "POST /api/uptime/monitors\nIdempotency-Key: k1\n\n" +
				`{"name":"api","monitor_type":"tcp","interval_seconds":30,"tcp_config":{"host":"example.com","port":443}}`,
			201, map[string]string{"ETag": `"1"`, "Content-Type": "application/json", "Cache-Control": "no-store"}, createdBody,
		},
		{"delete", editorKey, "DELETE /api/uptime/monitors/1", 204, map[string]string{"Content-Type": "-"}, ""},
		{"created without the service saying so", adminKey, "POST /api/organizations/api-keys\n\n" + `{"name":"ci","role":"editor","expires_at":"2027-01-01T00:00:00+01:00"}`, 201, nil,
			`{"id":"k","name":"ci","role":"editor","prefix":"","key":"upt_live_k_secret","created_at":null,"expires_at":"2026-12-31T23:00:00.000Z","last_used_at":null,"created_by":""}`},
		{"no body where all fields may be absent", editorKey, "POST /api/uptime/monitors/7/check", 200, nil, `{"event_id":"","monitor_id":7,"organization_id":"","timestamp":null,`},
		{"page object", viewerKey, "GET /api/uptime/monitors/7/events?status=failure&status=timeout&limit=5", 200, nil,
			`{"events":[],"pagination":{"total":0,"limit":100,"offset":0,"next_page_token":null}}`},
	}
	e := start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := e.ask(t, tt.key, tt.request)
			if got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			if !strings.HasPrefix(got.body, tt.body) || tt.body == "" && got.body != "" {
				t.Errorf("body\n%s, want\n%s", got.body, tt.body)
			}
			for k, want := range tt.header {
				if have := got.header.Get(k); have != want && (want != "-" || have != "") {
					t.Errorf("%s: %q, want %q", k, have, want)
				}
			}
			for _, k := range []string{"X-Request-Id", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
				if got.header.Get(k) == "" {
					t.Errorf("no %s", k)
				}
			}
		})
	}
	wantQuery := &monitorsv1.ListMonitorsRequest{Enabled: proto.Bool(true), Label: []string{"a=b"}}
	if diff := cmp.Diff(wantQuery, e.calls["ListMonitors"][0].req, protocmp.Transform()); diff != "" {
		t.Errorf("query: -want +got\n%s", diff)
	}
	wantEvents := &eventsv1.ListEventsRequest{MonitorId: 7, Limit: proto.Int32(5), Status: []checkv1.ResultStatus{checkv1.ResultStatus_RESULT_STATUS_FAILURE, checkv1.ResultStatus_RESULT_STATUS_TIMEOUT}}
	if diff := cmp.Diff(wantEvents, e.last(t, "ListEvents").req, protocmp.Transform()); diff != "" {
		t.Errorf("events: -want +got\n%s", diff)
	}
	if got := e.last(t, "CreateMonitor").meta.Get("idempotency-key"); len(got) != 1 || got[0] != "k1" {
		t.Errorf("idempotency key: %v", got)
	}
}

func TestRefusals(t *testing.T) {
	e := start(t, func(c *gateway.Config) { c.MaxBodyBytes = 4096 })
	e.fail["ListEvents"] = fault.Exhausted("slow down").After(1500 * time.Millisecond)
	tests := []struct {
		name, key, request string
		status             int
		code               string
		field, message     string // of the first detail; message may be a part
		header             [2]string
	}{
		{"unknown path", editorKey, "GET /api/uptime/nothing", 404, "NOT_FOUND", "", "", [2]string{}},
		{"unknown path, nobody", "", "GET /api/nothing", 404, "NOT_FOUND", "", "", [2]string{}},
		{"trailing slash", editorKey, "GET /api/uptime/monitors/", 404, "NOT_FOUND", "", "", [2]string{}},
		{"other verb", editorKey, "PATCH /api/uptime/monitors", 405, "UNIMPLEMENTED", "", "", [2]string{"Allow", "GET, HEAD, POST"}},
		{"other verb on health", "", "POST /healthz", 405, "UNIMPLEMENTED", "", "", [2]string{"Allow", "GET, HEAD"}},
		{"override is ignored", editorKey, "POST /api/uptime/monitors/1\nX-HTTP-Method-Override: DELETE", 405, "UNIMPLEMENTED", "", "", [2]string{"Allow", "DELETE, GET, HEAD, PATCH, PUT"}},
		{"form is not JSON", editorKey, "POST /api/uptime/monitors\nContent-Type: application/x-www-form-urlencoded\n\nname=x", 415, "INVALID_ARGUMENT", "", "", [2]string{"Accept", "application/json"}},
		{"text is not JSON", editorKey, "POST /api/uptime/monitors\nContent-Type: text/plain\n\n{}", 415, "INVALID_ARGUMENT", "", "", [2]string{}},
		{"too large", editorKey, "POST /api/uptime/monitors\n\n" + strings.Repeat(" ", 5000) + "{}", 413, "INVALID_ARGUMENT", "", "", [2]string{}},
		{"no body", editorKey, "POST /api/uptime/monitors", 400, "INVALID_ARGUMENT", "", "a JSON body is required", [2]string{}},
		{"unknown field", editorKey, "POST /api/uptime/monitors\n\n" + `{"nam":"x"}`, 400, "INVALID_ARGUMENT", "nam", `did you mean "name"?`, [2]string{}},
		{"wrong type", editorKey, "POST /api/uptime/monitors\n\n" + `{"interval_seconds":"30"}`, 400, "INVALID_ARGUMENT", "interval_seconds", `not "30"`, [2]string{}},
		{"broken JSON", editorKey, "POST /api/uptime/monitors\n\n" + `{"name":`, 400, "INVALID_ARGUMENT", "name", "not valid JSON", [2]string{}},
		{"two documents", editorKey, "POST /api/uptime/monitors\n\n" + `{} {}`, 400, "INVALID_ARGUMENT", "", "after the end", [2]string{}},
		{"rule of the schema, named as in the body", editorKey, "POST /api/uptime/monitors\n\n" + `{"tcp_config":{"host":"a","port":70000}}`, 400, "INVALID_ARGUMENT", "tcp_config.port", "", [2]string{}},
		{"rule of the schema, in a list", editorKey, "POST /api/uptime/monitors\n\n" + `{"validation_rules":[{"type":null}]}`, 400, "INVALID_ARGUMENT", "validation_rules[0].type", "", [2]string{}},
		{"unknown parameter", viewerKey, "GET /api/uptime/monitors?enable=true", 400, "INVALID_ARGUMENT", "enable", `did you mean "enabled"?`, [2]string{}},
		{"unknown parameter of a method without any", viewerKey, "GET /api/uptime/regions?x=1", 400, "INVALID_ARGUMENT", "x", `unknown parameter`, [2]string{}},
		{"parameter twice", viewerKey, "GET /api/uptime/monitors?q=a&q=b", 400, "INVALID_ARGUMENT", "q", `twice`, [2]string{}},
		{"broken query", viewerKey, "GET /api/uptime/monitors?q=%zz", 400, "INVALID_ARGUMENT", "", `not well formed`, [2]string{}},
		{"field of the path in the query", viewerKey, "GET /api/uptime/monitors/1/events?monitor_id=2", 400, "INVALID_ARGUMENT", "monitor_id", "unknown parameter", [2]string{}},
		{"field of the body in the query", editorKey, "POST /api/uptime/monitors/1/check?region=x", 400, "INVALID_ARGUMENT", "region", "unknown parameter", [2]string{}},
		{"field mask in the query", editorKey, "PUT /api/uptime/monitors/1?update_mask=name\n\n{}", 400, "INVALID_ARGUMENT", "update_mask", "unknown parameter", [2]string{}},
		{"id that is no number", viewerKey, "GET /api/uptime/monitors/abc", 400, "INVALID_ARGUMENT", "id", "whole number", [2]string{}},
		{"header that is not ASCII", editorKey, "DELETE /api/uptime/monitors/1\nIf-Match: \"é\"", 400, "INVALID_ARGUMENT", "If-Match", "ASCII", [2]string{}},
		{"rule of a query parameter", viewerKey, "GET /api/uptime/monitors?page_size=5000", 400, "INVALID_ARGUMENT", "page_size", "", [2]string{}},
		{"not found by the service", viewerKey, "GET /api/uptime/monitors/99", 404, "NOT_FOUND", "", "", [2]string{}},
		{"role too low", viewerKey, "DELETE /api/uptime/monitors/1", 403, "PERMISSION_DENIED", "", "", [2]string{}},
		{"role too low to read", viewerKey, "GET /api/organizations/api-keys", 403, "PERMISSION_DENIED", "", "", [2]string{}},
		{"limit reached", viewerKey, "GET /api/uptime/monitors/1/events", 429, "RESOURCE_EXHAUSTED", "", "", [2]string{"Retry-After", "2"}},
		{"not built by the service", viewerKey, "GET /api/uptime/incidents", 501, "UNIMPLEMENTED", "", "", [2]string{}},
		{"nobody", "", "GET /api/uptime/monitors", 401, "UNAUTHENTICATED", "", "", [2]string{"WWW-Authenticate", `Bearer realm="frogup"`}},
		{"wrong key", "upt_live_wrong", "GET /api/uptime/monitors", 401, "UNAUTHENTICATED", "", "", [2]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := e.ask(t, tt.key, tt.request)
			p := got.problem(t, tt.status, tt.code)
			if tt.header[0] != "" && got.header.Get(tt.header[0]) != tt.header[1] {
				t.Errorf("%s: %q, want %q", tt.header[0], got.header.Get(tt.header[0]), tt.header[1])
			}
			switch {
			case tt.field == "" && tt.message == "":
				if len(p.Details) > 0 {
					t.Errorf("details %v", p.Details)
				}
			case len(p.Details) != 1 || p.Details[0].Field != tt.field || !strings.Contains(p.Details[0].Message, tt.message):
				t.Errorf("details %v, want %q: …%s…", p.Details, tt.field, tt.message)
			}
		})
	}
	for _, method := range []string{"CreateMonitor", "DeleteMonitor", "UpdateMonitor"} {
		if e.count(method) > 0 {
			t.Errorf("%s was called", method)
		}
	}
}

func TestWordsOfLibrariesStayInside(t *testing.T) {
	e := start(t)
	e.fail["ListEvents"] = errDriver{}
	got := e.ask(t, viewerKey, "GET /api/uptime/monitors/1/events")
	if p := got.problem(t, 500, "INTERNAL"); p.Error != "internal error" || strings.Contains(got.body, "SQL") {
		t.Errorf("answered %s", got.body)
	}
}

type errDriver struct{}

func (errDriver) Error() string { return "SQL logic error: no such table: secret" }

func TestETag(t *testing.T) {
	e := start(t)
	e.monitors = append(e.monitors, someMonitor(7))
	tag := e.ask(t, viewerKey, "GET /api/uptime/monitors/7").header.Get("ETag")
	if tag != `"3"` {
		t.Fatalf("etag %q", tag)
	}
	if got := e.ask(t, editorKey, "PUT /api/uptime/monitors/7\nIf-Match: "+tag+"\n\n"+`{"name":"b"}`); got.status != 200 {
		t.Errorf("current tag: %d %s", got.status, got.body)
	}
	got := e.ask(t, editorKey, "PUT /api/uptime/monitors/7\nIf-Match: \"2\"\n\n"+`{"name":"b"}`)
	if got.problem(t, http.StatusPreconditionFailed, "FAILED_PRECONDITION"); got.header.Get("ETag") != "" {
		t.Error("an error with an entity tag")
	}
}

func TestFieldMask(t *testing.T) {
	e := start(t)
	e.monitors = append(e.monitors, someMonitor(7))
	body := `{"name":"b","cron":null,"http_config":{"url":"https://a/","auth":null,"headers":{"a":"b"}},"retries":{},"labels":{},"regions":[],"id":9}`
	for _, verb := range []string{"PUT", "PATCH"} {
		if got := e.ask(t, editorKey, verb+" /api/uptime/monitors/7\n\n"+body); got.status != 200 {
			t.Fatalf("%s: %d %s", verb, got.status, got.body)
		}
		req, ok := e.last(t, "UpdateMonitor").req.(*monitorsv1.UpdateMonitorRequest)
		if !ok || req.GetId() != 7 || req.GetMonitor().GetName() != "b" {
			t.Fatalf("%s: got %v", verb, req)
		}
		want := []string{"name", "cron", "http_config.url", "http_config.auth", "http_config.headers", "retries", "labels", "regions", "id"}
		if diff := cmp.Diff(want, req.GetUpdateMask().GetPaths()); diff != "" {
			t.Errorf("%s: -want +got\n%s", verb, diff)
		}
	}
	if got := e.ask(t, editorKey, "PATCH /api/uptime/monitors/7\n\n{}"); got.status != 200 {
		t.Errorf("empty object: %d %s", got.status, got.body)
	}
	if req, _ := e.last(t, "UpdateMonitor").req.(*monitorsv1.UpdateMonitorRequest); req.GetUpdateMask() != nil {
		t.Errorf("empty object: mask %v", req.GetUpdateMask())
	}
	if got := e.ask(t, adminKey, "PUT /api/uptime/notification-channels/3\n\n"+`{"config":{"url":"x","headers":{"a":"b"}},"monitor_ids":null}`); got.status != 200 {
		t.Errorf("channel: %d %s", got.status, got.body)
	}
	req, _ := e.last(t, "UpdateChannel").req.(*alertsv1.UpdateChannelRequest)
	if diff := cmp.Diff([]string{"config", "monitor_ids"}, req.GetUpdateMask().GetPaths()); diff != "" {
		t.Errorf("channel: -want +got\n%s", diff)
	}
}

func TestNextPage(t *testing.T) {
	e := start(t)
	e.monitors = append(e.monitors, someMonitor(1), someMonitor(2), someMonitor(3))
	got := e.ask(t, viewerKey, "GET /api/uptime/monitors?page_size=2&q=a%26b")
	if token := got.header.Get("X-Next-Page-Token"); token != "next+page/1=" {
		t.Errorf("token %q", token)
	}
	link := got.header.Get("Link")
	if want := `</api/uptime/monitors?page_size=2&page_token=next%2Bpage%2F1%3D&q=a%26b>; rel="next"`; link != want {
		t.Errorf("link %s, want %s", link, want)
	}
	target, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if got := e.ask(t, viewerKey, "GET "+target); got.status != 200 || got.header.Get("Link") != "" {
		t.Errorf("next page: %d, link %q", got.status, got.header.Get("Link"))
	}
	if req, _ := e.last(t, "ListMonitors").req.(*monitorsv1.ListMonitorsRequest); req.GetPageToken() != "next+page/1=" || req.GetQ() != "a&b" {
		t.Errorf("next page asked with %v", req)
	}
}

func TestAdditionalBindings(t *testing.T) {
	e := start(t)
	for path, monitor := range map[string]uint32{"/api/uptime/alerts/history": 0, "/api/uptime/alerts/history?monitor_id=5": 5, "/api/uptime/monitors/6/alerts/history": 6} {
		if got := e.ask(t, viewerKey, "GET "+path); got.status != 200 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if req, _ := e.last(t, "ListAlertHistory").req.(*alertsv1.ListAlertHistoryRequest); req.GetMonitorId() != monitor {
			t.Errorf("%s: monitor %d, want %d", path, req.GetMonitorId(), monitor)
		}
	}
	e.ask(t, editorKey, "POST /api/uptime/monitors/test?region=local\n\n"+`{"monitor_type":"tcp"}`)
	if req, _ := e.last(t, "TestMonitor").req.(*monitorsv1.TestMonitorRequest); req.GetRegion() != "local" || req.GetMonitor().GetMonitorType() != checkv1.MonitorType_MONITOR_TYPE_TCP {
		t.Errorf("test: %v", req)
	}
}

// A custom verb behind a parameter is no part of it, and without one there is no such path.
func TestCustomVerb(t *testing.T) {
	e := start(t)
	for path, id := range map[string]string{"msg_a:replay": "msg_a", "a:b:replay": "a:b", "a%2Fb:replay": "a/b"} {
		if got := e.ask(t, editorKey, "POST /api/uptime/deliveries/"+path); got.status != 200 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if req, _ := e.last(t, "ReplayDelivery").req.(*alertsv1.ReplayDeliveryRequest); req.GetId() != id {
			t.Errorf("%s: id %q, want %q", path, req.GetId(), id)
		}
	}
	for _, path := range []string{":replay", "msg_a", "msg_a:replay:", "msg_a:other"} {
		if got := e.ask(t, editorKey, "POST /api/uptime/deliveries/"+path); got.status != 404 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := e.ask(t, editorKey, "GET /api/uptime/deliveries/msg_a:replay"); got.status != 405 {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
}

// What a service learns of a request is what the edge knows, never what a client says.
func TestWhatServicesLearn(t *testing.T) {
	e := start(t)
	e.ask(t, viewerKey, "GET /api/uptime/monitors\nX-Request-Id: abc-1\nUser-Agent: tést\nX-Forwarded-For: 1.2.3.4\nGrpc-Metadata-Evil: 1\n"+
		"Grpc-Timeout: 1n\nX-Frogup-Principal: x\nCookie: a=b\nTE: trailers")
	got := e.last(t, "ListMonitors")
	for _, key := range []string{"authorization", "cookie", "evil", "grpcgateway-cookie", "grpcgateway-authorization"} {
		if v := got.meta.Get(key); len(v) > 0 {
			t.Errorf("%s reached the service: %v", key, v)
		}
	}
	want := map[string]string{"x-request-id": "abc-1", "grpcgateway-user-agent": "t?st", "x-forwarded-for": "127.0.0.1"}
	for key, value := range want {
		if v := got.meta.Get(key); len(v) != 1 || v[0] != value {
			t.Errorf("%s: %v, want %q", key, v, value)
		}
	}
	p := got.principal
	if p.OrganizationID != orgID || p.UserID != rpctest.UserID || p.KeyID == "" || p.RemoteIP != "127.0.0.1" {
		t.Errorf("principal %+v", p)
	}
}
