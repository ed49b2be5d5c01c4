package monitors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/monitors"
)

// notices is alerts, which may be away.
type notices struct {
	alertsv1.NoticesServiceServer
	mu   sync.Mutex
	away bool
	open map[string]string
	kind map[string]alertsv1.NoticeKind // of those that were open
	n    int
}

func (n *notices) Invoke(_ context.Context, _ string, args, reply any, _ ...grpc.CallOption) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n++
	if n.away {
		return fault.Unavailable("away")
	}
	switch r := args.(type) {
	case *alertsv1.RaiseNoticeRequest:
		n.open[r.GetKey()] = r.GetMessage()
		if n.kind != nil {
			n.kind[r.GetKey()] = r.GetKind()
		}
	case *alertsv1.ClearNoticeRequest:
		delete(n.open, r.GetKey())
	}
	_ = reply.(*emptypb.Empty)
	return nil
}

func (n *notices) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

func (n *notices) keys() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, k := range []string{"prober/a/offline", "prober/a/fault", "prober/a/overload", "region/eu/unplaced"} {
		if n.open[k] != "" {
			out = append(out, k)
		}
	}
	return fmt.Sprint(len(n.open), out)
}

func (n *notices) set(away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = away
}

// TestOperatorIsTold raises notices about probers and monitors without any, until alerts has taken them, and clears them.
func TestOperatorIsTold(t *testing.T) {
	alerts := &notices{open: map[string]string{"prober/a/offline": "from before a restart"}, away: true}
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s")
		c.monitor()
		c.keep(testTTL, "a")
		alerts.set(false)
		c.keep(testTTL, "a")
		if got := alerts.keys(); got != "0 []" {
			t.Errorf("healthy: %s", got)
		}
		told := alerts.n
		c.keep(5*testTTL, "a")
		if alerts.n != told {
			t.Errorf("%d calls though nothing happens", alerts.n-told)
		}
		faults := []*monitorsv1.ObserverFault{{ErrorType: "permission", Message: "ICMP is not permitted: set net.ipv4.ping_group_range."}}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{Faults: faults} }); err != nil {
			t.Fatal(err)
		}
		c.keep(testTTL, "a")
		if got := alerts.keys(); got != "1 [prober/a/fault]" || !strings.Contains(alerts.open["prober/a/fault"], "ping_group_range") {
			t.Errorf("trouble: %s %v", got, alerts.open)
		}
		alerts.set(true)
		pass(2 * testTTL)
		alerts.set(false)
		pass(testTTL / 2)
		if got := alerts.keys(); got != "2 [prober/a/offline prober/a/fault]" {
			t.Errorf("silent: %s", got)
		}
		pass(3 * testTTL)
		if got := alerts.keys(); got != "3 [prober/a/offline prober/a/fault region/eu/unplaced]" {
			t.Errorf("silent for long: %s", got)
		}
		if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{} }); err != nil {
			t.Fatal(err)
		}
		pass(testTTL / 2)
		if got := alerts.keys(); got != "0 []" {
			t.Errorf("back: %s", got)
		}
		if _, err := c.renew("a", "s", leaving); err != nil {
			t.Fatal(err)
		}
		pass(4 * testTTL)
		if got := alerts.keys(); got != "1 [region/eu/unplaced]" {
			t.Errorf("left: %s", got)
		}
	}, func(d *monitors.Deps) { d.Alerts = alerts })
}

// Want of capacity has a notice of its own, one for each prober, whatever else the prober reports.
func TestOperatorIsToldOfOverload(t *testing.T) {
	alerts := &notices{open: map[string]string{}, kind: map[string]alertsv1.NoticeKind{}}
	inBubble(t, func(t *testing.T, c *centre) {
		c.open("a", "s")
		c.monitor()
		report := func(faults ...*monitorsv1.ObserverFault) string {
			t.Helper()
			if _, err := c.renew("a", "s", func(r *monitorsv1.RenewLeaseRequest) { r.Report = &monitorsv1.ProberReport{Faults: faults} }); err != nil {
				t.Fatal(err)
			}
			pass(testTTL / 2)
			return alerts.keys()
		}
		missed := &monitorsv1.ObserverFault{ErrorType: "overload", Message: "60 of 600 slots of the last minute were missed."}
		disk := &monitorsv1.ObserverFault{ErrorType: "internal_error", Message: "Results cannot be kept on disk."}
		if got := report(); got != "0 []" {
			t.Errorf("healthy: %s", got)
		}
		if got := report(missed); got != "1 [prober/a/overload]" || alerts.kind["prober/a/overload"] != alertsv1.NoticeKind_NOTICE_KIND_OVERLOAD {
			t.Errorf("slots are missed: %s %v", got, alerts.kind)
		}
		if got := report(disk, missed); got != "2 [prober/a/fault prober/a/overload]" ||
			!strings.Contains(alerts.open["prober/a/fault"], "on disk") || strings.Contains(alerts.open["prober/a/fault"], "missed") {
			t.Errorf("and the disk fails: %s %v", got, alerts.open)
		}
		if got := report(disk); got != "1 [prober/a/fault]" {
			t.Errorf("capacity is enough: %s", got)
		}
		if got := report(); got != "0 []" {
			t.Errorf("all is well: %s", got)
		}
	}, func(d *monitors.Deps) { d.Alerts = alerts })
}
