package alerts

import (
	"context"
	"log/slog"

	"google.golang.org/protobuf/types/known/emptypb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
)

type alertsServer struct {
	alertsv1.UnsafeAlertsServiceServer
	*Service
}

var _ alertsv1.AlertsServiceServer = (*alertsServer)(nil)

// ListAlerts implements alertsv1.AlertsServiceServer.
func (s *alertsServer) ListAlerts(ctx context.Context, in *alertsv1.ListAlertsRequest) (*alertsv1.ListAlertsResponse, error) {
	if _, err := s.liveMonitor(ctx, in.GetMonitorId()); err != nil {
		return nil, err
	}
	rules, err := s.store.Rules(ctx, caller(ctx).OrganizationID, in.GetMonitorId())
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListAlertsResponse{}
	for _, r := range rules {
		out.Alerts = append(out.Alerts, alertProto(r, nil))
	}
	return out, nil
}

// CreateAlert implements alertsv1.AlertsServiceServer.
func (s *alertsServer) CreateAlert(ctx context.Context, in *alertsv1.CreateAlertRequest) (*alertsv1.Alert, error) {
	m, err := s.liveMonitor(ctx, in.GetMonitorId())
	if err != nil {
		return nil, err
	}
	at := now()
	r := Rule{OrganizationID: m.OrganizationID, MonitorID: m.ID, CreatedAt: at, UpdatedAt: at}
	all := map[string]bool{"alert_type": true, "alert_config": true, "conditions": true, "enabled": true, "severity": true}
	set, made, err := s.applyAlert(&r, Settings{}, in.GetAlert(), all)
	if err != nil {
		return nil, err
	}
	r, err = s.store.CreateRule(ctx, r, func(r *Rule) (audit.Row, error) {
		if r.Config, err = s.seal(r.OrganizationID, r.target(), set); err != nil {
			return audit.Row{}, err
		}
		return audit.New(ctx, "alert.create", "alert", number(r.ID)).Change(nil, alertProto(*r, nil))
	})
	if err != nil {
		return nil, err
	}
	answerCode(ctx, httpCreated)
	return alertProto(r, made), nil
}

// UpdateAlert implements alertsv1.AlertsServiceServer.
func (s *alertsServer) UpdateAlert(ctx context.Context, in *alertsv1.UpdateAlertRequest) (*alertsv1.Alert, error) {
	m, err := s.liveMonitor(ctx, in.GetMonitorId())
	if err != nil {
		return nil, err
	}
	given, err := fieldsGiven(in.GetAlert(), in.GetUpdateMask())
	if err != nil {
		return nil, err
	}
	var made map[string]any
	r, err := s.store.UpdateRule(ctx, m.OrganizationID, m.ID, in.GetAlertId(), now(), func(r *Rule) (audit.Row, error) {
		before := alertProto(*r, nil)
		if made, err = s.changeRule(r, in.GetAlert(), given); err != nil {
			return audit.Row{}, err
		}
		r.UpdatedAt = now()
		return audit.New(ctx, "alert.update", "alert", number(r.ID)).Change(before, alertProto(*r, nil))
	})
	if err != nil {
		return nil, err
	}
	return alertProto(r, made), nil
}

func (s *Service) changeRule(r *Rule, in *alertsv1.Alert, given map[string]bool) (map[string]any, error) {
	var old Settings
	if given["alert_config"] && in.GetAlertConfig() != nil && !changesType(r.Type, in.AlertType, given["alert_type"]) {
		old = s.oldSettings(r.OrganizationID, r.target(), r.Config)
	}
	set, made, err := s.applyAlert(r, old, in, given)
	if err != nil || set.Public == nil {
		return nil, err
	}
	r.Config, err = s.seal(r.OrganizationID, r.target(), set)
	return made, err
}

// changesType reports whether a request turns the target into one of another kind; then the old settings mean nothing.
func changesType(old string, next *string, given bool) bool {
	return given && next != nil && *next != old
}

func (r Rule) target() Target { return Target{TargetAlert, r.ID} }

// applyAlert lays the given fields of in over r. The settings are empty if they do not change.
func (s *Service) applyAlert(r *Rule, old Settings, in *alertsv1.Alert, given map[string]bool) (Settings, map[string]any, error) {
	var bad []fault.Field
	replaced := changesType(r.Type, in.AlertType, given["alert_type"])
	if given["alert_type"] {
		r.Type = in.GetAlertType()
	}
	if given["enabled"] {
		r.Enabled = in.Enabled == nil || *in.Enabled
		r.Triggered = r.Triggered && r.Enabled // a rule that is not evaluated ends what it triggered
	}
	if given["severity"] {
		r.Severity = severityFrom(in.Severity)
	}
	if given["conditions"] {
		r.Conditions = conditionsFrom(in.GetConditions())
		bad = append(bad, r.Conditions.check()...)
	}
	set, made, found := applyConfig(configChange{
		ways: s.ways, via: r.Type, old: old, given: in.GetAlertConfig(), change: given["alert_config"] || replaced,
		typeField: "alert_type", configField: "alert_config",
	})
	if bad = append(bad, found...); len(bad) > 0 {
		return Settings{}, nil, fault.Invalid("", bad...)
	}
	return set, made, nil
}

// DeleteAlert implements alertsv1.AlertsServiceServer.
func (s *alertsServer) DeleteAlert(ctx context.Context, in *alertsv1.DeleteAlertRequest) (*emptypb.Empty, error) {
	m, err := s.liveMonitor(ctx, in.GetMonitorId())
	if err != nil {
		return nil, err
	}
	dropped, err := s.store.DeleteRule(ctx, m.OrganizationID, m.ID, in.GetAlertId(), func(r Rule) (audit.Row, error) {
		return audit.New(ctx, "alert.delete", "alert", number(r.ID)).Change(alertProto(r, nil), nil)
	})
	if err != nil {
		return nil, err
	}
	s.reportDropped(ctx, Target{TargetAlert, in.GetAlertId()}, dropped)
	answerCode(ctx, httpNoContent)
	return &emptypb.Empty{}, nil
}

// reportDropped makes messages that will never be sent visible, since somebody may have waited for them.
func (s *Service) reportDropped(ctx context.Context, t Target, dropped int) {
	if dropped == 0 {
		return
	}
	s.courier.figures.dead.Add(ctx, int64(dropped))
	s.log.LogAttrs(ctx, slog.LevelWarn, "undelivered messages dropped with their target",
		slog.String("target_kind", string(t.Kind)), slog.Uint64("target_id", uint64(t.ID)), slog.Int("messages", dropped))
}

// TestAlert implements alertsv1.AlertsServiceServer.
func (s *alertsServer) TestAlert(ctx context.Context, in *alertsv1.TestAlertRequest) (*alertsv1.TestDelivery, error) {
	m, err := s.liveMonitor(ctx, in.GetMonitorId())
	if err != nil {
		return nil, err
	}
	r, err := s.store.Rule(ctx, m.OrganizationID, m.ID, in.GetAlertId())
	if err != nil {
		return nil, err
	}
	return s.sendTest(ctx, r.target(), r.Type, r.Config, m)
}
