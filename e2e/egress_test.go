package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Nobody can use the server to look at what only the server can reach: addresses of the
// link and of cloud metadata are refused before a packet is sent, in checks, in
// redirects and in webhooks; and that is not the target's fault.
func TestEgressPolicy(t *testing.T) {
	t.Parallel()
	s := start(t)
	const metadata = "http://169.254.169.254/latest/meta-data/"
	redirect := newSite(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, metadata, http.StatusFound) })
	for name, monitor := range map[string]obj{
		"metadata":             httpMonitor(metadata, nil),
		"metadata, mapped":     httpMonitor("http://[::ffff:169.254.169.254]/", nil),
		"metadata, as a port":  tcpMonitor("169.254.169.254", 80, nil),
		"metadata of IPv6":     httpMonitor("http://[fd00:ec2::254]/", nil),
		"link of IPv6":         tcpMonitor("fe80::1", 80, nil),
		"metadata by redirect": httpMonitor(redirect.url(), nil),
	} {
		monitor["retry_interval_seconds"], monitor["name"] = 1, name
		id := s.create(monitor)
		e := s.firstEvent(id, 10*time.Second)
		if e.Status != "error" || e.errorType() != "egress_denied" {
			t.Errorf("%s: %s %s: %s", name, e.Status, e.errorType(), text(e.ErrorMessage))
		}
		s.statusIs(id, "unknown", 10*time.Second)
	}
	alert := want[struct{ ID int }](s, 201, s.do("POST", "/api/uptime/notification-channels", obj{"type": "webhook", "name": "meta", "config": obj{"url": metadata}}))
	sent := want[struct {
		Success bool
		Error   *string
	}](s, 200, s.do("POST", fmt.Sprintf("/api/uptime/notification-channels/%d/test", alert.ID), nil))
	if sent.Success || sent.Error == nil {
		t.Errorf("a webhook to metadata: %+v", sent)
	}
}

// A public server refuses its own machine too, save what the operator allows.
func TestEgressPublicOnly(t *testing.T) {
	t.Parallel()
	open, closed := newSite(t, nil), newSite(t, nil)
	s := start(t, withArgs("--egress", "public-only", "--egress", "allow 127.0.0.2/32"))
	denied := s.create(httpMonitor(closed.url(), nil))
	if e := s.firstEvent(denied, 10*time.Second); e.errorType() != "egress_denied" {
		t.Errorf("loopback on a public server: %s %s", e.Status, e.errorType())
	}
	if closed.hits.Load() != 0 {
		t.Error("a denied address was asked")
	}
	allowed := s.create(tcpMonitor("127.0.0.2", open.port(), nil))
	if e := s.firstEvent(allowed, 10*time.Second); e.errorType() == "egress_denied" {
		t.Errorf("an allowed address: %s %s", e.Status, text(e.ErrorMessage))
	}
	for _, bad := range []string{"sometimes", "allow everything"} {
		if r := tryServe(t, "--egress", bad); r == nil {
			t.Errorf("a server starts with --egress %q", bad)
		}
	}
}
