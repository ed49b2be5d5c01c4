package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func newGolden(t *testing.T) *golden {
	t.Helper()
	g := &golden{server: start(t, withEnv()), sink: newSink(t), web: newSite(t, nil), key: "none-yet"}
	// The script's few results shall not fall on two sides of the edge of a bucket.
	eventually(t, time.Minute, "the next five minutes", func() error {
		if left := time.Until(time.Now().Truncate(5 * time.Minute).Add(5 * time.Minute)); left < 30*time.Second {
			return fmt.Errorf("they begin in %v", left)
		}
		return nil
	})
	now := time.Now().UTC()
	g.vars = map[string]any{
		"setup_token": g.setupToken(), "target": g.web.url(), "target_port": g.web.port(), "refusing_port": refusing(t),
		"hook": g.sink.url("golden"), "earlier": now.Add(-time.Hour).Format(time.RFC3339), "later": now.Add(time.Hour).Format(time.RFC3339),
		"yesterday": now.Add(-24 * time.Hour).Format(time.DateOnly),
	}
	g.clean.known = strings.NewReplacer(
		g.web.addr, "<target>", strings.TrimPrefix(g.sink.server.URL, "http://"), "<sink>",
		fmt.Sprintf("127.0.0.1:%v", g.vars["refusing_port"]), "<refusing>",
	)
	return g
}

// setupToken is the token of the link that a server without an owner prints.
func (s *server) setupToken() string {
	s.t.Helper()
	const mark = "/setup?token="
	var token string
	eventually(s.t, 10*time.Second, "the set-up link", func() error {
		_, after, found := strings.Cut(s.output(), mark)
		text, _, whole := strings.Cut(after, "\n")
		if !found || !whole {
			return fmt.Errorf("it is not in %q", s.output())
		}
		token = text
		return nil
	})
	return token
}

// goldenScript is one server's life, in order: every endpoint with every parameter.
func goldenScript() []step {
	return slices.Concat(accountSteps(), monitorSteps(), proberSteps(), alertSteps(), outageSteps(), dataSteps(), ownSteps(), endSteps())
}

func accountSteps() []step {
	const owner, password = "owner@example.com", "correct horse battery staple"
	setup := func(token string) obj {
		return obj{"token": token, "email": owner, "password": password, "name": "Olive Owner", "organization_name": "Frogs"}
	}
	return []step{
		{name: "auth_setup_needed", op: "GET /api/auth/setup", as: byNobody},
		{name: "auth_setup_wrong_token", op: "POST /api/auth/setup", as: byNobody, body: setup("nonsense")},
		{name: "auth_setup", op: "POST /api/auth/setup", as: byNobody, body: setup("{setup_token}"), keep: map[string]string{"user": "user.id", "organization": "organization.id"}},
		{name: "auth_setup_done", op: "GET /api/auth/setup", as: byNobody},
		{name: "auth_login_wrong", op: "POST /api/auth/login", as: byNobody, body: obj{"email": owner, "password": "wrong horse battery staple"}},
		{name: "auth_login", op: "POST /api/auth/login", as: byNobody, body: obj{"email": owner, "password": password}},
		{name: "auth_session", op: "GET /api/auth/session", as: byCookie},
		{name: "auth_me", op: "GET /api/auth/me", as: byCookie},
		{name: "auth_sessions", op: "GET /api/auth/sessions", as: byCookie, keep: map[string]string{"old_session": "sessions.1.id"}},
		{name: "auth_sessions_revoke", op: "DELETE /api/auth/sessions/{id}", path: "/api/auth/sessions/{old_session}", as: byCookie},
		{name: "auth_password", op: "POST /api/auth/password", as: byCookie, body: obj{"current_password": password, "new_password": "another horse, another battery"}},
		{name: "organizations_create", op: "POST /api/organizations", as: byCookie, body: obj{"name": "Toads"}, keep: map[string]string{"toads": "id"}},
		{name: "organizations", op: "GET /api/organizations", as: byCookie},
		{name: "auth_switch_organization", op: "PUT /api/auth/session/organization", as: byCookie, body: obj{"organization_id": "{toads}"}},
		{name: "organizations_rename", op: "PUT /api/organizations/{id}", path: "/api/organizations/{toads}", as: byCookie, body: obj{"name": "Natterjacks"}},
		{name: "auth_switch_organization_back", op: "PUT /api/auth/session/organization", as: byCookie, body: obj{"organization_id": "{organization}"}},
		{name: "api_keys_create", op: "POST /api/organizations/api-keys", as: byCookie, body: obj{"name": "script", "role": "owner"}, keep: map[string]string{"key": "key"}},
		{name: "api_keys_create_expiring", op: "POST /api/organizations/api-keys", body: obj{"name": "spare", "role": "viewer", "expires_at": "{later}"}, keep: map[string]string{"spare_key": "id"}},
		{name: "api_keys", op: "GET /api/organizations/api-keys"},
		{name: "members_add", op: "POST /api/organizations/members", body: obj{"email": "eve@example.com", "name": "Eve Editor", "role": "editor", "password": "a third horse entirely"}, keep: map[string]string{"eve": "user.id"}},
		{name: "members", op: "GET /api/organizations/members"},
		{name: "members_update", op: "PUT /api/organizations/members/{user_id}", path: "/api/organizations/members/{eve}", body: obj{"role": "admin"}},
	}
}

func monitorSteps() []step {
	const all, one = "GET /api/uptime/monitors", "GET /api/uptime/monitors/{id}"
	// Once a year is seldom enough for a script of seconds to know all results.
	const yearly = "0 0 1 1 *"
	web := obj{
		"name": "web", "monitor_type": "http", "cron": yearly, "timezone": "Europe/Berlin",
		"http_config":      obj{"url": "{target}", "method": "GET", "headers": obj{"Accept": "text/plain"}, "auth": obj{"type": "basic", "credentials": obj{"username": "u", "password": "p"}}, "timeout_ms": 5000},
		"validation_rules": []any{obj{"type": "status_code", "operator": "in", "value": []any{200, 204}}, obj{"type": "response_body_contains", "value": "fine"}},
		"labels":           obj{"team": "web"}, "external_id": "web-1",
	}
	broken := func(name string) obj {
		return obj{"name": name, "monitor_type": "tcp", "cron": yearly, "tcp_config": obj{"host": "127.0.0.1", "port": "{refusing_port}"}, "enabled": false, "retry_interval_seconds": 1}
	}
	return []step{
		{name: "monitors_unauthenticated", op: all, as: byNobody},
		{name: "monitors_create", op: "POST /api/uptime/monitors", hide: "status", body: web, keep: map[string]string{"web": "id"}},
		{name: "monitors_create_tcp", op: "POST /api/uptime/monitors", hide: "status", body: broken("broken"), keep: map[string]string{"broken": "id"}},
		{name: "monitors_create_idempotent", op: "POST /api/uptime/monitors", hide: "status", body: broken("broken too"), headers: map[string]string{"Idempotency-Key": "golden-1"}, keep: map[string]string{"broken_too": "id"}},
		{name: "monitors_create_invalid", op: "POST /api/uptime/monitors", body: obj{"name": "", "monitor_type": "tcp", "interval_seconds": 0, "tcp_config": obj{"host": "http://example.com", "port": 65536}}},
		{name: "monitors_create_unknown_field", op: "POST /api/uptime/monitors", body: obj{"name": "x", "monitor_typ": "tcp"}},
		{name: "monitors_create_interval", op: "POST /api/uptime/monitors", hide: "status", body: obj{"name": "spare", "monitor_type": "tcp", "interval_seconds": 3600, "tcp_config": obj{"host": "localhost", "port": 9}, "enabled": false}, keep: map[string]string{"spare": "id", "spare_tag": "header:Etag"}},
		{name: "monitor", op: one, path: "/api/uptime/monitors/{web}", before: func(g *golden) { g.settled("web", "up", 1); g.settled("spare", "paused", 0) }},
		{name: "monitor_missing", op: one, path: "/api/uptime/monitors/4000000"},
		{name: "monitors", op: all},
		{name: "monitors_enabled", op: all, path: "/api/uptime/monitors?enabled=true"},
		{name: "monitors_type", op: all, path: "/api/uptime/monitors?monitor_type=tcp"},
		{name: "monitors_type_unknown", op: all, path: "/api/uptime/monitors?monitor_type=pigeon"},
		{name: "monitors_region", op: all, path: "/api/uptime/monitors?region=elsewhere"},
		{name: "monitors_status", op: all, path: "/api/uptime/monitors?status=up"},
		{name: "monitors_search", op: all, path: "/api/uptime/monitors?q=WEB"},
		{name: "monitors_label", op: all, path: "/api/uptime/monitors?label=team%3Dweb"},
		{name: "monitors_external_id", op: all, path: "/api/uptime/monitors?external_id=web-1"},
		{name: "monitors_page", op: all, path: "/api/uptime/monitors?page_size=1", keep: map[string]string{"next_monitors": "header:X-Next-Page-Token"}},
		{name: "monitors_next_page", op: all, path: "/api/uptime/monitors?page_size=1&page_token={next_monitors}"},
		{name: "monitor_put", op: "PUT /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{spare}", headers: map[string]string{"If-Match": "{spare_tag}"}, body: obj{"interval_seconds": 60, "confirm_down": 3}},
		{name: "monitor_put_stale", op: "PUT /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{spare}", headers: map[string]string{"If-Match": "{spare_tag}"}, body: obj{"interval_seconds": 30}},
		{name: "monitor_patch", op: "PATCH /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{spare}", body: obj{"labels": obj{"team": "ops"}}},
		{name: "monitor_patch_invalid", op: "PATCH /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{spare}", body: obj{"tcp_config": obj{"port": 0}}},
		{name: "monitor_delete", op: "DELETE /api/uptime/monitors/{id}", path: "/api/uptime/monitors/{spare}"},
		{name: "monitor_check", op: "POST /api/uptime/monitors/{id}/check", path: "/api/uptime/monitors/{web}/check", body: obj{"region": "local"}},
		{name: "monitors_test", op: "POST /api/uptime/monitors/test", body: obj{"monitor_type": "http", "http_config": obj{"url": "{target}"}}},
		{name: "monitors_test_region", op: "POST /api/uptime/monitors/test", path: "/api/uptime/monitors/test?region=local", body: obj{"monitor_type": "tcp", "tcp_config": obj{"host": "127.0.0.1", "port": "{refusing_port}"}}},
		{name: "monitors_create_tls", op: "POST /api/uptime/monitors", hide: "status", body: obj{
			"name": "certificate", "monitor_type": "tls", "interval_seconds": 3600, "enabled": false,
			"tls_config":       obj{"host": "Mail.example.com", "port": 587, "starttls": "smtp", "options": obj{"server_name": "mail.example.com", "min_version": "tls13", "revocation": "online"}},
			"validation_rules": []any{obj{"type": "certificate_days_left", "operator": "greater_than", "value": 14}, obj{"type": "certificate_valid", "operator": "equals", "value": true}},
		}},
		{name: "monitors_create_deep", op: "POST /api/uptime/monitors", hide: "status", body: obj{
			"name": "deep", "monitor_type": "http", "interval_seconds": 3600, "enabled": false,
			"http_config": obj{
				"url": "https://api.example.com/", "http_version": "http2", "cookies": false,
				"proxy": obj{"url": "socks5://proxy.example.com:1080", "username": "u", "password": "hidden"},
				"auth":  obj{"type": "oauth2", "oauth2": obj{"token_url": "https://id.example.com/token", "client_id": "c", "scopes": []any{"read"}}, "credentials": obj{"client_secret": "hidden"}},
			},
			"validation_rules": []any{
				obj{"type": "json_path", "path": "$.status", "operator": "equals", "value": "ok"}, obj{"type": "cel", "value": "status_code == 200 && size < 1000"},
				obj{"type": "response_body_matches", "value": "o.k"}, obj{"type": "ttfb", "operator": "less_than", "value": 500},
			},
		}},
		{name: "monitors_create_deep_invalid", op: "POST /api/uptime/monitors", body: obj{
			"name": "deep", "monitor_type": "tls", "interval_seconds": 60, "tls_config": obj{"host": "https://example.com", "options": obj{"client_certificate": "x"}},
			"validation_rules": []any{obj{"type": "cel", "value": "latency <"}, obj{"type": "status_code", "operator": "equals", "value": 200}},
		}},
		{name: "monitors_create_dns", op: "POST /api/uptime/monitors", hide: "status", body: obj{
			"name": "resolved elsewhere", "monitor_type": "tcp", "interval_seconds": 3600, "enabled": false, "tcp_config": obj{"host": "example.com", "port": 443},
			"dns_config": obj{"servers": []any{"192.0.2.53", "[2001:db8::53]:5353", "192.0.2.54:53"}, "max_ttl_seconds": 0},
		}, keep: map[string]string{"resolved": "id"}},
		{name: "monitors_create_dns_invalid", op: "POST /api/uptime/monitors", body: obj{
			"name": "resolved nowhere", "monitor_type": "tcp", "interval_seconds": 3600, "tcp_config": obj{"host": "example.com", "port": 443},
			"dns_config": obj{"servers": []any{"dns.example.com", "192.0.2.53:0", "192.0.2.54", "192.0.2.54:53"}},
		}},
		{name: "monitor_patch_dns", op: "PATCH /api/uptime/monitors/{id}", hide: "status", path: "/api/uptime/monitors/{resolved}", body: obj{"dns_config": obj{"max_ttl_seconds": 5}}},
		{name: "monitor_patch_dns_null", op: "PATCH /api/uptime/monitors/{id}", hide: "status", path: "/api/uptime/monitors/{resolved}", body: obj{"dns_config": nil}},
	}
}

// proberSteps let a remote prober be enrolled, and be removed before it joins.
func proberSteps() []step {
	const all, make, remove = "GET /api/uptime/probers", "POST /api/uptime/probers", "DELETE /api/uptime/probers/{id}"
	return []step{
		{name: "regions", op: "GET /api/uptime/regions", before: (*golden).placed},
		{name: "probers", op: all},
		{name: "probers_enrol", op: make, body: obj{"region": "eu-west"}, keep: map[string]string{"prober": "id"}},
		{name: "probers_enrol_named", op: make, body: obj{"id": "frog-1", "region": "eu-west", "valid_seconds": 60}},
		{name: "probers_enrol_again", op: make, body: obj{"id": "frog-1", "region": "eu-north"}},
		{name: "probers_enrol_invalid", op: make, body: obj{"id": "-", "region": "eu west", "valid_seconds": 59}},
		{name: "probers_enrolled", op: all},
		{name: "probers_remove", op: remove, path: "/api/uptime/probers/{prober}"},
		{name: "probers_remove_missing", op: remove, path: "/api/uptime/probers/{prober}"},
	}
}

// placed waits until the prober is well and has the monitor that is enabled.
func (g *golden) placed() {
	g.t.Helper()
	eventually(g.t, 30*time.Second, "a prober with its monitor", func() error {
		p := want[struct {
			Probers []struct {
				Health   string
				Monitors int
				Report   obj
			}
		}](g.server, 200, g.get("/api/uptime/probers"))
		if len(p.Probers) != 1 || p.Probers[0].Health != "healthy" || p.Probers[0].Monitors != 1 || p.Probers[0].Report == nil {
			return fmt.Errorf("there are %+v", p.Probers)
		}
		return nil
	})
}

// settled waits until a monitor has its results and the state that follows from them.
func (g *golden) settled(name, status string, results int) {
	g.t.Helper()
	id := fmt.Sprint(g.vars[name])
	eventually(g.t, 30*time.Second, name+" to be "+status, func() error {
		m := want[struct {
			Status struct {
				Current string `json:"current_status"`
				Regions []obj
			}
		}](g.server, 200, g.get("/api/uptime/monitors/"+id))
		e := want[struct{ Pagination struct{ Total int } }](g.server, 200, g.get("/api/uptime/monitors/"+id+"/events"))
		if m.Status.Current != status || len(m.Status.Regions) != 1 || e.Pagination.Total != results {
			return fmt.Errorf("it is %s with %d results", m.Status.Current, e.Pagination.Total)
		}
		return nil
	})
}

// examined waits for the evidence of a monitor's first failure.
func (g *golden) examined(name string) {
	g.t.Helper()
	eventually(g.t, 30*time.Second, "evidence of "+name, func() error {
		path := fmt.Sprintf("/api/uptime/monitors/%v/evidence", g.vars[name])
		if len(want[struct{ Evidence []obj }](g.server, 200, g.get(path)).Evidence) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
}

func (g *golden) get(path string) reply {
	g.t.Helper()
	return g.do("GET", path, nil, "Authorization", "Bearer "+g.key)
}
