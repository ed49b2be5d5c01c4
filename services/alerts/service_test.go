package alerts_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/alerts"
)

// body reads a message from the JSON that a client would send.
func body[T proto.Message](t *testing.T, text string, into T) T {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
	return into
}

func alertBody(t *testing.T, text string) *alertsv1.Alert {
	t.Helper()
	return body(t, text, &alertsv1.Alert{})
}

func channelBody(t *testing.T, text string) *alertsv1.Channel {
	t.Helper()
	return body(t, text, &alertsv1.Channel{})
}

// fields are the names of the fields that err complains about.
func fields(t *testing.T, err error) []string {
	t.Helper()
	if status.Code(err) != codes.InvalidArgument {
		t.Fatalf("error = %v, want InvalidArgument", err)
	}
	var out []string
	for _, f := range fault.FromStatus(status.Convert(err)).Fields {
		if f.Message == "" {
			t.Errorf("field %s has no message", f.Name)
		}
		out = append(out, f.Name)
	}
	return out
}

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// createAlert makes a rule of monitor 7 of orgA, which must exist.
func (w *world) createAlert(text string) *alertsv1.Alert {
	w.t.Helper()
	a, err := w.alerts.CreateAlert(editor(w.t), &alertsv1.CreateAlertRequest{MonitorId: 7, Alert: alertBody(w.t, text)})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// createChannel makes a channel that is told one by one, however much there is, unless text says otherwise.
func (w *world) createChannel(text string) *alertsv1.Channel {
	w.t.Helper()
	in := channelBody(w.t, text)
	if in.DigestWindowSeconds == nil {
		in.DigestWindowSeconds = new(int32)
	}
	if in.MaxMessagesPerMinute == nil {
		most := int32(600)
		in.MaxMessagesPerMinute = &most
	}
	c, err := w.channels.CreateChannel(admin(w.t), &alertsv1.CreateChannelRequest{Channel: in})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// know brings monitors of orgA into the catalog at once.
func (w *world) know(ids ...uint32) {
	w.t.Helper()
	for _, id := range ids {
		w.monitors.put(id, orgA)
		if err := w.store.PutMonitors(w.t.Context(), []alerts.Monitor{{ID: id, OrganizationID: orgA, Name: "m", Regions: []string{"eu", "us"}}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

const plainAlert = `{"alert_type": "webhook", "alert_config": {"url": "https://example.com/hook"}, "conditions": {"consecutive_failures": 3}}`

func TestAlertRoundTrip(t *testing.T) {
	w := newWorld(t)
	w.know(7, 8)
	var header metadata.MD
	made, err := w.alerts.CreateAlert(editor(t), &alertsv1.CreateAlertRequest{MonitorId: 7, Alert: alertBody(t, plainAlert)}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"201"}, header.Get("x-http-code")); diff != "" {
		t.Error(diff)
	}
	shown := made.GetAlertConfig().AsMap()
	if secret, _ := shown["secret"].(string); !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("the secret that was made is not shown: %v", shown)
	}
	if made.GetId() == 0 || made.GetMonitorId() != 7 || !made.GetEnabled() || made.GetTriggered() || made.GetCreatedAt() == nil {
		t.Errorf("alert = %v", made)
	}
	list := func() *alertsv1.Alert {
		t.Helper()
		got, err := w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7})
		if err != nil || len(got.GetAlerts()) != 1 {
			t.Fatalf("alerts = %v, %v", got, err)
		}
		return got.GetAlerts()[0]
	}
	want := map[string]any{"url": "https://example.com/hook", "has_secret": true, "headers": map[string]any{}}
	if diff := cmp.Diff(want, list().GetAlertConfig().AsMap()); diff != "" {
		t.Errorf("a read shows (-want +got):\n%s", diff)
	}
	update := func(text string, mask ...string) *alertsv1.Alert {
		t.Helper()
		req := &alertsv1.UpdateAlertRequest{MonitorId: 7, AlertId: made.GetId(), Alert: alertBody(t, text)}
		if mask != nil {
			req.UpdateMask = &fieldmaskpb.FieldMask{Paths: mask}
		}
		got, err := w.alerts.UpdateAlert(editor(t), req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got.String(), list().String()); diff != "" && got.GetAlertConfig().AsMap()["secret"] == nil {
			t.Errorf("what was answered is not what is stored:\n%s", diff)
		}
		return got
	}
	got := update(`{"enabled": false}`)
	if got.GetEnabled() || got.GetConditions().GetConsecutiveFailures() != 3 {
		t.Errorf("alert = %v", got)
	}
	got = update(`{}`, "enabled") // named and absent: its default
	if !got.GetEnabled() {
		t.Errorf("alert = %v", got)
	}
	got = update(`{"conditions": {"response_time_threshold_ms": 500, "uptime_percentage_threshold": 99.9}}`)
	if c := got.GetConditions(); c.ConsecutiveFailures != nil || c.GetResponseTimeThresholdMs() != 500 || c.GetUptimePercentageThreshold() != 99.9 {
		t.Errorf("conditions = %v", c)
	}
	got = update(`{"alert_config": {"headers": {"X-Token": "canary"}}}`, "alert_config.headers")
	want = map[string]any{"url": "https://example.com/hook", "has_secret": true, "headers": map[string]any{"X-Token": "***"}}
	if diff := cmp.Diff(want, got.GetAlertConfig().AsMap()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got = update(`{"alert_config": {"secret": null}}`); got.GetAlertConfig().AsMap()["secret"] == nil {
		t.Error("the new secret is not shown")
	}
	if _, err := w.alerts.DeleteAlert(editor(t), &alertsv1.DeleteAlertRequest{MonitorId: 7, AlertId: made.GetId()}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"204"}, header.Get("x-http-code")); diff != "" {
		t.Error(diff)
	}
	_, err = w.alerts.DeleteAlert(editor(t), &alertsv1.DeleteAlertRequest{MonitorId: 7, AlertId: made.GetId()})
	wantCode(t, err, codes.NotFound)
}

func TestAlertRefused(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	for _, tt := range []struct {
		text string
		want []string
	}{
		{`{}`, []string{"conditions", "alert_type"}},
		{`{"alert_type": "pigeon", "alert_config": {"url": "https://e/"}, "conditions": {"consecutive_failures": 1}}`, []string{"alert_type"}},
		{`{"alert_type": "webhook", "conditions": {"consecutive_failures": 1}}`, []string{"alert_config.url"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/", "foo": 1}, "conditions": {"consecutive_failures": 1}}`, []string{"alert_config.foo"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "ftp://e/"}}`, []string{"conditions", "alert_config.url"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {}}`, []string{"conditions"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {"consecutive_failures": 0}}`, []string{"conditions.consecutive_failures"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {"consecutive_failures": 101}}`, []string{"conditions.consecutive_failures"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {"response_time_threshold_ms": 300001}}`, []string{"conditions.response_time_threshold_ms"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {"uptime_percentage_threshold": "NaN"}}`, []string{"conditions.uptime_percentage_threshold"}},
		{`{"alert_type": "webhook", "alert_config": {"url": "https://e/"}, "conditions": {"uptime_percentage_threshold": 100.5}}`, []string{"conditions.uptime_percentage_threshold"}},
	} {
		_, err := w.alerts.CreateAlert(editor(t), &alertsv1.CreateAlertRequest{MonitorId: 7, Alert: alertBody(t, tt.text)})
		if diff := cmp.Diff(tt.want, fields(t, err)); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", tt.text, diff)
		}
	}
	got, err := w.alerts.ListAlerts(editor(t), &alertsv1.ListAlertsRequest{MonitorId: 7})
	if err != nil || len(got.GetAlerts()) != 0 {
		t.Errorf("something was stored: %v, %v", got, err)
	}
	a := w.createAlert(plainAlert)
	for _, tt := range []struct {
		text string
		mask []string
		want string
	}{
		{`{"conditions": {}}`, nil, "conditions"},
		{`{}`, []string{"conditions"}, "conditions"},
		{`{}`, []string{"alert_type"}, "alert_type"},
		{`{}`, []string{"alert_config"}, "alert_config.url"},
		{`{"alert_type": "pigeon"}`, nil, "alert_type"},
		{`{}`, []string{"pigeon"}, "update_mask"},
		{`{"alert_config": {"url": null}}`, nil, "alert_config.url"},
	} {
		_, err := w.alerts.UpdateAlert(editor(t), &alertsv1.UpdateAlertRequest{
			MonitorId: 7, AlertId: a.GetId(), Alert: alertBody(t, tt.text), UpdateMask: &fieldmaskpb.FieldMask{Paths: tt.mask},
		})
		if diff := cmp.Diff([]string{tt.want}, fields(t, err)); diff != "" {
			t.Errorf("%s %v: fields (-want +got):\n%s", tt.text, tt.mask, diff)
		}
	}
}

// A monitor that the catalog has not brought yet is asked for, in the caller's name; another organization's is not there.
func TestMonitorsOfAlerts(t *testing.T) {
	w := newWorld(t)
	w.know(7)
	w.monitors.hidden[9], w.monitors.hidden[10] = orgA, orgB
	if err := w.store.PutMonitors(t.Context(), []alerts.Monitor{{ID: 11, OrganizationID: orgB}}); err != nil {
		t.Fatal(err)
	}
	create := func(id uint32) error {
		_, err := w.alerts.CreateAlert(editor(t), &alertsv1.CreateAlertRequest{MonitorId: id, Alert: alertBody(t, plainAlert)})
		return err
	}
	if err := create(9); err != nil {
		t.Error(err)
	}
	for _, id := range []uint32{0, 10, 11, 12} {
		wantCode(t, create(id), codes.NotFound)
	}
	a := w.createAlert(plainAlert)
	ctx := stranger(t)
	for name, call := range map[string]func() error{
		"list": func() error {
			_, err := w.alerts.ListAlerts(ctx, &alertsv1.ListAlertsRequest{MonitorId: 7})
			return err
		},
		"create": func() error {
			_, err := w.alerts.CreateAlert(ctx, &alertsv1.CreateAlertRequest{MonitorId: 7, Alert: alertBody(t, plainAlert)})
			return err
		},
		"update": func() error {
			_, err := w.alerts.UpdateAlert(ctx, &alertsv1.UpdateAlertRequest{MonitorId: 7, AlertId: a.GetId(), Alert: &alertsv1.Alert{}})
			return err
		},
		"delete": func() error {
			_, err := w.alerts.DeleteAlert(ctx, &alertsv1.DeleteAlertRequest{MonitorId: 7, AlertId: a.GetId()})
			return err
		},
		"test": func() error {
			_, err := w.alerts.TestAlert(ctx, &alertsv1.TestAlertRequest{MonitorId: 7, AlertId: a.GetId()})
			return err
		},
		"history": func() error {
			_, err := w.alerts.ListAlertHistory(ctx, &alertsv1.ListAlertHistoryRequest{MonitorId: proto.Uint32(7)})
			return err
		},
	} {
		if err := call(); status.Code(err) != codes.NotFound {
			t.Errorf("%s: %v, want NotFound", name, err)
		}
	}
}

// Who may do what, over all methods.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	const public, viewer, ed, adm = 0, 1, 2, 3
	need := map[string]int{
		"ListAlerts": viewer, "CreateAlert": ed, "UpdateAlert": ed, "DeleteAlert": ed, "TestAlert": ed, "ListAlertHistory": viewer,
		"ListDeliveries": viewer, "ListDeliveryAttempts": viewer, "ReplayDelivery": ed, "ListIncidents": viewer, "GetIncident": viewer, "AcknowledgeIncident": ed, "ResolveIncident": ed,
		"GetIncidentTimeline": viewer, "ListIncidentNotes": viewer, "CreateIncidentNote": ed, "UpdateIncidentNote": ed, "DeleteIncidentNote": ed,
		"ListChannels": viewer, "CreateChannel": adm, "UpdateChannel": adm, "DeleteChannel": adm, "TestChannel": adm,
		"ListAuditEntries": adm,
	}
	callers := []struct {
		name string
		ctx  context.Context
		rank int
		no   codes.Code
	}{
		{"nobody", rpctest.Anonymous(t.Context()), public, codes.Unauthenticated},
		{"a service", rpctest.AsService(t.Context()), public, codes.PermissionDenied},
		{"a user without an organization", rpctest.AsUser(t.Context(), "", identity.RoleOwner), public, codes.PermissionDenied},
		{"a viewer", rpctest.AsUser(t.Context(), orgA, identity.RoleViewer), viewer, codes.PermissionDenied},
		{"an editor's key", rpctest.AsKey(t.Context(), orgA, identity.RoleEditor), ed, codes.PermissionDenied},
		{"an admin", rpctest.AsUser(t.Context(), orgA, identity.RoleAdmin), adm, codes.PermissionDenied},
		{"an owner", rpctest.AsUser(t.Context(), orgA, identity.RoleOwner), adm, codes.PermissionDenied},
	}
	seen := 0
	for _, desc := range []grpc.ServiceDesc{
		alertsv1.AlertsService_ServiceDesc, alertsv1.IncidentsService_ServiceDesc, alertsv1.IncidentNotesService_ServiceDesc, alertsv1.ChannelsService_ServiceDesc, auditv1.AuditService_ServiceDesc,
	} {
		for _, m := range desc.Methods {
			least, known := need[m.MethodName]
			if !known {
				t.Errorf("no expectation for %s", m.MethodName)
			}
			seen++
			for _, c := range callers {
				err := w.conn.Invoke(c.ctx, "/"+desc.ServiceName+"/"+m.MethodName, &alertsv1.ListChannelsRequest{}, &alertsv1.ListChannelsRequest{})
				refused := status.Code(err) == codes.PermissionDenied || status.Code(err) == codes.Unauthenticated
				if allowed := c.rank >= least; allowed == refused || refused && status.Code(err) != c.no {
					t.Errorf("%s by %s: %v", m.MethodName, c.name, err)
				}
			}
		}
	}
	if seen != len(need) {
		t.Errorf("%d methods, want %d", seen, len(need))
	}
}

func TestEveryMethodIsDeclared(t *testing.T) {
	w := newWorld(t)
	_ = rpctest.Conn(t, "alerts", func(r grpc.ServiceRegistrar) {
		w.service.Register(r)
		srv, ok := r.(*rpc.Server)
		if !ok {
			t.Fatalf("registrar is a %T", r)
		}
		if got := srv.Undeclared(); len(got) > 0 {
			t.Errorf("undeclared: %v", got)
		}
	}, policy())
}
