package events

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	defaultEvidence = 20
	// incidentEvidence is how much evidence of one incident is shown: the oldest, which says how it began.
	incidentEvidence = 50
	// maxEvidenceBytes bounds one piece as it is stored.
	maxEvidenceBytes = 256 << 10
)

// RecordEvidence keeps what a prober found out. It is refused to nobody for being late or of a monitor that is not known yet, as
// results are not.
func (s *Service) RecordEvidence(ctx context.Context, req *eventsv1.RecordEvidenceRequest) (*eventsv1.RecordEvidenceResponse, error) {
	if err := speaksFor(ctx, req.GetProberId(), req.GetRegion()); err != nil {
		return nil, err
	}
	if s.evidence == nil {
		return nil, status.Error(codes.Unimplemented, "evidence is not kept here")
	}
	e, err := evidenceIn(req)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if e.ScheduledAt.Before(now.Add(-s.retention)) || e.ScheduledAt.After(now.Add(maxAhead)) {
		return nil, fault.Invalid("", fault.Field{Name: "first_failure.scheduled_at", Message: "must be within what is kept, and not in the future"})
	}
	if m, ok := s.known.get(e.MonitorID); ok {
		e.OrganizationID = m.OrganizationID
	}
	if err := s.evidence.PutEvidence(ctx, e); err != nil {
		return nil, err
	}
	s.metrics.evidence.Add(1)
	return &eventsv1.RecordEvidenceResponse{}, nil
}

// evidenceIn is a request as it is stored.
func evidenceIn(req *eventsv1.RecordEvidenceRequest) (Evidence, error) {
	r := resultIn(req.GetFirstFailure())
	if r.Region != req.GetRegion() {
		return Evidence{}, fault.Invalid("a prober speaks for its own region only")
	}
	if !r.Outcome.TargetFault() {
		return Evidence{}, fault.Invalid("", fault.Field{Name: "first_failure.status", Message: "must be failure or timeout"})
	}
	event := eventOut(&r)
	event.Details = req.GetFirstFailure().GetDetails()
	facts := &eventsv1.Evidence{
		MonitorId: r.MonitorID, Region: r.Region, ScheduledAt: timestamp(r.ScheduledAt), Cause: req.GetCause(), Summary: req.GetSummary(),
		FirstFailure: event, Steps: req.GetSteps(), ExaminedAt: timestamp(moment(req.GetExaminedAt())),
		DurationUs: microseconds(time.Duration(req.GetDurationNs())),
	}
	// What the target said is kept apart, so that it can be given up by itself.
	raw := &eventsv1.Evidence{Body: req.GetBody(), FirstFailure: &eventsv1.Event{ResponseHeaders: event.GetResponseHeaders()}}
	event.ResponseHeaders = nil
	e := Evidence{MonitorID: r.MonitorID, Region: r.Region, ScheduledAt: r.ScheduledAt, OrganizationID: r.OrganizationID}
	var err error
	if e.Facts, err = proto.Marshal(facts); err != nil {
		return Evidence{}, fmt.Errorf("encode evidence: %w", err)
	}
	if e.Raw, err = proto.Marshal(raw); err != nil {
		return Evidence{}, fmt.Errorf("encode evidence: %w", err)
	}
	if len(e.Facts)+len(e.Raw) > maxEvidenceBytes {
		return Evidence{}, fault.Invalid("a piece of evidence must not be larger than 256 KiB")
	}
	return e, nil
}

// evidenceOut is evidence as REST shows it.
func evidenceOut(e *Evidence) (*eventsv1.Evidence, error) {
	out := &eventsv1.Evidence{}
	for _, part := range [][]byte{e.Facts, e.Raw} {
		if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(part, out); err != nil {
			return nil, fmt.Errorf("read stored evidence of monitor %d: %w", e.MonitorID, err)
		}
	}
	return out, nil
}

// ListEvidence returns a monitor's evidence, newest first.
func (s *Service) ListEvidence(ctx context.Context, req *eventsv1.ListEvidenceRequest) (*eventsv1.ListEvidenceResponse, error) {
	m, err := s.monitor(ctx, req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	span, err := parseSpan(req.StartDate, req.EndDate, time.UTC)
	if err != nil {
		return nil, err
	}
	if err := span.check(); err != nil {
		return nil, err
	}
	q := EvidenceQuery{MonitorID: m.ID, Region: req.GetRegion(), From: span.from, To: span.to, Limit: defaultEvidence}
	if req.Limit != nil {
		q.Limit = int(req.GetLimit())
	}
	return s.readEvidence(ctx, q, m.OrganizationID, func(*Evidence) bool { return true })
}

func (s *Service) readEvidence(ctx context.Context, q EvidenceQuery, organization string, wanted func(*Evidence) bool) (*eventsv1.ListEvidenceResponse, error) {
	resp := &eventsv1.ListEvidenceResponse{}
	if s.evidence == nil {
		return resp, nil
	}
	list, err := s.evidence.Evidence(ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range list {
		e := &list[i]
		// A prober says whose monitor it checks; what it says of another's is nobody's.
		if e.OrganizationID != organization || !wanted(e) {
			continue
		}
		out, err := evidenceOut(e)
		if err != nil {
			return nil, err
		}
		resp.Evidence = append(resp.Evidence, out)
	}
	return resp, nil
}

// ListIncidentEvidence returns the evidence that belongs to an incident, oldest first. What an outage began with in a region may
// lie before the incident: others may have seen the monitor up for a while.
func (s *Service) ListIncidentEvidence(ctx context.Context, req *eventsv1.ListIncidentEvidenceRequest) (*eventsv1.ListEvidenceResponse, error) {
	if s.incidents == nil {
		return nil, fault.Unavailable("incidents cannot be asked for here")
	}
	incident, err := s.incidents.GetIncident(ctx, &alertsv1.GetIncidentRequest{Id: req.GetIncidentId()})
	if err != nil {
		return nil, fmt.Errorf("ask for incident %d: %w", req.GetIncidentId(), err)
	}
	start, end := moment(incident.GetStartTime()), moment(incident.GetEndTime())
	if end.IsZero() {
		end = time.Now().UTC().Add(maxAhead)
	}
	from, err := s.downBefore(ctx, incident.GetMonitorId(), incident.GetAffectedRegions(), start)
	if err != nil {
		return nil, err
	}
	earliest := start
	for _, at := range from {
		if at.Before(earliest) {
			earliest = at
		}
	}
	q := EvidenceQuery{MonitorID: incident.GetMonitorId(), From: earliest, To: end, Oldest: true, Limit: incidentEvidence}
	return s.readEvidence(ctx, q, incident.GetOrganizationId(), func(e *Evidence) bool {
		began, ok := from[e.Region]
		if !ok {
			began = start
		}
		return !e.ScheduledAt.Before(began)
	})
}

// downBefore is, of those of the regions that were down already at a moment, since when.
func (s *Service) downBefore(ctx context.Context, id uint32, regions []string, at time.Time) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for _, region := range regions {
		lines, err := s.state.Timelines(ctx, []uint32{id}, region, []time.Time{at.Add(time.Millisecond)})
		if err != nil {
			return nil, err
		}
		if line := lines[id]; len(line) > 0 && line[0].Status == Down && line[0].Since.Before(at) {
			out[region] = line[0].Since
		}
	}
	return out, nil
}
