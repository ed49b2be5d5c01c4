package prober

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

var statuses = map[nettest.Status]checkv1.ResultStatus{
	nettest.StatusSuccess: checkv1.ResultStatus_RESULT_STATUS_SUCCESS,
	nettest.StatusFailure: checkv1.ResultStatus_RESULT_STATUS_FAILURE,
	nettest.StatusTimeout: checkv1.ResultStatus_RESULT_STATUS_TIMEOUT,
	nettest.StatusError:   checkv1.ResultStatus_RESULT_STATUS_ERROR,
}

var phases = map[nettest.Phase]checkv1.Phase{
	nettest.PhaseNone:       checkv1.Phase_PHASE_UNSPECIFIED,
	nettest.PhaseDNS:        checkv1.Phase_PHASE_DNS,
	nettest.PhaseConnect:    checkv1.Phase_PHASE_CONNECT,
	nettest.PhaseTLS:        checkv1.Phase_PHASE_TLS,
	nettest.PhaseRequest:    checkv1.Phase_PHASE_REQUEST,
	nettest.PhaseHeaders:    checkv1.Phase_PHASE_HEADERS,
	nettest.PhaseBody:       checkv1.Phase_PHASE_BODY,
	nettest.PhaseRedirect:   checkv1.Phase_PHASE_REDIRECT,
	nettest.PhaseValidation: checkv1.Phase_PHASE_VALIDATION,
}

// optionals are the values behind a row's optional fields, in one piece of memory.
type optionals struct {
	dns, tcp, tls, ttfb, transfer, size uint64
	code                                uint32
	ip, version                         string
}

// fill writes a measurement into a result row.
func fill(r *checkv1.CheckResult, t *nettest.TestResult) {
	o := &optionals{}
	r.Status = statuses[t.Status]
	r.ResponseTimeNs = uint64(max(t.Latency, 0))
	r.DnsNs, r.TcpNs, r.TlsNs = nanoseconds(&o.dns, t.Phases.DNS), nanoseconds(&o.tcp, t.Phases.Connect), nanoseconds(&o.tls, t.Phases.TLS)
	r.TtfbNs, r.TransferNs = nanoseconds(&o.ttfb, t.Phases.TTFB), nanoseconds(&o.transfer, t.Phases.Transfer)
	r.FailedPhase = phases[t.FailedPhase]
	r.ValidationErrors = t.ValidationErrors
	if t.ErrorType != "" {
		r.ErrorType = proto.String(string(t.ErrorType))
		r.ErrorMessage = proto.String(t.Error)
	}
	if t.ResolvedIP.IsValid() {
		o.ip = t.ResolvedIP.Unmap().String()
		r.ResolvedIp = &o.ip
		r.IpFamily = checkv1.IpFamily_IP_FAMILY_IPV6
		if t.ResolvedIP.Unmap().Is4() {
			r.IpFamily = checkv1.IpFamily_IP_FAMILY_IPV4
		}
	}
	if t.TLSVersion != "" {
		o.version = t.TLSVersion
		r.TlsVersion = &o.version
	}
	if !t.CertExpiresAt.IsZero() {
		r.CertExpiresAt = timestamppb.New(t.CertExpiresAt)
	}
	if t.StatusCode != 0 {
		o.code = uint32(t.StatusCode)
		r.StatusCode = &o.code
		r.ResponseHeaders = headersOf(t.Headers)
	}
	if t.Phases.Transfer.Valid {
		o.size = uint64(max(t.ResponseSize, 0))
		r.ResponseSizeBytes = &o.size
	}
}

// headersOf joins repeated headers as RFC 9110 allows; what was cut stays cut.
func headersOf(fields []nettest.HeaderField) map[string]string {
	out := make(map[string]string, len(fields))
	for _, f := range fields {
		if have, ok := out[f.Name]; ok {
			out[f.Name] = have + ", " + f.Value
			continue
		}
		out[f.Name] = f.Value
	}
	return out
}

// nanoseconds puts a span that there is into place.
func nanoseconds(place *uint64, s nettest.Span) *uint64 {
	if !s.Valid {
		return nil
	}
	*place = uint64(max(s.Duration, 0))
	return place
}

func inMicros(d time.Duration) float64 { return float64(max(d, 0)) / float64(time.Microsecond) }

// detailsOf is what is told to somebody who asked: of the last attempt, but for the
// time, which is that of all.
func detailsOf(t *nettest.TestResult, v *rules.Verdict, total time.Duration) *checkv1.CheckDetails {
	d := &checkv1.CheckDetails{
		HttpVersion: optional(t.HTTPVersion), FinalUrl: optional(t.FinalURL), Banner: optional(t.Banner),
		TotalUs: inMicros(total), DnsCached: t.DNSCached,
	}
	for i := range t.Certificates {
		d.Certificates = append(d.Certificates, certificateOf(&t.Certificates[i]))
	}
	for _, a := range t.Addresses {
		d.Addresses = append(d.Addresses, &checkv1.AddressAttempt{
			Ip: a.Addr.Unmap().String(), DurationUs: inMicros(a.Duration), ErrorType: optional(string(a.ErrorType)),
		})
	}
	for _, hop := range t.Redirects {
		d.Redirects = append(d.Redirects, &checkv1.RedirectHop{StatusCode: uint32(hop.StatusCode), Url: validText(hop.URL)})
	}
	for _, o := range v.Outcomes {
		d.Assertions = append(d.Assertions, &checkv1.AssertionOutcome{
			Type: o.Type, Operator: o.Operator, Value: valueOf(o.Value), Actual: valueOf(o.Actual), Passed: o.Passed,
			Name: optional(o.Name), Problem: optional(o.Problem),
		})
	}
	for _, text := range append(slices.Clone(t.Warnings), v.Warnings...) {
		if text = validText(text); !slices.Contains(d.Warnings, text) {
			d.Warnings = append(d.Warnings, text)
		}
	}
	return d
}

func certificateOf(c *nettest.Certificate) *checkv1.Certificate {
	out := &checkv1.Certificate{
		Peer: c.Peer, Subject: validText(c.Subject), Issuer: validText(c.Issuer), NotBefore: momentOf(c.NotBefore), NotAfter: momentOf(c.NotAfter),
		ChainExpiresAt: momentOf(c.ChainExpiresAt), Serial: c.Serial, Sha256: c.SHA256, Key: c.Key, SignatureAlgorithm: c.SignatureAlgorithm,
		ChainLength: uint32(c.ChainLength), Trusted: c.Trusted, NameMatches: c.NameMatches, Valid: c.Valid,
		OcspStatus: optional(c.OCSPStatus), OcspSource: optional(c.OCSPSource),
		TlsVersion: c.TLSVersion, CipherSuite: c.CipherSuite, Alpn: optional(c.ALPN),
	}
	for _, name := range c.Names {
		out.Names = append(out.Names, validText(name))
	}
	for _, problem := range c.Problems {
		out.Problems = append(out.Problems, validText(problem))
	}
	return out
}

// momentOf is the moment, or nothing for none.
func momentOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// optional is the text fit for a contract, or nothing for none.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return proto.String(validText(s))
}

// validText makes what a target says fit for a contract.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// valueOf is a value of the conditions' world in the contract's; nothing for none.
func valueOf(v any) *structpb.Value {
	switch v := v.(type) {
	case bool:
		return structpb.NewBoolValue(v)
	case float64:
		return structpb.NewNumberValue(v)
	case string:
		return structpb.NewStringValue(validText(v))
	case []string:
		list := &structpb.ListValue{}
		for _, s := range v {
			list.Values = append(list.Values, structpb.NewStringValue(validText(s)))
		}
		return structpb.NewListValue(list)
	case []float64:
		list := &structpb.ListValue{}
		for _, n := range v {
			list.Values = append(list.Values, structpb.NewNumberValue(n))
		}
		return structpb.NewListValue(list)
	}
	return nil
}
