package alerts

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/services/alerts/notify"
)

const testPublicURL = "https://uptime.example.com"

// ofType is the first message of a type.
func (m *memory) ofType(t *testing.T, kind string) Message {
	t.Helper()
	for _, msg := range m.messages {
		if msg.Type == kind {
			return msg
		}
	}
	t.Fatalf("there is no %s", kind)
	return Message{}
}

// What people read, whole: what, where, since when, why, how long, and where to read more.
func TestWords(t *testing.T) {
	m := newMemory(State{
		Channels: []Channel{testChannel(1, EventDown, EventRecovery, EventDegraded)},
		Rules:    []RuleState{testRule(4, Conditions{Failures: 2}), testRule(5, Conditions{ResponseTime: time.Second})},
	})
	m.feed(transition(1, 10, StatusUp, StatusDown), transition(2, 75, StatusDown, StatusUp), passing(3, 80, 1500*time.Millisecond), passing(4, 90, time.Millisecond),
		transition(5, 100, StatusUp, StatusDegraded), transition(6, 130, StatusDegraded, StatusUp))
	down, up := m.ofType(t, TypeDown), m.ofType(t, TypeRecovered)
	for name, tt := range map[string]struct {
		got, want notify.Words
	}{
		"down": {down.words(second(15), testPublicURL), notify.Words{
			Title: "api is down", Type: TypeDown, Action: notify.Trigger, Severity: notify.Critical, Link: testPublicURL + "/uptime/incidents/1",
			Text: "https://api/: down (regions: eu).\nSince 2031-05-06T07:08:19Z (for 5 s).\nWhy: connection refused: refused.",
			Facts: []notify.Fact{
				{Name: "Monitor", Value: "api"}, {Name: "Target", Value: "https://api/"}, {Name: "Regions", Value: "eu"},
				{Name: "Since", Value: "2031-05-06T07:08:19Z"}, {Name: "Reason", Value: "connection refused: refused"},
				{Name: "Failed checks", Value: "2"}, {Name: "Incident", Value: "#1"},
			},
		}},
		"recovered, told late": {up.words(second(75+600), ""), notify.Words{
			Title: "api is up again after 1 min 5 s", Type: TypeRecovered, Action: notify.Resolve, Severity: notify.Critical,
			Text: "https://api/: up again (regions: eu).\nDown from 2031-05-06T07:08:19Z to 2031-05-06T07:09:24Z (1 min 5 s).\n" +
				"Why: connection refused: refused.\nTold late: 10 min after it happened.",
			Facts: []notify.Fact{
				{Name: "Monitor", Value: "api"}, {Name: "Target", Value: "https://api/"}, {Name: "Regions", Value: "eu"},
				{Name: "Down", Value: "2031-05-06T07:08:19Z"}, {Name: "Up", Value: "2031-05-06T07:09:24Z"}, {Name: "Duration", Value: "1 min 5 s"},
				{Name: "Reason", Value: "connection refused: refused"}, {Name: "Failed checks", Value: "2"}, {Name: "Incident", Value: "#1"},
			},
		}},
		"degraded": {m.ofType(t, TypeDegraded).words(second(100), testPublicURL), notify.Words{
			Title: "api is degraded", Type: TypeDegraded, Action: notify.Trigger, Severity: notify.Medium, Link: testPublicURL + "/uptime/7",
			Text: "https://api/: degraded: it works for some regions only, or slowly (regions: eu).\nSince 2031-05-06T07:09:49Z.\nWhy: connection refused: refused.",
			Facts: []notify.Fact{
				{Name: "Monitor", Value: "api"}, {Name: "Target", Value: "https://api/"}, {Name: "Regions", Value: "eu"},
				{Name: "Since", Value: "2031-05-06T07:09:49Z"}, {Name: "Reason", Value: "connection refused: refused"},
			},
		}},
		"rule": {m.ofType(t, TypeTriggered).words(second(15), ""), notify.Words{
			Title: "api: 2 failed checks in a row (alert from 2)", Type: TypeTriggered, Action: notify.Trigger, Severity: notify.High,
			Text: "https://api/: 2 failed checks in a row (alert from 2) (regions: eu).\nSince 2031-05-06T07:08:19Z.\nWhy: connection refused: refused.",
			Facts: []notify.Fact{
				{Name: "Monitor", Value: "api"}, {Name: "Target", Value: "https://api/"}, {Name: "Regions", Value: "eu"},
				{Name: "Condition", Value: "2 failed checks in a row (alert from 2)"}, {Name: "Since", Value: "2031-05-06T07:08:19Z"},
				{Name: "Reason", Value: "connection refused: refused"}, {Name: "Failed checks", Value: "2"}, {Name: "Incident", Value: "#1"},
			},
		}},
		"test": {Message{ID: "msg_1", Type: TypeTest, OccurredAt: second(0)}.words(second(0), testPublicURL), notify.Words{
			Title: "Test message", Type: TypeTest, Action: notify.Info, Severity: notify.Informational, Test: true, Link: testPublicURL + "/uptime",
			Text:  "Somebody asked for it to see whether messages arrive here. Nothing is wrong.",
			Facts: []notify.Fact{{Name: "Sent", Value: "2031-05-06T07:08:09Z"}},
		}},
		"canary": {Message{ID: "msg_2", Type: TypeTest, OccurredAt: second(0), Content: Content{Test: true, Scheduled: true}}.words(second(0), ""), notify.Words{
			Title: "Scheduled test message", Type: TypeTest, Action: notify.Info, Severity: notify.Informational, Test: true, Scheduled: true,
			Text:  "It comes every so often to see whether messages still arrive here. Nothing is wrong.",
			Facts: []notify.Fact{{Name: "Sent", Value: "2031-05-06T07:08:09Z"}},
		}},
	} {
		if !regexp.MustCompile(`^[a-z0-9-]{7,64}$`).MatchString(tt.got.Thread) {
			t.Errorf("%s: thread %q", name, tt.got.Thread)
		}
		tt.got.Thread = ""
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	last := m.messages[len(m.messages)-1].words(second(130), "")
	if last.Title != "api is up again" || last.Action != notify.Resolve || last.Severity != notify.Medium {
		t.Errorf("after being degraded: %+v", last)
	}
}

func TestWordsOfConditions(t *testing.T) {
	for condition, want := range map[string]string{
		conditionFailures:     "api: 3 failed checks in a row (alert from 2)",
		conditionResponseTime: "api: response took 3 ms (alert above 2 ms)",
		conditionUptime:       "api: uptime of 24 hours is 3 % (alert below 2 %)",
		conditionCertificate:  "api: the certificate has 3 days left (alert below 2)",
		conditionRegions:      "api: fails from 3 regions (alert from 2)",
		conditionNoData:       "api: nothing is known of it for 3 s (alert from 2 s)",
		"of_another_version":  "api: of_another_version is 3 (threshold 2)",
	} {
		for given, severity := range map[Severity]notify.Severity{"": notify.High, SeverityCritical: notify.Critical, SeverityInfo: notify.Informational} {
			w := Message{Type: TypeTriggered, MonitorID: 7, Content: Content{
				Monitor: ContentMonitor{ID: 7, Name: "api"},
				Alert:   &ContentAlert{Data: TriggerData{Condition: condition, Value: 3, Threshold: 2, Severity: given}},
			}}.words(second(0), "")
			if w.Title != want || w.Severity != severity {
				t.Errorf("%s of severity %q: %q, %s", condition, given, w.Title, w.Severity)
			}
		}
	}
}

// Every trigger has one thread, the message that ends it has the same, and no two troubles share one.
func TestThreads(t *testing.T) {
	m := newMemory(State{
		Channels: []Channel{testChannel(1, EventDown, EventRecovery, EventDegraded)},
		Rules:    []RuleState{testRule(4, Conditions{ResponseTime: time.Second})},
	})
	m.feed(transition(1, 10, StatusUp, StatusDown), transition(2, 70, StatusDown, StatusUp), passing(3, 80, 2*time.Second), passing(4, 90, time.Millisecond),
		transition(5, 100, StatusUp, StatusDegraded), transition(6, 130, StatusDegraded, StatusUp),
		transition(7, 140, StatusUp, StatusDown), transition(8, 150, StatusDown, StatusUp))
	n := NoticeState{Current: &Notice{ID: 1, Key: "k", StartedAt: second(0), DueAt: second(2)}, Channels: []Channel{testChannel(1, EventOperator)}}
	raised := n.tell(second(2))
	n.Current = &raised.Notices[0]
	n.Current.EndedAt = second(9)
	m.messages = append(append(m.messages, raised.Messages...), n.settle().Messages...)
	open, seen := map[string]string{}, map[string]bool{}
	for _, msg := range m.messages {
		w := msg.words(second(200), "")
		switch w.Action {
		case notify.Trigger:
			if seen[w.Thread] {
				t.Errorf("%s: the thread was there before", msg.Type)
			}
			seen[w.Thread], open[w.Thread] = true, msg.Type
		case notify.Resolve:
			if open[w.Thread] == "" {
				t.Errorf("%s ends nothing", msg.Type)
			}
			delete(open, w.Thread)
		}
	}
	if len(seen) != 5 || len(open) > 0 {
		t.Errorf("%d threads, open %v", len(seen), open)
	}
	other := m.messages[0]
	other.OrganizationID = "another"
	if other.dedupKey() == m.messages[0].dedupKey() {
		t.Error("two organizations share a thread")
	}
}

// Whatever a monitor is called and whatever a target answers, a title is one short line and nothing is cut within a character.
func TestWordsOfAwkwardTexts(t *testing.T) {
	long := strings.Repeat("ß\n\x00\u2028𝄞", 5000)
	m := Message{Type: TypeDown, MonitorID: 7, Content: Content{
		Monitor: ContentMonitor{ID: 7, Name: long, URL: "https://e/" + long}, ErrorType: long, ErrorMessage: long, Regions: []string{long, long},
	}}
	w := m.words(second(0), testPublicURL)
	if strings.ContainsAny(w.Title, "\n\x00\u2028") || len(w.Title) > 1000 || len(w.Text) > 4000 || strings.Count(w.Text, "\n") > 4 {
		t.Errorf("%d bytes of title, %d of text:\n%s", len(w.Title), len(w.Text), w.Text)
	}
	for _, text := range append([]string{w.Title, w.Text}, w.Facts[0].Value, w.Facts[1].Value, w.Facts[2].Value) {
		if strings.ToValidUTF8(text, "") != text || len(text) > 4000 {
			t.Errorf("%.40q", text)
		}
	}
	for _, kind := range []string{TypeDown, TypeDegraded, TypeRecovered, TypeTriggered, TypeResolved, TypeNoticeRaised, TypeNoticeCleared, TypeTest, "of another version"} {
		if w := (Message{Type: kind, MonitorID: 7}).words(second(0), ""); w.Title == "" || w.Thread == "" || w.Severity == "" || w.Action == "" {
			t.Errorf("%s, about which nothing is known: %+v", kind, w)
		}
	}
}

func TestLasting(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 0: "0 ms", 999 * time.Millisecond: "999 ms", time.Second: "1 s", 61 * time.Second: "1 min 1 s", 2 * time.Minute: "2 min",
		time.Hour + time.Second: "1 h", 90 * time.Minute: "1 h 30 min", 49 * time.Hour: "2 d 1 h", 400 * 24 * time.Hour: "400 d",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
