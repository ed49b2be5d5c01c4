package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

const openapiFile = "../gen/openapi/uptime.openapi.json"

// operation is what OpenAPI says of one verb on one path.
type operation struct {
	Parameters []struct{ Name, In string }
}

func openapi(t *testing.T) map[string]operation {
	t.Helper()
	raw, err := os.ReadFile(openapiFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]operation{}
	for path, verbs := range doc.Paths {
		for verb, raw := range verbs {
			if !slices.Contains([]string{"get", "put", "post", "patch", "delete"}, verb) {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatalf("%s %s: %v", verb, path, err)
			}
			all[strings.ToUpper(verb)+" "+path] = op
		}
	}
	if len(all) < 40 {
		t.Fatalf("OpenAPI has %d operations only", len(all))
	}
	return all
}

// Every operation that OpenAPI promises has a golden pair, and every parameter of it is
// used in one.
func TestGoldenPairsCoverOpenAPI(t *testing.T) {
	t.Parallel()
	used := map[string]map[string]bool{}
	for _, file := range goldenFiles(t) {
		p, err := readPair(file)
		if err != nil {
			t.Fatal(err)
		}
		names := used[p.Operation]
		if names == nil {
			names = map[string]bool{}
			used[p.Operation] = names
		}
		_, query, _ := strings.Cut(p.Request.Path, "?")
		for part := range strings.SplitSeq(query, "&") {
			name, _, _ := strings.Cut(part, "=")
			if name, err = url.QueryUnescape(name); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			names["query "+name] = true
		}
		for name := range p.Request.Headers {
			names["header "+name] = true
		}
	}
	optional := map[string]bool{ // as with PUT, or PATCH
		"DELETE /api/uptime/monitors/{id} header If-Match": true, "PATCH /api/uptime/monitors/{id} header If-Match": true,
		"DELETE /api/uptime/maintenance-windows/{id} header If-Match": true, "PUT /api/uptime/maintenance-windows/{id} header If-Match": true,
	}
	for name, op := range openapi(t) {
		if used[name] == nil {
			t.Errorf("no golden pair for %s", name)
			continue
		}
		for _, p := range op.Parameters {
			key := p.In + " " + p.Name
			if p.In != "path" && p.In != "cookie" && !used[name][key] && !optional[name+" "+key] {
				t.Errorf("no golden pair for %s uses the %s parameter %s", name, p.In, p.Name)
			}
		}
	}
}

// The seed's endpoints and parameters are in OpenAPI.
func TestOpenAPIHasTheSeed(t *testing.T) {
	t.Parallel()
	const monitor = "/api/uptime/monitors/{monitor_id}"
	all := openapi(t)
	for name, parameters := range map[string][]string{
		"GET /api/uptime/monitors":                 {"enabled", "monitor_type"},
		"POST /api/uptime/monitors":                nil,
		"GET /api/uptime/monitors/{id}":            nil,
		"PUT /api/uptime/monitors/{id}":            nil,
		"DELETE /api/uptime/monitors/{id}":         nil,
		"GET " + monitor + "/events":               {"start_date", "end_date", "limit", "offset"},
		"GET " + monitor + "/stats":                {"period", "start_date", "end_date"},
		"GET " + monitor + "/status":               nil,
		"GET " + monitor + "/alerts":               nil,
		"POST " + monitor + "/alerts":              nil,
		"PUT " + monitor + "/alerts/{alert_id}":    nil,
		"DELETE " + monitor + "/alerts/{alert_id}": nil,
	} {
		op, ok := all[name]
		if !ok {
			t.Errorf("OpenAPI lacks %s", name)
		}
		for _, parameter := range parameters {
			if !slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.Name == parameter && p.In == "query" }) {
				t.Errorf("OpenAPI lacks the parameter %s of %s", parameter, name)
			}
		}
	}
}
