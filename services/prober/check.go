package prober

import (
	"context"
	"net"
	"strconv"
	"strings"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// check is a monitor's configuration made ready to run.
type check interface {
	// host is what the cap per host counts by: the name or address that is dialled.
	host() string
	// run checks once, all attempts included, and writes what came of it into r. It
	// ends within the configured time, or soon after ctx does; cut off by ctx, the
	// status is error: the target said nothing.
	run(ctx context.Context, r *checkv1.CheckResult)
}

// targetURL is what a spec checks: its URL, or tcp://host:port.
func targetURL(spec *checkv1.CheckSpec) string {
	if spec.GetMonitorType() == checkv1.MonitorType_MONITOR_TYPE_TCP {
		return "tcp://" + tcpAddress(spec.GetTcpConfig())
	}
	return spec.GetHttpConfig().GetUrl()
}

func tcpAddress(c *checkv1.TcpConfig) string {
	host := strings.TrimSuffix(strings.TrimPrefix(c.GetHost(), "["), "]")
	return net.JoinHostPort(host, strconv.Itoa(int(c.GetPort())))
}

// statusName is a status as the wire has it.
func statusName(s checkv1.ResultStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "RESULT_STATUS_"))
}
