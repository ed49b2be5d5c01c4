package wire_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

func TestParseQuery(t *testing.T) {
	values := url.Values{"enabled": {"false"}, "monitor_type": {"tcp"}, "label": {"a=b", "c"}, "page_size": {"10"}, "q": {"é"}}
	got := &monitorsv1.ListMonitorsRequest{}
	if err := wire.ParseQuery(got, values); err != nil {
		t.Fatal(err)
	}
	want := &monitorsv1.ListMonitorsRequest{
		Enabled: proto.Bool(false), MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP.Enum(),
		Label: []string{"a=b", "c"}, PageSize: proto.Int32(10), Q: proto.String("é"),
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseQueryRefuses(t *testing.T) {
	tests := []struct {
		m             proto.Message
		query         string
		path, message string
	}{
		{&monitorsv1.ListMonitorsRequest{}, "enable=true", "enable", `unknown parameter; did you mean "enabled"?`},
		{&monitorsv1.ListMonitorsRequest{}, "pageSize=1", "pageSize", `unknown parameter; did you mean "page_size"?`},
		{&monitorsv1.ListMonitorsRequest{}, "enabled=yes", "enabled", `must be true or false, not "yes"`},
		{&monitorsv1.ListMonitorsRequest{}, "enabled=", "enabled", `must be true or false, not ""`},
		{&monitorsv1.ListMonitorsRequest{}, "enabled=true&enabled=true", "enabled", `must not be given twice`},
		{&monitorsv1.ListMonitorsRequest{}, "monitor_type=udp", "monitor_type", `must be one of "http", "tcp", "tls", not "udp"`},
		{&monitorsv1.ListMonitorsRequest{}, "page_size=1.5", "page_size", `must be a whole number from -2147483648 to 2147483647, not "1.5"`},
		{&monitorsv1.ListMonitorsRequest{}, "q=%ff", "q", `must be UTF-8`},
		{&eventsv1.ListEventsRequest{}, "status=success&status=bad", "status[1]", `must be one of "success", "failure", "timeout", "error", "missed", not "bad"`},
		{&eventsv1.ListEventsRequest{}, "monitor_id=3", "monitor_id", `unknown parameter`},
		{&monitorsv1.UpdateMonitorRequest{}, "update_mask=name", "update_mask", `unknown parameter`},
		{&monitorsv1.UpdateMonitorRequest{}, "monitor.name=x", "monitor.name", `unknown parameter`},
		{&monitorsv1.TestMonitorRequest{}, "monitor=x", "monitor", `unknown parameter`},
		{&auditv1.ListAuditEntriesRequest{}, "before=now", "before", `must be a time as in "2026-01-02T03:04:05.000Z", not "now"`},
	}
	for _, tt := range tests {
		values, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		got := wire.ParseQuery(tt.m, values, "monitor_id", "id", "monitor")
		if diff := cmp.Diff(&wire.Error{Path: tt.path, Message: tt.message}, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.query, diff)
		}
	}
}

func TestQueryForHandlers(t *testing.T) {
	filter := utilities.NewDoubleArray([][]string{{"monitor"}, {"id"}})
	got := &monitorsv1.UpdateMonitorRequest{Id: 7}
	if err := (wire.Query{}).Parse(got, url.Values{"update_mask": {"name,http_config.url"}}, filter); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"name", "http_config.url"}, got.GetUpdateMask().GetPaths()); diff != "" || got.GetId() != 7 {
		t.Errorf("-want +got\n%s", diff)
	}
	if err := (wire.Query{}).Parse(&monitorsv1.UpdateMonitorRequest{}, url.Values{"id": {"8"}}, filter); err == nil {
		t.Error("a path parameter was taken from the query")
	}
	if err := (wire.Query{}).Parse(&monitorsv1.GetMonitorRequest{}, url.Values{"update_mask": {"x"}}, filter); err == nil {
		t.Error("a mask was set on a message without one")
	}
	if err := (wire.Query{}).Parse(&monitorsv1.ListMonitorsRequest{}, nil, nil); err != nil {
		t.Errorf("nothing to parse: %v", err)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "enabled=true&label=a&label=b", "page_size=1e3", "monitor_type=http&q=%ff", "update_mask=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		m := &monitorsv1.ListMonitorsRequest{}
		if e := wire.ParseQuery(m, values); e != nil {
			if e.Path == "" && !values.Has("") || e.Message == "" {
				t.Fatalf("%q: an error that says little: %+v", query, e)
			}
			return
		}
		if _, err := proto.Marshal(m); err != nil { // such as text that is not UTF-8
			t.Fatalf("%q: %v", query, err)
		}
	})
}

func TestParsePath(t *testing.T) {
	md := (&monitorsv1.GetMonitorRequest{}).ProtoReflect().Descriptor()
	if err := wire.ParsePath(md, "id", "7"); err != nil {
		t.Errorf("7: %v", err)
	}
	for _, text := range []string{"abc", "-1", "4294967296", ""} {
		if err := wire.ParsePath(md, "id", text); err == nil || err.Path != "id" {
			t.Errorf("%q: got %v, want an error at id", text, err)
		}
	}
}
