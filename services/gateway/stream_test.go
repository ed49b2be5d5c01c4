package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/gateway"
)

// event is one server-sent event.
type event struct{ name, id, data string }

// listener is an open stream.
type listener struct {
	resp   *http.Response
	events chan event // closed at the end
	close  context.CancelFunc
}

func (e *edge) listen(t *testing.T, key, target string, headers ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.srv.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := e.srv.Client().Do(req) //nolint:bodyclose // closed in the clean-up below
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{resp: resp, events: make(chan event, 100), close: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.events)
		var ev event
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				ev.name = value
			case "id":
				ev.id = value
			case "data":
				ev.data = value
			case "":
				if ev != (event{}) {
					l.events <- ev
				}
				ev = event{}
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
		<-done
	})
	return l
}

func (l *listener) next(t *testing.T) event {
	t.Helper()
	select {
	case ev, ok := <-l.events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return ev
	case <-time.After(5 * time.Second):
		t.Fatal("no event within 5 s")
	}
	return event{}
}

// ended waits for the end of the stream.
func (l *listener) ended(t *testing.T, within time.Duration) {
	t.Helper()
	timeout := time.After(within)
	for {
		select {
		case _, ok := <-l.events:
			if !ok {
				return
			}
		case <-timeout:
			t.Fatalf("the stream is still open after %v", within)
		}
	}
}

func (e *edge) publish(t *testing.T, m *eventsv1.ReadFeedResponse) {
	t.Helper()
	select {
	case e.feed <- m:
	case <-time.After(5 * time.Second):
		t.Fatal("nobody takes the message")
	}
}

func transition(seq uint64) *eventsv1.FeedEntry {
	return &eventsv1.FeedEntry{Seq: seq, MonitorId: 7, At: timestamppb.New(someTime), What: &eventsv1.FeedEntry_Transition{
		Transition: &eventsv1.Transition{From: eventsv1.CurrentStatus_CURRENT_STATUS_UP, To: eventsv1.CurrentStatus_CURRENT_STATUS_DOWN}}}
}

func observation(seq uint64) *eventsv1.FeedEntry {
	return &eventsv1.FeedEntry{Seq: seq, MonitorId: 7, What: &eventsv1.FeedEntry_Observation{
		Observation: &eventsv1.Observation{Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS}}}
}

func TestStream(t *testing.T) {
	e := start(t)
	e.publish(t, &eventsv1.ReadFeedResponse{HeadSeq: 40})
	l := e.listen(t, viewerKey, "/api/uptime/stream?monitor_id=7&monitor_id=9", "Accept-Encoding", "gzip")
	if l.resp.StatusCode != 200 || l.resp.Header.Get("Content-Type") != "text/event-stream" || l.resp.Header.Get("Content-Encoding") != "" {
		t.Fatalf("%d %v", l.resp.StatusCode, l.resp.Header)
	}
	if diff := cmp.Diff(&eventsv1.SubscribeRequest{MonitorIds: []uint32{7, 9}}, e.last(t, "Subscribe").req, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := l.next(t); got != (event{"ready", "40", `{"head_seq":40}`}) {
		t.Errorf("got %v", got)
	}
	e.publish(t, &eventsv1.ReadFeedResponse{Entries: []*eventsv1.FeedEntry{transition(41), observation(42)}})
	want := `{"seq":41,"organization_id":"","monitor_id":7,"at":"2026-01-02T03:04:05.000Z","transition":{"from":"up","to":"down",`
	if got := l.next(t); got.name != "status" || got.id != "41" || !strings.HasPrefix(got.data, want) {
		t.Errorf("got %v", got)
	}
	if got := l.next(t); got.name != "result" || got.id != "42" || !strings.Contains(got.data, `"status":"success"`) {
		t.Errorf("got %v", got)
	}
	e.publish(t, &eventsv1.ReadFeedResponse{Truncated: true, HeadSeq: 90, Entries: []*eventsv1.FeedEntry{observation(80)}})
	if got := l.next(t); got != (event{"reset", "", `{"head_seq":90}`}) {
		t.Errorf("got %v", got)
	}
	if got := l.next(t); got.id != "80" {
		t.Errorf("got %v", got)
	}
}

func TestStreamResumes(t *testing.T) {
	e := start(t)
	tests := []struct {
		target, header string
		want           uint64
	}{
		{"/api/uptime/stream?last_event_id=41", "", 41},
		{"/api/uptime/stream", "42", 42},
		{"/api/uptime/stream?last_event_id=41", "43", 43}, // the browser repeats the address, and knows better by now
	}
	for _, tt := range tests {
		var headers []string
		if tt.header != "" {
			headers = []string{"Last-Event-ID", tt.header}
		}
		e.publish(t, &eventsv1.ReadFeedResponse{HeadSeq: 99})
		l := e.listen(t, viewerKey, tt.target, headers...)
		e.publish(t, &eventsv1.ReadFeedResponse{Entries: []*eventsv1.FeedEntry{transition(tt.want + 1)}})
		if got := l.next(t); got.name != "status" { // not ready, whose id would skip what is still to come
			t.Errorf("%s: got %v", tt.target, got)
		}
		if req, _ := e.last(t, "Subscribe").req.(*eventsv1.SubscribeRequest); req.GetAfterSeq() != tt.want {
			t.Errorf("%s: after %d, want %d", tt.target, req.GetAfterSeq(), tt.want)
		}
		l.close()
	}
}

func TestStreamRefusals(t *testing.T) {
	e := start(t)
	for target, field := range map[string]string{"?monitor_id=x": "monitor_id", "?last_event_id=-1": "last_event_id", "?monitor_ids=1": "monitor_ids"} {
		if p := e.ask(t, viewerKey, "GET /api/uptime/stream"+target).problem(t, 400, "INVALID_ARGUMENT"); p.Details[0].Field != field {
			t.Errorf("%s: %v", target, p.Details)
		}
	}
	e.ask(t, "", "GET /api/uptime/stream").problem(t, 401, "UNAUTHENTICATED")
	if got := e.ask(t, viewerKey, "HEAD /api/uptime/stream"); got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d", got.status)
	}
	e.set(func(b *backend) { b.fail["Subscribe"] = fault.Unavailable("not now") })
	if p := e.ask(t, viewerKey, "GET /api/uptime/stream").problem(t, 503, "UNAVAILABLE"); p.Error != "not now" {
		t.Errorf("got %q", p.Error)
	}
}

func TestStreamSaysThatItIsThrough(t *testing.T) {
	e := start(t)
	l := e.listen(t, viewerKey, "/api/uptime/stream") // the service says nothing at all
	if l.resp.StatusCode != 200 {
		t.Errorf("%d", l.resp.StatusCode)
	}
}

func TestStreamEndsWithItsSource(t *testing.T) {
	e := start(t)
	e.publish(t, &eventsv1.ReadFeedResponse{HeadSeq: 1})
	l := e.listen(t, viewerKey, "/api/uptime/stream")
	l.next(t)
	close(e.feed)
	l.ended(t, 5*time.Second)
}

func TestStreamEndsWithTheServer(t *testing.T) {
	e := start(t)
	e.publish(t, &eventsv1.ReadFeedResponse{HeadSeq: 1})
	l := e.listen(t, viewerKey, "/api/uptime/stream")
	l.next(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := e.srv.Config.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	l.ended(t, time.Second)
}

func TestStoppedGatewayOpensNoStream(t *testing.T) {
	e := start(t)
	e.g.Stop()
	got := e.ask(t, viewerKey, "GET /api/uptime/stream")
	if got.problem(t, 503, "UNAVAILABLE"); got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestStreamsPerActorAreBounded(t *testing.T) { gateway.CheckStreams(t) }

func TestStreamHeartbeatAndRevocation(t *testing.T) { gateway.CheckFollower(t) }

func TestSlowClientIsLetGo(t *testing.T) { gateway.CheckSlowClient(t) }
