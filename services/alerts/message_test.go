package alerts

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The documented form of a message, whole.
func TestBody(t *testing.T) {
	m := newMemory(State{
		Channels: []Channel{testChannel(1, EventDown, EventRecovery)},
		Rules:    []RuleState{testRule(4, Conditions{Failures: 2})},
	})
	m.feed(transition(1, 10, StatusUp, StatusDown), transition(2, 70, StatusDown, StatusUp))
	body, err := m.messages[2].body(second(75))
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	const text = `{
		"type": "monitor.recovered", "id": "ID", "timestamp": "2031-05-06T07:09:19.000Z",
		"data": {
			"organization_id": "org", "monitor": {"id": 7, "name": "api", "url": "https://api/"},
			"incident": {
				"id": 1, "status": "resolved", "start_time": "2031-05-06T07:08:19.000Z", "end_time": "2031-05-06T07:09:19.000Z",
				"affected_regions": ["eu"], "failure_count": 2, "last_error_type": "connection_refused", "last_error": "refused"
			},
			"status": "up", "previous_status": "down", "since": "2031-05-06T07:09:19.000Z", "regions": ["eu"],
			"error_type": "connection_refused", "error_message": "refused",
			"occurred_at": "2031-05-06T07:09:19.000Z", "delayed_ms": 5000
		}
	}`
	if err := json.Unmarshal([]byte(strings.Replace(text, "ID", m.messages[2].ID, 1)), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	body, err = m.messages[1].body(second(0)) // a clock behind the prober's
	if err != nil {
		t.Fatal(err)
	}
	var rule envelope
	if err := json.Unmarshal(body, &rule); err != nil {
		t.Fatal(err)
	}
	if a := rule.Data.Alert; rule.Type != TypeTriggered || a == nil || a.ID != 4 || a.Data.Threshold != 2 || a.ResolvedAt != nil || rule.Data.DelayedMS != 0 {
		t.Errorf("body = %s", body)
	}
}

func TestMessageIDs(t *testing.T) {
	a, b := Target{TargetChannel, 1}, Target{TargetAlert, 1}
	ids := map[string]string{}
	for name, id := range map[string]string{
		"one":    messageID(TypeDown, a, "org", "1", "23"),
		"kind":   messageID(TypeRecovered, a, "org", "1", "23"),
		"target": messageID(TypeDown, b, "org", "1", "23"),
		"org":    messageID(TypeDown, a, "organ", "1", "23"),
		"cause":  messageID(TypeDown, a, "org", "12", "3"),
	} {
		if other, twice := ids[id]; twice {
			t.Errorf("%s and %s have the same id", name, other)
		}
		if !strings.HasPrefix(id, "msg_") || len(id) != 36 {
			t.Errorf("id = %s", id)
		}
		ids[id] = name
	}
	if again := messageID(TypeDown, a, "org", "1", "23"); ids[again] != "one" {
		t.Error("the id does not follow from its cause")
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2031, 1, 2, 3, 4, 5, 678_000_000, time.FixedZone("x", 3600))
	raw, err := json.Marshal(Stamp(at))
	if err != nil || string(raw) != `"2031-01-02T02:04:05.678Z"` {
		t.Errorf("stamp = %s, %v", raw, err)
	}
	var back Stamp
	if err := json.Unmarshal(raw, &back); err != nil || !time.Time(back).Equal(at) {
		t.Errorf("back = %v, %v", time.Time(back), err)
	}
	for _, bad := range []string{`"yesterday"`, `7`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
