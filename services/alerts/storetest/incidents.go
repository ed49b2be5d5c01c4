package storetest

import (
	"testing"

	"github.com/frogstats/uptime/services/alerts"
)

// incident is an open one.
func incident(id uint32, organization string, monitorID uint32, seconds int) alerts.Incident {
	return alerts.Incident{
		ID: id, OrganizationID: organization, MonitorID: monitorID, MonitorName: "api", Status: alerts.IncidentActive,
		StartTime: at(seconds), AffectedRegions: []string{"eu", "us"}, LastError: "refused", LastErrorType: "connection_refused",
		FailureCount: 3, CreatedAt: at(seconds), UpdatedAt: at(seconds), CountedAt: at(seconds), Streak: 3,
	}
}

var incidentCases = []Case{
	{"incident/round trip", func(t testing.TB, s alerts.Store) {
		want := incident(1, org, monitor, 5)
		put(t, s, at(5), alerts.Batch{Incidents: []alerts.Incident{want}})
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), want)
		_, err := s.Incident(ctx(t), other, 1)
		wantErr(t, err, alerts.ErrIncidentNotFound)
		_, err = s.Incident(ctx(t), org, 2)
		wantErr(t, err, alerts.ErrIncidentNotFound)
		want.Status, want.EndTime, want.ResolvedAt, want.Settled = alerts.IncidentResolved, at(8), at(9), true
		want.AcknowledgedBy, want.AcknowledgedAt, want.ResolvedBy, want.FailureCount = "ann", at(7), "bob", 9
		want.DownRegions, want.Steps = []string{"us"}, 4
		put(t, s, at(9), alerts.Batch{Incidents: []alerts.Incident{want}})
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), want)
	}},
	{"incident/change and audit row are one", func(t testing.TB, s alerts.Store) {
		want := incident(1, org, monitor, 5)
		put(t, s, at(5), alerts.Batch{Incidents: []alerts.Incident{want}})
		_, err := s.ChangeIncident(ctx(t), org, 1, func(i *alerts.Incident) (alerts.Handling, error) {
			i.AcknowledgedBy = "nobody"
			return alerts.Handling{}, errStop
		})
		wantErr(t, err, errStop)
		_, err = s.ChangeIncident(ctx(t), other, 1, func(*alerts.Incident) (alerts.Handling, error) { return alerts.Handling{}, nil })
		wantErr(t, err, alerts.ErrIncidentNotFound)
		must(s.ChangeIncident(ctx(t), org, 1, func(*alerts.Incident) (alerts.Handling, error) { return alerts.Handling{}, nil }))(t)
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), want)
		same(t, "audit", actions(t, s), []string(nil))
		want = must(s.ChangeIncident(ctx(t), org, 1, func(i *alerts.Incident) (alerts.Handling, error) {
			i.Status, i.AcknowledgedBy, i.AcknowledgedAt = alerts.IncidentAcknowledged, "ann", at(6)
			r := row(t, "incident.acknowledge")
			return alerts.Handling{Audit: &r}, nil
		}))(t)
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), want)
		same(t, "audit", actions(t, s), []string{"incident.acknowledge"})
	}},
	{"incident/name is looked up when it was not known", func(t testing.TB, s alerts.Store) {
		i := incident(1, org, monitor, 5)
		i.MonitorName = ""
		put(t, s, at(5), alerts.Batch{Incidents: []alerts.Incident{i}})
		check(t, s.PutMonitors(ctx(t), []alerts.Monitor{{ID: monitor, OrganizationID: org, Name: "late"}}))
		same(t, "name", must(s.Incident(ctx(t), org, 1))(t).MonitorName, "late")
	}},
	{"incident/newest first, filtered, by page and offset", func(t testing.TB, s alerts.Store) {
		var b alerts.Batch
		statuses := []alerts.IncidentStatus{alerts.IncidentActive, alerts.IncidentAcknowledged, alerts.IncidentResolved}
		for i := range 6 {
			inc := incident(uint32(i+1), org, monitor+uint32(i), 100-10*(i/2))
			inc.Status = statuses[i%3]
			b.Incidents = append(b.Incidents, inc)
		}
		b.Incidents = append(b.Incidents, incident(7, other, monitor+9, 300))
		put(t, s, at(1), b)
		list := func(f alerts.IncidentFilter) ([]uint32, int) {
			f.Organization = org
			rows, total, err := s.Incidents(ctx(t), f)
			check(t, err)
			var out []uint32
			for _, i := range rows {
				out = append(out, i.ID)
			}
			return out, total
		}
		got, total := list(alerts.IncidentFilter{Window: alerts.Window{Limit: 10}})
		same(t, "order", got, []uint32{2, 1, 4, 3, 6, 5})
		same(t, "total", total, 6)
		got, total = list(alerts.IncidentFilter{Window: alerts.Window{Limit: 2, After: alerts.Place{At: at(100), ID: 1}}})
		same(t, "page", got, []uint32{4, 3})
		same(t, "total", total, 6)
		got, _ = list(alerts.IncidentFilter{Window: alerts.Window{Limit: 10, Offset: 4}})
		same(t, "offset", got, []uint32{6, 5})
		got, total = list(alerts.IncidentFilter{Statuses: statuses[:2], Window: alerts.Window{Limit: 10}})
		same(t, "open", got, []uint32{2, 1, 4, 5})
		same(t, "total", total, 4)
		got, _ = list(alerts.IncidentFilter{MonitorID: monitor + 3, Window: alerts.Window{Limit: 10}})
		same(t, "monitor's", got, []uint32{4})
	}},
}
