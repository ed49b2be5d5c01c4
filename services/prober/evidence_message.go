package prober

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

// maxStepAddresses bounds the addresses of a step that are told.
const maxStepAddresses = 8

// evidenceOf is what is told of a failure and its examination, without the secrets of the check.
func evidenceOf(q inquiry, s *subject, steps []step, began time.Time, took time.Duration) *eventsv1.RecordEvidenceRequest {
	first := firstSymptom(q.result)
	c := causeOf(s, first, steps)
	out := &eventsv1.RecordEvidenceRequest{
		FirstFailure: proto.CloneOf(q.result), Cause: c, Summary: summaryOf(c, s, first, q.result.GetErrorMessage(), steps),
		ExaminedAt: timestamppb.New(began), DurationNs: uint64(max(took, 0)),
	}
	r := out.GetFirstFailure()
	if r.Details == nil {
		r.Details = detailsOf(q.left.test, &rules.Verdict{}, q.left.took)
	}
	if len(r.GetResponseHeaders()) == 0 && q.left.test.StatusCode != 0 {
		r.ResponseHeaders = headersOf(q.left.test.Headers)
	}
	for i := range steps {
		out.Steps = append(out.Steps, stepOf(&steps[i]))
	}
	hide := redactorOf(q.left.check)
	scrubURLs(r)
	hide.message(out.ProtoReflect())
	out.Body = hide.body(q.left.test)
	out.ProberId, out.Region = r.GetProberId(), r.GetRegion()
	out.Summary = clipText(out.Summary, maxSummary)
	return out
}

// maxSummary bounds sentences, in bytes.
const maxSummary = 2048

func clipText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return validText(s[:most-3]) + "…"
}

// scrubURLs takes the queries out of the URLs of a result.
func scrubURLs(r *checkv1.CheckResult) {
	if r.GetMonitorType() == checkv1.MonitorType_MONITOR_TYPE_HTTP {
		r.MonitorUrl = secret.ScrubURL(r.GetMonitorUrl())
	}
	d := r.GetDetails()
	if d.FinalUrl != nil {
		d.FinalUrl = proto.String(secret.ScrubURL(d.GetFinalUrl()))
	}
	for _, hop := range d.GetRedirects() {
		hop.Url = secret.ScrubURL(hop.GetUrl())
	}
}

func stepOf(s *step) *eventsv1.EvidenceStep {
	out := &eventsv1.EvidenceStep{
		Kind: eventsv1.EvidenceStepKind(s.kind), Target: validText(s.target), Resolver: optional(s.resolver), ErrorType: optional(string(s.errorType)),
		Outcome: eventsv1.EvidenceOutcome_EVIDENCE_OUTCOME_OK,
	}
	if s.kind == stepHTTP {
		out.Target = secret.ScrubURL(s.target)
	}
	switch {
	case !s.ran():
		out.Outcome, out.Detail = eventsv1.EvidenceOutcome_EVIDENCE_OUTCOME_SKIPPED, proto.String(s.skipped)
		return out
	case !s.ok():
		out.Outcome, out.Detail = eventsv1.EvidenceOutcome_EVIDENCE_OUTCOME_FAILED, optional(clipText(s.detail, maxSummary))
	}
	switch s.family {
	case nettest.IPv4:
		out.Family = checkv1.IpFamily_IP_FAMILY_IPV4.Enum()
	case nettest.IPv6:
		out.Family = checkv1.IpFamily_IP_FAMILY_IPV6.Enum()
	}
	for _, addr := range s.addrs[:min(len(s.addrs), maxStepAddresses)] {
		out.Addresses = append(out.Addresses, addr.String())
	}
	out.DurationUs = proto.Float64(inMicros(s.took))
	if s.code != 0 {
		out.StatusCode = proto.Uint32(uint32(s.code))
	}
	if s.shown != nil {
		out.Certificate = certificateOf(s.shown)
	}
	return out
}
