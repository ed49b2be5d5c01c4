package alerts

import (
	"context"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
)

type auditServer struct {
	auditv1.UnsafeAuditServiceServer
	*Service
}

var _ auditv1.AuditServiceServer = (*auditServer)(nil)

const defaultAuditRows = 100

// ListAuditEntries implements auditv1.AuditServiceServer.
func (s *auditServer) ListAuditEntries(ctx context.Context, in *auditv1.ListAuditEntriesRequest) (*auditv1.ListAuditEntriesResponse, error) {
	f := audit.Filter{OrganizationID: caller(ctx).OrganizationID, Limit: int(in.GetLimit())}
	if f.Limit == 0 {
		f.Limit = defaultAuditRows
	}
	if in.GetBefore() != nil {
		f.Until = in.GetBefore().AsTime()
	}
	rows, err := s.store.AuditRows(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &auditv1.ListAuditEntriesResponse{}
	for _, r := range rows {
		entry, err := auditProto(r)
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}
