package alerts

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// noticeBook is a store of the notices of one key, as plain as can be.
type noticeBook struct {
	channels []Channel
	all      map[uint64]Notice
	messages []Message
}

func newNoticeBook(channels ...Channel) *noticeBook {
	return &noticeBook{channels: channels, all: map[uint64]Notice{}}
}

func (b *noticeBook) state() NoticeState {
	st := NoticeState{NextID: uint64(len(b.all)) + 1, Channels: b.channels}
	for _, n := range b.all {
		if !n.Settled {
			st.Current = &n
		}
	}
	return st
}

func (b *noticeBook) keep(c NoticeChange) {
	for _, n := range c.Notices {
		b.all[n.ID] = n
	}
	b.messages = append(b.messages, c.Messages...)
}

func (b *noticeBook) raise(at int) {
	b.keep(b.state().raise(Notice{Key: "k", Kind: NoticeProberOffline, Subject: "p", StartedAt: second(at)}, second(at)))
}

func (b *noticeBook) clear(at int) {
	b.keep(b.state().end(second(at), second(at), DefaultNoticeQuiet))
}

// tell passes the time until at, second by second.
func (b *noticeBook) tell(from, to int) {
	for at := from; at <= to; at++ {
		b.keep(b.state().tell(second(at)))
	}
}

func (b *noticeBook) told() (out []string) {
	for _, m := range b.messages {
		out = append(out, m.Type+": "+m.Content.Notice.Summary)
	}
	return out
}

func TestNoticeIsTold(t *testing.T) {
	const began, ended = "2031-05-06T07:08:09Z", "2031-05-06T07:08:49Z"
	for name, tt := range map[string]struct {
		do   func(b *noticeBook)
		want []string
	}{
		"begin and end": {func(b *noticeBook) {
			b.raise(0)
			b.tell(0, 1)
			if len(b.messages) > 0 {
				t.Error("told before it has lasted for a moment")
			}
			b.tell(2, 39)
			b.clear(40)
			b.tell(41, 99)
			if len(b.messages) != 1 {
				t.Error("the end was told before it was quiet for long enough")
			}
			b.tell(100, 100)
		}, []string{"notice.raised: prober p offline since " + began, "notice.cleared: prober p offline from " + began + " to " + ended}},
		"over before it was told": {func(b *noticeBook) {
			b.raise(0)
			b.clear(1)
			b.tell(1, 200)
		}, []string{"notice.cleared: prober p offline from " + began + " to 2031-05-06T07:08:10Z"}},
		"repeated": {func(b *noticeBook) {
			for at := range 30 {
				b.raise(at)
				b.tell(at, at)
			}
		}, []string{"notice.raised: prober p offline since " + began}},
		"ended twice": {func(b *noticeBook) {
			b.raise(0)
			b.tell(0, 10)
			b.clear(40)
			b.clear(70)
			b.tell(70, 300)
			b.clear(300)
			b.tell(300, 400)
		}, []string{"notice.raised: prober p offline since " + began, "notice.cleared: prober p offline from " + began + " to " + ended}},
		"never begun": {func(b *noticeBook) {
			b.clear(0)
			b.tell(0, 100)
		}, nil},
		"comes and goes": {func(b *noticeBook) {
			for at := 0; at <= 30; at += 10 {
				b.raise(at)
				b.tell(at, at+4)
				b.clear(at + 5)
				b.tell(at+6, at+9)
			}
			b.raise(39)
			b.clear(40)
			b.tell(40, 200)
		}, []string{"notice.raised: prober p offline since " + began, "notice.cleared: prober p offline from " + began + " to " + ended}},
	} {
		t.Run(name, func(t *testing.T) {
			asks := testChannel(1, EventDown, EventOperator)
			asks.MonitorIDs = []uint32{99} // whatever it is about
			b := newNoticeBook(asks, testChannel(2, EventDown, EventRecovery, EventDegraded))
			tt.do(b)
			if diff := cmp.Diff(tt.want, b.told()); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// Of a trouble that comes and goes for a day there is word every hour, and not more.
func TestNoticeFoldEnds(t *testing.T) {
	t.Parallel()
	b := newNoticeBook(testChannel(1, EventOperator))
	const day = 24 * 60 * 60
	for at := 0; at < day; at += 40 {
		b.raise(at)
		b.tell(at, at+19)
		b.clear(at + 20)
		b.tell(at+21, at+39)
	}
	b.tell(day, day+100)
	if n := len(b.messages); n < 2*22 || n > 2*25 {
		t.Errorf("%d messages in a day", n)
	}
}

// Whatever happens: nothing is told twice, an end is told after its beginning if that was told, what lasts is told, and what
// is over is settled.
func TestNoticesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newNoticeBook(testChannel(1, EventOperator))
		at, wrong := 0, false
		lasting := 0 // seconds since it went wrong
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"raise", "clear", "pass"}).Draw(t, "what") {
			case "raise":
				b.raise(at)
				if !wrong {
					wrong, lasting = true, 0
				}
			case "clear":
				b.clear(at)
				wrong = false
			}
			d := rapid.SampledFrom([]int{0, 1, 3, 30, 61, 4000}).Draw(t, "seconds")
			b.tell(at, at+d)
			at, lasting = at+d, lasting+d
			st := b.state()
			if wrong != (st.Current != nil && st.Current.Open()) {
				t.Fatalf("wrong: %v, current: %+v", wrong, st.Current)
			}
			if wrong && lasting >= 3 && !st.Current.Announced {
				t.Fatalf("it has lasted for %d s and was not told", lasting)
			}
		}
		b.clear(at)
		b.tell(at, at+61)
		if n := b.state().Current; n != nil {
			t.Fatalf("not settled: %+v", n)
		}
		seen := map[string]bool{}
		for _, m := range b.messages {
			if seen[m.ID] {
				t.Fatalf("%s was told twice", m.ID)
			}
			seen[m.ID] = true
			if m.Type == TypeNoticeRaised && seen[m.Thread] {
				t.Fatalf("%s: the beginning was told after the end", m.Thread)
			}
			seen[m.Thread] = seen[m.Thread] || m.Type == TypeNoticeCleared
		}
		for _, n := range b.all {
			if n.EndedAt.Before(n.StartedAt) || !seen["notice:"+number(n.ID)] {
				t.Fatalf("the end was not told: %+v", n)
			}
		}
	})
}

func TestNoticeRefreshes(t *testing.T) {
	b := newNoticeBook()
	b.raise(0)
	st := b.state()
	again := Notice{Key: "k", Kind: NoticeObserverFault, Subject: "q", Message: "worse", StartedAt: second(9)}
	want := *st.Current
	want.Kind, want.Subject, want.Message = again.Kind, again.Subject, again.Message
	if diff := cmp.Diff(NoticeChange{Notices: []Notice{want}}, st.raise(again, second(9))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c := st.end(second(-5), second(9), time.Minute); !c.Notices[0].EndedAt.Equal(c.Notices[0].StartedAt) {
		t.Errorf("it ended before it began: %+v", c.Notices[0])
	}
}

func TestNoticeSummaries(t *testing.T) {
	for _, k := range []NoticeKind{
		NoticeProberOffline, NoticeObserverFault, NoticeStorageStalled, NoticeHistoryDelayed, NoticeOverload, NoticeUnplaced,
	} {
		n := Notice{Key: "key", Kind: k, Subject: "fra", StartedAt: second(0)}
		if s := n.Summary(); !strings.Contains(s, "fra") || strings.Contains(s, "key") || !strings.HasSuffix(s, " since 2031-05-06T07:08:09Z") {
			t.Errorf("%s: %s", k, s)
		}
		if noticeKindFrom(noticeKinds[k]) != k {
			t.Errorf("%s is lost on the wire", k)
		}
	}
	if s := (Notice{Key: "key", Kind: "new", StartedAt: second(0)}).Summary(); !strings.HasPrefix(s, "key since") {
		t.Error(s)
	}
}

// The documented form of a message about a notice, whole.
func TestNoticeBody(t *testing.T) {
	b := newNoticeBook(testChannel(1, EventOperator))
	b.keep(b.state().raise(Notice{
		Key: "prober/fra-1/offline", Kind: NoticeProberOffline, Subject: "fra-1", Message: "Start it.", StartedAt: second(0),
	}, second(0)))
	b.tell(2, 2)
	b.clear(10)
	b.tell(70, 70)
	for i, want := range []string{`{
		"type": "notice.raised", "id": "ID", "timestamp": "2031-05-06T07:08:09.000Z",
		"data": {
			"organization_id": "org",
			"notice": {
				"id": 1, "key": "prober/fra-1/offline", "kind": "prober_offline", "subject": "fra-1",
				"summary": "prober fra-1 offline since 2031-05-06T07:08:09Z", "message": "Start it.",
				"started_at": "2031-05-06T07:08:09.000Z", "ended_at": null
			},
			"occurred_at": "2031-05-06T07:08:09.000Z", "delayed_ms": 80000
		}
	}`, `{
		"type": "notice.cleared", "id": "ID", "timestamp": "2031-05-06T07:08:19.000Z",
		"data": {
			"organization_id": "org",
			"notice": {
				"id": 1, "key": "prober/fra-1/offline", "kind": "prober_offline", "subject": "fra-1",
				"summary": "prober fra-1 offline from 2031-05-06T07:08:09Z to 2031-05-06T07:08:19Z", "message": "Start it.",
				"started_at": "2031-05-06T07:08:09.000Z", "ended_at": "2031-05-06T07:08:19.000Z"
			},
			"occurred_at": "2031-05-06T07:08:19.000Z", "delayed_ms": 70000
		}
	}`} {
		raw, err := b.messages[i].body(second(80))
		if err != nil {
			t.Fatal(err)
		}
		var got, expected map[string]any
		if err := json.Unmarshal([]byte(strings.Replace(want, "ID", b.messages[i].ID, 1)), &expected); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
	}
}
