package events_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/events"
)

// pinned is a piece of evidence as a prober sends it.
func pinned(id uint32, org string, at time.Time) *eventsv1.RecordEvidenceRequest {
	r := result(id, org, at, fail)
	r.ResponseHeaders = map[string]string{"X-Why": "database"}
	r.Details = &checkv1.CheckDetails{Addresses: []*checkv1.AddressAttempt{{Ip: "192.0.2.1", DurationUs: 12}}}
	return &eventsv1.RecordEvidenceRequest{
		ProberId: "p", Region: "local", FirstFailure: r, Cause: eventsv1.OutageCause_OUTAGE_CAUSE_PORT_CLOSED, Summary: "It is closed.",
		Body: &eventsv1.EvidenceBody{Text: proto.String("out of order"), SizeBytes: 12}, ExaminedAt: timestamppb.New(at.Add(time.Second)), DurationNs: 1500,
		Steps: []*eventsv1.EvidenceStep{{
			Kind: eventsv1.EvidenceStepKind_EVIDENCE_STEP_KIND_CONNECT, Outcome: eventsv1.EvidenceOutcome_EVIDENCE_OUTCOME_FAILED, Target: "192.0.2.1:80",
		}},
	}
}

// incidentBook answers with one incident, to its organization.
type incidentBook struct {
	alertsv1.UnimplementedIncidentsServiceServer
	incident *alertsv1.Incident
}

func (b *incidentBook) GetIncident(ctx context.Context, req *alertsv1.GetIncidentRequest) (*alertsv1.Incident, error) {
	caller, _ := identity.FromContext(ctx)
	if req.GetId() != b.incident.GetId() || caller.OrganizationID != b.incident.GetOrganizationId() {
		return nil, fault.NotFound("incident not found")
	}
	return b.incident, nil
}

func TestEvidenceIsKeptAndRead(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1"), entry(8, "o2")}})
	recorder, reader := eventsv1.NewRecorderServiceClient(r.conn), eventsv1.NewEventsServiceClient(r.conn)
	prober := rpctest.AsService(t.Context())
	sent := []*eventsv1.RecordEvidenceRequest{pinned(7, "o1", t0), pinned(7, "o1", t0.Add(-time.Minute)), pinned(8, "o2", t0)}
	for _, req := range append(sent, sent...) { // and again, as after an answer that was lost
		if _, err := recorder.RecordEvidence(prober, req); err != nil {
			t.Fatal(err)
		}
	}
	list := func(org string, req *eventsv1.ListEvidenceRequest) []*eventsv1.Evidence {
		t.Helper()
		got, err := reader.ListEvidence(as(org), req)
		if err != nil {
			t.Fatal(err)
		}
		return got.GetEvidence()
	}
	all := list("o1", &eventsv1.ListEvidenceRequest{MonitorId: 7})
	if len(all) != 2 || !all[0].GetScheduledAt().AsTime().Equal(t0) {
		t.Fatalf("%d pieces: %v", len(all), all)
	}
	got := all[0]
	if got.GetCause() != sent[0].GetCause() || got.GetSummary() != "It is closed." || got.GetRegion() != "local" || got.GetDurationUs() != 1.5 {
		t.Errorf("%v", got)
	}
	first := got.GetFirstFailure()
	if first.GetResponseHeaders()["X-Why"] != "database" || first.GetStatusCode() != 200 || first.GetTcpTimeUs() != 1500 || first.GetErrorType() != "connection_refused" {
		t.Errorf("first failure %v", first)
	}
	for what, pair := range map[string][2]proto.Message{
		"details": {sent[0].GetFirstFailure().GetDetails(), first.GetDetails()}, "body": {sent[0].GetBody(), got.GetBody()}, "step": {sent[0].GetSteps()[0], got.GetSteps()[0]},
	} {
		if d := cmp.Diff(pair[0], pair[1], protocmp.Transform()); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	if got := list("o1", &eventsv1.ListEvidenceRequest{MonitorId: 7, EndDate: proto.String(t0.Format(time.RFC3339))}); len(got) != 1 {
		t.Errorf("%d pieces before the newest", len(got))
	}
	if got := list("o1", &eventsv1.ListEvidenceRequest{MonitorId: 7, Limit: proto.Int32(1)}); len(got) != 1 || !got[0].GetScheduledAt().AsTime().Equal(t0) {
		t.Errorf("the newest is %v", got)
	}
	if _, err := reader.ListEvidence(as("o2"), &eventsv1.ListEvidenceRequest{MonitorId: 7}); status.Code(err) != codes.NotFound {
		t.Errorf("another organization's: %v", err)
	}
}

func TestEvidenceIsRefused(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	recorder := eventsv1.NewRecorderServiceClient(r.conn)
	for what, tt := range map[string]struct {
		change func(*eventsv1.RecordEvidenceRequest)
		want   codes.Code
	}{
		"another region's": {func(req *eventsv1.RecordEvidenceRequest) { req.GetFirstFailure().Region = "us" }, codes.InvalidArgument},
		"of a success":     {func(req *eventsv1.RecordEvidenceRequest) { req.GetFirstFailure().Status = ok }, codes.InvalidArgument},
		"of next year": {func(req *eventsv1.RecordEvidenceRequest) {
			req.GetFirstFailure().ScheduledAt = timestamppb.New(time.Now().AddDate(1, 0, 0))
		}, codes.InvalidArgument},
		"of long ago": {func(req *eventsv1.RecordEvidenceRequest) {
			req.GetFirstFailure().ScheduledAt = timestamppb.New(time.Now().AddDate(-3, 0, 0))
		}, codes.InvalidArgument},
		"without a cause": {func(req *eventsv1.RecordEvidenceRequest) { req.Cause = 0 }, codes.InvalidArgument},
		"with a long body": {func(req *eventsv1.RecordEvidenceRequest) {
			req.GetBody().Text = proto.String(string(make([]byte, 5000)))
		}, codes.InvalidArgument},
		"with much of all": {func(req *eventsv1.RecordEvidenceRequest) {
			req.GetFirstFailure().ResponseHeaders["X"] = string(make([]byte, 300<<10))
		}, codes.InvalidArgument},
		"without a failure": {func(req *eventsv1.RecordEvidenceRequest) { req.FirstFailure = nil }, codes.InvalidArgument},
		"with twenty steps": {func(req *eventsv1.RecordEvidenceRequest) { req.Steps = make([]*eventsv1.EvidenceStep, 20) }, codes.InvalidArgument},
	} {
		req := pinned(7, "o1", t0)
		tt.change(req)
		if _, err := recorder.RecordEvidence(rpctest.AsService(t.Context()), req); status.Code(err) != tt.want {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := recorder.RecordEvidence(as("o1"), pinned(7, "o1", t0)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a user's: %v", err)
	}
}

// TestEvidenceBelongsToTheMonitor: a prober says whose monitor it checks, and the catalogue knows better.
func TestEvidenceBelongsToTheMonitor(t *testing.T) {
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}})
	if _, err := eventsv1.NewRecorderServiceClient(r.conn).RecordEvidence(rpctest.AsService(t.Context()), pinned(7, "o2", t0)); err != nil {
		t.Fatal(err)
	}
	got, err := eventsv1.NewEventsServiceClient(r.conn).ListEvidence(as("o1"), &eventsv1.ListEvidenceRequest{MonitorId: 7})
	if err != nil || len(got.GetEvidence()) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestEvidenceOfAnIncident: it is what the regions that it affects went down with, also those that were down before the others
// followed, and nothing from before or after.
func TestEvidenceOfAnIncident(t *testing.T) {
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	book := &incidentBook{incident: &alertsv1.Incident{
		Id: 3, OrganizationId: "o1", MonitorId: 7, StartTime: timestamppb.New(at(-10)), EndTime: timestamppb.New(at(-5)), AffectedRegions: []string{"local", "us"},
	}}
	alerts := rpctest.Conn(t, "alerts", func(r grpc.ServiceRegistrar) { alertsv1.RegisterIncidentsServiceServer(r, book) }, asEvents)
	r := run(t, t.TempDir(), &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) { d.Alerts = alerts })
	down := func(region string, minutes int, s events.Status, seq uint64) events.Transition {
		return events.Transition{MonitorID: 7, Region: region, Timeline: events.Timeline{Status: s, Since: at(minutes), Seq: seq}, NotedAt: at(minutes)}
	}
	err := r.states.Commit(t.Context(), events.Commit{At: t0, Transitions: []events.Transition{
		down("us", -40, events.Down, 1), down("us", -35, events.Up, 2), down("us", -20, events.Down, 3), down("local", -10, events.Down, 1), down("local", -5, events.Up, 2),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		region  string
		minutes int
	}{{"us", -40}, {"us", -20}, {"local", -20}, {"local", -10}, {"asia", -7}, {"local", -5}, {"us", -1}} {
		req := pinned(7, "o1", at(e.minutes))
		req.Region, req.FirstFailure.Region = e.region, e.region
		if _, err := eventsv1.NewRecorderServiceClient(r.conn).RecordEvidence(rpctest.AsService(t.Context()), req); err != nil {
			t.Fatal(err)
		}
	}
	client := eventsv1.NewEventsServiceClient(r.conn)
	got, err := client.ListIncidentEvidence(as("o1"), &eventsv1.ListIncidentEvidenceRequest{IncidentId: 3})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range got.GetEvidence() {
		told = append(told, e.GetRegion()+" "+e.GetScheduledAt().AsTime().Sub(t0).String())
	}
	if d := cmp.Diff([]string{"us -20m0s", "local -10m0s", "asia -7m0s"}, told); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for org, id := range map[string]uint32{"o2": 3, "o1": 4} {
		if _, err := client.ListIncidentEvidence(as(org), &eventsv1.ListIncidentEvidenceRequest{IncidentId: id}); status.Code(err) != codes.NotFound {
			t.Errorf("incident %d of %s: %v", id, org, err)
		}
	}
}
