package prober

import (
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// Most rows are successes of checks that only connect, or missed slots. Those are
// written by hand, behind the fields that all rows of a monitor share: a tenth of the
// time that a message costs to fill in and to encode. Tests hold them to what the
// generated code makes of the same.

// Numbers of CheckResult's fields.
const (
	rowScheduledAt     = 4
	rowStartedAt       = 5
	rowStatus          = 6
	rowResponseTime    = 7
	rowDNS             = 9
	rowTCP             = 10
	rowErrorType       = 17
	rowErrorMessage    = 18
	rowAttempt         = 20
	rowResolvedIP      = 22
	rowIPFamily        = 23
	rowMissedCount     = 26
	rowNextScheduledAt = 28
	rowPort            = 29
	rowLateness        = 30
	rowEpoch           = 35

	stampSeconds = 1 // of a Timestamp
	stampNanos   = 2
)

// rowOf encodes the fields that every row of a monitor has while it is held under epoch.
func (g *engine) rowOf(spec *checkv1.CheckSpec, epoch uint64) ([]byte, error) {
	return proto.Marshal(&checkv1.CheckResult{
		MonitorId: spec.GetMonitorId(), OrganizationId: spec.GetOrganizationId(), Region: g.region, ProberId: g.proberID,
		ConfigVersion: spec.GetVersion(), MonitorType: spec.GetMonitorType(), MonitorUrl: targetURL(spec), MonitorName: spec.GetName(),
		Epoch: epoch,
	})
}

// appendSuccess writes the row of a plain check's first and only attempt, which succeeded.
func (p *plan) appendSuccess(dst []byte, slot, next int64, late time.Duration, t *nettest.TestResult) []byte {
	dst = append(dst, p.row...)
	dst = appendStamp(dst, rowScheduledAt, seconds(slot), (slot-seconds(slot)*1000)*1e6)
	dst = appendStamp(dst, rowStartedAt, t.Timestamp.Unix(), int64(t.Timestamp.Nanosecond()))
	dst = appendUint(dst, rowStatus, uint64(checkv1.ResultStatus_RESULT_STATUS_SUCCESS))
	dst = appendUint(dst, rowResponseTime, uint64(max(t.Latency, 0)))
	if t.Phases.DNS.Valid {
		dst = appendOptional(dst, rowDNS, uint64(max(t.Phases.DNS.Duration, 0)))
	}
	if t.Phases.Connect.Valid {
		dst = appendOptional(dst, rowTCP, uint64(max(t.Phases.Connect.Duration, 0)))
	}
	dst = appendUint(dst, rowAttempt, 1)
	if addr := t.ResolvedIP.Unmap(); addr.IsValid() {
		var text [64]byte
		dst = protowire.AppendTag(dst, rowResolvedIP, protowire.BytesType)
		dst = protowire.AppendBytes(dst, addr.AppendTo(text[:0]))
		family := checkv1.IpFamily_IP_FAMILY_IPV6
		if addr.Is4() {
			family = checkv1.IpFamily_IP_FAMILY_IPV4
		}
		dst = appendUint(dst, rowIPFamily, uint64(family))
	}
	dst = appendNext(dst, next)
	dst = appendOptional(dst, rowPort, uint64(p.port))
	return appendUint(dst, rowLateness, uint64(late))
}

// appendMissed writes the row of count slots from the slot from on that did not run.
func (p *plan) appendMissed(dst []byte, from int64, count uint32, why missedReason, next int64, now time.Time) []byte {
	dst = append(dst, p.row...)
	dst = appendStamp(dst, rowScheduledAt, seconds(from), (from-seconds(from)*1000)*1e6)
	dst = appendStamp(dst, rowStartedAt, now.Unix(), int64(now.Nanosecond()))
	dst = appendUint(dst, rowStatus, uint64(checkv1.ResultStatus_RESULT_STATUS_MISSED))
	dst = protowire.AppendTag(dst, rowErrorType, protowire.BytesType)
	dst = protowire.AppendString(dst, string(why))
	dst = protowire.AppendTag(dst, rowErrorMessage, protowire.BytesType)
	dst = protowire.AppendString(dst, missedMessages[why])
	dst = appendUint(dst, rowMissedCount, uint64(count))
	return appendNext(dst, next)
}

func appendNext(dst []byte, next int64) []byte {
	if next == 0 {
		return dst
	}
	return appendStamp(dst, rowNextScheduledAt, seconds(next), (next-seconds(next)*1000)*1e6)
}

// appendStamp writes a Timestamp.
func appendStamp(dst []byte, field protowire.Number, seconds, nanos int64) []byte {
	var body [24]byte
	b := appendUint(body[:0], stampSeconds, uint64(seconds))
	b = appendUint(b, stampNanos, uint64(nanos))
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return protowire.AppendBytes(dst, b)
}

// appendUint writes a number, which is left out when it is 0.
func appendUint(dst []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return appendOptional(dst, field, v)
}

// appendOptional writes a number that is told apart from an absent one.
func appendOptional(dst []byte, field protowire.Number, v uint64) []byte {
	dst = protowire.AppendTag(dst, field, protowire.VarintType)
	return protowire.AppendVarint(dst, v)
}

// appendResult encodes a result. Text that is not UTF-8 cannot be encoded, and a result
// must not be lost for it, whoever let it through: it is mended.
func appendResult(dst []byte, r *checkv1.CheckResult) ([]byte, error) {
	if row, ok := encodeResult(dst, r); ok {
		return row, nil
	}
	row, err := proto.MarshalOptions{}.MarshalAppend(dst, r)
	if err == nil {
		return row, nil
	}
	mend(r)
	return proto.MarshalOptions{}.MarshalAppend(dst, r)
}

// mend makes UTF-8 of what a target or a library said.
func mend(r *checkv1.CheckResult) {
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	for _, text := range []*string{r.ErrorType, r.ErrorMessage, r.ResolvedIp, r.TlsVersion} {
		if text != nil {
			*text = valid(*text)
		}
	}
	for _, text := range []*string{&r.OrganizationId, &r.Region, &r.ProberId, &r.MonitorUrl, &r.MonitorName} {
		*text = valid(*text)
	}
	for i := range r.ValidationErrors {
		r.ValidationErrors[i] = valid(r.ValidationErrors[i])
	}
	headers := make(map[string]string, len(r.ResponseHeaders))
	for name, value := range r.ResponseHeaders {
		headers[valid(name)] = valid(value)
	}
	r.ResponseHeaders = headers
	r.Details = nil
}
