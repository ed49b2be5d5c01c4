package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// frame is one server-sent event.
type frame struct {
	event, id, data string
}

// change is the data of a status or result frame.
type change struct {
	Seq        json.Number `json:"seq"`
	MonitorID  int         `json:"monitor_id"`
	At         time.Time   `json:"at"`
	Transition *struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"transition"`
	Observation *struct {
		Status string `json:"status"`
	} `json:"observation"`
}

func (f frame) change(t testing.TB) change {
	t.Helper()
	var c change
	if err := json.Unmarshal([]byte(f.data), &c); err != nil {
		t.Fatalf("frame %+v: %v", f, err)
	}
	return c
}

// stream is an open connection to /api/uptime/stream.
type stream struct {
	t      testing.TB
	frames chan frame // closed when the connection ends
	cancel context.CancelFunc
}

// stream opens the event stream until close or the end of the test; lastID may be empty.
func (s *server) stream(query, lastID string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", s.base+"/api/uptime/stream"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminKey)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	client := *s.rest
	client.Timeout = 0          // it stays open
	resp, err := client.Do(req) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		cancel()
		s.t.Fatalf("open stream: %v", err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		s.t.Errorf("stream answers %s of type %q", resp.Status, kind)
	}
	st := &stream{t: s.t, frames: make(chan frame, 4096), cancel: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(st.frames)
		defer resp.Body.Close()
		readFrames(ctx, bufio.NewScanner(resp.Body), st.frames)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	return st
}

// readFrames parses the stream by the rules of the HTML standard that it uses.
func readFrames(ctx context.Context, lines *bufio.Scanner, out chan<- frame) {
	lines.Buffer(nil, 1<<20)
	var f frame
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if f.data != "" {
				select {
				case out <- f:
				case <-ctx.Done():
					return
				}
			}
			f = frame{}
		case name == "event":
			f.event = value
		case name == "id":
			f.id = value
		case name == "data":
			f.data += value
		}
	}
}

// close ends the connection as a client that went away.
func (st *stream) close() { st.cancel() }

// next waits for a frame that answers keep and returns it with all that came before it.
func (st *stream) next(what string, limit time.Duration, keep func(frame) bool) []frame {
	st.t.Helper()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	var seen []frame
	for {
		select {
		case f, open := <-st.frames:
			if !open {
				st.t.Fatalf("the stream ended while waiting for %s; seen %v", what, seen)
			}
			seen = append(seen, f)
			if keep(f) {
				return seen
			}
		case <-timeout.C:
			st.t.Fatalf("waited %v on the stream for %s; seen %v", limit, what, seen)
		}
	}
}
