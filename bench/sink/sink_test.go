package sink

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/frogstats/uptime/bench/target"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

func TestCounts(t *testing.T) {
	c := Counts{Ran: map[string]int{}, Missed: map[string]int{}}
	c.add(&checkv1.CheckResult{Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, LatenessNs: 5})
	before := c.Since(Counts{})
	c.add(&checkv1.CheckResult{Status: checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, LatenessNs: 3, ErrorType: proto.String("timeout")})
	c.add(&checkv1.CheckResult{Status: checkv1.ResultStatus_RESULT_STATUS_MISSED, MissedCount: 7, ErrorType: proto.String("overload")})
	if c.Rows != 3 || c.Finished() != 2 || c.Lost() != 7 || c.Slots() != 9 || c.Late != 5 || c.Missed["overload"] != 7 {
		t.Errorf("%+v", c)
	}
	since := c.Since(before)
	if since.Rows != 2 || since.Finished() != 1 || since.Ran["success"] != 0 || since.Lost() != 7 {
		t.Errorf("since: %+v", since)
	}
	if c.Ran["success"] != 1 {
		t.Error("a difference changed what it was taken of")
	}
}

func TestFleet(t *testing.T) {
	f := Fleet{Kind: "tcp", Monitors: 3, Interval: 60, Layout: target.For(100)}
	a := f.assignment(1)
	if a.GetIntervalSeconds() != 60 || a.GetSpec().GetMonitorId() != 2 || a.GetSpec().GetTcpConfig().GetHost() != "127.0.1.2" {
		t.Errorf("%v", a)
	}
	f.Kind = "https"
	if got := f.assignment(0).GetSpec().GetHttpConfig().GetUrl(); got != "https://127.0.1.1:20000/" {
		t.Errorf("url %s", got)
	}
}
