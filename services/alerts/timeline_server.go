package alerts

import (
	"context"
	"errors"
	"time"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
)

// GetIncidentTimeline implements alertsv1.IncidentsServiceServer.
func (s *incidentsServer) GetIncidentTimeline(ctx context.Context, in *alertsv1.GetIncidentTimelineRequest) (*alertsv1.IncidentTimeline, error) {
	organization := caller(ctx).OrganizationID
	c, err := s.store.Chronicle(ctx, organization, in.GetId(), now())
	if err != nil {
		return nil, err
	}
	known, err := s.names(ctx, organization, c)
	if err != nil {
		return nil, err
	}
	i := c.Incident
	out := &alertsv1.IncidentTimeline{IncidentId: i.ID, Truncated: c.Truncated || i.Steps >= MaxSteps}
	if !i.EndTime.IsZero() {
		seconds := i.EndTime.Sub(i.StartTime).Seconds()
		out.LastedSeconds = &seconds
	}
	for _, m := range c.Timeline() {
		out.Entries = append(out.Entries, m.proto(known))
	}
	return out, nil
}

// names are those of what a timeline is about, as they are now.
type names struct {
	targets  map[Target]named
	monitors map[uint32]string
}

type named struct{ kind, name string }

func (s *Service) names(ctx context.Context, organization string, c Chronicle) (names, error) {
	n := names{targets: map[Target]named{}, monitors: map[uint32]string{}}
	channels, err := s.store.Channels(ctx, organization)
	if err != nil {
		return n, err
	}
	for _, ch := range channels {
		n.targets[Target{TargetChannel, ch.ID}] = named{ch.Type, ch.Name}
	}
	rules, err := s.store.Rules(ctx, organization, c.Incident.MonitorID)
	if err != nil {
		return n, err
	}
	for _, r := range rules {
		n.targets[Target{TargetAlert, r.ID}] = named{kind: r.Type}
	}
	for _, st := range c.Steps {
		id := st.Facts.MonitorID
		if id == 0 || n.monitors[id] != "" {
			continue
		}
		switch m, err := s.store.Monitor(ctx, id); {
		case errors.Is(err, ErrMonitorNotFound):
		case err != nil:
			return n, err
		case m.OrganizationID == organization:
			n.monitors[id] = m.Name
		}
	}
	return n, nil
}

var momentKinds = map[MomentKind]alertsv1.TimelineKind{
	MomentFirstFailure:     alertsv1.TimelineKind_TIMELINE_KIND_FIRST_FAILURE,
	MomentConfirmed:        alertsv1.TimelineKind_TIMELINE_KIND_CONFIRMED_DOWN,
	MomentRegionsDown:      alertsv1.TimelineKind_TIMELINE_KIND_REGION_DOWN,
	MomentRegionsUp:        alertsv1.TimelineKind_TIMELINE_KIND_REGION_UP,
	MomentHeld:             alertsv1.TimelineKind_TIMELINE_KIND_HELD,
	MomentReleased:         alertsv1.TimelineKind_TIMELINE_KIND_RELEASED,
	MomentMaintenanceBegan: alertsv1.TimelineKind_TIMELINE_KIND_MAINTENANCE_BEGAN,
	MomentMaintenanceEnded: alertsv1.TimelineKind_TIMELINE_KIND_MAINTENANCE_ENDED,
	MomentUnstableBegan:    alertsv1.TimelineKind_TIMELINE_KIND_UNSTABLE_BEGAN,
	MomentUnstableEnded:    alertsv1.TimelineKind_TIMELINE_KIND_UNSTABLE_ENDED,
	MomentWentDown:         alertsv1.TimelineKind_TIMELINE_KIND_WENT_DOWN,
	MomentCameUp:           alertsv1.TimelineKind_TIMELINE_KIND_CAME_UP,
	MomentAlertTriggered:   alertsv1.TimelineKind_TIMELINE_KIND_ALERT_TRIGGERED,
	MomentAlertResolved:    alertsv1.TimelineKind_TIMELINE_KIND_ALERT_RESOLVED,
	MomentQueued:           alertsv1.TimelineKind_TIMELINE_KIND_MESSAGE_QUEUED,
	MomentDelivered:        alertsv1.TimelineKind_TIMELINE_KIND_MESSAGE_DELIVERED,
	MomentFailed:           alertsv1.TimelineKind_TIMELINE_KIND_MESSAGE_FAILED,
	MomentAcknowledged:     alertsv1.TimelineKind_TIMELINE_KIND_ACKNOWLEDGED,
	MomentNote:             alertsv1.TimelineKind_TIMELINE_KIND_NOTE,
	MomentResolved:         alertsv1.TimelineKind_TIMELINE_KIND_RESOLVED,
	MomentRecovered:        alertsv1.TimelineKind_TIMELINE_KIND_RECOVERED,
	MomentClosed:           alertsv1.TimelineKind_TIMELINE_KIND_CLOSED,
}

func (m Moment) proto(known names) *alertsv1.TimelineEntry {
	e := &alertsv1.TimelineEntry{At: stamp(m.At), Kind: momentKinds[m.Kind], Actor: alertsv1.TimelineActor_TIMELINE_ACTOR_SYSTEM}
	if m.By != "" {
		e.Actor, e.ActorName = alertsv1.TimelineActor_TIMELINE_ACTOR_USER, &m.By
	}
	switch m.Kind {
	case MomentResolved, MomentRecovered, MomentClosed, MomentAlertResolved, MomentDelivered:
		seconds := m.Lasted.Seconds()
		e.LastedSeconds = &seconds
	}
	switch {
	case m.Step != nil:
		fillStep(e, m.Step.Facts, known)
	case m.Note != nil:
		e.NoteId, e.Text, e.EditedAt = &m.Note.ID, &m.Note.Text, stamp(m.Note.EditedAt)
	case m.Trigger != nil:
		fillTrigger(e, m.Kind, *m.Trigger, known)
	case m.Message != nil:
		fillMessage(e, m.Kind, m.Message.Delivery, known)
	}
	return e
}

func fillStep(e *alertsv1.TimelineEntry, f StepFacts, known names) {
	e.Regions, e.ErrorType, e.Error, e.Failures, e.Changes = f.Regions, some(f.ErrorType), some(f.Error), some(f.Failures), some(uint32(f.Changes))
	if e.MonitorId = some(f.MonitorID); f.MonitorID != 0 {
		e.MonitorName = some(known.monitors[f.MonitorID])
	}
	if f.Confirmed != nil {
		e.ConfirmedAt = stamp(time.Time(*f.Confirmed))
	}
}

func fillTrigger(e *alertsv1.TimelineEntry, kind MomentKind, t Trigger, known names) {
	e.AlertId, e.TargetType = &t.RuleID, some(known.targets[Target{TargetAlert, t.RuleID}].kind)
	if kind == MomentAlertResolved {
		return
	}
	e.Condition, e.Value, e.Threshold = some(t.Data.Condition), &t.Data.Value, &t.Data.Threshold
	if t.Data.Region != "" {
		e.Regions = []string{t.Data.Region}
	}
}

func fillMessage(e *alertsv1.TimelineEntry, kind MomentKind, d Delivery, known names) {
	to := known.targets[d.Target]
	state := deliveryStateProtos[d.State]
	e.MessageType, e.DeliveryId, e.DeliveryState, e.TargetType, e.TargetName = &d.Type, &d.ID, &state, some(to.kind), some(to.name)
	if d.Target.Kind == TargetAlert {
		e.AlertId = &d.Target.ID
	} else {
		e.ChannelId = &d.Target.ID
	}
	if kind == MomentQueued {
		return
	}
	attempts := uint32(d.Attempts)
	e.Attempts, e.StatusCode = &attempts, some(uint32(d.LastStatusCode))
	if kind == MomentFailed {
		e.Error = some(d.LastError)
	}
}
