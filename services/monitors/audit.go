package monitors

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
)

const defaultAuditRows = 100

// ListAuditEntries returns this service's audit rows of the caller's organization, newest first.
func (s *Service) ListAuditEntries(ctx context.Context, req *auditv1.ListAuditEntriesRequest) (*auditv1.ListAuditEntriesResponse, error) {
	f := audit.Filter{OrganizationID: organization(ctx), Limit: int(req.GetLimit())}
	if f.Limit == 0 {
		f.Limit = defaultAuditRows
	}
	if req.GetBefore() != nil {
		f.Until = req.GetBefore().AsTime().Add(time.Millisecond - time.Nanosecond) // rows have whole milliseconds; the store cuts
	}
	rows, err := s.store.AuditRows(ctx, f)
	if err != nil {
		return nil, err
	}
	resp := &auditv1.ListAuditEntriesResponse{}
	for _, r := range rows {
		e, err := auditEntry(r)
		if err != nil {
			return nil, fmt.Errorf("audit row %s: %w", r.ID, err)
		}
		resp.Entries = append(resp.Entries, e)
	}
	return resp, nil
}

func auditEntry(r audit.Row) (*auditv1.AuditEntry, error) {
	before, err := jsonValue(r.Before)
	if err != nil {
		return nil, err
	}
	after, err := jsonValue(r.After)
	if err != nil {
		return nil, err
	}
	return &auditv1.AuditEntry{
		Id: r.ID, At: timestamppb.New(r.At), ActorKind: r.ActorKind, ActorId: r.ActorID, ActorName: r.ActorName,
		Ip: text(r.IP), Action: r.Action, ObjectKind: r.ObjectKind, ObjectId: r.ObjectID,
		Before: before, After: after, RequestId: r.RequestID,
	}, nil
}

// jsonValue is nil for no JSON at all.
func jsonValue(raw []byte) (*structpb.Value, error) {
	if raw == nil {
		return nil, nil
	}
	v := &structpb.Value{}
	if err := protojson.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return v, nil
}
