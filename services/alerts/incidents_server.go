package alerts

import (
	"context"
	"time"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/page"
)

type incidentsServer struct {
	alertsv1.UnsafeIncidentsServiceServer
	*Service
}

var _ alertsv1.IncidentsServiceServer = (*incidentsServer)(nil)

// statusesOf are the states that each word of the filter means; "all" and the empty word mean every one.
var statusesOf = map[string][]IncidentStatus{
	"active":       {IncidentActive},
	"acknowledged": {IncidentAcknowledged},
	"resolved":     {IncidentResolved},
	"open":         {IncidentActive, IncidentAcknowledged},
}

// ListIncidents implements alertsv1.IncidentsServiceServer.
func (s *incidentsServer) ListIncidents(ctx context.Context, in *alertsv1.ListIncidentsRequest) (*alertsv1.ListIncidentsResponse, error) {
	organization := caller(ctx).OrganizationID
	req := pageRequest{
		scope: page.Scope("incidents", organization, in.GetStatus(), number(in.GetMonitorId())), limit: in.Limit,
		def: defaultIncidents, offset: in.Offset, token: in.GetPageToken(),
	}
	w, err := s.window(req)
	if err != nil {
		return nil, err
	}
	rows, total, err := s.store.Incidents(ctx, IncidentFilter{
		Organization: organization, MonitorID: in.GetMonitorId(), Statuses: statusesOf[in.GetStatus()], Window: w,
	})
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListIncidentsResponse{}
	rows, out.Pagination = pageOf(s.Service, req, w, rows, total, func(i Incident) Place {
		return Place{At: i.StartTime, ID: uint64(i.ID)}
	})
	for _, i := range rows {
		out.Incidents = append(out.Incidents, incidentProto(i))
	}
	return out, nil
}

// GetIncident implements alertsv1.IncidentsServiceServer.
func (s *incidentsServer) GetIncident(ctx context.Context, in *alertsv1.GetIncidentRequest) (*alertsv1.Incident, error) {
	i, err := s.store.Incident(ctx, caller(ctx).OrganizationID, in.GetId())
	if err != nil {
		return nil, err
	}
	return incidentProto(i), nil
}

// AcknowledgeIncident implements alertsv1.IncidentsServiceServer. Doing it again changes nothing, but a note is written each time.
func (s *incidentsServer) AcknowledgeIncident(ctx context.Context, in *alertsv1.AcknowledgeIncidentRequest) (*alertsv1.Incident, error) {
	return s.handle(ctx, in.GetId(), "incident.acknowledge", in.Note, func(i *Incident, at time.Time) (bool, error) {
		return i.acknowledge(actor(ctx), at)
	})
}

// ResolveIncident implements alertsv1.IncidentsServiceServer. The monitor opens no other incident until it has recovered
// and failed again.
func (s *incidentsServer) ResolveIncident(ctx context.Context, in *alertsv1.ResolveIncidentRequest) (*alertsv1.Incident, error) {
	return s.handle(ctx, in.GetId(), "incident.resolve", in.Note, func(i *Incident, at time.Time) (bool, error) {
		return true, i.resolve(actor(ctx), at)
	})
}

func (s *incidentsServer) handle(ctx context.Context, id uint32, action string, text *string, change func(*Incident, time.Time) (bool, error)) (*alertsv1.Incident, error) {
	p, at := caller(ctx), now()
	var note *Note
	if text != nil {
		clean, err := noteText("note", *text)
		if err != nil {
			return nil, err
		}
		note = &Note{Text: clean, Author: authorOf(p), CreatedAt: at}
	}
	i, err := s.store.ChangeIncident(ctx, p.OrganizationID, id, func(i *Incident) (Handling, error) {
		before := incidentProto(*i)
		changed, err := change(i, at)
		if err != nil {
			return Handling{}, err
		}
		h := Handling{Note: note, Record: func(n Note) (audit.Row, error) { return noteAudit(ctx, "create", n.ID, nil, noteProto(n, p)) }}
		if !changed {
			return h, nil
		}
		row, err := audit.New(ctx, action, "incident", number(i.ID)).Change(before, incidentProto(*i))
		h.Audit = &row
		return h, err
	})
	if err != nil {
		return nil, err
	}
	return incidentProto(i), nil
}
