package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/postgres"
)

const (
	bigOrg    = 10_000 // monitors of the organization "big", which are the oldest
	allOfThem = 20_000 // with those of a hundred others
)

// fleet is the i-th monitor of a database in use.
func fleet(i int) monitors.Monitor {
	m := tcp("big", fmt.Sprintf("service %05d of team %d", i, i%97))
	if i >= bigOrg {
		m.OrganizationID = fmt.Sprint("org-", i%100)
	}
	c := &m.Config
	c.Type, c.TCP = monitors.TypeHTTP, nil
	c.HTTP = &monitors.HTTPConfig{
		URL: fmt.Sprintf("https://%05d.example.com/health", i), Method: "GET", Headers: map[string]string{"Accept": "*/*"},
		Auth: monitors.Auth{Type: monitors.AuthNone}, FollowRedirects: true, Timeout: 10_000, IPVersion: "any", MaxRedirects: 10,
	}
	c.Rules = []monitors.Rule{{Type: monitors.RuleStatusCode, Operator: monitors.OpIn, Value: []any{200.0, 204.0}}}
	c.Labels = map[string]string{"team": fmt.Sprint(i % 97), "env": []string{"dev", "prod"}[i%2], "service": fmt.Sprint(i)}
	c.Enabled = i%100 != 0
	c.ExternalID = fmt.Sprint("ext-", i)
	if i%1000 == 7 {
		c.Regions = []string{"local", "rare-1"}
		c.Labels["rare"] = ""
	}
	return m
}

func loaded(t testing.TB) *postgres.Store {
	t.Helper()
	s := openAt(t, postgrestest.DSN(t))
	if err := s.Load(t.Context(), allOfThem, fleet); err != nil {
		t.Fatal(err)
	}
	return s
}

// node is what EXPLAIN tells of one step of a plan.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []node  `json:"Plans"`
}

// read sums the rows of uptime_monitors that were looked at, and names the steps that looked.
func (n node) read() (rows float64, steps []string) {
	if n.Relation == "uptime_monitors" {
		rows = (n.Rows + n.Removed) * n.Loops
	}
	if n.Relation+n.Index != "" {
		steps = append(steps, strings.TrimSpace(n.Type+" "+n.Index))
	}
	for _, below := range n.Plans {
		r, s := below.read()
		rows, steps = rows+r, append(steps, s...)
	}
	return rows, steps
}

func explain(t *testing.T, s *postgres.Store, query string, args ...any) node {
	t.Helper()
	var text string
	row := s.Pool().QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+query, args...)
	if err := row.Scan(&text); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan
}

// Lists look at what they return, or at what an index says, and never at other organizations' monitors.
func TestListsAreAnsweredByIndexes(t *testing.T) {
	s := loaded(t)
	yes, no, prod, team, none := true, false, "prod", "5", "nothing"
	label := func(key string, value *string) []monitors.LabelFilter {
		return []monitors.LabelFilter{{Key: key, Value: value}}
	}
	var some []uint32
	for i := range uint32(500) {
		some = append(some, 20*i+1)
	}
	tests := []struct {
		name string
		f    monitors.Filter
		rows float64 // that may be looked at
		want int     // monitors on the page
	}{
		{"the newest", monitors.Filter{}, 101, 101},
		{"a later page", monitors.Filter{Before: 500}, 101, 101},
		{"a page that is the last", monitors.Filter{Before: 50}, 101, 49},
		{"of a small organization", monitors.Filter{OrganizationID: "org-7"}, 101, 100},
		{"of no organization", monitors.Filter{OrganizationID: "nobody"}, 0, 0},
		{"enabled", monitors.Filter{Enabled: &yes}, 102, 101},
		{"disabled, which few are", monitors.Filter{Enabled: &no}, 101, 100},
		{"type", monitors.Filter{Type: monitors.TypeHTTP}, 101, 101},
		{"a type that none has", monitors.Filter{Type: monitors.TypeTCP}, 0, 0},
		{"external id", monitors.Filter{ExternalID: "ext-77"}, 1, 1},
		{"region of all", monitors.Filter{Region: "local"}, 1101, 101},
		{"region of few", monitors.Filter{Region: "rare-1"}, 1020, 10},
		{"region of none", monitors.Filter{Region: "none"}, 1000, 0},
		{"label of all", monitors.Filter{Labels: label("team", nil)}, 1101, 101},
		{"label of half", monitors.Filter{Labels: label("env", &prod)}, 1101, 101},
		{"label of some", monitors.Filter{Labels: label("team", &team)}, 1210, 101},
		{"label of few", monitors.Filter{Labels: label("rare", nil)}, 1020, 10},
		{"label of none", monitors.Filter{Labels: label("env", &none)}, 1000, 0},
		{"two labels", monitors.Filter{Labels: append(label("env", &prod), label("team", &team)...)}, 1104, 52},
		{"text of one", monitors.Filter{Text: "04321.example"}, 1010, 1},
		{"text of all", monitors.Filter{Text: "example.com/health"}, 1101, 101},
		{"text of none", monitors.Filter{Text: "nowhere at all"}, 1000, 0},
		{"text of all, too short for terms", monitors.Filter{Text: "am"}, 101, 101},
		{"ids", monitors.Filter{IDs: &monitors.IDFilter{In: some}}, 500, 101},
		{"all but some ids", monitors.Filter{IDs: &monitors.IDFilter{In: some[:10], Others: &yes, NotIn: some}}, 120, 101},
		{"everything at once", monitors.Filter{
			Enabled: &yes, Type: monitors.TypeHTTP, Region: "rare-1", Text: "service", Labels: label("rare", nil), Before: 9000,
		}, 1030, 9},
	}
	for _, tt := range tests {
		if tt.f.OrganizationID == "" {
			tt.f.OrganizationID = "big"
		}
		tt.f.Limit = 101 // as the service asks for a page of a hundred
		query, args := postgres.ListQuery(tt.f)
		rows, steps := explain(t, s, query, args...).read()
		if rows > tt.rows {
			t.Errorf("%s: %.0f rows are looked at, want at most %.0f; by %q", tt.name, rows, tt.rows, steps)
		}
		for _, step := range steps {
			if strings.HasPrefix(step, "Seq Scan") || strings.HasSuffix(step, "uptime_monitors_id") {
				t.Errorf("%s: %s", tt.name, step)
			}
		}
		if ms, err := s.Monitors(t.Context(), tt.f); err != nil || len(ms) != tt.want {
			t.Errorf("%s: %d monitors, %v, want %d", tt.name, len(ms), err, tt.want)
		}
	}
}

// What runs often keeps to its index also with a plan for any argument, which the server makes after five times.
func TestOtherStatementsAreAnsweredByIndexes(t *testing.T) {
	s := loaded(t)
	tx, err := s.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	exec(t, tx, `SET LOCAL plan_cache_mode = force_generic_plan`)
	for name, statement := range postgres.Statements {
		exec(t, tx, "PREPARE "+name+" AS "+statement.Query)
		rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE "+name+statement.Args, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plan := strings.Join(lines, "\n")
		if strings.Contains(plan, "Seq Scan on uptime_monitors") || strings.Contains(plan, "Seq Scan on answer") {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
}
