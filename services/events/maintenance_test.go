package events_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// TestUptimeLeavesMaintenanceOut has a window begin within an uptime of half a minute and end within the outage that follows. As long
// as the windows are not known, states are told and no uptime.
func TestUptimeLeavesMaintenanceOut(t *testing.T) {
	e := entry(7, "o1")
	e.Labels = map[string]string{"team": "db"}
	cat := &catalogue{entries: []*monitorsv1.CatalogEntry{e, entry(8, "o1")}, windows: make(chan *monitorsv1.MaintenanceVersion)}
	r := run(t, t.TempDir(), cat)
	p := r.prober()
	for _, id := range []uint32{7, 8} {
		p.send(result(id, "o1", t0.Add(-50*time.Second), ok), result(id, "o1", t0.Add(-40*time.Second), fail),
			result(id, "o1", t0.Add(-30*time.Second), fail), result(id, "o1", t0.Add(-20*time.Second), ok))
	}
	p.sync()
	client := eventsv1.NewEventsServiceClient(r.conn)
	ask := &eventsv1.GetUptimeRequest{MonitorId: 7, EndDate: proto.String(t0.Format(time.RFC3339))}
	if u, err := client.GetUptime(as("o1"), ask); status.Code(err) != codes.Unavailable {
		t.Errorf("before the windows are known: %v, %v", u, err)
	}
	if s := r.status(7); s.GetCurrentStatus() != up || s.GetStatus().UptimePercentage_24H != nil {
		t.Errorf("before the windows are known: %v", s)
	}
	cat.windows <- &monitorsv1.MaintenanceVersion{
		WindowId: 1, Version: 1, OrganizationId: "o1", Labels: []string{"team=db"}, StartsAt: timestamppb.New(t0.Add(-45 * time.Second)),
		EndsAt: timestamppb.New(t0.Add(15 * time.Second)), ValidFrom: timestamppb.New(t0.Add(-time.Hour)), ValidUntil: timestamppb.New(t0.Add(-25 * time.Second)),
	}
	cat.windows <- nil
	u, err := client.GetUptime(as("o1"), ask)
	if err != nil {
		t.Fatal(err)
	}
	if u.GetUpSeconds() != 25 || u.GetDownSeconds() != 5 || u.GetUnknownSeconds() != 10 || u.GetMaintenanceSeconds() != 20 || u.GetOutages() != 1 {
		t.Errorf("uptime = %v", u)
	}
	if p := u.GetUptimePercentage(); p < 83.33 || p > 83.34 || u.GetCoveragePercentage() != 75 {
		t.Errorf("%v %% of %v %%", p, u.GetCoveragePercentage())
	}
	if len(u.GetIntervals()) != 4 {
		t.Errorf("%d intervals, want 4: states are what was seen", len(u.GetIntervals()))
	}
	ask.Region = proto.String("local")
	region, err := client.GetUptime(as("o1"), ask)
	if err != nil || region.GetMaintenanceSeconds() != 20 || region.GetDownSeconds() != 5 {
		t.Errorf("of the region: %v, %v", region, err)
	}
	ask.MonitorId, ask.Region = 8, nil
	other, err := client.GetUptime(as("o1"), ask)
	if err != nil || other.GetMaintenanceSeconds() != 0 || other.GetDownSeconds() != 20 {
		t.Errorf("without the label: %v, %v", other, err)
	}
	stats, err := client.GetStats(as("o1"), &eventsv1.GetStatsRequest{MonitorId: 7})
	if err != nil {
		t.Fatal(err)
	}
	day := r.status(7).GetStatus().GetUptimePercentage_24H()
	if none := r.status(8).GetStatus().GetUptimePercentage_24H(); day <= none || day >= 100 || stats.GetUptimePercentage() <= none || stats.GetTotalChecks() != 4 {
		t.Errorf("of a day: %v %% in the list and %v %% in the statistics, %v %% without maintenance", day, stats.GetUptimePercentage(), none)
	}
	buckets, err := client.ListBuckets(as("o1"), &eventsv1.ListBucketsRequest{MonitorId: 7})
	if err != nil {
		t.Fatal(err)
	}
	var downFor, keptFor float64
	for _, b := range buckets.GetBuckets() {
		downFor, keptFor = downFor+b.GetDownSeconds(), keptFor+b.GetMaintenanceSeconds()
	}
	if downFor != 5 || keptFor != 20 {
		t.Errorf("%v seconds down and %v in maintenance in all days, want 5 and 20", downFor, keptFor)
	}
	p.close()
	r.stop()
}
