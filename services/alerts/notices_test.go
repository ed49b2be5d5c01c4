package alerts_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/telemetry/telemetrytest"
	"github.com/frogstats/uptime/services/alerts"
)

const operators = `{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}, "trigger_events": ["TRIGGER_EVENT_OPERATOR"]}`

// inbox is a receiver that takes everything.
type inbox struct {
	mu   sync.Mutex
	got  []alerts.Claim
	fail bool
}

func (b *inbox) take(_ context.Context, c alerts.Claim, _ time.Time) alerts.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail {
		return broken500
	}
	b.got = append(b.got, c)
	return ok
}

// told are the types and organizations of what was taken, sorted.
func (b *inbox) told() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.got {
		out = append(out, c.Message.Type+" "+c.OrganizationID)
	}
	slices.Sort(out)
	return out
}

// reopen makes the service anew over the same file, without running it.
func (w *world) reopen() {
	w.t.Helper()
	if w.stop != nil {
		w.stop()
	}
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *world) notices() alertsv1.NoticesServiceClient {
	return alertsv1.NewNoticesServiceClient(w.conn)
}

func (w *world) raise(key string, since time.Time) error {
	in := &alertsv1.RaiseNoticeRequest{Key: key, Kind: alertsv1.NoticeKind_NOTICE_KIND_STORAGE_STALLED, Subject: "events", Message: "Look at it."}
	if !since.IsZero() {
		in.StartedAt = timestamppb.New(since)
	}
	_, err := w.notices().RaiseNotice(rpctest.AsService(w.t.Context()), in)
	return err
}

func (w *world) clear(key string, at time.Time) error {
	in := &alertsv1.ClearNoticeRequest{Key: key}
	if !at.IsZero() {
		in.EndedAt = timestamppb.New(at)
	}
	_, err := w.notices().ClearNotice(rpctest.AsService(w.t.Context()), in)
	return err
}

func (w *world) list(open *bool) []*alertsv1.Notice {
	w.t.Helper()
	got, err := w.notices().ListNotices(admin(w.t), &alertsv1.ListNoticesRequest{Open: open})
	if err != nil {
		w.t.Fatal(err)
	}
	return got.GetNotices()
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every organization's channels that ask for it are told, once, when a trouble begins and when it ends; the others never.
func TestNoticesReachOperators(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		box := &inbox{}
		w.service.SendThrough(box.take)
		w.run()
		defer w.stop()
		mine := w.createChannel(operators)
		if diff := cmp.Diff([]alertsv1.TriggerEvent{alertsv1.TriggerEvent_TRIGGER_EVENT_OPERATOR}, mine.GetTriggerEvents()); diff != "" {
			t.Error(diff)
		}
		w.createChannel(`{"type": "webhook", "name": "all", "config": {"url": "https://example.com/"}}`)
		_, err := w.channels.CreateChannel(stranger(t), &alertsv1.CreateChannelRequest{Channel: channelBody(t, operators)})
		succeed(t, err)
		began := time.Now()
		for range 3 {
			succeed(t, w.raise("events/state", time.Time{}))
			pass(5 * time.Second)
		}
		if diff := cmp.Diff([]string{"notice.raised " + orgA, "notice.raised " + orgB}, box.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		open := true
		if got := w.list(&open); len(got) != 1 || got[0].EndedAt != nil || !got[0].GetStartedAt().AsTime().Equal(began) ||
			got[0].GetKey() != "events/state" || got[0].GetKind() != alertsv1.NoticeKind_NOTICE_KIND_STORAGE_STALLED {
			t.Errorf("open: %v", got)
		}
		succeed(t, w.clear("events/state", time.Time{}))
		if got := w.list(&open); len(got) != 0 {
			t.Errorf("open after the end: %v", got)
		}
		pass(2 * time.Minute)
		want := []string{"notice.cleared " + orgA, "notice.cleared " + orgB, "notice.raised " + orgA, "notice.raised " + orgB}
		if diff := cmp.Diff(want, box.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		last := box.got[3].Content.Notice
		if !strings.Contains(last.Summary, "storage of events stalled from ") || last.EndedAt == nil || box.got[3].Attempts != 0 {
			t.Errorf("the end: %+v", last)
		}
		succeed(t, w.clear("events/state", time.Time{}))
		succeed(t, w.clear("never", time.Time{}))
		pass(2 * time.Minute)
		if n := len(w.list(nil)); n != 1 || len(box.told()) != 4 {
			t.Errorf("%d notices, told %v", n, box.told())
		}
	})
}

func TestNoticesAccess(t *testing.T) {
	w := newWorld(t)
	_, err := w.notices().ListNotices(editor(t), &alertsv1.ListNoticesRequest{})
	wantCode(t, err, codes.PermissionDenied)
	_, err = w.notices().RaiseNotice(admin(t), &alertsv1.RaiseNoticeRequest{Key: "k", Kind: alertsv1.NoticeKind_NOTICE_KIND_OVERLOAD})
	wantCode(t, err, codes.PermissionDenied)
	_, err = w.notices().ClearNotice(admin(t), &alertsv1.ClearNoticeRequest{Key: "k"})
	wantCode(t, err, codes.PermissionDenied)
	if got := fields(t, w.raise("", time.Time{})); !slices.Equal(got, []string{"key"}) {
		t.Errorf("fields %v", got)
	}
	limit := int32(1001)
	_, err = w.notices().ListNotices(admin(t), &alertsv1.ListNoticesRequest{Limit: &limit})
	if got := fields(t, err); !slices.Equal(got, []string{"limit"}) {
		t.Errorf("fields %v", got)
	}
}

// away is a store that cannot be reached at times.
type away struct {
	alerts.Store
	gone *atomic.Bool
}

func (a away) Notice(ctx context.Context, key string) (*alerts.Notice, error) {
	if a.gone.Load() {
		return nil, fault.Unavailable("the store is away")
	}
	return a.Store.Notice(ctx, key)
}

func (a away) Backlog(ctx context.Context) (alerts.Backlog, error) {
	if a.gone.Load() {
		return alerts.Backlog{}, fault.Unavailable("the store is away")
	}
	return a.Store.Backlog(ctx)
}

// What could be reported only after it was over is one notice and one message, with the true times.
func TestNoticeAfterAFreeze(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var gone atomic.Bool
		w.wrap = func(s alerts.Store) alerts.Store { return away{s, &gone} }
		box := &inbox{}
		w.send = box.take
		w.reopen()
		w.run()
		w.createChannel(operators)
		gone.Store(true)
		began := time.Now().UTC()
		wantCode(t, w.raise("events/state", began), codes.Unavailable)
		pass(time.Minute)
		wantCode(t, w.raise("events/state", began), codes.Unavailable)
		gone.Store(false)
		ended := time.Now().UTC()
		succeed(t, w.raise("events/state", began))
		succeed(t, w.clear("events/state", ended))
		w.reopen() // what is due stands in the store
		w.run()
		pass(5 * time.Minute)
		w.stop()
		if diff := cmp.Diff([]string{"notice.cleared " + orgA}, box.told()); diff != "" {
			t.Fatalf("told (-want +got):\n%s", diff)
		}
		n := box.got[0].Content.Notice
		if !time.Time(n.StartedAt).Equal(began) || n.EndedAt == nil || !time.Time(*n.EndedAt).Equal(ended) {
			t.Errorf("from %v to %v, want from %v to %v", time.Time(n.StartedAt), n.EndedAt, began, ended)
		}
		if got := w.list(nil); len(got) != 1 || !got[0].GetEndedAt().AsTime().Equal(ended) {
			t.Errorf("notices: %v", got)
		}
	})
}

// A receiver that was away for all of it gets one message, and one that works gets both.
func TestNoticeThatWasNotDelivered(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		box := &inbox{fail: true}
		w.service.SendThrough(box.take)
		w.run()
		defer w.stop()
		w.createChannel(operators)
		succeed(t, w.raise("k", time.Time{}))
		pass(10 * time.Second)
		succeed(t, w.clear("k", time.Time{}))
		pass(30 * time.Second)
		box.mu.Lock()
		box.fail = false
		box.mu.Unlock()
		pass(2 * time.Minute)
		told := box.told()
		if !slices.Equal(told, []string{"notice.cleared " + orgA}) && !slices.Equal(told, []string{"notice.cleared " + orgA, "notice.raised " + orgA}) {
			t.Errorf("told %v", told)
		}
		if len(told) == 1 && len(box.got[0].Content.Supersedes) != 1 {
			t.Errorf("supersedes %v", box.got[0].Content.Supersedes)
		}
	})
}

// Times from clocks that are ahead do not stand.
func TestNoticeFromTheFuture(t *testing.T) {
	w := newWorld(t)
	before := time.Now().Add(-time.Second)
	succeed(t, w.raise("k", time.Now().Add(time.Hour)))
	succeed(t, w.clear("k", time.Now().Add(time.Hour)))
	n := w.list(nil)[0]
	for _, at := range []time.Time{n.GetStartedAt().AsTime(), n.GetEndedAt().AsTime()} {
		if at.Before(before) || at.After(time.Now()) {
			t.Errorf("%v", n)
		}
	}
}

// Notices are forgotten ninety days after their end.
func TestNoticesArePruned(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		defer w.stop()
		const day = 24 * time.Hour
		for key, days := range map[string]time.Duration{"old": 91, "recent": 89, "lasts": 91} {
			succeed(t, w.raise(key, time.Now().Add(-days*day)))
			if key != "lasts" {
				succeed(t, w.clear(key, time.Now().Add(-days*day)))
			}
		}
		pass(50 * time.Minute)
		if n := len(w.list(nil)); n != 3 {
			t.Errorf("%d notices before pruning, want 3", n)
		}
		pass(20 * time.Minute)
		if got := w.list(nil); len(got) != 2 || got[0].GetKey() != "recent" || got[1].GetKey() != "lasts" {
			t.Errorf("after pruning: %v", got)
		}
	})
}

// A service is well while its store answers, its feed lives, and what is due is sent.
func TestCheck(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var gone atomic.Bool
		w.wrap = func(s alerts.Store) alerts.Store { return away{s, &gone} }
		box := &inbox{}
		w.send = box.take
		w.reopen()
		well := func(when string, want bool) {
			t.Helper()
			if err := w.service.Check(t.Context()); (err == nil) != want {
				t.Errorf("%s: %v", when, err)
			}
		}
		well("before it runs", false)
		w.run()
		defer w.stop()
		pass(10 * time.Minute)
		well("quiet", true)
		gone.Store(true)
		well("the store is away", false)
		gone.Store(false)
		well("the store is back", true)

		w.events.change(func() { w.events.silent = true })
		pass(30 * time.Second)
		well("no sign of life for a while", true)
		pass(2 * time.Minute)
		well("no sign of life", false)
		w.events.change(func() { w.events.silent = false })
		pass(2 * time.Minute)
		well("signs of life again", true)
	})
}

// stuck is a store that has messages and never gives them away.
type stuck struct {
	alerts.Store
	on *atomic.Bool
}

func (s stuck) Claim(ctx context.Context, at time.Time, lease time.Duration, limit int) ([]alerts.Claim, time.Time, error) {
	if s.on.Load() {
		return nil, time.Time{}, errors.New("no claims today")
	}
	return s.Store.Claim(ctx, at, lease, limit)
}

func TestCheckFindsThatNothingIsSent(t *testing.T) {
	tel := telemetrytest.New(t)
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var on atomic.Bool
		on.Store(true)
		w.wrap = func(s alerts.Store) alerts.Store { return stuck{s, &on} }
		box := &inbox{}
		w.send = box.take
		w.reopen()
		succeed(t, w.service.Observe(tel.MeterProvider()))
		w.run()
		defer w.stop()
		is := func(name string, least, most float64) {
			t.Helper()
			if got := tel.Sum(t, name); got < least || got > most {
				t.Errorf("%s is %v, want %v to %v", name, got, least, most)
			}
		}
		pass(time.Minute)
		is("frogup_alerts_outbox_messages", 0, 0)
		is("frogup_alerts_outbox_age_seconds", 0, 0)
		w.createChannel(operators)
		w.createChannel(operators)
		succeed(t, w.raise("k", time.Time{}))
		pass(50 * time.Second)
		if err := w.service.Check(t.Context()); err != nil {
			t.Errorf("late by less than a minute: %v", err)
		}
		pass(20 * time.Second)
		if err := w.service.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not sent") {
			t.Errorf("late by more than a minute: %v", err)
		}
		is("frogup_alerts_outbox_messages", 2, 2)
		is("frogup_alerts_outbox_age_seconds", 65, 70)
		is("frogup_alerts_notices_open", 1, 1)
		on.Store(false)
		pass(20 * time.Second)
		if err := w.service.Check(t.Context()); err != nil {
			t.Errorf("sent: %v", err)
		}
		is("frogup_alerts_outbox_messages", 0, 0)
		succeed(t, w.clear("k", time.Time{}))
		pass(time.Minute)
		is("frogup_alerts_notices_open", 0, 0)
	})
}
