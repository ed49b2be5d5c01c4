package monitors_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
)

func (h *house) parse(text string) *monitorsv1.ParseResourcesResponse {
	h.t.Helper()
	out, err := monitorsv1.NewResourcesServiceClient(h.conn).ParseResources(as(h.t, org, identity.RoleViewer), &monitorsv1.ParseResourcesRequest{Text: text})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// What a resource says, the monitor has, or a note says that it has not; and every monitor can be stored as it is.
func TestResourcesBecomeMonitors(t *testing.T) {
	tests := []struct{ name, text, monitor, notes string }{
		{
			"tcp", `
apiVersion: v1
kind: TcpCheck
metadata: {name: orders-db, title: Database of orders, labels: {team: orders}}
spec:
  host: db.example.com
  port: 5432
  interval: 30s
  timeout: 5s
  retries: 2
  locations: [local, moon-1]
  channels: [{channel: ops, severity: High}]
  checks:
    - {type: reachable, operator: is, value: true}
    - {type: latency, operator: lessThan, value: 100ms}
    - {type: sslHandshake, operator: is, value: true}
`,
			`{"name": "Database of orders", "monitorType": "MONITOR_TYPE_TCP", "intervalSeconds": 30, "labels": {"team": "orders"}, "regions": ["local"],
			  "retries": {"attempts": 2}, "tcpConfig": {"host": "db.example.com", "port": 5432, "timeoutMs": 5000, "ipVersion": "IP_VERSION_ANY", "tls": true, "starttls": "START_TLS_AUTO"},
			  "validationRules": [{"type": "RULE_TYPE_RESPONSE_TIME", "operator": "RULE_OPERATOR_LESS_THAN", "value": 100},
			    {"type": "RULE_TYPE_CERTIFICATE_VALID", "operator": "RULE_OPERATOR_EQUALS", "value": true}]}`,
			`spec.locations[1]: there is no region "moon-1"; spec.channels: who is told is a matter of channels and alert rules`,
		},
		{
			"http", `
apiVersion: v1
kind: HttpCheck
metadata: {name: shop}
spec:
  url: https://shop.example.com/health
  method: POST
  headers: {Content-Type: application/json}
  body: '{"probe": true}'
  cron: "*/5 8-18 * * MON-FRI"
  timezone: Europe/Berlin
  checks:
    - {type: statusCode, operator: equals, value: 200}
    - {type: statusCode, operator: lessThan, value: 300}
    - {type: duration, operator: lessThanOrEquals, value: 500ms}
    - {type: size, operator: lessThanOrEquals, value: 1000}
    - {type: body, operator: contains, value: ok}
    - {type: body, operator: equals, value: ok}
    - {type: header, name: Content-Type, operator: contains, value: application/json}
    - {type: header, operator: contains, value: Strict-Transport-Security}
`,
			`{"name": "shop", "monitorType": "MONITOR_TYPE_HTTP", "cron": "*/5 8-18 * * MON-FRI", "timezone": "Europe/Berlin",
			  "httpConfig": {"url": "https://shop.example.com/health", "method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{\"probe\": true}",
			    "followRedirects": true, "timeoutMs": 10000, "ipVersion": "IP_VERSION_ANY"},
			  "validationRules": [{"type": "RULE_TYPE_STATUS_CODE", "operator": "RULE_OPERATOR_EQUALS", "value": 200},
			    {"type": "RULE_TYPE_RESPONSE_TIME", "operator": "RULE_OPERATOR_LESS_THAN", "value": 500},
			    {"type": "RULE_TYPE_RESPONSE_SIZE", "operator": "RULE_OPERATOR_LESS_THAN", "value": 1001},
			    {"type": "RULE_TYPE_RESPONSE_BODY_CONTAINS", "value": "ok"},
			    {"type": "RULE_TYPE_HEADER_VALUE", "operator": "RULE_OPERATOR_CONTAINS", "header": "Content-Type", "value": "application/json"},
			    {"type": "RULE_TYPE_HEADER_EXISTS", "header": "Strict-Transport-Security"}]}`,
			"spec.checks[1]: a monitor has no rule like statusCode lessThan; spec.checks[5]: a monitor has no rule like body equals",
		},
		{
			"tls", `{"apiVersion": "v1", "kind": "TlsCheck", "metadata": {"name": "mail"}, "spec": {"hostname": "smtp.example.com", "port": 587, "interval": "2d", "timeout": "5s",
			  "checks": [{"type": "valid", "operator": "is", "value": true}, {"type": "expirationTime", "operator": "greaterThan", "value": "1mo"}]}}`,
			`{"name": "mail", "monitorType": "MONITOR_TYPE_TLS", "intervalSeconds": 86400,
			  "tlsConfig": {"host": "smtp.example.com", "port": 587, "timeoutMs": 5000, "ipVersion": "IP_VERSION_ANY", "starttls": "START_TLS_AUTO", "options": {}},
			  "validationRules": [{"type": "RULE_TYPE_CERTIFICATE_VALID", "operator": "RULE_OPERATOR_EQUALS", "value": true},
			    {"type": "RULE_TYPE_CERTIFICATE_DAYS_LEFT", "operator": "RULE_OPERATOR_GREATER_THAN", "value": 30}]}`,
			"spec.interval: 2d is longer than the day that a monitor may wait; it is checked once a day; spec.checks[1]: 1mo is counted as 30 days",
		},
	}
	h := newHouse(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := h.parse(tt.text)
			if len(got.GetProblems()) != 0 || len(got.GetResources()) != 1 {
				t.Fatalf("got %v", got)
			}
			want := &monitorsv1.Monitor{}
			if err := protojson.Unmarshal([]byte(tt.monitor), want); err != nil {
				t.Fatal(err)
			}
			r := got.GetResources()[0]
			if diff := cmp.Diff(want, r.GetMonitor(), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
			var notes []string
			for _, n := range r.GetNotes() {
				notes = append(notes, n.GetPath()+": "+n.GetMessage())
			}
			if diff := cmp.Diff(tt.notes, strings.Join(notes, "; ")); diff != "" {
				t.Error(diff)
			}
			h.create(r.GetMonitor())
		})
	}
}

// What is wrong is told with its place, its rule and what was meant, and nothing is stored.
func TestResourcesThatAreWrong(t *testing.T) {
	h := newHouse(t)
	got := h.parse("apiVersion: v1\nkind: TcpCheck\nmetadata: {name: db}\nspec:\n  hosst: db.example.com\n  port: 70000\n  interval: 30s\n  checks:\n    - {type: reachable, operator: is, value: true}\n")
	if len(got.GetResources()) != 0 {
		t.Errorf("a resource with errors was read: %v", got.GetResources())
	}
	var unknown, port *monitorsv1.ResourceProblem
	for _, p := range got.GetProblems() {
		switch p.GetPath() {
		case "spec.hosst":
			unknown = p
		case "spec.port":
			port = p
		}
	}
	if unknown.GetLine() != 5 || unknown.GetColumn() != 3 || unknown.GetHint() != "host" || unknown.GetRule() != "unknown-field" || unknown.GetWarning() {
		t.Errorf("unknown field: %v", unknown)
	}
	if port.GetLine() != 6 || port.GetColumn() != 9 || port.GetValue() != "70000" || port.GetMessage() == "" {
		t.Errorf("port: %v", port)
	}
}

// Whoever has no organization parses nothing, and what is too long is refused.
func TestResourcesAreForMembers(t *testing.T) {
	h := newHouse(t)
	client := monitorsv1.NewResourcesServiceClient(h.conn)
	_, err := client.ParseResources(as(t, "", ""), &monitorsv1.ParseResourcesRequest{Text: "a: b"})
	wantCode(t, "without an organization", err, codes.PermissionDenied)
	_, err = client.ParseResources(h.editor(), &monitorsv1.ParseResourcesRequest{Text: strings.Repeat("#", 512<<10+1)})
	wantCode(t, "too long", err, codes.InvalidArgument)
}
