package monitors_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
)

func (c *centre) recheck(id uint32) []string {
	c.t.Helper()
	return recheck(c.t, c.service, id)
}

func recheck(t *testing.T, s *monitors.Service, id uint32) []string {
	t.Helper()
	resp, err := s.RecheckMonitor(context.Background(), &monitorsv1.RecheckMonitorRequest{OrganizationId: "org", MonitorId: id, Reason: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetRegions()
}

// A wish goes to the prober that holds the monitor, once, under the epoch of its holding, and to nobody who comes later.
func TestRecheckGoesToTheHolder(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a, b := c.open("a", "s"), c.open("b", "s")
		a.words()
		id := c.monitor()
		holder, one, two := "a", a, b
		given := a.words()
		if given == "" {
			holder, one, two = "b", b, a
			given = b.words()
		}
		var epoch uint64
		if _, err := fmt.Sscanf(given[strings.LastIndex(given, "assigned"):], fmt.Sprintf("assigned %d/%%d", id), &epoch); err != nil {
			t.Fatalf("%q: %v", given, err)
		}
		one.words()
		two.words()
		if got := c.recheck(id); len(got) != 1 || got[0] != "eu" {
			t.Errorf("asked for in %q", got)
		}
		one.want(t, "asked", fmt.Sprintf("recheck %d/%d", id, epoch))
		two.want(t, "of what another holds", "")
		c.recheck(id)
		c.recheck(id)
		if got := one.words(); !strings.HasPrefix(got, fmt.Sprintf("recheck %d/%d", id, epoch)) {
			t.Errorf("asked again: %q", got)
		}
		c.keep(testTTL, "a", "b")
		one.want(t, "later", "")
		one.cancel()
		if err := <-one.done; !errors.Is(err, context.Canceled) {
			t.Errorf("the stream that was left ends with %v", err)
		}
		if got := c.open(holder, "s").words(); strings.Contains(got, "recheck") {
			t.Errorf("a new stream hears of what was asked before it: %q", got)
		}
	})
}

// A prober of version 1, whose stream is its lease, is asked too.
func TestRecheckOfAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "")
		id := c.monitor()
		a.words()
		c.recheck(id)
		a.want(t, "asked", fmt.Sprintf("recheck %d/0", id))
	})
}

// What is asked of one replica reaches a prober whose stream is with another.
func TestRecheckThroughAnotherReplica(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "s")
		id := c.monitor()
		a.words()
		box, err := secret.Generate()
		if err != nil {
			t.Fatal(err)
		}
		other, err := monitors.New(monitors.Deps{
			Store: c.store, Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: []byte("k"), LeaseTTL: testTTL,
		})
		if err != nil {
			t.Fatal(err)
		}
		recheck(t, other, id)
		pass(testTTL/10 + time.Millisecond)
		if got := a.words(); !strings.HasPrefix(got, fmt.Sprintf("recheck %d/", id)) || strings.Contains(got, ",") {
			t.Errorf("heard %q", got)
		}
		synctest.Wait()
	})
}

// Nobody is asked to check what is switched off, and no other organization's monitor can be named.
func TestRecheckOfNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		a := c.open("a", "s")
		id := c.monitor()
		_, err := c.service.RecheckMonitor(context.Background(), &monitorsv1.RecheckMonitorRequest{OrganizationId: "another", MonitorId: id})
		if !errors.Is(err, monitors.ErrNotFound) {
			t.Errorf("another organization: %v", err)
		}
		m, err := c.store.Monitor(context.Background(), "org", id)
		if err != nil {
			t.Fatal(err)
		}
		m.Config.Enabled = false
		c.put(m)
		a.words()
		if got := c.recheck(id); len(got) != 0 {
			t.Errorf("a disabled monitor is asked for in %q", got)
		}
		a.want(t, "of a disabled monitor", "")
	})
}

// Only this product's own services may ask.
func TestWhoMayRecheck(t *testing.T) {
	h := newHouse(t)
	id := h.create(tcpMonitor()).GetId()
	req := &monitorsv1.RecheckMonitorRequest{OrganizationId: org, MonitorId: id}
	_, err := h.catalog.RecheckMonitor(as(t, org, identity.RoleOwner), req)
	wantCode(t, "an owner", err, codes.PermissionDenied)
	if _, err := h.catalog.RecheckMonitor(rpctest.AsService(t.Context()), req); err != nil {
		t.Errorf("a service: %v", err)
	}
	_, err = h.catalog.RecheckMonitor(rpctest.AsService(t.Context()), &monitorsv1.RecheckMonitorRequest{OrganizationId: org})
	wantCode(t, "without a monitor", err, codes.InvalidArgument)
}
