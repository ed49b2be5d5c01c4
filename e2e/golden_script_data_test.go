package e2e

import (
	"fmt"
	"time"
)

const (
	historyOp  = "GET /api/uptime/monitors/{monitor_id}/alerts/history"
	alertsOp   = "/api/uptime/monitors/{monitor_id}/alerts"
	backtestOp = "POST /api/uptime/alerts:backtest"
	alertOp    = "/api/uptime/monitors/{monitor_id}/alerts/{alert_id}"
	notesOp    = "/api/uptime/incidents/{incident_id}/notes"
	channelsOp = "/api/uptime/notification-channels"
	channelOp  = "/api/uptime/notification-channels/{id}"
)

// alertSteps make rules and channels before anything fails.
func alertSteps() []step {
	const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	return []step{
		{name: "alerts_create", op: "POST " + alertsOp, path: "/api/uptime/monitors/{broken}/alerts", keep: map[string]string{"rule": "id"},
			body: obj{"alert_type": "webhook", "alert_config": obj{"url": "{hook}", "headers": obj{"X-Team": "ops"}}, "conditions": obj{"consecutive_failures": 1}}},
		{name: "alerts_create_with_secret", op: "POST " + alertsOp, path: "/api/uptime/monitors/{broken}/alerts", keep: map[string]string{"second_rule": "id"},
			body: obj{"alert_type": "webhook", "alert_config": obj{"url": "{hook}", "secret": secret}, "conditions": obj{"consecutive_failures": 2, "response_time_threshold_ms": 1000, "uptime_percentage_threshold": 99.5}, "enabled": false}},
		{name: "alerts_create_more", op: "POST " + alertsOp, path: "/api/uptime/monitors/{broken}/alerts", keep: map[string]string{"third_rule": "id"},
			body: obj{"alert_type": "webhook", "alert_config": obj{"url": "{hook}"}, "severity": "low", "enabled": false,
				"conditions": obj{"certificate_days_left": 14, "degraded_regions": 2, "no_data_seconds": 600}}},
		{name: "alerts_create_invalid", op: "POST " + alertsOp, path: "/api/uptime/monitors/{broken}/alerts", body: obj{"alert_type": "pigeon", "conditions": obj{}}},
		{name: "alerts_update", op: "PUT " + alertOp, path: "/api/uptime/monitors/{broken}/alerts/{second_rule}", body: obj{"conditions": obj{"consecutive_failures": 2}, "enabled": true}},
		{name: "alerts", op: "GET " + alertsOp, path: "/api/uptime/monitors/{broken}/alerts"},
		{name: "alerts_test", op: "POST " + alertOp + "/test", path: "/api/uptime/monitors/{broken}/alerts/{rule}/test"},
		{name: "alerts_backtest", op: backtestOp, body: obj{"monitor_id": "{broken}", "conditions": obj{"consecutive_failures": 3}, "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-31T00:00:00Z"}},
		{name: "alerts_backtest_one", op: backtestOp, body: obj{"monitor_id": "{broken}", "alert_id": "{rule}", "confirm_down": 3, "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-31T00:00:00Z"}},
		{name: "alerts_backtest_what_if", op: backtestOp, body: obj{"monitor_id": "{broken}", "conditions": obj{"consecutive_failures": 3}, "quorum": "any", "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-31T00:00:00Z",
			"maintenance_window": obj{"cron": "0 3 * * 0", "timezone": "Europe/Berlin", "duration_seconds": 7200}}},
		{name: "alerts_backtest_invalid", op: backtestOp, body: obj{"monitor_id": "{broken}", "conditions": obj{}, "start_date": "2026-01-01T00:00:00Z"}},
		{name: "channels_create", op: "POST " + channelsOp, body: obj{"type": "webhook", "name": "ops", "config": obj{"url": "{hook}"}}, keep: map[string]string{"channel": "id"}},
		{name: "channels_create_for_some", op: "POST " + channelsOp, body: obj{"type": "webhook", "name": "web only", "config": obj{"url": "{hook}", "secret": secret}, "monitor_ids": []any{"{web}"}, "trigger_events": []any{"down"}}, keep: map[string]string{"web_channel": "id"}},
		{name: "channels_create_for_operators", op: "POST " + channelsOp, keep: map[string]string{"operators": "id"},
			body: obj{"type": "webhook", "name": "operators", "config": obj{"url": "{hook}"}, "trigger_events": []any{"operator"}}},
		{name: "channels_create_invalid", op: "POST " + channelsOp, body: obj{"type": "webhook", "name": "x", "config": obj{"url": "{hook}"}, "trigger_events": []any{"down", "operators"}}},
		{name: "channels", op: "GET " + channelsOp},
		{name: "channels_update", op: "PUT " + channelOp, path: "/api/uptime/notification-channels/{web_channel}", body: obj{"name": "web", "trigger_events": []any{"down", "recovery", "degraded"}}},
		{name: "channels_test", op: "POST " + channelOp + "/test", path: "/api/uptime/notification-channels/{web_channel}/test"},
	}
}

// outageSteps let two monitors fail, one after the other, and handle what follows.
func outageSteps() []step {
	const history, incidents, deliveries = "GET /api/uptime/alerts/history", "GET /api/uptime/incidents", "GET /api/uptime/deliveries"
	return []step{
		{name: "monitor_enable", hide: "status", op: "PATCH /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{broken}", body: obj{"enabled": true}},
		{name: "monitor_enable_too", hide: "status", op: "PATCH /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{broken_too}", body: obj{"enabled": true},
			before: func(g *golden) { g.settled("broken", "down", 2); g.delivered(3) }},
		{name: "incidents", op: incidents, keep: map[string]string{"incident": "incidents.0.id"},
			before: func(g *golden) { g.settled("broken_too", "down", 2); g.delivered(4) }},
		{name: "incidents_status", op: incidents, path: "/api/uptime/incidents?status=resolved"},
		{name: "incidents_monitor", op: incidents, path: "/api/uptime/incidents?monitor_id={broken}"},
		{name: "incidents_page", op: incidents, path: "/api/uptime/incidents?limit=1", keep: map[string]string{"next_incidents": "pagination.next_page_token"}},
		{name: "incidents_next_page", op: incidents, path: "/api/uptime/incidents?limit=1&page_token={next_incidents}"},
		{name: "incidents_offset", op: incidents, path: "/api/uptime/incidents?limit=1&offset=1"},
		{name: "incident_acknowledge", op: "PATCH /api/uptime/incidents/{id}/acknowledge", path: "/api/uptime/incidents/{incident}/acknowledge"},
		{name: "incident", op: "GET /api/uptime/incidents/{id}", path: "/api/uptime/incidents/{incident}"},
		{name: "incident_evidence", op: "GET /api/uptime/incidents/{incident_id}/evidence", path: "/api/uptime/incidents/{incident}/evidence",
			before: func(g *golden) { g.examined("broken"); g.examined("broken_too") }},
		{name: "incident_note_create", op: "POST " + notesOp, path: "/api/uptime/incidents/{incident}/notes", body: obj{"text": "looking into it"}, keep: map[string]string{"note": "id"}},
		{name: "incident_note_create_invalid", op: "POST " + notesOp, path: "/api/uptime/incidents/{incident}/notes", body: obj{"text": " \u0007"}},
		{name: "incident_note_update", op: "PUT " + notesOp + "/{note_id}", path: "/api/uptime/incidents/{incident}/notes/{note}", body: obj{"text": "the cable was cut"}},
		{name: "incident_notes", op: "GET " + notesOp, path: "/api/uptime/incidents/{incident}/notes"},
		{name: "incident_resolve", op: "PATCH /api/uptime/incidents/{id}/resolve", path: "/api/uptime/incidents/{incident}/resolve", body: obj{"note": "it is spliced"}},
		{name: "incident_timeline", op: "GET /api/uptime/incidents/{id}/timeline", path: "/api/uptime/incidents/{incident}/timeline"},
		{name: "incident_note_delete", op: "DELETE " + notesOp + "/{note_id}", path: "/api/uptime/incidents/{incident}/notes/{note}"},
		{name: "incident_resolve_again", op: "PATCH /api/uptime/incidents/{id}/resolve", path: "/api/uptime/incidents/{incident}/resolve"},
		{name: "alert_history", op: history},
		{name: "alert_history_monitor", op: history, path: "/api/uptime/alerts/history?monitor_id={broken_too}"},
		{name: "alert_history_page", op: history, path: "/api/uptime/alerts/history?limit=1", keep: map[string]string{"next_history": "pagination.next_page_token"}},
		{name: "alert_history_next_page", op: history, path: "/api/uptime/alerts/history?limit=1&page_token={next_history}"},
		{name: "alert_history_offset", op: history, path: "/api/uptime/alerts/history?limit=1&offset=1"},
		{name: "monitor_alert_history", op: historyOp, path: "/api/uptime/monitors/{broken}/alerts/history"},
		{name: "monitor_alert_history_page", op: historyOp, path: "/api/uptime/monitors/{broken}/alerts/history?limit=1", keep: map[string]string{"next_own_history": "pagination.next_page_token"}},
		{name: "monitor_alert_history_next_page", op: historyOp, path: "/api/uptime/monitors/{broken}/alerts/history?limit=1&page_token={next_own_history}"},
		{name: "monitor_alert_history_offset", op: historyOp, path: "/api/uptime/monitors/{broken}/alerts/history?offset=1"},
		{name: "deliveries", op: deliveries, keep: map[string]string{"message": "deliveries.0.id"}},
		{name: "delivery_attempts", op: deliveries + "/{id}/attempts", path: "/api/uptime/deliveries/{message}/attempts"},
		{name: "delivery_attempts_missing", op: deliveries + "/{id}/attempts", path: "/api/uptime/deliveries/msg_none/attempts"},
		{name: "delivery_replay_not_dead", op: "POST /api/uptime/deliveries/{id}:replay", path: "/api/uptime/deliveries/{message}:replay"},
		{name: "deliveries_state", op: deliveries, path: "/api/uptime/deliveries?state=pending"},
		{name: "deliveries_monitor", op: deliveries, path: "/api/uptime/deliveries?monitor_id={broken_too}"},
		{name: "deliveries_page", op: deliveries, path: "/api/uptime/deliveries?limit=1", keep: map[string]string{"next_deliveries": "pagination.next_page_token"}},
		{name: "deliveries_next_page", op: deliveries, path: "/api/uptime/deliveries?limit=1&page_token={next_deliveries}"},
	}
}

// delivered waits until so many messages have been accepted and none is left.
func (g *golden) delivered(n int) {
	g.t.Helper()
	eventually(g.t, 30*time.Second, fmt.Sprint(n, " deliveries"), func() error {
		d := want[struct {
			Deliveries []struct{ State string }
		}](g.server, 200, g.get("/api/uptime/deliveries"))
		done := 0
		for _, one := range d.Deliveries {
			if one.State == "delivered" {
				done++
			}
		}
		if done != n || len(d.Deliveries) != n {
			return fmt.Errorf("%d of %d are delivered", done, len(d.Deliveries))
		}
		return nil
	})
}

func dataSteps() []step {
	of := func(what string) string { return "/api/uptime/monitors/{web}/" + what }
	op := func(what string) string { return "GET /api/uptime/monitors/{monitor_id}/" + what }
	events := func(name, query string) step {
		return step{name: "events" + name, op: op("events"), path: of("events") + query}
	}
	stats := func(name, query string) step {
		return step{name: "stats" + name, op: op("stats"), path: of("stats") + query}
	}
	uptime := func(name, query string) step {
		return step{name: "uptime" + name, op: op("uptime"), path: of("uptime") + query}
	}
	buckets := func(name, query string) step {
		return step{name: "buckets" + name, op: op("buckets"), path: of("buckets") + query}
	}
	firstPage := events("_page", "?limit=1")
	firstPage.keep = map[string]string{"next_events": "pagination.next_page_token"}
	all := events("", "")
	all.before = func(g *golden) { g.settled("web", "up", 2) } // the second is the check by hand
	return []step{
		all, events("_start_date", "?start_date={later}"), events("_end_date", "?start_date={yesterday}&end_date={later}&limit=1"),
		events("_status", "?status=failure&status=timeout"), events("_region", "?region=elsewhere"),
		{name: "events_error_type", op: op("events"), path: "/api/uptime/monitors/{broken}/events?error_type=connection_refused&limit=1"},
		firstPage, events("_next_page", "?limit=1&page_token={next_events}"), events("_offset", "?limit=1&offset=1"),
		events("_bad_date", "?start_date=yesterday"),
		stats("", ""), stats("_period", "?period=7d"), stats("_custom", "?period=custom&start_date={earlier}&end_date={later}"),
		stats("_hours", "?hours=2"), stats("_region", "?region=local"), stats("_bucket", "?bucket=hour"),
		stats("_tz", "?period=30d&tz=Europe/Berlin"), stats("_policy", "?policy=degraded_is_down"), stats("_bad_period", "?period=fortnight"),
		{name: "status", op: op("status"), path: of("status")},
		{name: "status_down", op: op("status"), path: "/api/uptime/monitors/{broken}/status"},
		uptime("", ""), uptime("_dates", "?start_date={earlier}&end_date={later}"), uptime("_policy", "?policy=degraded_is_up"),
		uptime("_region", "?region=local"), uptime("_tz", "?start_date={yesterday}&tz=America/New_York"),
		buckets("", ""), buckets("_bucket", "?bucket=hour&days=2"), buckets("_tz", "?bucket=week&tz=Asia/Kathmandu&days=14"),
		buckets("_policy", "?policy=degraded_is_down"),
		{name: "evidence", op: op("evidence"), path: of("evidence")},
		{name: "evidence_query", op: op("evidence"), path: "/api/uptime/monitors/{broken}/evidence?start_date={earlier}&end_date={later}&region=local&limit=1"},
		{name: "evidence_bad_limit", op: op("evidence"), path: of("evidence") + "?limit=101"},
		{name: "stream", op: "GET /api/uptime/stream"},
		{name: "stream_resumed", op: "GET /api/uptime/stream", path: "/api/uptime/stream?last_event_id=0&monitor_id={web}"},
		{name: "stream_last_event_id", op: "GET /api/uptime/stream", path: "/api/uptime/stream?monitor_id={web}", headers: map[string]string{"Last-Event-ID": "0"}},
	}
}

// ownSteps are the endpoints of the edge itself.
func ownSteps() []step {
	return []step{
		{name: "audit", op: "GET /api/uptime/audit", path: "/api/uptime/audit?limit=1"},
		{name: "audit_before", op: "GET /api/uptime/audit", path: "/api/uptime/audit?before={earlier}"},
		{name: "notices", op: "GET /api/uptime/notices"},
		{name: "notices_open", op: "GET /api/uptime/notices", path: "/api/uptime/notices?open=true&limit=1"},
		{name: "notices_bad_limit", op: "GET /api/uptime/notices", path: "/api/uptime/notices?limit=1001"},
		{name: "healthz", op: "GET /healthz", as: byNobody},
		{name: "readyz", op: "GET /readyz", as: byNobody},
		{name: "metrics", op: "GET /metrics"},
		{name: "openapi", op: "GET /api/openapi.json", as: byNobody},
		{name: "docs", op: "GET /api/docs", as: byNobody},
		{name: "page", op: "GET /", as: byNobody},
		{name: "no_such_path", op: "GET /api/uptime/pigeons"},
		{name: "no_such_verb", op: "POST /api/uptime/regions", body: obj{}},
	}
}

// endSteps remove what was made.
func endSteps() []step {
	const windows, window = "/api/uptime/maintenance-windows", "/api/uptime/maintenance-windows/{id}"
	const badgeOp = "/api/uptime/monitors/{monitor_id}/badge"
	const groups, group = groupsPath, groupsPath + "/{id}"
	return []step{
		{name: "groups_create", op: "POST " + groups, keep: map[string]string{"group": "id"}, body: obj{"name": "front", "description": "what people see", "monitor_ids": []any{"{web}"}, "labels": []any{"team=db"},
			"rule": obj{"type": "percent", "percent": 50}, "alert_level": "group"}},
		{name: "groups_create_invalid", op: "POST " + groups, body: obj{"name": "x", "monitor_ids": []any{4294967295}, "labels": []any{"="}, "rule": obj{"type": "any", "count": 2}}},
		{name: "groups", op: "GET " + groups},
		{name: "group", op: "GET " + group, path: groups + "/{group}"},
		{name: "groups_update", op: "PATCH " + group, path: groups + "/{group}", body: obj{"rule": obj{"type": "count", "count": 1}, "labels": nil, "alert_level": "both"}},
		{name: "groups_replace", op: "PUT " + group, path: groups + "/{group}", body: obj{"name": "entry"}},
		{name: "groups_delete", op: "DELETE " + group, path: groups + "/{group}"},
		{name: "badge_none", op: "GET " + badgeOp, path: "/api/uptime/monitors/{web}/badge"},
		{name: "badge_create", op: "POST " + badgeOp, path: "/api/uptime/monitors/{web}/badge", keep: map[string]string{"badge": "token"}, body: obj{}},
		{name: "badge_status", op: "GET /api/uptime/badges/{token}/{file}", path: "/api/uptime/badges/{badge}/status.json", as: byNobody},
		{name: "badge_unknown", op: "GET /api/uptime/badges/{token}/{file}", path: "/api/uptime/badges/{badge}/other.svg", as: byNobody},
		{name: "badge_days", op: "GET /api/uptime/badges/{token}/{file}", path: "/api/uptime/badges/{badge}/uptime.svg?days=0&style=flat", as: byNobody},
		{name: "badge_delete", op: "DELETE " + badgeOp, path: "/api/uptime/monitors/{web}/badge"},
		{name: "resources_parse", op: "POST /api/uptime/resources:parse", body: obj{"text": "apiVersion: v1\nkind: TcpCheck\nmetadata: {name: db}\nspec:\n  host: db.example.com\n  port: 5432\n  interval: 30s\n  channels: [{channel: ops, severity: High}]\n  checks:\n    - {type: reachable, operator: is, value: true}\n"}},
		{name: "resources_parse_invalid", op: "POST /api/uptime/resources:parse", body: obj{"text": "apiVersion: v1\nkind: TcpCheck\nmetadata: {name: db}\nspec:\n  hosst: db.example.com\n  port: 70000\n  interval: 30s\n  checks: [{type: reachable, operator: is, value: true}]\n"}},
		{name: "maintenance_create", op: "POST " + windows, keep: map[string]string{"window": "id"}, body: obj{"name": "weekly", "monitor_ids": []any{"{web}"}, "labels": []any{"team=db"},
			"starts_at": "2040-10-26T00:30:00Z", "rrule": "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", "timezone": "Europe/Berlin", "duration_seconds": 5400}},
		{name: "maintenance_create_invalid", op: "POST " + windows, body: obj{"name": "", "labels": []any{"="}, "rrule": "FREQ=HOURLY", "timezone": "Mars/Olympus"}},
		{name: "maintenance", op: "GET " + window, path: windows + "/{window}"},
		{name: "maintenance_list", op: "GET " + windows},
		{name: "maintenance_update", op: "PATCH " + window, path: windows + "/{window}", headers: map[string]string{"If-Match": `"v1"`}, body: obj{"rrule": nil, "duration_seconds": nil, "starts_at": "2040-01-01T00:00:00Z", "ends_at": "2040-01-01T02:00:00Z", "description": "once"}},
		{name: "maintenance_replace", op: "PUT " + window, path: windows + "/{window}", body: obj{"name": "new year"}},
		{name: "maintenance_delete", op: "DELETE " + window, path: windows + "/{window}"},
		{name: "alerts_delete", op: "DELETE " + alertOp, path: "/api/uptime/monitors/{broken}/alerts/{rule}"},
		{name: "channels_delete", op: "DELETE " + channelOp, path: "/api/uptime/notification-channels/{channel}"},
		{name: "members_remove", op: "DELETE /api/organizations/members/{user_id}", path: "/api/organizations/members/{eve}"},
		{name: "api_keys_revoke", op: "DELETE /api/organizations/api-keys/{id}", path: "/api/organizations/api-keys/{spare_key}"},
		{name: "auth_logout", op: "POST /api/auth/logout", as: byCookie},
		{name: "auth_session_ended", op: "GET /api/auth/session", as: byCookie},
	}
}
