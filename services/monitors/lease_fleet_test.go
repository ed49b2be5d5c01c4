package monitors_test

import (
	"testing"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
)

// TestFleetIsShown lists probers and regions with what they hold and how they are.
func TestFleetIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s", func(r *monitorsv1.WatchAssignmentsRequest) {
			r.Capacity, r.Capabilities = 100, []string{"http", "ipv6"}
		})
		c.monitor()
		c.monitor()
		report := &monitorsv1.ProberReport{SpoolResults: 5, Faults: []*monitorsv1.ObserverFault{{ErrorType: "no_ipv6", Message: "There is no IPv6."}}}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = report }); err != nil {
			t.Fatal(err)
		}
		show := func() (*monitorsv1.Prober, *monitorsv1.Region) {
			t.Helper()
			ctx := identity.NewContext(t.Context(), identity.Principal{})
			ps, err := c.service.ListProbers(ctx, &monitorsv1.ListProbersRequest{})
			if err != nil {
				t.Fatal(err)
			}
			rs, err := c.service.ListRegions(ctx, &monitorsv1.ListRegionsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return ps.GetProbers()[0], rs.GetRegions()[0]
		}
		p, r := show()
		if p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_IMPAIRED || p.GetMonitors() != 2 || p.GetCapacity() != 100 || len(p.GetCapabilities()) != 2 ||
			p.GetReport().GetSpoolResults() != 5 || p.GetReport().GetAt() == nil || !p.GetConnected() {
			t.Errorf("prober %v", p)
		}
		if r.GetCode() != "eu" || !r.GetIsHealthy() || r.GetProbers() != 1 || r.GetMonitors() != 2 || r.GetUnplacedMonitors() != 0 {
			t.Errorf("region %v", r)
		}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{} }); err != nil {
			t.Fatal(err)
		}
		if p, _ := show(); p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_HEALTHY {
			t.Errorf("prober %v", p)
		}
		pass(2 * testTTL)
		p, r = show()
		if p.GetHealth() != monitorsv1.ProberHealth_PROBER_HEALTH_OFFLINE || r.GetProbers() != 0 || r.GetIsHealthy() || r.GetUnplacedMonitors() != 2 {
			t.Errorf("silent: %v, %v", p, r)
		}
	})
}
