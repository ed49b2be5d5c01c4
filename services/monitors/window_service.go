package monitors

import (
	"context"
	"reflect"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/maintenance"
)

// ListMaintenanceWindows returns all windows of the organization, newest first.
func (s *Service) ListMaintenanceWindows(ctx context.Context, _ *monitorsv1.ListMaintenanceWindowsRequest) (*monitorsv1.ListMaintenanceWindowsResponse, error) {
	windows, err := s.store.Windows(ctx, organization(ctx))
	if err != nil {
		return nil, err
	}
	resp, at := &monitorsv1.ListMaintenanceWindowsResponse{}, now()
	for _, w := range windows {
		resp.MaintenanceWindows = append(resp.MaintenanceWindows, windowToProto(w, at))
	}
	return resp, nil
}

// GetMaintenanceWindow returns one window.
func (s *Service) GetMaintenanceWindow(ctx context.Context, req *monitorsv1.GetMaintenanceWindowRequest) (*monitorsv1.MaintenanceWindow, error) {
	w, err := s.store.Window(ctx, organization(ctx), req.GetId())
	if err != nil {
		return nil, err
	}
	answerHeaders(ctx, etagKey, w.ETag())
	return windowToProto(w, now()), nil
}

// CreateMaintenanceWindow stores a window.
func (s *Service) CreateMaintenanceWindow(ctx context.Context, req *monitorsv1.CreateMaintenanceWindowRequest) (*monitorsv1.MaintenanceWindow, error) {
	at := now()
	again, err := s.retryOf(ctx, "CreateMaintenanceWindow", req, at)
	if err != nil {
		return nil, err
	}
	out := &monitorsv1.MaintenanceWindow{}
	etag, found, err := again.first(ctx, s.store, out)
	if err != nil {
		return nil, err
	}
	if !found {
		if etag, err = s.createWindow(ctx, req.GetMaintenanceWindow(), again, at, out); err != nil {
			return nil, err
		}
	}
	answerHeaders(ctx, httpCodeKey, "201", etagKey, etag)
	return out, nil
}

func (s *Service) createWindow(ctx context.Context, body *monitorsv1.MaintenanceWindow, again retry, at time.Time, out *monitorsv1.MaintenanceWindow) (etag string, err error) {
	var p problems
	config := windowConfigFromProto(body, at, &p)
	config.validate(&p)
	if schedule, err := maintenance.Compiled(config.Spec); err == nil && schedule.Over(at) {
		field := "ends_at"
		if config.RRule != "" {
			field = "rrule"
		}
		p.add(field, "has nothing left: the last occurrence has ended")
	}
	if err := s.namesMonitors(ctx, organization(ctx), config.MonitorIDs, nil, &p); err != nil {
		return "", err
	}
	if err := p.err(); err != nil {
		return "", err
	}
	caller, _ := identity.FromContext(ctx)
	draft := Window{OrganizationID: caller.OrganizationID, Config: config, Version: 1, CreatedAt: at, CreatedBy: caller.UserID, From: at}
	err = s.write(ctx, func(tx Tx) error {
		w, found := draft, false
		proto.Reset(out)
		if etag, found, err = again.first(ctx, tx, out); err != nil || found { // the same request may have overtaken us
			return err
		}
		if w.ID, err = tx.InsertWindow(ctx, w); err != nil {
			return err
		}
		proto.Merge(out, windowToProto(w, at))
		etag = w.ETag()
		if err := auditedWindow(ctx, tx, "create", w.ID, nil, windowSnapshotOf(w)); err != nil {
			return err
		}
		return again.keep(ctx, tx, out, etag)
	})
	return etag, err
}

// UpdateMaintenanceWindow replaces the fields that the body holds and leaves the others. A body that changes nothing makes no new
// version.
func (s *Service) UpdateMaintenanceWindow(ctx context.Context, req *monitorsv1.UpdateMaintenanceWindowRequest) (*monitorsv1.MaintenanceWindow, error) {
	before, err := s.store.Window(ctx, organization(ctx), req.GetId())
	if err != nil {
		return nil, err
	}
	// Which monitors there are is asked before the transaction; ids that another update adds meanwhile are refused as unknown here,
	// or were found by that.
	var wrong problems
	if err := s.namesMonitors(ctx, before.OrganizationID, req.GetMaintenanceWindow().GetMonitorIds(), before.Config.MonitorIDs, &wrong); err != nil {
		return nil, err
	}
	var w Window
	err = s.write(ctx, func(tx Tx) error {
		old, err := tx.Window(ctx, before.OrganizationID, req.GetId())
		if err != nil {
			return err
		}
		if err := ifMatchTag(ctx, old.ETag()); err != nil {
			return err
		}
		body := windowConfigToProto(old.Config)
		if err := mergeWindow(body, req.GetMaintenanceWindow(), req.GetUpdateMask()); err != nil {
			return err
		}
		w, w.From = old, now()
		if w.From.Before(old.From) { // a clock that was put back
			w.From = old.From
		}
		p := append(problems(nil), wrong...)
		w.Config = windowConfigFromProto(body, w.From, &p)
		w.Config.validate(&p)
		if err := p.err(); err != nil {
			return err
		}
		if reflect.DeepEqual(w.Config, old.Config) {
			w = old
			return nil
		}
		w.Version++
		if err := tx.ReplaceWindow(ctx, w); err != nil {
			return err
		}
		return auditedWindow(ctx, tx, "update", w.ID, windowSnapshotOf(old), windowSnapshotOf(w))
	})
	if err != nil {
		return nil, err
	}
	answerHeaders(ctx, etagKey, w.ETag())
	return windowToProto(w, now()), nil
}

// DeleteMaintenanceWindow ends a window and hides it.
func (s *Service) DeleteMaintenanceWindow(ctx context.Context, req *monitorsv1.DeleteMaintenanceWindowRequest) (*emptypb.Empty, error) {
	err := s.write(ctx, func(tx Tx) error {
		old, err := tx.Window(ctx, organization(ctx), req.GetId())
		if err != nil {
			return err
		}
		if err := ifMatchTag(ctx, old.ETag()); err != nil {
			return err
		}
		at := now()
		if at.Before(old.From) {
			at = old.From
		}
		if err := tx.DeleteWindow(ctx, old.OrganizationID, old.ID, at); err != nil {
			return err
		}
		return auditedWindow(ctx, tx, "delete", old.ID, windowSnapshotOf(old), nil)
	})
	if err != nil {
		return nil, err
	}
	answerHeaders(ctx, httpCodeKey, "204")
	return &emptypb.Empty{}, nil
}

const windowAuditKind = "maintenance_window"

// windowSnapshot is what the audit log shows of a window.
type windowSnapshot struct {
	ID      uint32 `json:"id"`
	Version uint32 `json:"version"`
	WindowConfig
}

func windowSnapshotOf(w Window) windowSnapshot { return windowSnapshot{w.ID, w.Version, w.Config} }

func auditedWindow(ctx context.Context, tx Tx, action string, id uint32, before, after any) error {
	row, err := audit.New(ctx, windowAuditKind+"."+action, windowAuditKind, idText(id)).Change(before, after)
	if err != nil {
		return err
	}
	return tx.Audit(ctx, row)
}

// versionsKept is how long a version that does not hold any more is told to who opens a stream. Whoever was away for longer does
// not judge anew what was before.
const versionsKept = 7 * 24 * time.Hour

// WatchMaintenance sends another service the versions of all windows.
func (s *Service) WatchMaintenance(req *monitorsv1.WatchMaintenanceRequest, stream monitorsv1.MaintenanceService_WatchMaintenanceServer) error {
	since := now().Add(-versionsKept)
	if req.GetAll() {
		since = time.Unix(0, 0)
	}
	send := func(step *monitorsv1.WatchMaintenanceResponse) error { return stream.Send(step) }
	return walk(stream.Context(), s.changed, func(ctx context.Context, rev int64) ([]Window, error) {
		return s.store.WindowVersions(ctx, rev, since, changesPerPage)
	}, func(w Window) (int64, error) {
		return w.Rev, send(&monitorsv1.WatchMaintenanceResponse{Step: &monitorsv1.WatchMaintenanceResponse_Upserted{Upserted: versionToProto(w)}})
	}, func() error {
		return send(&monitorsv1.WatchMaintenanceResponse{Step: &monitorsv1.WatchMaintenanceResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}})
	}, func() error {
		return send(&monitorsv1.WatchMaintenanceResponse{Step: &monitorsv1.WatchMaintenanceResponse_Heartbeat{Heartbeat: &monitorsv1.Heartbeat{}}})
	})
}
