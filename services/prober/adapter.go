package prober

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

// Checker makes checks of specs. All share one network: one policy, one resolver,
// one memory of how well that resolver does.
type Checker struct{ network *nettest.Network }

// NewChecker makes a checker; witnesses are as in Config.ResolverWitnesses.
func NewChecker(policy *egress.Policy, witnesses []string) *Checker {
	n := &nettest.Network{WitnessNames: witnesses}
	if policy != nil {
		n.Policy = policy
	}
	return &Checker{network: n}
}

// Check is a configuration made ready to run any number of times, at once too.
type Check struct {
	check check
	spec  *checkv1.CheckSpec
}

// Prepare checks spec once, so that running it can only fail for the target's or
// the network's reasons. spec must not change afterwards.
func (c *Checker) Prepare(spec *checkv1.CheckSpec) (Check, error) {
	chk, err := c.prepare(spec)
	return Check{chk, spec}, err
}

// Run checks once, all attempts included; detailed asks for CheckResult.details.
// Region, prober and slot are the caller's to fill in.
func (c Check) Run(ctx context.Context, detailed bool) *checkv1.CheckResult {
	r := &checkv1.CheckResult{
		MonitorId: c.spec.GetMonitorId(), OrganizationId: c.spec.GetOrganizationId(), MonitorName: c.spec.GetName(),
		MonitorType: c.spec.GetMonitorType(), ConfigVersion: c.spec.GetVersion(), StartedAt: timestamppb.Now(),
	}
	if detailed {
		c.check.runDetailed(ctx, r)
	} else {
		c.check.run(ctx, r)
	}
	return r
}

// prepare checks the spec once, so that running it can only fail for the target's
// or the network's reasons.
func (c *Checker) prepare(spec *checkv1.CheckSpec) (check, error) {
	p := &prepared{
		url: targetURL(spec), attempts: max(int(spec.GetRetries().GetAttempts()), 1),
		pause: time.Duration(spec.GetRetries().GetDelayMs()) * time.Millisecond,
	}
	list, err := rulesOf(spec)
	if err != nil {
		return nil, err
	}
	switch spec.GetMonitorType() {
	case checkv1.MonitorType_MONITOR_TYPE_TCP:
		c.prepareTCP(p, spec, list)
	case checkv1.MonitorType_MONITOR_TYPE_HTTP:
		err = c.prepareHTTP(p, spec, list)
	default:
		err = fmt.Errorf("monitor type %v is not known to this prober", spec.GetMonitorType())
	}
	if err != nil {
		return nil, err
	}
	if err := p.test.Validate(p.config); err != nil {
		return nil, fmt.Errorf("prepare check: %w", err)
	}
	return p, nil
}

func (c *Checker) prepareTCP(p *prepared, spec *checkv1.CheckSpec, list []rules.Rule) {
	t := spec.GetTcpConfig()
	config := nettest.TCPConfig{IPVersion: ipVersion(t.GetIpVersion())}
	config.Expect = rules.Expect(list)
	p.test = &nettest.TCPTest{Network: c.network}
	p.config = nettest.TestConfig{Name: spec.GetName(), Address: tcpAddress(t), Timeout: timeoutOf(t.TimeoutMs), Config: config}
	p.target = t.GetHost()
	p.port = proto.Uint32(uint32(t.GetPort()))
}

func (c *Checker) prepareHTTP(p *prepared, spec *checkv1.CheckSpec, list []rules.Rule) error {
	h := spec.GetHttpConfig()
	u, err := url.Parse(h.GetUrl())
	if err != nil {
		return fmt.Errorf("prepare check: parse url: %w", err)
	}
	config := nettest.HTTPConfig{
		Method: h.GetMethod(), Body: h.GetBody(), Auth: authOf(h.GetAuth()), UserAgent: h.GetUserAgent(),
		FollowRedirects: h.FollowRedirects == nil || h.GetFollowRedirects(),
		IPVersion:       ipVersion(h.GetIpVersion()),
		BodyLimit:       -1, // nobody looks at the body unless a rule does
	}
	if h.MaxRedirects != nil {
		config.MaxRedirects = int(h.GetMaxRedirects())
		if config.MaxRedirects == 0 {
			config.MaxRedirects = -1 // here 0 is none, there it is the default
		}
	}
	for name, value := range h.GetHeaders() {
		config.Headers = append(config.Headers, nettest.HeaderField{Name: name, Value: value})
	}
	slices.SortFunc(config.Headers, func(a, b nettest.HeaderField) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if rules.NeedBody(list) {
		config.BodyLimit = 0
	}
	config.Expect = rules.Expect(list)
	p.test = &nettest.HTTPTest{Network: c.network}
	p.config = nettest.TestConfig{Name: spec.GetName(), Address: h.GetUrl(), Timeout: timeoutOf(h.TimeoutMs), Config: config}
	p.target = u.Hostname()
	return nil
}

// prepared is a check that can run any number of times, at once too.
type prepared struct {
	test     nettest.NetworkTest
	config   nettest.TestConfig
	target   string
	url      string
	port     *uint32
	attempts int
	pause    time.Duration
}

func (p *prepared) host() string { return p.target }

func (p *prepared) plain() (nettest.TestConfig, bool) { return nettest.TestConfig{}, false }

func (p *prepared) record(r *checkv1.CheckResult, t *nettest.TestResult, _ error) {
	r.MonitorUrl, r.Port, r.Attempt = p.url, p.port, 1
	fill(r, t)
}

func (p *prepared) runDetailed(ctx context.Context, r *checkv1.CheckResult) { p.run(ctx, r) }

// run makes attempts until one succeeds; the last one is the result.
func (p *prepared) run(ctx context.Context, r *checkv1.CheckResult) {
	r.MonitorUrl, r.Port = p.url, p.port
	for attempt := 1; ; attempt++ {
		result, err := p.test.Execute(ctx, p.config)
		r.Attempt = uint32(attempt)
		if err == nil || attempt == p.attempts || result.Status == nettest.StatusError || !wait(ctx, p.pause) {
			fill(r, result)
			if err != nil && errors.Is(ctx.Err(), context.Canceled) {
				r.Status = checkv1.ResultStatus_RESULT_STATUS_ERROR // we were cut off; the target said nothing
			}
			return
		}
	}
}

// wait pauses for d and says whether ctx is still alive.
func wait(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

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

// fill writes a measurement into a result row.
func fill(r *checkv1.CheckResult, t *nettest.TestResult) {
	r.Status = statuses[t.Status]
	r.ResponseTimeNs = uint64(max(t.Latency, 0))
	r.DnsNs, r.TcpNs, r.TlsNs = nanoseconds(t.Phases.DNS), nanoseconds(t.Phases.Connect), nanoseconds(t.Phases.TLS)
	r.TtfbNs, r.TransferNs = nanoseconds(t.Phases.TTFB), nanoseconds(t.Phases.Transfer)
	r.FailedPhase = phases[t.FailedPhase]
	r.ValidationErrors = t.ValidationErrors
	if t.ErrorType != "" {
		r.ErrorType = proto.String(string(t.ErrorType))
		r.ErrorMessage = proto.String(t.Error)
	}
	if t.ResolvedIP.IsValid() {
		r.ResolvedIp = proto.String(t.ResolvedIP.Unmap().String())
		r.IpFamily = checkv1.IpFamily_IP_FAMILY_IPV6
		if t.ResolvedIP.Unmap().Is4() {
			r.IpFamily = checkv1.IpFamily_IP_FAMILY_IPV4
		}
	}
	if t.TLSVersion != "" {
		r.TlsVersion = proto.String(t.TLSVersion)
	}
	if !t.CertExpiresAt.IsZero() {
		r.CertExpiresAt = timestamppb.New(t.CertExpiresAt)
	}
	if t.StatusCode != 0 {
		r.StatusCode = proto.Uint32(uint32(t.StatusCode))
		r.ResponseHeaders = headersOf(t.Headers)
	}
	if t.Phases.Transfer.Valid {
		r.ResponseSizeBytes = proto.Uint64(uint64(max(t.ResponseSize, 0)))
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

func nanoseconds(s nettest.Span) *uint64 {
	if !s.Valid {
		return nil
	}
	return proto.Uint64(uint64(max(s.Duration, 0)))
}

func timeoutOf(ms *int32) time.Duration {
	if ms == nil {
		return nettest.DefaultTimeout
	}
	return time.Duration(*ms) * time.Millisecond
}

func ipVersion(v checkv1.IpVersion) nettest.IPVersion {
	switch v {
	case checkv1.IpVersion_IP_VERSION_IPV4:
		return nettest.IPv4
	case checkv1.IpVersion_IP_VERSION_IPV6:
		return nettest.IPv6
	}
	return nettest.IPAny
}

func authOf(a *checkv1.HttpAuth) nettest.Auth {
	c := a.GetCredentials()
	switch a.GetType() {
	case checkv1.AuthType_AUTH_TYPE_BASIC:
		return nettest.Auth{Type: nettest.AuthBasic, Username: c.GetUsername(), Password: c.GetPassword()}
	case checkv1.AuthType_AUTH_TYPE_BEARER:
		return nettest.Auth{Type: nettest.AuthBearer, Token: c.GetToken()}
	case checkv1.AuthType_AUTH_TYPE_API_KEY:
		return nettest.Auth{Type: nettest.AuthAPIKey, Header: either(c.GetKey(), c.GetHeaderName()), Value: either(c.GetValue(), c.GetHeaderValue())}
	case checkv1.AuthType_AUTH_TYPE_CUSTOM_HEADER:
		return nettest.Auth{Type: nettest.AuthCustomHeader, Header: either(c.GetKey(), c.GetHeaderName()), Value: either(c.GetValue(), c.GetHeaderValue())}
	}
	return nettest.Auth{}
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
