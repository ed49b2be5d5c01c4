package events_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/events"
)

// noting is a result store that notes how much it was given when.
type noting struct {
	events.ResultStore
	start time.Time
	mu    sync.Mutex
	got   []string
}

func (n *noting) Append(ctx context.Context, results []events.Result) (int, error) {
	n.mu.Lock()
	n.got = append(n.got, fmt.Sprintf("%d at %s", len(results), time.Since(n.start)))
	n.mu.Unlock()
	return n.ResultStore.Append(ctx, results)
}

// picky is one that says how it wants it.
type picky struct{ *noting }

func (picky) BatchSize() int            { return 10 }
func (picky) BatchDelay() time.Duration { return time.Second }

// TestAppendsWait appends when there is enough, or when the first has waited long enough, as the store wants it.
func TestAppendsWait(t *testing.T) {
	type sending struct {
		after   time.Duration // since the one before
		results int
	}
	tests := map[string]struct {
		picky bool
		sent  []sending
		want  []string
	}{
		"a store that says nothing":        {false, []sending{{0, 3}, {50 * time.Millisecond, 2}, {time.Second, 1}}, []string{"5 at 100ms", "1 at 1.15s"}},
		"a few wait for company":           {true, []sending{{0, 3}, {900 * time.Millisecond, 2}}, []string{"5 at 1s"}},
		"enough do not wait":               {true, []sending{{0, 6}, {300 * time.Millisecond, 6}}, []string{"6 at 300ms", "6 at 1.3s"}},
		"a large batch is not cut":         {true, []sending{{0, 25}}, []string{"25 at 0s"}},
		"what remains waits from its time": {true, []sending{{0, 8}, {500 * time.Millisecond, 8}, {400 * time.Millisecond, 1}}, []string{"8 at 500ms", "9 at 1.5s"}},
	}
	for name, tt := range tests {
		dir := t.TempDir()
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				n := &noting{start: time.Now()}
				r := run(t, dir, &catalogue{entries: []*monitorsv1.CatalogEntry{entry(7, "o1")}}, func(d *events.Deps) {
					n.ResultStore = d.Results
					if d.Results = n; tt.picky {
						d.Results = picky{n}
					}
				})
				defer r.stop()
				p := r.prober()
				defer p.close()
				synctest.Wait()
				n.start = time.Now()
				slot := n.start.UTC().Add(-time.Minute)
				for _, s := range tt.sent {
					time.Sleep(s.after) //nolint:forbidigo // the bubble's clock, not ours
					var list []*checkv1.CheckResult
					for range s.results {
						slot = slot.Add(time.Millisecond)
						list = append(list, result(7, "o1", slot, ok))
					}
					p.send(list...)
					synctest.Wait()
				}
				p.sync()
				total := 0
				for _, s := range tt.sent {
					total += s.results
				}
				if stored, err := n.Count(t.Context(), events.ResultQuery{MonitorID: 7}); err != nil || int(stored) != total {
					t.Errorf("%d results stored, %v; want %d", stored, err, total)
				}
				if diff := cmp.Diff(tt.want, n.got); diff != "" {
					t.Errorf("appends (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestWeight compares what queued results are reckoned to take with what they take: the bound of the queue is one on memory.
func TestWeight(t *testing.T) {
	const n = 20_000
	now := time.Now()
	headers := map[string]string{
		"Content-Type": "application/json", "Server": "nginx", "Date": now.Format(time.RFC1123), "Cache-Control": "no-cache",
		"X-Request-Id": "0192f3c4-0000-7000-8000-000000000001", "Strict-Transport-Security": "max-age=31536000", "Etag": "0192f3c4",
	}
	tests := map[string]func(id uint32) *checkv1.CheckResult{
		"tcp": func(id uint32) *checkv1.CheckResult { return benchResult(id, now) },
		"https": func(id uint32) *checkv1.CheckResult {
			r := benchResult(id, now)
			r.MonitorType, r.TlsNs, r.TtfbNs, r.TransferNs = checkv1.MonitorType_MONITOR_TYPE_HTTP, proto.Uint64(1), proto.Uint64(1), proto.Uint64(1)
			r.StatusCode, r.TlsVersion, r.CertExpiresAt, r.ResponseHeaders = proto.Uint32(200), proto.String("1.3"), timestamppb.New(now), headers
			return r
		},
		"fault": func(id uint32) *checkv1.CheckResult {
			r := benchResult(id, now)
			r.Status, r.ErrorType, r.ErrorMessage = fail, proto.String("connection_refused"), proto.String("dial tcp 192.0.2.1:443: connect: connection refused")
			r.ValidationErrors = []string{"status code 500, expected 200"}
			return r
		},
	}
	for name, makeResult := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.GC() // the second ends what the first left to others
			runtime.ReadMemStats(&before)
			held := make([]events.Result, 0, n)
			for id := range uint32(n) {
				wire, err := proto.Marshal(makeResult(id))
				if err != nil {
					t.Fatal(err)
				}
				var c checkv1.CheckResult
				if err := proto.Unmarshal(wire, &c); err != nil {
					t.Fatal(err)
				}
				held = append(held, events.ResultIn(&c))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			each, reckoned := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/n, float64(events.Weigh(held))/n
			runtime.KeepAlive(held)
			t.Logf("%.0f bytes a result, reckoned %.0f; %d results weigh %d MiB", each, reckoned, n, events.Weigh(held)>>20)
			if each > 1.2*reckoned || each < 0.6*reckoned {
				t.Errorf("a result takes %.0f bytes and is reckoned to take %.0f", each, reckoned)
			}
		})
	}
}
