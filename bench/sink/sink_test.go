package sink

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/frogstats/uptime/bench/target"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

func TestCounts(t *testing.T) {
	c := Counts{Ran: map[string]int{}, Missed: map[string]int{}}
	c.add(row{status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, late: 5})
	before := c.Since(Counts{})
	c.add(row{status: checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, late: 3, errorType: []byte("timeout"), message: []byte("too late")})
	c.add(row{status: checkv1.ResultStatus_RESULT_STATUS_MISSED, missed: 7, errorType: []byte("overload")})
	if c.Rows != 3 || c.Finished() != 2 || c.Lost() != 7 || c.Slots() != 9 || c.Late != 5 || c.Missed["overload"] != 7 || c.Example != "timeout: too late" {
		t.Errorf("%+v", c)
	}
	since := c.Since(before)
	if since.Rows != 2 || since.Finished() != 1 || since.Ran["success"] != 0 || since.Ran["timeout"] != 1 || since.Lost() != 7 {
		t.Errorf("since: %+v", since)
	}
	if c.Ran["success"] != 1 {
		t.Error("a difference changed what it was taken of")
	}
}

// What is read by hand is what the generated code wrote.
func TestParseRequest(t *testing.T) {
	due := time.UnixMilli(1_790_000_000_123)
	raw, err := proto.Marshal(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: &eventsv1.ResultBatch{
		FirstSeq: 300, Traceparents: map[uint32]string{1: "00-"},
		Results: []*checkv1.CheckResult{
			{MonitorId: 9, Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, LatenessNs: 1 << 40, ScheduledAt: timestamppb.New(due), TcpNs: proto.Uint64(3)},
			{Status: checkv1.ResultStatus_RESULT_STATUS_MISSED, MissedCount: 300, ErrorType: proto.String("overload"), ErrorMessage: proto.String("no room")},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	b := batch{rows: make([]row, 5)}
	if err := b.parseRequest(raw); err != nil {
		t.Fatal(err)
	}
	want := []row{
		{monitor: 9, at: due.UnixMilli(), status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS, late: 1 << 40},
		{status: checkv1.ResultStatus_RESULT_STATUS_MISSED, missed: 300, errorType: []byte("overload"), message: []byte("no room")},
	}
	if b.first != 300 || !reflect.DeepEqual(b.rows, want) {
		t.Errorf("%d, %+v", b.first, b.rows)
	}
	hello, err := proto.Marshal(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: &eventsv1.RecordHello{ProberId: "p", Region: "local"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.parseRequest(hello); err != nil || len(b.rows) != 0 {
		t.Errorf("hello: %+v, %v", b, err)
	}
	if err := b.parseRequest(raw[:len(raw)-1]); err == nil {
		t.Error("a message that is cut off is read")
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

func TestAccount(t *testing.T) {
	const success, missed = checkv1.ResultStatus_RESULT_STATUS_SUCCESS, checkv1.ResultStatus_RESULT_STATUS_MISSED
	for _, c := range []struct {
		name string
		rows []row
		want int
	}{
		{"nothing", nil, 0},
		{"one", []row{{at: 500, status: success}}, 0},
		{"in a row, out of order", []row{{at: 2500, status: success}, {at: 500, status: success}, {at: 1500, status: success}}, 0},
		{"a run of missed ones between", []row{{at: 500, status: success}, {at: 1500, missed: 3, status: missed}, {at: 4500, status: success}}, 0},
		{"a hole", []row{{at: 500, status: success}, {at: 3500, status: success}}, 2},
		{"one twice", []row{{at: 500, status: success}, {at: 500, status: success}}, 1},
		{"two monitors, both with a fault", []row{{at: 0, status: success}, {at: 2000, status: success}, {monitor: 1, at: 0, status: success}, {monitor: 1, at: 0, missed: 1, status: missed}}, 2},
	} {
		a := newAccount(1000)
		for _, r := range c.rows {
			a.add(r)
		}
		if got := a.unaccounted(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
