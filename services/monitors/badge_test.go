package monitors_test

import (
	"regexp"
	"testing"

	"google.golang.org/grpc/codes"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

func TestBadgeLives(t *testing.T) {
	h := newHouse(t)
	client := monitorsv1.NewBadgesServiceClient(h.conn)
	id := h.create(tcpMonitor()).GetId()
	viewer := as(t, org, identity.RoleViewer)
	resolve := func(token string) (*monitorsv1.ResolveBadgeResponse, error) {
		return client.ResolveBadge(rpctest.AsService(t.Context()), &monitorsv1.ResolveBadgeRequest{Token: token})
	}

	b, err := client.GetBadge(viewer, &monitorsv1.GetBadgeRequest{MonitorId: id})
	if err != nil || b.Token != nil || b.GetMonitorId() != id {
		t.Fatalf("before any: %v, %v", b, err)
	}
	_, err = client.CreateBadge(viewer, &monitorsv1.CreateBadgeRequest{MonitorId: id})
	wantCode(t, "a viewer makes one", err, codes.PermissionDenied)
	first, err := client.CreateBadge(h.editor(), &monitorsv1.CreateBadgeRequest{MonitorId: id})
	if err != nil || !regexp.MustCompile(`^[A-Za-z0-9_-]{24}$`).MatchString(first.GetToken()) || first.GetCreatedBy() == "" {
		t.Fatalf("made %v, %v", first, err)
	}
	second, err := client.CreateBadge(h.editor(), &monitorsv1.CreateBadgeRequest{MonitorId: id})
	if err != nil || second.GetToken() == first.GetToken() {
		t.Fatalf("made anew %v, %v", second, err)
	}
	_, err = resolve(first.GetToken())
	wantCode(t, "a token that was replaced", err, codes.NotFound)
	of, err := resolve(second.GetToken())
	if err != nil || of.GetOrganizationId() != org || of.GetMonitorId() != id {
		t.Fatalf("resolved %v, %v", of, err)
	}
	_, err = client.ResolveBadge(viewer, &monitorsv1.ResolveBadgeRequest{Token: second.GetToken()})
	wantCode(t, "a person resolves", err, codes.PermissionDenied)
	if b, err = client.GetBadge(viewer, &monitorsv1.GetBadgeRequest{MonitorId: id}); err != nil || b.GetToken() != second.GetToken() {
		t.Fatalf("read %v, %v", b, err)
	}
	for _, token := range []string{"", "x", second.GetToken() + "x", "………………………………………………………………………"} {
		_, err = resolve(token)
		wantCode(t, "token "+token, err, codes.NotFound)
	}

	_, err = client.DeleteBadge(viewer, &monitorsv1.DeleteBadgeRequest{MonitorId: id})
	wantCode(t, "a viewer revokes", err, codes.PermissionDenied)
	if _, err = client.DeleteBadge(h.editor(), &monitorsv1.DeleteBadgeRequest{MonitorId: id}); err != nil {
		t.Fatal(err)
	}
	_, err = resolve(second.GetToken())
	wantCode(t, "a token that was revoked", err, codes.NotFound)
	_, err = client.DeleteBadge(h.editor(), &monitorsv1.DeleteBadgeRequest{MonitorId: id})
	wantCode(t, "revoked again", err, codes.NotFound)

	page, err := h.audit.ListAuditEntries(as(t, org, identity.RoleAdmin), &auditv1.ListAuditEntriesRequest{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range page.GetEntries() {
		actions = append(actions, e.GetAction())
	}
	if len(actions) != 4 || actions[0] != "monitor.badge_delete" || actions[1] != "monitor.badge_create" || actions[2] != "monitor.badge_create" {
		t.Errorf("audit log: %q", actions)
	}
}

func TestBadgesOfOthersAreNotThere(t *testing.T) {
	h := newHouse(t)
	client := monitorsv1.NewBadgesServiceClient(h.conn)
	id := h.create(tcpMonitor()).GetId()
	made, err := client.CreateBadge(h.editor(), &monitorsv1.CreateBadgeRequest{MonitorId: id})
	if err != nil {
		t.Fatal(err)
	}
	stranger := as(t, "org-2", identity.RoleOwner)
	_, err = client.GetBadge(stranger, &monitorsv1.GetBadgeRequest{MonitorId: id})
	wantCode(t, "read", err, codes.NotFound)
	_, err = client.CreateBadge(stranger, &monitorsv1.CreateBadgeRequest{MonitorId: id})
	wantCode(t, "made", err, codes.NotFound)
	_, err = client.DeleteBadge(stranger, &monitorsv1.DeleteBadgeRequest{MonitorId: id})
	wantCode(t, "revoked", err, codes.NotFound)

	if _, err := h.monitors.DeleteMonitor(h.editor(), &monitorsv1.DeleteMonitorRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	_, err = client.ResolveBadge(rpctest.AsService(t.Context()), &monitorsv1.ResolveBadgeRequest{Token: made.GetToken()})
	wantCode(t, "badge of a deleted monitor", err, codes.NotFound)
}
