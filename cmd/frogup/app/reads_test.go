package app

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The whole list of what is asked again when a service is away for a moment. Whoever adds a method here has made sure that
// it changes nothing.
func TestWhatMayBeRepeated(t *testing.T) {
	want := map[string][]string{
		"accounts": {"AuthService/GetSession", "AuthService/GetSetup", "AuthService/ListSessions", "IdentityService/ResolveApiKey",
			"IdentityService/ResolveSession", "OrganizationsService/ListApiKeys", "OrganizationsService/ListMembers", "OrganizationsService/ListOrganizations"},
		"monitors": {"BadgesService/GetBadge", "MaintenanceService/GetMaintenanceWindow", "MaintenanceService/ListMaintenanceWindows", "MonitorsService/GetMonitor", "MonitorsService/ListMonitors", "MonitorsService/ListProbers", "MonitorsService/ListRegions"},
		"prober":   nil,
		"events": {"EventsService/GetStats", "EventsService/GetStatus", "EventsService/GetUptime", "EventsService/ListBuckets", "EventsService/ListEvents",
			"EventsService/ListEvidence", "EventsService/ListIncidentEvidence",
			"RecorderService/ListLastSlots", "StatusService/BatchGetStatuses", "StatusService/ListMonitorIds"},
		"alerts": {"AlertsService/ListAlertHistory", "AlertsService/ListAlerts", "AlertsService/ListDeliveries", "AlertsService/ListDeliveryAttempts", "ChannelsService/ListChannels",
			"GroupsService/GetGroup", "GroupsService/ListGroups",
			"IncidentNotesService/ListIncidentNotes", "IncidentsService/GetIncident", "IncidentsService/GetIncidentTimeline", "IncidentsService/ListIncidents", "NoticesService/ListNotices"},
	}
	for _, r := range rooms {
		all, err := gatewayReads(r.name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, reads(r.name)...)
		slices.Sort(all)
		var got []string
		for _, full := range slices.Compact(all) {
			if full == "/frogstats.uptime.audit.v1.AuditService/ListAuditEntries" {
				continue
			}
			short, ours := strings.CutPrefix(full, "/frogstats.uptime."+r.name+".v1.")
			if !ours {
				t.Errorf("%s of %s is another service's", full, r.name)
			}
			got = append(got, short)
		}
		if diff := cmp.Diff(want[r.name], got); diff != "" {
			t.Errorf("%s: %s", r.name, diff)
		}
	}
}
