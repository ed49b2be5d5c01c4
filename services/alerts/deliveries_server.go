package alerts

import (
	"context"
	"fmt"
	"math"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/page"
)

// ListDeliveries implements alertsv1.AlertsServiceServer.
func (s *alertsServer) ListDeliveries(ctx context.Context, in *alertsv1.ListDeliveriesRequest) (*alertsv1.ListDeliveriesResponse, error) {
	organization := caller(ctx).OrganizationID
	req := pageRequest{
		scope: page.Scope("deliveries", organization, in.GetState().String(), number(in.GetMonitorId())),
		limit: in.Limit, def: defaultDeliveries, token: in.GetPageToken(),
	}
	w, err := s.window(req)
	if err != nil {
		return nil, err
	}
	rows, total, err := s.store.Deliveries(ctx, DeliveryFilter{
		Organization: organization, MonitorID: in.GetMonitorId(), States: deliveryStates(in.GetState()), Window: w,
	})
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListDeliveriesResponse{}
	rows, out.Pagination = pageOf(s.Service, req, w, rows, total, func(d Delivery) Place {
		return Place{At: d.CreatedAt, ID: d.Position}
	})
	for _, d := range rows {
		out.Deliveries = append(out.Deliveries, deliveryProto(d))
	}
	return out, nil
}

// ListDeliveryAttempts implements alertsv1.AlertsServiceServer.
func (s *alertsServer) ListDeliveryAttempts(ctx context.Context, in *alertsv1.ListDeliveryAttemptsRequest) (*alertsv1.ListDeliveryAttemptsResponse, error) {
	attempts, total, err := s.store.Attempts(ctx, caller(ctx).OrganizationID, in.GetId())
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListDeliveryAttemptsResponse{Total: uint32(total)}
	for _, a := range attempts {
		out.Attempts = append(out.Attempts, attemptProto(a))
	}
	return out, nil
}

func attemptProto(a Attempt) *alertsv1.DeliveryAttempt {
	return &alertsv1.DeliveryAttempt{
		Number: uint32(a.Number), At: stamp(a.At), LatencyMs: uint32(min(a.Duration.Milliseconds(), math.MaxUint32)),
		StatusCode: some(uint32(a.StatusCode)), Error: some(a.Error), ResponseExcerpt: some(a.Response),
	}
}

// ReplayDelivery implements alertsv1.AlertsServiceServer. The message keeps its id, so that a receiver that has it after all
// can tell.
func (s *alertsServer) ReplayDelivery(ctx context.Context, in *alertsv1.ReplayDeliveryRequest) (*alertsv1.Delivery, error) {
	at := now()
	d, err := s.store.Replay(ctx, caller(ctx).OrganizationID, in.GetId(), at, func(d Delivery, target TargetState) (audit.Row, error) {
		if err := d.replayable(target); err != nil {
			return audit.Row{}, err
		}
		after := d
		after.State, after.NextAttemptAt = DeliveryPending, at
		return audit.New(ctx, "delivery.replay", "delivery", d.ID).Change(deliveryProto(d), deliveryProto(after))
	})
	if err != nil {
		return nil, err
	}
	s.courier.nudge()
	return deliveryProto(d), nil
}

// replayable says why a message cannot be tried again; nil if it can.
func (d Delivery) replayable(target TargetState) error {
	what := map[TargetKind]string{TargetAlert: "alert", TargetChannel: "channel"}[d.Target.Kind] + " " + number(d.Target.ID)
	reason, problem := "", ""
	switch {
	case d.State != DeliveryDead:
		reason, problem = "NOT_DEAD", fmt.Sprintf("%s is %s; only dead deliveries can be replayed", d.ID, d.State)
	case target == TargetGone:
		reason, problem = "TARGET_GONE", fmt.Sprintf("%s was for %s, which was deleted; there is nowhere to send it", d.ID, what)
	case target == TargetDisabled:
		reason, problem = "TARGET_DISABLED", fmt.Sprintf("%s is for %s, which is disabled; enable it first", d.ID, what)
	default:
		return nil
	}
	err := fault.Precondition("id: " + problem).Because(reason)
	err.Fields = []fault.Field{{Name: "id", Message: problem}}
	return err
}
