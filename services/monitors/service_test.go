package monitors_test

import (
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/monitors"
)

func TestNewWantsItsParts(t *testing.T) {
	h := newHouse(t)
	full := monitors.Deps{Store: h.store, Log: slog.New(slog.DiscardHandler), Secrets: h.box, PageKey: []byte("k")}
	if _, err := monitors.New(full); err != nil {
		t.Fatal(err)
	}
	for name, strip := range map[string]func(*monitors.Deps){
		"store": func(d *monitors.Deps) { d.Store = nil }, "log": func(d *monitors.Deps) { d.Log = nil },
		"secrets": func(d *monitors.Deps) { d.Secrets = nil }, "page key": func(d *monitors.Deps) { d.PageKey = nil },
	} {
		d := full
		strip(&d)
		if _, err := monitors.New(d); err == nil {
			t.Errorf("made without %s", name)
		}
	}
}

func TestEveryMethodSaysWhoMayCallIt(t *testing.T) {
	h := newHouse(t)
	s, err := monitors.New(monitors.Deps{Store: h.store, Log: slog.New(slog.DiscardHandler), Secrets: h.box, PageKey: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpc.NewServer(rpc.Config{
		Service: "monitors", Log: slog.New(slog.DiscardHandler), Signer: rpctest.Signer(t), Policy: rpc.PolicyByOption(accessv1.E_Access),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Register(server)
	if open := server.Undeclared(); len(open) > 0 {
		t.Errorf("without an answer: %q", open)
	}
}

func TestAudit(t *testing.T) {
	h := newHouse(t)
	m := h.create(basicMonitor("u", "p"))
	if _, err := h.update(m.GetId(), &monitorsv1.Monitor{Name: ptr("renamed")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.update(m.GetId(), &monitorsv1.Monitor{Name: ptr("renamed")}); err != nil { // nothing changes
		t.Fatal(err)
	}
	if _, err := h.update(m.GetId(), authBody(checkv1.AuthType_AUTH_TYPE_BASIC, &checkv1.HttpCredentials{Password: ptr("new")})); err != nil {
		t.Fatal(err)
	}
	_, err := h.update(m.GetId(), &monitorsv1.Monitor{Quorum: ptr("9")}) // refused
	wantCode(t, "refused change", err, codes.InvalidArgument)
	key := rpctest.AsKey(t.Context(), org, identity.RoleEditor)
	if _, err := h.monitors.DeleteMonitor(key, &monitorsv1.DeleteMonitorRequest{Id: m.GetId()}); err != nil {
		t.Fatal(err)
	}
	list := func(org string, req *auditv1.ListAuditEntriesRequest) []*auditv1.AuditEntry {
		t.Helper()
		resp, err := h.audit.ListAuditEntries(as(t, org, identity.RoleAdmin), req)
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetEntries()
	}
	got := list(org, &auditv1.ListAuditEntriesRequest{})
	want := []string{"monitor.delete", "monitor.update", "monitor.update", "monitor.create"}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i, e := range got {
		if e.GetAction() != want[i] || e.GetObjectKind() != "monitor" || e.GetObjectId() != "1" || e.GetIp() != "192.0.2.1" || e.GetRequestId() == "" || e.GetId() == "" {
			t.Errorf("row %d = %v", i, e)
		}
	}
	name := func(e *auditv1.AuditEntry, after bool) string {
		v := e.GetBefore()
		if after {
			v = e.GetAfter()
		}
		return v.GetStructValue().GetFields()["name"].GetStringValue()
	}
	del, secret, rename, create := got[0], got[1], got[2], got[3]
	if create.Before != nil || name(create, true) != "web" || create.GetActorKind() != "user" || create.GetActorName() != "user@example.com" {
		t.Errorf("create = %v", create)
	}
	if name(rename, false) != "web" || name(rename, true) != "renamed" {
		t.Errorf("rename = %v", rename)
	}
	if !secret.GetAfter().GetStructValue().GetFields()["secrets_changed"].GetBoolValue() {
		t.Errorf("change of a secret = %v", secret)
	}
	if del.After != nil || name(del, false) != "renamed" || del.GetActorKind() != "api_key" || del.GetActorId() != "key-1" {
		t.Errorf("delete = %v", del)
	}
	if rows := list(org, &auditv1.ListAuditEntriesRequest{Limit: 1}); len(rows) != 1 || rows[0].GetId() != del.GetId() {
		t.Errorf("one row = %v", rows)
	}
	if rows := list(org, &auditv1.ListAuditEntriesRequest{Before: create.GetAt()}); len(rows) != 0 {
		t.Errorf("rows before the first = %v", rows)
	}
	later := timestamppb.New(del.GetAt().AsTime().Add(time.Nanosecond))
	if rows := list(org, &auditv1.ListAuditEntriesRequest{Before: later}); len(rows) != 4 {
		t.Errorf("%d rows before a moment after the last", len(rows))
	}
	if rows := list("org-2", &auditv1.ListAuditEntriesRequest{}); len(rows) != 0 {
		t.Errorf("another organization sees %v", rows)
	}
	_, err = h.audit.ListAuditEntries(h.editor(), &auditv1.ListAuditEntriesRequest{})
	wantCode(t, "list as editor", err, codes.PermissionDenied)
}
