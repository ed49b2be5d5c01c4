package gateway

import (
	"cmp"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

const (
	defaultAuditLimit = 100
	maxAuditLimit     = 500
)

// auditSource is a service with audit rows of its own.
type auditSource struct {
	name   string
	client auditv1.AuditServiceClient
}

// audit merges the rows of all services by time, newest first. If one of them cannot be asked there is no answer: a log
// with silent holes is worse than none.
func (g *Gateway) audit(w http.ResponseWriter, r *http.Request) {
	req := &auditv1.ListAuditEntriesRequest{}
	form, e := parseForm(r.URL)
	if e == nil {
		e = wire.ParseQuery(req, form)
	}
	if limit := req.GetLimit(); e == nil && form.Has("limit") && (limit < 1 || limit > maxAuditLimit) {
		e = &wire.Error{Path: "limit", Message: "must be between 1 and 500"}
	}
	if e != nil {
		g.refuseInput(w, r, e)
		return
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultAuditLimit
	}
	req.Limit = int32(min(limit+1, maxAuditLimit)) // one more, to see whether the cut falls between two rows of one instant
	pages := make([][]*auditv1.AuditEntry, len(g.audits))
	group, ctx := errgroup.WithContext(r.Context())
	for i, source := range g.audits {
		group.Go(func() error {
			page, err := source.client.ListAuditEntries(ctx, req)
			pages[i] = page.GetEntries()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		g.fail(w, r, err)
		return
	}
	body, err := wire.Marshaler{}.Marshal(&auditv1.ListAuditEntriesResponse{Entries: mergeAudit(pages, limit)})
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // fails only when nobody reads any more
}

// mergeAudit returns the newest rows, at most limit. The caller goes on with the time of the last one as before, which is
// strict, so rows of one instant are never parted: if they would be, the whole instant is left to the next page.
func mergeAudit(pages [][]*auditv1.AuditEntry, limit int) []*auditv1.AuditEntry {
	all := slices.Concat(pages...)
	slices.SortFunc(all, func(a, b *auditv1.AuditEntry) int {
		return cmp.Or(b.GetAt().AsTime().Compare(a.GetAt().AsTime()), cmp.Compare(b.GetId(), a.GetId()))
	})
	if len(all) <= limit {
		return all
	}
	same := func(i, j int) bool { return all[i].GetAt().AsTime().Equal(all[j].GetAt().AsTime()) }
	cut := limit
	for cut > 0 && same(cut-1, limit) {
		cut--
	}
	if cut == 0 {
		return all[:limit] // more rows of one instant than a page holds
	}
	return all[:cut]
}
