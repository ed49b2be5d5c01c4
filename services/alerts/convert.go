package alerts

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
)

// stamp is nil for the zero time.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// some is nil for the zero value, where that means absence.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// alertProto is the rule as it may be read; made is shown beside its configuration, once.
func alertProto(r Rule, made map[string]any) *alertsv1.Alert {
	return &alertsv1.Alert{
		Id: r.ID, MonitorId: r.MonitorID, AlertType: &r.Type, AlertConfig: shown(r.Type, r.Config, made),
		Conditions: conditionsProto(r.Conditions), Enabled: &r.Enabled,
		CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt), Triggered: r.Triggered, Severity: severityProto(r.Severity),
	}
}

var severities = map[Severity]alertsv1.Severity{
	SeverityCritical: alertsv1.Severity_SEVERITY_CRITICAL,
	SeverityHigh:     alertsv1.Severity_SEVERITY_HIGH,
	SeverityMedium:   alertsv1.Severity_SEVERITY_MEDIUM,
	SeverityLow:      alertsv1.Severity_SEVERITY_LOW,
	SeverityInfo:     alertsv1.Severity_SEVERITY_INFO,
}

func severityProto(s Severity) *alertsv1.Severity { return some(severities[s]) }

// severityFrom reads a severity; the schema has refused what is none.
func severityFrom(in *alertsv1.Severity) Severity {
	for s, p := range severities {
		if in != nil && *in == p {
			return s
		}
	}
	return SeverityHigh
}

func conditionsProto(c Conditions) *alertsv1.Conditions {
	return &alertsv1.Conditions{
		ConsecutiveFailures:       some(int32(c.Failures)),
		ResponseTimeThresholdMs:   some(int32(c.ResponseTime.Milliseconds())),
		UptimePercentageThreshold: some(c.Uptime),
		CertificateDaysLeft:       some(int32(c.Certificate)),
		DegradedRegions:           some(int32(c.Regions)),
		NoDataSeconds:             some(int32(c.NoData.Seconds())),
		ResponseTimePercentile:    percentileProto(c.Percentile),
	}
}

func conditionsFrom(in *alertsv1.Conditions) Conditions {
	return Conditions{
		Failures:     int(in.GetConsecutiveFailures()),
		ResponseTime: time.Duration(in.GetResponseTimeThresholdMs()) * time.Millisecond,
		Uptime:       in.GetUptimePercentageThreshold(),
		Certificate:  int(in.GetCertificateDaysLeft()),
		Regions:      int(in.GetDegradedRegions()),
		NoData:       time.Duration(in.GetNoDataSeconds()) * time.Second,
		Percentile:   percentileFrom(in.GetResponseTimePercentile()),
	}
}

func percentileProto(p Percentile) *alertsv1.ResponseTimePercentile {
	if p == (Percentile{}) {
		return nil
	}
	return &alertsv1.ResponseTimePercentile{
		Percentile: p.Of, ThresholdMs: int32(p.Above.Milliseconds()), WindowSeconds: int32(p.Window.Seconds()),
	}
}

func percentileFrom(in *alertsv1.ResponseTimePercentile) Percentile {
	return Percentile{
		Of: in.GetPercentile(), Above: time.Duration(in.GetThresholdMs()) * time.Millisecond,
		Window: time.Duration(in.GetWindowSeconds()) * time.Second,
	}
}

func triggerProto(t Trigger) (*alertsv1.AlertHistoryEntry, error) {
	data, err := t.Data.proto()
	if err != nil {
		return nil, fmt.Errorf("alert data of %d: %w", t.ID, err)
	}
	return &alertsv1.AlertHistoryEntry{
		Id: t.ID, AlertId: t.RuleID, MonitorId: t.MonitorID, TriggeredAt: stamp(t.TriggeredAt), ResolvedAt: stamp(t.ResolvedAt),
		AlertData: data,
	}, nil
}

func (d TriggerData) proto() (*structpb.Struct, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	out := &structpb.Struct{}
	return out, protojson.Unmarshal(raw, out)
}

var incidentStatuses = map[IncidentStatus]alertsv1.IncidentStatus{
	IncidentActive:       alertsv1.IncidentStatus_INCIDENT_STATUS_ACTIVE,
	IncidentAcknowledged: alertsv1.IncidentStatus_INCIDENT_STATUS_ACKNOWLEDGED,
	IncidentResolved:     alertsv1.IncidentStatus_INCIDENT_STATUS_RESOLVED,
}

func incidentProto(i Incident) *alertsv1.Incident {
	out := &alertsv1.Incident{
		Id: i.ID, OrganizationId: i.OrganizationID, MonitorId: i.MonitorID, MonitorName: i.MonitorName,
		Status: incidentStatuses[i.Status], StartTime: stamp(i.StartTime), EndTime: stamp(i.EndTime),
		AffectedRegions: i.AffectedRegions, LastError: some(i.LastError), LastErrorType: some(i.LastErrorType),
		FailureCount: i.FailureCount, AcknowledgedBy: some(i.AcknowledgedBy), AcknowledgedAt: stamp(i.AcknowledgedAt),
		ResolvedBy: some(i.ResolvedBy), ResolvedAt: stamp(i.ResolvedAt),
		CreatedAt: stamp(i.CreatedAt), UpdatedAt: stamp(i.UpdatedAt), Maintenance: i.Maintenance, AffectedBy: some(i.AffectedBy),
		UpSince: stamp(i.UpSince),
	}
	if !i.UnstableSince.IsZero() {
		out.Unstable = &alertsv1.IncidentUnstable{Since: stamp(i.UnstableSince), Until: stamp(i.UnstableUntil), Changes: uint32(i.Changes)}
	}
	return out
}

var triggerEvents = map[Event]alertsv1.TriggerEvent{
	EventDown:     alertsv1.TriggerEvent_TRIGGER_EVENT_DOWN,
	EventRecovery: alertsv1.TriggerEvent_TRIGGER_EVENT_RECOVERY,
	EventDegraded: alertsv1.TriggerEvent_TRIGGER_EVENT_DEGRADED,
	EventOperator: alertsv1.TriggerEvent_TRIGGER_EVENT_OPERATOR,
}

// eventsFrom reads the events; the schema has refused what is not one.
func eventsFrom(in []alertsv1.TriggerEvent) []Event {
	var out []Event
	for _, want := range in {
		for e, p := range triggerEvents {
			if p == want {
				out = append(out, e)
			}
		}
	}
	if len(out) == 0 {
		return defaultEvents
	}
	return out
}

// channelProto is the channel as it may be read; made is shown beside its configuration, once.
func channelProto(c Channel, made map[string]any) *alertsv1.Channel {
	out := &alertsv1.Channel{
		Id: c.ID, Type: &c.Type, Name: &c.Name, Config: shown(c.Type, c.Config, made), Enabled: &c.Enabled,
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
	window, most := int32(c.DigestWindow.Seconds()), int32(c.PerMinute)
	out.DigestWindowSeconds, out.MaxMessagesPerMinute = &window, &most
	after := int32(c.FallbackAfter.Seconds())
	out.FallbackChannelId, out.FallbackAfterSeconds = some(c.FallbackID), &after
	out.CanaryIntervalHours = some(int32(c.CanaryEvery.Hours()))
	if last := c.Canary; !last.At.IsZero() {
		out.LastCanaryAt, out.LastCanaryOk, out.LastCanaryError = stamp(last.At), &last.OK, some(last.Error)
	}
	out.ReminderIntervalSeconds = some(int32(c.Reminder.Seconds()))
	for _, e := range c.Events {
		out.TriggerEvents = append(out.TriggerEvents, triggerEvents[e])
	}
	if c.MonitorIDs != nil {
		out.MonitorIds = &structpb.ListValue{}
		for _, id := range c.MonitorIDs {
			out.MonitorIds.Values = append(out.MonitorIds.Values, structpb.NewNumberValue(float64(id)))
		}
	}
	return out
}

// deliveryStates are the states that the wire's word means; none means any.
func deliveryStates(s alertsv1.DeliveryState) []DeliveryState {
	switch s {
	case alertsv1.DeliveryState_DELIVERY_STATE_PENDING:
		return []DeliveryState{DeliveryPending}
	case alertsv1.DeliveryState_DELIVERY_STATE_DELIVERED:
		return []DeliveryState{DeliveryDelivered}
	case alertsv1.DeliveryState_DELIVERY_STATE_DEAD:
		return []DeliveryState{DeliveryDead}
	case alertsv1.DeliveryState_DELIVERY_STATE_SUPERSEDED:
		return []DeliveryState{DeliverySuperseded}
	default:
		return nil
	}
}

var deliveryStateProtos = map[DeliveryState]alertsv1.DeliveryState{
	DeliveryPending:    alertsv1.DeliveryState_DELIVERY_STATE_PENDING,
	DeliveryDelivered:  alertsv1.DeliveryState_DELIVERY_STATE_DELIVERED,
	DeliveryDead:       alertsv1.DeliveryState_DELIVERY_STATE_DEAD,
	DeliverySuperseded: alertsv1.DeliveryState_DELIVERY_STATE_SUPERSEDED,
}

func deliveryProto(d Delivery) *alertsv1.Delivery {
	out := &alertsv1.Delivery{
		Id: d.ID, Type: d.Type, MonitorId: d.MonitorID, IncidentId: some(d.IncidentID), State: deliveryStateProtos[d.State],
		Attempts: uint32(d.Attempts), OccurredAt: stamp(d.OccurredAt), CreatedAt: stamp(d.CreatedAt),
		DeliveredAt: stamp(d.DeliveredAt), LastStatusCode: some(uint32(d.LastStatusCode)), LastError: some(d.LastError), DigestId: some(d.DigestID),
		FallbackId: some(d.FallbackID), FallbackOf: some(d.FallbackOf),
	}
	if d.State == DeliveryPending {
		out.NextAttemptAt = stamp(d.NextAttemptAt)
	}
	if d.Target.Kind == TargetAlert {
		out.AlertId = &d.Target.ID
	} else {
		out.ChannelId = &d.Target.ID
	}
	return out
}

func auditProto(r audit.Row) (*auditv1.AuditEntry, error) {
	out := &auditv1.AuditEntry{
		Id: r.ID, At: stamp(r.At), ActorKind: r.ActorKind, ActorId: r.ActorID, ActorName: r.ActorName, Ip: some(r.IP),
		Action: r.Action, ObjectKind: r.ObjectKind, ObjectId: r.ObjectID, RequestId: r.RequestID,
	}
	for _, side := range []struct {
		raw []byte
		out **structpb.Value
	}{{r.Before, &out.Before}, {r.After, &out.After}} {
		if side.raw == nil {
			continue
		}
		v := &structpb.Value{}
		if err := protojson.Unmarshal(side.raw, v); err != nil {
			return nil, fmt.Errorf("audit row %s: %w", r.ID, err)
		}
		*side.out = v
	}
	return out, nil
}
