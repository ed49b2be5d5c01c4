package events

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// resultIn reads a prober's result. The schema's rules have been checked.
func resultIn(r *checkv1.CheckResult) Result {
	return Result{
		MonitorID: r.GetMonitorId(), OrganizationID: r.GetOrganizationId(), Region: r.GetRegion(),
		ScheduledAt: moment(r.GetScheduledAt()), StartedAt: moment(r.GetStartedAt()), Outcome: Outcome(r.GetStatus()),
		ResponseTime: time.Duration(r.GetResponseTimeNs()).Round(time.Microsecond),
		DNS:          phaseIn(r.DnsNs), TCP: phaseIn(r.TcpNs), TLS: phaseIn(r.TlsNs), TTFB: phaseIn(r.TtfbNs), Transfer: phaseIn(r.TransferNs),
		StatusCode: r.GetStatusCode(), Size: sizeIn(r.ResponseSizeBytes), ValidationErrors: r.GetValidationErrors(), Headers: r.GetResponseHeaders(),
		ErrorType: r.GetErrorType(), ErrorMessage: r.GetErrorMessage(), FailedPhase: Phase(r.GetFailedPhase()), Attempt: r.GetAttempt(),
		ProberID: r.GetProberId(), ResolvedIP: r.GetResolvedIp(), Family: Family(r.GetIpFamily()), TLSVersion: r.GetTlsVersion(),
		CertExpiresAt: moment(r.GetCertExpiresAt()), MissedCount: r.GetMissedCount(), NextScheduledAt: moment(r.GetNextScheduledAt()),
		Epoch: r.GetEpoch(), ConfigVersion: r.GetConfigVersion(), Kind: CheckKind(r.GetMonitorType()), URL: r.GetMonitorUrl(), Name: r.GetMonitorName(), Port: r.GetPort(),
	}
}

// moment is the zero time for an absent one.
func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime().Truncate(time.Millisecond)
}

func phaseIn(ns *uint64) time.Duration {
	if ns == nil {
		return Absent
	}
	return time.Duration(*ns).Round(time.Microsecond)
}

func sizeIn(n *uint64) int64 {
	if n == nil {
		return Absent
	}
	return int64(*n)
}

// eventOut is a result as REST shows it.
func eventOut(r *Result) *eventsv1.Event {
	e := &eventsv1.Event{
		EventId: r.ID(), MonitorId: r.MonitorID, OrganizationId: r.OrganizationID, Timestamp: timestamp(r.StartedAt), ScheduledAt: timestamp(r.ScheduledAt),
		MonitorType: checkv1.MonitorType(r.Kind), MonitorUrl: r.URL, MonitorName: r.Name, Region: r.Region, Status: checkv1.ResultStatus(r.Outcome),
		StatusCode: positive(r.StatusCode), ResponseTimeMs: wholeMS(r.ResponseTime), ResponseTimeUs: microseconds(r.ResponseTime),
		ValidationErrors: r.ValidationErrors, ResponseHeaders: r.Headers, Port: positive(r.Port),
		ErrorMessage: text(r.ErrorMessage), ErrorType: text(r.ErrorType), Attempt: r.Attempt, ProberId: r.ProberID, ResolvedIp: text(r.ResolvedIP),
		TlsVersion: text(r.TLSVersion), CertExpiresAt: timestamp(r.CertExpiresAt), MissedCount: r.MissedCount,
	}
	e.DnsTimeMs, e.DnsTimeUs = phaseOut(r.DNS)
	e.TcpTimeMs, e.TcpTimeUs = phaseOut(r.TCP)
	e.TlsTimeMs, e.TlsTimeUs = phaseOut(r.TLS)
	e.TtfbMs, e.TtfbUs = phaseOut(r.TTFB)
	e.TransferTimeMs, e.TransferTimeUs = phaseOut(r.Transfer)
	if r.Size != Absent {
		size := uint32(min(r.Size, 1<<32-1))
		e.ResponseSizeBytes = &size
	}
	if r.FailedPhase != 0 {
		p := checkv1.Phase(r.FailedPhase)
		e.FailedPhase = &p
	}
	if r.Family != 0 {
		f := checkv1.IpFamily(r.Family)
		e.IpFamily = &f
	}
	return e
}

func phaseOut(d time.Duration) (ms *uint32, us *float64) {
	if d == Absent {
		return nil, nil
	}
	whole, fine := wholeMS(d), microseconds(d)
	return &whole, &fine
}

// wholeMS rounds half up, as the monitors service does for results that it shows itself.
func wholeMS(d time.Duration) uint32 { return uint32((d + time.Millisecond/2) / time.Millisecond) }
