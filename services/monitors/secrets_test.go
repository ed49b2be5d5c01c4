package monitors_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

func authBody(t checkv1.AuthType, c *checkv1.HttpCredentials) *monitorsv1.Monitor {
	return &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{Auth: &checkv1.HttpAuth{Type: &t, Credentials: c}}}
}

func TestCredentialsAreKeptChangedAndDropped(t *testing.T) {
	basic, bearer, none := checkv1.AuthType_AUTH_TYPE_BASIC, checkv1.AuthType_AUTH_TYPE_BEARER, checkv1.AuthType_AUTH_TYPE_NONE
	custom := checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER
	const at = "http_config.auth.credentials"
	steps := []struct {
		name   string
		body   *monitorsv1.Monitor
		paths  []string
		refuse string
		want   string // user name, password, token, key, value
	}{
		{name: "untouched", body: &monitorsv1.Monitor{Name: ptr("x")}, want: "u p"},
		{name: "a header beside", body: &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{Headers: map[string]string{"X-Token": "t"}}}, want: "u p"},
		{name: "the type alone", body: authBody(basic, nil), want: "u p"},
		{name: "the type and null", body: authBody(basic, nil), paths: []string{"http_config.auth.type", at, "http_config.auth.has_credentials"}, want: "u p"},
		{name: "an empty message", body: authBody(basic, &checkv1.HttpCredentials{}), paths: []string{at}, want: "u p"},
		{name: "one of two", body: authBody(basic, &checkv1.HttpCredentials{Password: ptr("p2")}), want: "u p2"},
		{name: "one named and absent", body: authBody(basic, &checkv1.HttpCredentials{}), paths: []string{at + ".password"}, want: "u"},
		{name: "both", body: authBody(basic, &checkv1.HttpCredentials{Username: ptr("a"), Password: ptr("b")}), want: "a b"},
		{name: "another type without any", body: authBody(bearer, nil), refuse: at + ".token", want: "a b"},
		{name: "another type", body: authBody(bearer, &checkv1.HttpCredentials{Token: ptr("t")}), want: "t"},
		{name: "back without any", body: authBody(basic, nil), refuse: at + ".username", want: "t"},
		{name: "other spellings", body: authBody(custom, &checkv1.HttpCredentials{HeaderName: ptr("X-A"), HeaderValue: ptr("v")}), want: "X-A v"},
		{name: "one other spelling", body: authBody(custom, &checkv1.HttpCredentials{HeaderValue: ptr("w")}), paths: []string{at + ".header_value"}, want: "X-A w"},
		{name: "none", body: authBody(none, nil), want: ""},
		{name: "again", body: authBody(basic, &checkv1.HttpCredentials{Username: ptr("u")}), want: "u"},
		{name: "auth cleared", body: &monitorsv1.Monitor{}, paths: []string{"http_config.auth"}, want: ""},
		{name: "and again", body: authBody(bearer, &checkv1.HttpCredentials{Token: ptr("t")}), want: "t"},
		{name: "type cleared", body: &monitorsv1.Monitor{}, paths: []string{"http_config.auth.type"}, want: ""},
	}
	h := newHouse(t)
	m := h.create(basicMonitor("u", "p"))
	for _, tt := range steps {
		got, err := h.update(m.GetId(), tt.body, tt.paths...)
		if tt.refuse != "" {
			wantField(t, err, tt.refuse)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if has := got.GetHttpConfig().GetAuth().GetHasCredentials(); has != (tt.want != "") {
			t.Errorf("%s: has_credentials %v", tt.name, has)
		}
		c := h.stored(m.GetId()).GetHttpConfig().GetAuth().GetCredentials()
		var have []string
		for _, v := range []string{c.GetUsername(), c.GetPassword(), c.GetToken(), c.GetKey(), c.GetValue()} {
			if v != "" {
				have = append(have, v)
			}
		}
		if strings.Join(have, " ") != tt.want {
			t.Errorf("%s: has %q, want %q", tt.name, have, tt.want)
		}
	}
}

// stored is what a prober is sent of a monitor.
func (h *house) stored(id uint32) *checkv1.CheckSpec {
	h.t.Helper()
	next, cancel := h.assigned("reader", "local")
	defer cancel()
	for {
		resp := next()
		if resp.GetAssigned().GetSpec().GetMonitorId() == id {
			return resp.GetAssigned().GetSpec()
		}
		if resp.GetSnapshotComplete() != nil {
			h.t.Fatalf("monitor %d is not assigned", id)
		}
	}
}

func TestSecretHeaders(t *testing.T) {
	h := newHouse(t)
	m := httpMonitor()
	m.HttpConfig.Headers = map[string]string{"Authorization": "one", "X-Api-Key": "two", "Accept": "a"}
	created := h.create(m)
	headers := func() map[string]string { return h.stored(created.GetId()).GetHttpConfig().GetHeaders() }
	set := func(want map[string]string) (*monitorsv1.Monitor, error) {
		return h.update(created.GetId(), &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{Headers: want}}, "http_config.headers")
	}
	if got := created.GetHttpConfig().GetHeaders(); got["Authorization"] != "***" || got["X-Api-Key"] != "***" || got["Accept"] != "a" {
		t.Errorf("shown headers = %v", got)
	}
	if got := headers(); got["Authorization"] != "one" || got["X-Api-Key"] != "two" || got["Accept"] != "a" {
		t.Errorf("sent headers = %v", got)
	}
	if _, err := set(map[string]string{"authorization": "***", "Accept": "b"}); err != nil { // kept in another case, one changed, one gone
		t.Fatal(err)
	}
	if got := headers(); len(got) != 2 || got["authorization"] != "one" || got["Accept"] != "b" {
		t.Errorf("sent headers = %v", got)
	}
	_, err := set(map[string]string{"X-Api-Key": "***"})
	wantField(t, err, `http_config.headers["X-Api-Key"]`)
	if got, err := set(map[string]string{"Authorization": "new"}); err != nil || got.GetHttpConfig().GetHeaders()["Authorization"] != "***" {
		t.Errorf("replaced: %v, %v", got.GetHttpConfig().GetHeaders(), err)
	}
	if got := headers(); len(got) != 1 || got["Authorization"] != "new" {
		t.Errorf("sent headers = %v", got)
	}
	if _, err := set(nil); err != nil || len(headers()) != 0 {
		t.Errorf("cleared: %v, %v", headers(), err)
	}
}

// TestCanaries plants a secret in every place for one and looks for it in everything that leaves the service, save what
// goes to probers.
func TestCanaries(t *testing.T) {
	const canary = "canary-7f3a"
	h := newHouse(t)
	var said bytes.Buffer
	hear := func(m proto.Message, err error) {
		if err != nil {
			said.WriteString(err.Error())
		}
		if b, err := protojson.Marshal(m); err == nil {
			said.Write(b)
		}
	}
	for typ, c := range map[checkv1.AuthType]*checkv1.HttpCredentials{
		checkv1.AuthType_AUTH_TYPE_BASIC:         {Username: ptr(canary), Password: ptr(canary)},
		checkv1.AuthType_AUTH_TYPE_BEARER:        {Token: ptr(canary)},
		checkv1.AuthType_AUTH_TYPE_API_KEY:       {Value: ptr(canary)},
		checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER: {HeaderName: ptr("X-A"), HeaderValue: ptr(canary)},
	} {
		m := httpMonitor()
		m.HttpConfig.Auth = &checkv1.HttpAuth{Type: &typ, Credentials: c}
		m.HttpConfig.Headers = map[string]string{"Authorization": canary, "Cookie": canary, "X-Api-Key": canary, "X-Session-Token": canary}
		created, err := h.monitors.CreateMonitor(h.editor("idempotency-key", typ.String()), &monitorsv1.CreateMonitorRequest{Monitor: m})
		hear(created, err)
		id := created.GetId()
		hear(h.update(id, &monitorsv1.Monitor{Name: ptr("renamed")}))
		hear(h.update(id, &monitorsv1.Monitor{HttpConfig: &checkv1.HttpConfig{Headers: map[string]string{"Cookie": "***", "X-Secret": canary}}}))
		c.Value = ptr(canary + "2")
		hear(h.update(id, m)) // two types refuse a value
		bad := proto.CloneOf(m)
		bad.HttpConfig.Headers["Authorization"] = canary + "\n"
		bad.HttpConfig.Auth.Credentials.Token = ptr(strings.Repeat(canary, 1000))
		hear(h.update(id, bad))
		hear(h.monitors.TestMonitor(h.editor(), &monitorsv1.TestMonitorRequest{Monitor: m}))
		hear(h.monitors.CheckMonitor(h.editor(), &monitorsv1.CheckMonitorRequest{Id: id}))
		hear(h.monitors.GetMonitor(h.editor(), &monitorsv1.GetMonitorRequest{Id: id}))
	}
	hear(h.monitors.ListMonitors(h.editor(), &monitorsv1.ListMonitorsRequest{Q: ptr("w")}))
	hear(h.audit.ListAuditEntries(as(t, org, identity.RoleAdmin), &auditv1.ListAuditEntriesRequest{}))
	stream, err := h.catalog.WatchCatalog(rpctest.AsService(t.Context()), &monitorsv1.WatchCatalogRequest{})
	for err == nil {
		var resp *monitorsv1.WatchCatalogResponse
		resp, err = stream.Recv()
		hear(resp, err)
		if resp.GetSnapshotComplete() != nil {
			break
		}
	}
	if !strings.Contains(h.stored(1).String(), canary) {
		t.Fatal("the prober does not get the secrets, so this test shows nothing")
	}
	places := map[string][]byte{"answers": said.Bytes(), "log": []byte(h.log.String())}
	files, err := filepath.Glob(h.path + "*") // the write-ahead log too
	if err != nil || len(files) < 2 {
		t.Fatalf("database files %q, %v", files, err)
	}
	for _, f := range files {
		if places[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for place, b := range places {
		if i := bytes.Index(b, []byte(canary)); i >= 0 {
			t.Errorf("a secret is in the %s: …%q…", place, b[max(0, i-60):min(len(b), i+60)])
		}
	}
}
