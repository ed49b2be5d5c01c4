package monitors

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
)

// CreateMonitor stores a monitor.
func (s *Service) CreateMonitor(ctx context.Context, req *monitorsv1.CreateMonitorRequest) (*monitorsv1.Monitor, error) {
	at := now()
	again, err := s.retryOf(ctx, "CreateMonitor", req, at)
	if err != nil {
		return nil, err
	}
	out := &monitorsv1.Monitor{}
	// Before validation: a region may have been renamed since, and the first answer stands all the same.
	etag, found, err := again.first(ctx, s.store, out)
	if err != nil {
		return nil, err
	}
	if !found {
		if etag, err = s.create(ctx, req.GetMonitor(), again, at, out); err != nil {
			return nil, err
		}
	}
	answerHeaders(ctx, httpCodeKey, "201", etagKey, etag)
	return out, nil
}

// create validates and stores, and fills out with the answer.
func (s *Service) create(ctx context.Context, body *monitorsv1.Monitor, again retry, at time.Time, out *monitorsv1.Monitor) (etag string, err error) {
	config, secrets, err := s.accept(ctx, body, false)
	if err != nil {
		return "", err
	}
	caller, _ := identity.FromContext(ctx)
	draft := Monitor{
		OrganizationID: caller.OrganizationID, Config: config, Version: 1,
		CreatedAt: at, UpdatedAt: at, ActiveSince: at, CreatedBy: caller.UserID,
	}
	err = s.write(ctx, func(tx Tx) error {
		m, found := draft, false
		proto.Reset(out)
		if etag, found, err = again.first(ctx, tx, out); err != nil || found { // the same request may have overtaken us
			return err
		}
		if err := dependable(ctx, tx, m); err != nil {
			return err
		}
		if m.ID, err = tx.Insert(ctx, m); err != nil {
			return err
		}
		if m.Sealed, err = seal(s.box, m.OrganizationID, m.ID, secrets); err != nil {
			return err
		}
		if m.Sealed != nil { // they are bound to the id, which nobody knew before
			if err := tx.Update(ctx, m); err != nil {
				return err
			}
		}
		proto.Merge(out, monitorToProto(m, unseen(m)))
		etag = m.ETag()
		if err := audited(ctx, tx, "create", idText(m.ID), nil, snapshotOf(m, false)); err != nil {
			return err
		}
		return again.keep(ctx, tx, out, etag)
	})
	return etag, err
}

// accept validates a new configuration, or a draft.
func (s *Service) accept(ctx context.Context, body *monitorsv1.Monitor, draft bool) (Config, Secrets, error) {
	known, err := s.knownRegions(ctx)
	if err != nil {
		return Config{}, Secrets{}, err
	}
	var p problems
	body = proto.CloneOf(body)
	foldAliases(body, &p)
	config, secrets := configFromProto(body, Secrets{}, false, &p)
	config.validate(draft, secrets, known, &p)
	return config, secrets, p.err()
}

// UpdateMonitor replaces the fields that the body holds and leaves the others. A body that changes nothing makes no new
// version.
func (s *Service) UpdateMonitor(ctx context.Context, req *monitorsv1.UpdateMonitorRequest) (*monitorsv1.Monitor, error) {
	var p problems
	body := proto.CloneOf(req.GetMonitor())
	foldAliases(body, &p)
	if err := p.err(); err != nil {
		return nil, err
	}
	paths, err := changedPaths(body, foldMask(req.GetUpdateMask()))
	if err != nil {
		return nil, err
	}
	known, err := s.knownRegions(ctx)
	if err != nil {
		return nil, err
	}
	var m Monitor
	err = s.write(ctx, func(tx Tx) error {
		old, err := tx.Monitor(ctx, organization(ctx), req.GetId())
		if err != nil {
			return err
		}
		if err := ifMatch(ctx, old); err != nil {
			return err
		}
		if m, err = s.merged(ctx, old, body, paths, known); err != nil {
			return err
		}
		secretsChanged := !reflect.DeepEqual(m.Sealed, old.Sealed)
		if !secretsChanged && reflect.DeepEqual(m.Config, old.Config) {
			return nil
		}
		if !slices.Equal(m.Config.DependsOn, old.Config.DependsOn) {
			if err := dependable(ctx, tx, m); err != nil {
				return err
			}
		}
		m.advance(old, now())
		if err := tx.Update(ctx, m); err != nil {
			return err
		}
		return audited(ctx, tx, "update", idText(m.ID), snapshotOf(old, false), snapshotOf(m, secretsChanged))
	})
	if err != nil {
		return nil, err
	}
	answerHeaders(ctx, etagKey, m.ETag())
	out := s.view(ctx, m)
	overlay(m, out.GetStatus())
	return out, nil
}

// advance makes m the version that follows old.
func (m *Monitor) advance(old Monitor, at time.Time) {
	if at.Before(old.UpdatedAt) { // a clock that was put back
		at = old.UpdatedAt
	}
	m.Version, m.UpdatedAt = old.Version+1, at
	if m.Config.Enabled && !old.Config.Enabled {
		m.ActiveSince = at
	}
}

// merged is old with the named fields of body, valid as a whole.
func (s *Service) merged(ctx context.Context, old Monitor, body *monitorsv1.Monitor, paths []path, known func(string) bool) (Monitor, error) {
	base := configToProto(old.Config)
	touched, lost := touchesSecrets(body, paths), false
	var stored Secrets
	if touched {
		var err error
		if stored, err = open(s.box, old); err != nil {
			lost = true
			// Keys were lost. Whoever sends all secrets anew can go on; what is missing then is found by validation.
			s.log.WarnContext(ctx, "secrets of a monitor cannot be opened", "monitor_id", old.ID, "error", err.Error())
		}
		base = withSecrets(base, stored)
	}
	merge(base, body, paths)
	var p problems
	m := old
	var secrets Secrets
	m.Config, secrets = configFromProto(base, stored, !touched, &p)
	belonging := secrets
	if !touched { // what is stored goes with it, and stays
		belonging.ClientKey, belonging.ProxyPassword = hiddenKey, hiddenKey
	}
	m.Config.validate(false, belonging, known, &p)
	if err := p.err(); err != nil {
		return Monitor{}, err
	}
	m.Config.keepDerived(old.Config)
	if touched && (lost || !reflect.DeepEqual(secrets, stored)) {
		var err error
		if m.Sealed, err = seal(s.box, m.OrganizationID, m.ID, secrets); err != nil {
			return Monitor{}, err
		}
	}
	return m, nil
}

// DeleteMonitor hides a monitor and stops its checks.
func (s *Service) DeleteMonitor(ctx context.Context, req *monitorsv1.DeleteMonitorRequest) (*emptypb.Empty, error) {
	err := s.write(ctx, func(tx Tx) error {
		old, err := tx.Monitor(ctx, organization(ctx), req.GetId())
		if err != nil {
			return err
		}
		if err := ifMatch(ctx, old); err != nil {
			return err
		}
		if err := tx.Delete(ctx, old.OrganizationID, old.ID, now()); err != nil {
			return err
		}
		if err := dropDependency(ctx, tx, old); err != nil {
			return err
		}
		return audited(ctx, tx, "delete", idText(old.ID), snapshotOf(old, false), nil)
	})
	if err != nil {
		return nil, err
	}
	s.checks.forget(req.GetId())
	answerHeaders(ctx, httpCodeKey, "204")
	return &emptypb.Empty{}, nil
}

// knownRegions tells which regions exist. None ever ceases to, so what is true now still is when the change commits.
func (s *Service) knownRegions(ctx context.Context) (func(string) bool, error) {
	regions, err := s.store.Regions(ctx)
	if err != nil {
		return nil, err
	}
	codes := make(map[string]bool, len(regions))
	for _, r := range regions {
		codes[r.Code] = true
	}
	return func(code string) bool { return codes[code] }, nil
}

func idText(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

// overlay lets a switch that has just been turned win over a status that has not heard of it yet: the answer to "enabled":
// false must not say that the monitor is up. Lists do not do this; what they show is what they filter by.
func overlay(m Monitor, status *eventsv1.MonitorStatus) {
	const paused, unknown = eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED, eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN
	switch {
	case status == nil:
	case !m.Config.Enabled && status.GetCurrentStatus() != paused:
		status.CurrentStatus = paused
	case m.Config.Enabled && status.GetCurrentStatus() == paused:
		status.CurrentStatus = unknown
	}
}
