package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
)

const defaultAuditRows = 100

// ListAuditEntries implements auditv1.AuditServiceServer.
func (s *Service) ListAuditEntries(ctx context.Context, req *auditv1.ListAuditEntriesRequest) (*auditv1.ListAuditEntriesResponse, error) {
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultAuditRows
	}
	var before time.Time
	if req.GetBefore() != nil {
		if err := req.GetBefore().CheckValid(); err != nil {
			return nil, badField("before", "is not a time")
		}
		before = req.GetBefore().AsTime().Add(time.Millisecond - 1) // stored times are whole: none lies between
	}
	rows, err := s.store.AuditRows(ctx, caller(ctx).OrganizationID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	out := &auditv1.ListAuditEntriesResponse{}
	for _, r := range rows {
		e, err := auditToProto(r)
		if err != nil {
			return nil, fmt.Errorf("list audit entries: row %s: %w", r.ID, err)
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

func auditToProto(r audit.Row) (*auditv1.AuditEntry, error) {
	e := &auditv1.AuditEntry{
		Id: r.ID, At: timeToProto(r.At), ActorKind: r.ActorKind, ActorId: r.ActorID, ActorName: r.ActorName,
		Action: r.Action, ObjectKind: r.ObjectKind, ObjectId: r.ObjectID, RequestId: r.RequestID,
	}
	if r.IP != "" {
		e.Ip = &r.IP
	}
	var err error
	if e.Before, err = snapshotToProto(r.Before); err != nil {
		return nil, fmt.Errorf("before: %w", err)
	}
	if e.After, err = snapshotToProto(r.After); err != nil {
		return nil, fmt.Errorf("after: %w", err)
	}
	return e, nil
}

func snapshotToProto(raw json.RawMessage) (*structpb.Value, error) {
	if raw == nil {
		return nil, nil
	}
	v := &structpb.Value{}
	if err := protojson.Unmarshal(raw, v); err != nil {
		return nil, err
	}
	return v, nil
}
