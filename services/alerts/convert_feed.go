package alerts

import (
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

var statuses = map[eventsv1.CurrentStatus]Status{
	eventsv1.CurrentStatus_CURRENT_STATUS_UP:          StatusUp,
	eventsv1.CurrentStatus_CURRENT_STATUS_DEGRADED:    StatusDegraded,
	eventsv1.CurrentStatus_CURRENT_STATUS_DOWN:        StatusDown,
	eventsv1.CurrentStatus_CURRENT_STATUS_UNKNOWN:     StatusUnknown,
	eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED:      StatusPaused,
	eventsv1.CurrentStatus_CURRENT_STATUS_MAINTENANCE: StatusMaintenance,
}

var outcomes = map[checkv1.ResultStatus]Outcome{
	checkv1.ResultStatus_RESULT_STATUS_SUCCESS: OutcomeSuccess,
	checkv1.ResultStatus_RESULT_STATUS_FAILURE: OutcomeFailure,
	checkv1.ResultStatus_RESULT_STATUS_TIMEOUT: OutcomeTimeout,
	checkv1.ResultStatus_RESULT_STATUS_ERROR:   OutcomeError,
	checkv1.ResultStatus_RESULT_STATUS_MISSED:  OutcomeMissed,
}

// timeFrom is the time as it is stored; zero when there is none.
func timeFrom(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime().Truncate(time.Millisecond)
}

// entryFrom reads a feed entry. A kind of entry that is not known yet says nothing, and only moves the cursor.
func entryFrom(in *eventsv1.FeedEntry) Entry {
	e := Entry{
		Seq: in.GetSeq(), OrganizationID: in.GetOrganizationId(), MonitorID: in.GetMonitorId(), At: timeFrom(in.GetAt()),
	}
	if t := in.GetTransition(); t != nil {
		e.Transition = &Transition{
			From: statuses[t.GetFrom()], To: statuses[t.GetTo()], Since: timeFrom(t.GetSince()), Regions: t.GetRegions(),
			ErrorType: t.GetErrorType(), ErrorMessage: t.GetErrorMessage(), Failures: t.GetConsecutiveFailures(), Down: t.GetDownRegions(),
		}
		if e.Transition.Since.IsZero() {
			e.Transition.Since = e.At
		}
	}
	if o := in.GetObservation(); o != nil {
		e.Observation = &Observation{
			Region: o.GetRegion(), Outcome: outcomes[o.GetStatus()], StatusCode: o.StatusCode, ErrorType: o.GetErrorType(),
			ErrorMessage: o.GetErrorMessage(), Failures: o.GetConsecutiveFailures(), Status: statuses[o.GetCurrentStatus()],
			Successes: o.GetSuccesses(), Slowest: microseconds(o.GetMaxResponseTimeUs()),
			Mean: microseconds(o.GetMeanResponseTimeUs()), Down: o.GetDownRegions(),
			CertificateExpires: timeFrom(o.GetCertificateExpiresAt()),
		}
	}
	return e
}

// microseconds is the duration of us microseconds; what is no duration is 0.
func microseconds(us float64) time.Duration {
	const most = float64(math.MaxInt64 / int64(time.Microsecond))
	if !(us > 0 && us < most) {
		return 0
	}
	return time.Duration(us * float64(time.Microsecond))
}

// entryFromStatus is the state of a monitor as if it had just been announced, for a reader whose place in the feed is gone.
func entryFromStatus(organization string, in *eventsv1.MonitorStatus) Entry {
	since := timeFrom(in.GetSince())
	at := timeFrom(in.GetLastCheckedAt())
	if at.Before(since) {
		at = since
	}
	if since.IsZero() {
		since = at
	}
	t := &Transition{
		To: statuses[in.GetCurrentStatus()], Since: since, ErrorType: in.GetLastErrorType(), ErrorMessage: in.GetLastError(),
		Failures: in.GetConsecutiveFailures(),
	}
	for _, r := range in.GetRegions() {
		if r.GetStatus() == in.GetCurrentStatus() {
			t.Regions = append(t.Regions, r.GetRegion())
		}
		if r.GetStatus() == eventsv1.CurrentStatus_CURRENT_STATUS_DOWN {
			t.Down = append(t.Down, r.GetRegion())
		}
	}
	return Entry{OrganizationID: organization, MonitorID: in.GetMonitorId(), At: at, Transition: t}
}

func monitorFrom(in *monitorsv1.CatalogEntry) Monitor {
	return Monitor{
		ID: in.GetMonitorId(), OrganizationID: in.GetOrganizationId(), Name: in.GetName(), URL: in.GetMonitorUrl(),
		Enabled: in.GetEnabled(), Regions: in.GetRegions(), Labels: in.GetLabels(), Version: in.GetVersion(),
		DependsOn:   slices.Compact(slices.Sorted(slices.Values(in.GetDependsOn()))),
		DetectsDown: time.Duration(in.GetWorstCaseAlertDelayMs()) * time.Millisecond,
		// The slots after the end of an outage that have to succeed, the last of which may take all its time.
		DetectsUp: time.Duration(in.GetConfirmUp())*time.Duration(in.GetIntervalMs())*time.Millisecond + time.Duration(in.GetTimeoutMs())*time.Millisecond,
	}
}
