package monitors_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/monitors"
)

// update changes a monitor; without paths there is no mask.
func (h *house) update(id uint32, m *monitorsv1.Monitor, paths ...string) (*monitorsv1.Monitor, error) {
	req := &monitorsv1.UpdateMonitorRequest{Id: id, Monitor: m}
	if len(paths) > 0 {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	}
	return h.monitors.UpdateMonitor(h.editor(), req)
}

func (h *house) get(id uint32) *monitorsv1.Monitor {
	h.t.Helper()
	m, err := h.monitors.GetMonitor(h.editor(), &monitorsv1.GetMonitorRequest{Id: id})
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

// fullMonitor sets every field that an http monitor may have; variant says which of two values.
func fullMonitor(variant int) *monitorsv1.Monitor {
	pick := func(a, b string) *string { return ptr([]string{a, b}[variant]) }
	n := func(a, b int32) *int32 { return ptr([]int32{a, b}[variant]) }
	m := &monitorsv1.Monitor{
		Name: pick("one", "two"), MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_HTTP), IntervalSeconds: n(30, 60),
		Enabled: ptr(variant == 0),
		HttpConfig: &checkv1.HttpConfig{
			Url: pick("https://one.example/", "http://two.example:8080/x"), Method: pick("POST", "PUT"),
			Headers: map[string]string{"X-" + *pick("One", "Two"): "v"}, Body: pick("a", "b"),
			Auth:            &checkv1.HttpAuth{Type: ptr(checkv1.AuthType_AUTH_TYPE_BASIC), Credentials: &checkv1.HttpCredentials{Username: pick("u1", "u2"), Password: pick("p1", "p2")}},
			FollowRedirects: ptr(variant == 0), TimeoutMs: n(1000, 2000),
			IpVersion:    ptr([]checkv1.IpVersion{checkv1.IpVersion_IP_VERSION_IPV4, checkv1.IpVersion_IP_VERSION_IPV6}[variant]),
			MaxRedirects: n(0, 5), UserAgent: pick("ua1", "ua2"),
			HttpVersion: ptr([]checkv1.HttpVersion{checkv1.HttpVersion_HTTP_VERSION_HTTP1, checkv1.HttpVersion_HTTP_VERSION_HTTP2}[variant]),
			Cookies:     ptr(variant == 1),
			Proxy:       &checkv1.HttpProxy{Url: pick("http://p1.example:3128", "socks5://p2.example:1080"), Username: pick("x1", "x2"), Password: pick("y1", "y2")},
			Tls: &checkv1.TlsOptions{
				TrustedCas: []string{monitors.TestCertificate}, ServerName: pick("s1.example", "s2.example"),
				MinVersion:        ptr([]checkv1.TlsVersion{checkv1.TlsVersion_TLS_VERSION_TLS12, checkv1.TlsVersion_TLS_VERSION_TLS13}[variant]),
				Revocation:        ptr([]checkv1.Revocation{checkv1.Revocation_REVOCATION_OFF, checkv1.Revocation_REVOCATION_ONLINE}[variant]),
				ClientCertificate: ptr(monitors.TestCertificate), ClientKey: ptr(monitors.TestKey),
			},
		},
		ValidationRules: []*checkv1.ValidationRule{{
			Type: checkv1.RuleType_RULE_TYPE_RESPONSE_TIME, Operator: ptr(checkv1.RuleOperator_RULE_OPERATOR_LESS_THAN),
			Value: structpb.NewNumberValue(float64(100 * (variant + 1))),
		}},
		Regions: [][]string{{"local"}, {"eu", "local"}}[variant], Retries: &checkv1.Retries{Attempts: n(2, 3), DelayMs: n(10, 20)},
		ConfirmDown: n(3, 4), ConfirmUp: n(2, 3), RetryIntervalSeconds: n(5, 6), Quorum: pick("any", "all"),
		Overlap:         ptr([]monitorsv1.Overlap{monitorsv1.Overlap_OVERLAP_PARALLEL, monitorsv1.Overlap_OVERLAP_SKIP}[variant]),
		DegradedAboveMs: n(500, 600), Labels: map[string]string{"k": *pick("v1", "v2")},
		ExternalId: pick("e1", "e2"), ManagedBy: pick("m1", "m2"),
		DnsConfig: &checkv1.DnsConfig{Servers: [][]string{{"192.0.2.53"}, {"[2001:db8::53]:5353", "192.0.2.53"}}[variant], MaxTtlSeconds: n(0, 30)},
	}
	return m
}

// readOnlyPaths are what people cannot set, and derivedPaths what follows other fields.
var (
	readOnlyPaths = []string{"id", "organization_id", "created_at", "updated_at", "created_by", "status", "version", "worst_case_alert_delay_ms", "http_config.auth.has_credentials",
		"http_config.proxy.has_password", "http_config.tls.has_client_key", "tcp_config.tls_options.has_client_key", "tls_config.options.has_client_key"}
	derivedPaths = []string{"updated_at", "version", "worst_case_alert_delay_ms", "status"}
)

// leaves lists the paths of all fields of m that are not messages to descend into.
func leaves(d protoreflect.MessageDescriptor, prefix string) []string {
	var all []string
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		path := prefix + string(fd.Name())
		if fd.Message() != nil && !fd.IsList() && !fd.IsMap() && strings.HasPrefix(string(fd.Message().FullName()), "frogstats.uptime.check.") {
			all = append(all, leaves(fd.Message(), path+".")...)
			continue
		}
		all = append(all, path)
	}
	return all
}

// at returns the value of a path as text, "absent" if it is not there.
func at(m *monitorsv1.Monitor, path string) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(only(m, path))
	if err != nil {
		panic(err)
	}
	if r := only(m, path).ProtoReflect(); proto.Equal(only(&monitorsv1.Monitor{}, path), r.Interface()) {
		return "absent"
	}
	return fmt.Sprintf("%q", b)
}

// settable are the paths that a change may name and that an http monitor with an interval has.
func settable() []string {
	return slices.DeleteFunc(leaves((&monitorsv1.Monitor{}).ProtoReflect().Descriptor(), ""), func(p string) bool {
		return slices.Contains(readOnlyPaths, p) || strings.HasPrefix(p, "tcp_config.") || strings.HasPrefix(p, "tls_config.") || p == "cron" || p == "timezone" ||
			p == "depends_on" || // needs monitors that are there; TestDependencies
			strings.HasPrefix(p, "http_config.auth.credentials.") || // write-only; TestCredentials has them
			p == "http_config.proxy.password" || strings.HasPrefix(p, "http_config.tls.client_") || // TestSecretsBesideTheirFields
			strings.HasPrefix(p, "http_config.auth.oauth2.") || p == "http_config.tls.insecure_skip_verify" // exclude others
	})
}

func TestChangingOneFieldLeavesAllOthers(t *testing.T) {
	h := newHouse(t)
	h.arrive("eu")
	all := leaves((&monitorsv1.Monitor{}).ProtoReflect().Descriptor(), "")
	for _, path := range settable() {
		for _, masked := range []bool{true, false} {
			before := h.create(fullMonitor(0))
			body := only(fullMonitor(1), path)
			paths := []string{path}
			if !masked {
				paths = nil
			}
			after, err := h.update(before.GetId(), body, paths...)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			for _, other := range all {
				if other == path || slices.Contains(derivedPaths, other) {
					continue
				}
				if got, want := at(after, other), at(before, other); got != want {
					t.Errorf("change of %s: %s was %s and is %s", path, other, want, got)
				}
			}
			if want := at(body, path); at(after, path) != want {
				t.Errorf("change of %s: is %s, want %s", path, at(after, path), want)
			}
			if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: before.GetId()}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// only is a copy of m that holds nothing but the field at path.
func only(m *monitorsv1.Monitor, path string) *monitorsv1.Monitor {
	out := &monitorsv1.Monitor{}
	from, to := m.ProtoReflect(), out.ProtoReflect()
	names := strings.Split(path, ".")
	for i, name := range names {
		fd := from.Descriptor().Fields().ByName(protoreflect.Name(name))
		if i == len(names)-1 {
			if from.Has(fd) {
				to.Set(fd, from.Get(fd))
			}
			break
		}
		from, to = from.Get(fd).Message(), to.Mutable(fd).Message()
	}
	return out
}

func TestClearingMakesTheDefault(t *testing.T) {
	h := newHouse(t)
	m := h.create(fullMonitor(0))
	plain := h.create(httpMonitor())
	for _, path := range settable() {
		switch path {
		case "name", "monitor_type", "interval_seconds", "http_config.url", "http_config.auth.type", "http_config.proxy.url": // TestRequiredFields
			continue
		}
		got, err := h.update(m.GetId(), &monitorsv1.Monitor{}, path)
		if err != nil {
			t.Errorf("clear %s: %v", path, err)
			continue
		}
		if is, want := at(got, path), at(plain, path); is != want {
			t.Errorf("cleared %s is %s, want the default %s", path, is, want)
		}
	}
	for _, path := range []string{"name", "monitor_type", "interval_seconds", "http_config.url", "http_config"} {
		_, err := h.update(m.GetId(), &monitorsv1.Monitor{}, path)
		wantField(t, err, path)
	}
}

func TestMessagesMergeAndCollectionsDoNot(t *testing.T) {
	h := newHouse(t)
	m := h.create(fullMonitor(0))
	got, err := h.update(m.GetId(), &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{
		Method: ptr("HEAD"), Headers: map[string]string{"X-New": "1"},
	}, Labels: map[string]string{"new": ""}, Retries: &checkv1.Retries{Attempts: ptr(int32(4))}},
		"http_config.method", "http_config.headers.X-New", "labels.new", "retries")
	if err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(m)
	want.HttpConfig.Method, want.HttpConfig.Headers = ptr("HEAD"), map[string]string{"X-New": "1"}
	want.Labels, want.Retries.Attempts = map[string]string{"new": ""}, ptr(int32(4))
	ignore := protocmp.IgnoreFields(&monitorsv1.Monitor{}, "updated_at", "version", "worst_case_alert_delay_ms", "status")
	if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	got, err = h.update(m.GetId(), &monitorsv1.Monitor{}, "labels", "http_config.headers", "validation_rules", "regions", "retries")
	if err != nil || len(got.GetLabels())+len(got.GetHttpConfig().GetHeaders())+len(got.GetValidationRules()) != 0 ||
		got.GetRetries().GetAttempts() != 1 || !slices.Equal(got.GetRegions(), []string{"local"}) {
		t.Errorf("cleared: %v, %v", got, err)
	}
}

func TestAWholeAnswerSentBackChangesNothing(t *testing.T) {
	h := newHouse(t)
	full := fullMonitor(0)
	full.HttpConfig.Headers["Authorization"] = "Bearer canary"
	m := h.create(full)
	// The edge names every field of the body, nulls included.
	var paths []string
	for _, p := range leaves((&monitorsv1.Monitor{}).ProtoReflect().Descriptor(), "") {
		if strings.HasPrefix(p, "tcp_config.") || strings.HasPrefix(p, "http_config.auth.credentials.") {
			continue
		}
		paths = append(paths, p)
	}
	paths = append(paths, "tcp_config", "http_config.auth.credentials", "status.current_status")
	got, err := h.update(m.GetId(), m, paths...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got, protocmp.Transform()); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
	spec := h.check(m.GetId())
	if c := spec.GetHttpConfig().GetAuth().GetCredentials(); c.GetUsername() != "u1" || c.GetPassword() != "p1" {
		t.Error("the credentials were lost")
	}
	if spec.GetHttpConfig().GetHeaders()["Authorization"] != "Bearer canary" {
		t.Error("the secret header was lost")
	}
}

func TestSwitchingTypeAndSchedule(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	_, err := h.update(m.GetId(), &monitorsv1.Monitor{Cron: ptr("0 * * * *")})
	wantField(t, err, "cron")
	wantField(t, err, "interval_seconds")
	got, err := h.update(m.GetId(), &monitorsv1.Monitor{Cron: ptr("0 * * * *")}, "cron", "interval_seconds")
	if err != nil || got.GetCron() != "0 * * * *" || got.IntervalSeconds != nil {
		t.Errorf("to cron: %v, %v", got, err)
	}
	body := &monitorsv1.Monitor{
		MonitorType: ptr(checkv1.MonitorType_MONITOR_TYPE_TCP), TcpConfig: &checkv1.TcpConfig{Host: ptr("h"), Port: ptr(int32(1))},
	}
	_, err = h.update(m.GetId(), body)
	wantField(t, err, "http_config")
	got, err = h.update(m.GetId(), body, "monitor_type", "tcp_config.host", "tcp_config.port", "http_config")
	if err != nil || got.HttpConfig != nil || got.GetTcpConfig().GetTimeoutMs() != 10000 {
		t.Errorf("to tcp: %v, %v", got, err)
	}
	_, err = h.update(m.GetId(), &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{}})
	wantField(t, err, "http_config") // even an empty one is one too many
}

func TestRetryIntervalFollowsTheInterval(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	for interval, want := range map[int32]int32{1: 1, 3: 1, 30: 10, 59: 19, 3600: 20} {
		got, err := h.update(m.GetId(), &monitorsv1.Monitor{IntervalSeconds: &interval})
		if err != nil || got.GetRetryIntervalSeconds() != want {
			t.Errorf("interval %d: retry interval %d, %v, want %d", interval, got.GetRetryIntervalSeconds(), err, want)
		}
	}
}

func TestMaskRefusals(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	for _, path := range []string{"nam", "http_config.ur", "name.x", "*", "", "http_config..url", "httpConfig.url", "interval_seconds.value"} {
		_, err := h.update(m.GetId(), &monitorsv1.Monitor{Name: ptr("x")}, path)
		wantField(t, err, "update_mask")
	}
	if got := h.get(m.GetId()); got.GetVersion() != 1 {
		t.Errorf("version %d after refusals", got.GetVersion())
	}
}

func TestVersionsAndETags(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	change := func(name string, pairs ...string) (string, error) {
		var header metadata.MD
		_, err := h.monitors.UpdateMonitor(h.editor(pairs...), &monitorsv1.UpdateMonitorRequest{
			Id: m.GetId(), Monitor: &monitorsv1.Monitor{Name: &name},
		}, grpc.Header(&header))
		return strings.Join(header.Get("etag"), ","), err
	}
	steps := []struct {
		name, ifMatch, etag string
		code                codes.Code
	}{
		{"a", `"v1"`, `"v2"`, codes.OK},
		{"b", `"v1"`, "", codes.FailedPrecondition},
		{"b", `W/"v2"`, "", codes.FailedPrecondition},
		{"b", `v2`, "", codes.FailedPrecondition},
		{"b", ``, "", codes.FailedPrecondition},
		{"b", `"v9", "v2"`, `"v3"`, codes.OK},
		{"b", `*`, `"v3"`, codes.OK}, // nothing changes, and so does the version
		{"c", `*`, `"v4"`, codes.OK},
	}
	for _, tt := range steps {
		etag, err := change(tt.name, "if-match", tt.ifMatch)
		if status.Code(err) != tt.code || etag != tt.etag {
			t.Errorf("If-Match %q: %v, etag %q, want %v and %q", tt.ifMatch, err, etag, tt.code, tt.etag)
		}
	}
	_, err := h.monitors.DeleteMonitor(h.editor("if-match", `"v1"`), &monitorsv1.DeleteMonitorRequest{Id: m.GetId()})
	wantCode(t, "delete of what has changed", err, codes.FailedPrecondition)
	var header metadata.MD
	_, err = h.monitors.DeleteMonitor(h.editor("if-match", `"v4"`), &monitorsv1.DeleteMonitorRequest{Id: m.GetId()}, grpc.Header(&header))
	if err != nil || header.Get("x-http-code")[0] != "204" {
		t.Errorf("delete: %v, headers %v", err, header)
	}
	_, err = h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: m.GetId()})
	wantCode(t, "delete again", err, codes.NotFound)
	_, err = change("d", "if-match", `"v1"`)
	wantCode(t, "a change of what is gone", err, codes.NotFound)
}

func TestOfManyChangesToOneVersionOneWins(t *testing.T) {
	h := newHouse(t)
	m := h.create(httpMonitor())
	const n = 16
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, err := h.monitors.UpdateMonitor(h.editor("if-match", `"v1"`), &monitorsv1.UpdateMonitorRequest{
				Id: m.GetId(), Monitor: &monitorsv1.Monitor{Name: ptr(string(rune('a' + i)))},
			})
			switch status.Code(err) {
			case codes.OK:
				won.Add(1)
			case codes.FailedPrecondition:
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != n-1 || h.get(m.GetId()).GetVersion() != 2 {
		t.Errorf("%d won, %d lost, version %d", won.Load(), lost.Load(), h.get(m.GetId()).GetVersion())
	}
}

func TestRefusedChangesStoreNothing(t *testing.T) {
	h := newHouse(t)
	m := h.create(fullMonitor(0))
	_, err := h.update(m.GetId(), &monitorsv1.Monitor{Name: ptr("new"), Quorum: ptr("5")})
	wantField(t, err, "quorum")
	if diff := cmp.Diff(m, h.get(m.GetId()), protocmp.Transform()); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

// The events service hears of a switch a moment later; the answer must not contradict itself meanwhile.
func TestAnswerOfASwitchAgreesWithIt(t *testing.T) {
	h := newHouse(t)
	m := h.create(tcpMonitor())
	const up, paused, unknown = eventsv1.CurrentStatus_CURRENT_STATUS_UP, eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED, eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN
	for _, tt := range []struct {
		enabled    bool
		told, want eventsv1.CurrentStatus
	}{{false, up, paused}, {true, paused, unknown}, {true, up, up}} {
		h.events.set(m.GetId(), tt.told)
		got, err := h.monitors.UpdateMonitor(h.editor(), &monitorsv1.UpdateMonitorRequest{Id: m.GetId(), Monitor: &monitorsv1.Monitor{Enabled: &tt.enabled}})
		if err != nil || got.GetStatus().GetCurrentStatus() != tt.want {
			t.Errorf("enabled %v while told %v: %v, %v, want %v", tt.enabled, tt.told, got.GetStatus().GetCurrentStatus(), err, tt.want)
		}
	}
}
