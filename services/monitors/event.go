package monitors

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// eventFromResult shows a fresh result as the row of monitor_events that it will be, or would have been.
func eventFromResult(r *checkv1.CheckResult) *eventsv1.Event {
	e := &eventsv1.Event{
		EventId: eventID(r), MonitorId: r.GetMonitorId(), OrganizationId: r.GetOrganizationId(),
		Timestamp: wholeMillis(r.GetStartedAt()), ScheduledAt: wholeMillis(r.GetScheduledAt()),
		MonitorType: r.GetMonitorType(), MonitorUrl: r.GetMonitorUrl(), MonitorName: r.GetMonitorName(),
		Region: r.GetRegion(), Status: r.GetStatus(), StatusCode: clone(r.StatusCode),
		ResponseTimeMs: roundedMillis(r.GetResponseTimeNs()), ResponseTimeUs: micros(r.GetResponseTimeNs()),
		DnsTimeMs: over(r.DnsNs, roundedMillis), DnsTimeUs: over(r.DnsNs, micros),
		TcpTimeMs: over(r.TcpNs, roundedMillis), TcpTimeUs: over(r.TcpNs, micros),
		TlsTimeMs: over(r.TlsNs, roundedMillis), TlsTimeUs: over(r.TlsNs, micros),
		TtfbMs: over(r.TtfbNs, roundedMillis), TtfbUs: over(r.TtfbNs, micros),
		TransferTimeMs: over(r.TransferNs, roundedMillis), TransferTimeUs: over(r.TransferNs, micros),
		ValidationErrors: r.GetValidationErrors(), ResponseHeaders: r.GetResponseHeaders(),
		ResponseSizeBytes: over(r.ResponseSizeBytes, atMost32), Port: clone(r.Port),
		ErrorMessage: clone(r.ErrorMessage), ErrorType: clone(r.ErrorType), Attempt: r.GetAttempt(), ProberId: r.GetProberId(),
		ResolvedIp: clone(r.ResolvedIp), TlsVersion: clone(r.TlsVersion), CertExpiresAt: wholeMillis(r.GetCertExpiresAt()),
		MissedCount: r.GetMissedCount(), Details: r.GetDetails(),
	}
	if r.GetFailedPhase() != checkv1.Phase_PHASE_UNSPECIFIED {
		e.FailedPhase = ptr(r.GetFailedPhase())
	}
	if r.GetIpFamily() != checkv1.IpFamily_IP_FAMILY_UNSPECIFIED {
		e.IpFamily = ptr(r.GetIpFamily())
	}
	return e
}

// eventID names a result the way that makes a repeat of it the same; "" for a check that belongs to no monitor.
func eventID(r *checkv1.CheckResult) string {
	if r.GetMonitorId() == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%s-%d", r.GetMonitorId(), r.GetRegion(), r.GetScheduledAt().AsTime().UnixMilli())
}

// wholeMillis cuts t to milliseconds, as stored times are.
func wholeMillis(t *timestamppb.Timestamp) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: t.GetSeconds(), Nanos: t.GetNanos() / 1e6 * 1e6}
}

// over applies f to what is there.
func over[A, B any](v *A, f func(A) B) *B {
	if v == nil {
		return nil
	}
	return ptr(f(*v))
}

// roundedMillis rounds half a millisecond up.
func roundedMillis(ns uint64) uint32 {
	ms := ns / 1e6
	if ns%1e6 >= 5e5 {
		ms++
	}
	return atMost32(ms)
}

func micros(ns uint64) float64 { return float64(ns) / 1000 }

func atMost32(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
