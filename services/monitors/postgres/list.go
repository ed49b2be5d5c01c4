package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/monitors"
)

const selectMonitors = `
SELECT ` + monitorColumns + `
FROM uptime_monitors`

// Monitors implements monitors.Configurations.
func (s *Store) Monitors(ctx context.Context, f monitors.Filter) ([]monitors.Monitor, error) {
	query, args := listQuery(f)
	ms, err := collect(ctx, s.db, scanRow, query, args...)
	if postgres.IsNotText(err) {
		return nil, nil // no column holds it
	}
	if err != nil {
		return nil, fmt.Errorf("list monitors: %w", err)
	}
	return ms, nil
}

// listQuery is f as a statement and its arguments. It is planned anew each time, for these arguments: one plan for an
// organization of ten monitors and one of ten thousand is bad for one of them.
func listQuery(f monitors.Filter) (query string, args []any) {
	var all, contents conditions
	all.and(`organization_id = $`, f.OrganizationID)
	if f.Before > 0 {
		all.and(`id < $`, f.Before)
	}
	if f.Enabled != nil {
		all.and(`enabled = $`, *f.Enabled)
	}
	if f.Type != "" {
		all.and(`monitor_type = $`, string(f.Type))
	}
	if f.ExternalID != "" {
		all.and(`external_id = $`, f.ExternalID)
	}
	all.ids(f.IDs)
	contents.args = all.args
	contents.contain(f)
	limit := contents.argument(f.Limit)
	if wanted := wantedTerms(f); len(wanted) > 0 {
		near := contents.argument(max(nearAtLeast, 2*f.Limit))
		query = searched(all.String(), contents.String(), contents.argument(wanted), near, limit)
	} else {
		query = selectMonitors + `
WHERE deleted_at IS NULL` + all.String() + contents.String() + `
ORDER BY id DESC
LIMIT ` + limit
	}
	return query, append([]any{pgx.QueryExecModeCacheDescribe}, contents.args...)
}

// nearAtLeast is how many of the newest monitors are searched one by one, if the page is not longer.
const nearAtLeast = 1000

// searched looks for contents among the newest monitors that meet the other conditions, and by terms among all if the page
// is not full then. What many have fills it at once; of what few have there are few. The planner, left to choose, takes the
// terms of a text for independent of one another and of the organization, and goes to thousands of rows by the index that it
// believes to lead to one. Ordering by an expression keeps it from walking through all in order of id for want of one.
func searched(conditions, contents, terms, near, limit string) string {
	return `
WITH newest AS MATERIALIZED (
    SELECT id
    FROM (
        SELECT id, regions, labels, search_text
        FROM uptime_monitors
        WHERE deleted_at IS NULL` + conditions + `
        ORDER BY id DESC
        LIMIT ` + near + `
    ) AS candidates
    WHERE TRUE` + contents + `
    ORDER BY id DESC
    LIMIT ` + limit + `
), chosen AS (
    SELECT id
    FROM newest
    WHERE (SELECT count(*) FROM newest) = ` + limit + `
    UNION ALL (
        SELECT id
        FROM uptime_monitors
        WHERE deleted_at IS NULL AND (SELECT count(*) FROM newest) < ` + limit + `
            AND terms @> ` + terms + `::bigint[]` + conditions + contents + `
        ORDER BY id + 0 DESC
        LIMIT ` + limit + `
    )
)` + selectMonitors + `
WHERE organization_id = $1 AND id IN (SELECT id FROM chosen)
ORDER BY id DESC`
}

// conditions writes the end of a WHERE clause.
type conditions struct {
	strings.Builder
	args []any
}

// and adds a condition, in which each $ stands for the next of values.
func (q *conditions) and(condition string, values ...any) {
	q.WriteString("\n    AND ")
	for i, part := range strings.Split(condition, "$") {
		if i > 0 {
			q.WriteString(q.argument(values[i-1]))
		}
		q.WriteString(part)
	}
}

// argument returns the placeholder of one more.
func (q *conditions) argument(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// contain adds the conditions on what terms lead to.
func (q *conditions) contain(f monitors.Filter) {
	if f.Region != "" {
		q.and(`regions ? $::text`, f.Region)
	}
	if f.Text != "" {
		q.and(`strpos(search_text, $) > 0`, f.Text)
	}
	for _, l := range f.Labels {
		if l.Value == nil {
			q.and(`labels ? $::text`, l.Key)
		} else {
			q.and(`labels ->> $::text = $`, l.Key, *l.Value)
		}
	}
}

func (q *conditions) ids(f *monitors.IDFilter) {
	switch {
	case f == nil:
	case f.Others == nil:
		q.and(`id = ANY ($::bigint[])`, bigints(f.In))
	default:
		q.and(`(id = ANY ($::bigint[]) OR enabled = $ AND id <> ALL ($::bigint[]))`, bigints(f.In), *f.Others, bigints(f.NotIn))
	}
}

// bigints is never nil, which would be NULL.
func bigints(ids []uint32) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}
