package prober

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// check is a monitor's configuration made ready to run.
type check interface {
	// host is what the cap per host counts by: the name or address that is dialled.
	host() string
	// run checks once, all attempts included, and writes what came of it into r. It
	// ends within the configured time, or soon after ctx does; cut off by ctx, the
	// status is error: the target said nothing.
	run(ctx context.Context, r *checkv1.CheckResult)
	// runDetailed is run for somebody who asked: r.Details are filled in too.
	runDetailed(ctx context.Context, r *checkv1.CheckResult)
	// plain tells whether all that the check does is to open one TCP connection once,
	// and then as what; its conditions need nothing but the time that took.
	plain() (nettest.TestConfig, bool)
	// record judges an attempt that was made otherwise than by run, with plain's
	// configuration, and writes what came of it into r; err is as Execute gives it.
	record(r *checkv1.CheckResult, t *nettest.TestResult, err error)
}

// explaining may be implemented by a check whose failures can be examined.
type explaining interface {
	// explained is run, or runDetailed if detailed, and returns what is left of a check that blames its target; else nil.
	explained(ctx context.Context, r *checkv1.CheckResult, detailed bool) *failing
	// left is what is left of an attempt that record judged so; it keeps nothing of t.
	left(t *nettest.TestResult) *failing
}

// failing is what a check that blames its target leaves behind, for whoever looks into it.
type failing struct {
	check *prepared
	test  *nettest.TestResult // of the last attempt; nobody else's
	took  time.Duration       // all attempts
}

// blames reports whether a result says that its target is at fault.
func blames(r *checkv1.CheckResult) bool {
	return r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_FAILURE || r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_TIMEOUT
}

// targetURL is what a spec checks: its URL, tcp://host:port or tls://host:port.
func targetURL(spec *checkv1.CheckSpec) string {
	switch spec.GetMonitorType() {
	case checkv1.MonitorType_MONITOR_TYPE_TCP:
		return "tcp://" + tcpAddress(spec.GetTcpConfig())
	case checkv1.MonitorType_MONITOR_TYPE_TLS:
		return "tls://" + tlsAddress(spec.GetTlsConfig())
	}
	return spec.GetHttpConfig().GetUrl()
}

func tcpAddress(c *checkv1.TcpConfig) string { return hostPort(c.GetHost(), c.GetPort()) }

func tlsAddress(c *checkv1.TlsConfig) string {
	if c.Port == nil {
		return hostPort(c.GetHost(), 443)
	}
	return hostPort(c.GetHost(), c.GetPort())
}

func hostPort(host string, port int32) string {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// statusName is a status as the wire has it.
func statusName(s checkv1.ResultStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "RESULT_STATUS_"))
}
