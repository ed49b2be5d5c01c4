// Package sink stands in for the services that a prober talks to: it assigns monitors
// of the benchmark's targets, and takes, counts and acknowledges results.
package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/target"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// Fleet is the monitors that are assigned.
type Fleet struct {
	Kind     string `json:"kind"` // tcp, http or https
	Monitors int    `json:"monitors"`
	Interval int    `json:"interval"` // seconds
	Layout   target.Layout
}

// Counts is what has arrived.
type Counts struct {
	Rows    int            `json:"rows"`
	Ran     map[string]int `json:"ran"`    // results by status
	Missed  map[string]int `json:"missed"` // slots by reason
	Late    uint64         `json:"late"`   // worst lateness of a start, nanoseconds
	Example string         `json:"example,omitempty"`
}

// Slots is how many due slots the rows stand for.
func (c Counts) Slots() int { return c.Finished() + c.Lost() }

// Finished is how many slots ran.
func (c Counts) Finished() int { return sum(c.Ran) }

// Lost is how many did not.
func (c Counts) Lost() int { return sum(c.Missed) }

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

type sink struct {
	monitorsv1.UnimplementedAssignmentsServiceServer
	eventsv1.UnimplementedRecorderServiceServer

	fleet Fleet
	mu    sync.Mutex
	count Counts
	slots account
	pace  *pace // nil unless it was asked for: it keeps a number of each check
}

// Serve serves fleet on a unix socket and answers commands until in ends.
func Serve(socket string, fleet Fleet, in io.Reader, out io.Writer) error {
	ln, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	s := &sink{fleet: fleet, slots: newAccount(int64(fleet.Interval) * 1000), count: Counts{Ran: map[string]int{}, Missed: map[string]int{}}}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.ForceServerCodecV2(newCodec()))
	monitorsv1.RegisterAssignmentsServiceServer(server, s)
	server.RegisterService(s.service(), s)
	go func() { _ = server.Serve(ln) }()
	defer server.Stop()
	return control.Serve(in, out, map[string]control.Handler{"counts": func(string) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		b, err := json.Marshal(s.count)
		return json.RawMessage(b), err // while the maps stand still
	}, "unaccounted": func(string) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.slots.unaccounted(), nil
	}, "pace": func(what string) (any, error) { // of the checks since "pace reset"
		s.mu.Lock()
		defer s.mu.Unlock()
		if what == "reset" || s.pace == nil {
			s.pace = newPace(int64(fleet.Interval) * 1000)
		}
		return s.pace.report(), nil
	}})
}

// WatchAssignments sends the fleet and then nothing.
func (s *sink) WatchAssignments(_ *monitorsv1.WatchAssignmentsRequest, out monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	for i := range s.fleet.Monitors {
		step := &monitorsv1.WatchAssignmentsResponse_Assigned{Assigned: s.fleet.assignment(i)}
		if err := out.Send(&monitorsv1.WatchAssignmentsResponse{Step: step}); err != nil {
			return err
		}
	}
	end := &monitorsv1.WatchAssignmentsResponse_SnapshotComplete{SnapshotComplete: &monitorsv1.SnapshotComplete{}}
	if err := out.Send(&monitorsv1.WatchAssignmentsResponse{Step: end}); err != nil {
		return err
	}
	<-out.Context().Done()
	return nil
}

// assignment is what the monitors service would send of the i-th monitor.
func (f Fleet) assignment(i int) *monitorsv1.Assignment {
	at := f.Layout.At(i)
	spec := &checkv1.CheckSpec{MonitorId: uint32(i + 1), OrganizationId: "bench", Name: fmt.Sprintf("monitor %d", i), Version: 1}
	if f.Kind == "tcp" {
		spec.MonitorType = checkv1.MonitorType_MONITOR_TYPE_TCP
		spec.TcpConfig = &checkv1.TcpConfig{Host: proto.String(at.Addr().String()), Port: proto.Int32(int32(at.Port())), TimeoutMs: proto.Int32(10_000)}
	} else {
		spec.MonitorType = checkv1.MonitorType_MONITOR_TYPE_HTTP
		spec.HttpConfig = &checkv1.HttpConfig{Url: proto.String(f.Kind + "://" + at.String() + "/"), Method: proto.String("GET"), TimeoutMs: proto.Int32(10_000)}
	}
	return &monitorsv1.Assignment{
		Spec: spec, IntervalSeconds: uint32(f.Interval), ConfirmDown: 2, RetryIntervalSeconds: 1,
		Overlap: monitorsv1.Overlap_OVERLAP_SKIP, ActiveSince: timestamppb.Now(),
	}
}

// ListLastSlots knows nothing of before.
func (s *sink) ListLastSlots(context.Context, *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	return &eventsv1.ListLastSlotsResponse{}, nil
}

// record counts and acknowledges; it takes the place of the generated handler.
func (s *sink) record(_ any, stream grpc.ServerStream) error {
	var raw rawMessage
	var b batch
	for {
		err := stream.RecvMsg(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.parseRequest(raw); err != nil {
			return err
		}
		if len(b.rows) == 0 {
			continue
		}
		s.mu.Lock()
		for _, r := range b.rows {
			s.count.add(r)
			s.slots.add(r)
			if s.pace != nil {
				s.pace.add(r)
			}
		}
		s.mu.Unlock()
		last := b.first + uint64(len(b.rows)) - 1
		if err := stream.SendMsg(&eventsv1.RecordResponse{JudgedSeq: last, StoredSeq: last}); err != nil {
			return err
		}
	}
}

// service is the recorder's with record as its handler.
func (s *sink) service() *grpc.ServiceDesc {
	desc := eventsv1.RecorderService_ServiceDesc
	desc.Streams = slices.Clone(desc.Streams)
	desc.Streams[0].Handler = s.record
	return &desc
}

// statusNames are how statuses are counted.
var statusNames = func() map[checkv1.ResultStatus]string {
	names := map[checkv1.ResultStatus]string{}
	for n, name := range checkv1.ResultStatus_name {
		names[checkv1.ResultStatus(n)] = strings.ToLower(strings.TrimPrefix(name, "RESULT_STATUS_"))
	}
	return names
}()

func (c *Counts) add(r row) {
	c.Rows++
	if r.missedRow() {
		c.Missed[string(r.errorType)] += int(r.missed)
		return
	}
	c.Ran[statusNames[r.status]]++
	c.Late = max(c.Late, r.late)
	if r.status != checkv1.ResultStatus_RESULT_STATUS_SUCCESS && c.Example == "" {
		c.Example = string(r.errorType) + ": " + string(r.message)
	}
}

// Since is what was counted after before.
func (c Counts) Since(before Counts) Counts {
	out := Counts{Rows: c.Rows - before.Rows, Ran: maps.Clone(c.Ran), Missed: maps.Clone(c.Missed), Late: c.Late, Example: c.Example}
	for k, n := range before.Ran {
		out.Ran[k] -= n
	}
	for k, n := range before.Missed {
		out.Missed[k] -= n
	}
	return out
}
