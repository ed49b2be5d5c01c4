package prober

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// More numbers of CheckResult's fields.
const (
	rowMonitorID      = 1
	rowOrganizationID = 2
	rowRegion         = 3
	rowStatusCode     = 8
	rowTLS            = 11
	rowTTFB           = 12
	rowTransfer       = 13
	rowProblems       = 14
	rowHeaders        = 15
	rowSize           = 16
	rowFailedPhase    = 19
	rowProberID       = 21
	rowTLSVersion     = 24
	rowCertExpiresAt  = 25
	rowConfigVersion  = 27
	rowMonitorType    = 31
	rowMonitorURL     = 32
	rowMonitorName    = 33
	entryKey          = 1 // of a map
	entryValue        = 2
)

// encodeResult is what the generated code makes of r, in a third of the time. ok is
// false for what is left to that: results with details, and text that is not UTF-8.
func encodeResult(dst []byte, r *checkv1.CheckResult) (row []byte, ok bool) {
	if r.Details != nil {
		return dst, false
	}
	e := encoder{dst: dst, ok: true}
	e.number(rowMonitorID, uint64(r.MonitorId))
	e.text(rowOrganizationID, r.OrganizationId)
	e.text(rowRegion, r.Region)
	e.stamp(rowScheduledAt, r.ScheduledAt)
	e.stamp(rowStartedAt, r.StartedAt)
	e.number(rowStatus, uint64(r.Status))
	e.number(rowResponseTime, r.ResponseTimeNs)
	if r.StatusCode != nil {
		e.dst = appendOptional(e.dst, rowStatusCode, uint64(*r.StatusCode))
	}
	e.optional(rowDNS, r.DnsNs)
	e.optional(rowTCP, r.TcpNs)
	e.optional(rowTLS, r.TlsNs)
	e.optional(rowTTFB, r.TtfbNs)
	e.optional(rowTransfer, r.TransferNs)
	for _, problem := range r.ValidationErrors {
		e.string(rowProblems, problem)
	}
	e.headers(r.ResponseHeaders)
	e.optional(rowSize, r.ResponseSizeBytes)
	e.optionalText(rowErrorType, r.ErrorType)
	e.optionalText(rowErrorMessage, r.ErrorMessage)
	e.number(rowFailedPhase, uint64(r.FailedPhase))
	e.number(rowAttempt, uint64(r.Attempt))
	e.text(rowProberID, r.ProberId)
	e.optionalText(rowResolvedIP, r.ResolvedIp)
	e.number(rowIPFamily, uint64(r.IpFamily))
	e.optionalText(rowTLSVersion, r.TlsVersion)
	e.stamp(rowCertExpiresAt, r.CertExpiresAt)
	e.number(rowMissedCount, uint64(r.MissedCount))
	e.number(rowConfigVersion, r.ConfigVersion)
	e.stamp(rowNextScheduledAt, r.NextScheduledAt)
	if r.Port != nil {
		e.dst = appendOptional(e.dst, rowPort, uint64(*r.Port))
	}
	e.number(rowLateness, r.LatenessNs)
	e.number(rowMonitorType, uint64(r.MonitorType))
	e.text(rowMonitorURL, r.MonitorUrl)
	e.text(rowMonitorName, r.MonitorName)
	e.number(rowEpoch, r.Epoch)
	return e.dst, e.ok
}

// encoder appends fields; ok becomes false when text is not UTF-8.
type encoder struct {
	dst []byte
	ok  bool
}

func (e *encoder) number(field protowire.Number, v uint64) { e.dst = appendUint(e.dst, field, v) }

func (e *encoder) optional(field protowire.Number, v *uint64) {
	if v != nil {
		e.dst = appendOptional(e.dst, field, *v)
	}
}

func (e *encoder) text(field protowire.Number, s string) {
	if s != "" {
		e.string(field, s)
	}
}

func (e *encoder) optionalText(field protowire.Number, s *string) {
	if s != nil {
		e.string(field, *s)
	}
}

func (e *encoder) string(field protowire.Number, s string) {
	e.ok = e.ok && utf8.ValidString(s)
	e.dst = protowire.AppendTag(e.dst, field, protowire.BytesType)
	e.dst = protowire.AppendString(e.dst, s)
}

func (e *encoder) stamp(field protowire.Number, t *timestamppb.Timestamp) {
	if t != nil {
		e.dst = appendStamp(e.dst, field, t.Seconds, int64(t.Nanos))
	}
}

func (e *encoder) headers(headers map[string]string) {
	for name, value := range headers {
		size := protowire.SizeTag(entryKey) + protowire.SizeBytes(len(name)) + protowire.SizeTag(entryValue) + protowire.SizeBytes(len(value))
		e.dst = protowire.AppendTag(e.dst, rowHeaders, protowire.BytesType)
		e.dst = protowire.AppendVarint(e.dst, uint64(size))
		e.string(entryKey, name)
		e.string(entryValue, value)
	}
}
