package alerts

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// stray is a message of a channel that did not take it.
func stray(m Message, id uint32, name string) Stranded {
	m.Target = Target{TargetChannel, id}
	return Stranded{Delivery: Delivery{Message: m}, Channel: name, To: 9}
}

// People and programs see that the message was meant for another channel, and which.
func TestFallbackSays(t *testing.T) {
	m := newMemory(State{Channels: []Channel{testChannel(1, EventDown, EventRecovery)}})
	m.feed(transition(1, 10, StatusUp, StatusDown), transition(2, 75, StatusDown, StatusUp))
	down, up := stray(m.ofType(t, TypeDown), 1, "ops"), stray(m.ofType(t, TypeRecovered), 1, "ops")
	c := down.Copy()
	w := c.words(second(15), "")
	if first, _, _ := strings.Cut(w.Text, "\n"); first != `Sent here because channel "ops" did not take it.` || w.Title != "api is down" {
		t.Errorf("words = %q, %q", w.Title, w.Text)
	}
	if last := w.Facts[len(w.Facts)-1]; last != (notify.Fact{Name: "Instead of", Value: `channel "ops"`}) {
		t.Errorf("facts = %v", w.Facts)
	}
	second2 := stray(c, 9, "night").Copy()
	if text := second2.words(second(15), "").Text; !strings.HasPrefix(text, `Sent here because channels "ops", "night" did not take it.`) {
		t.Errorf("text = %q", text)
	}
	if c.ID == down.ID || c.ID != down.Copy().ID || c.ID == up.Copy().ID || second2.ID == c.ID {
		t.Error("identifiers are not told apart, or not stable")
	}
	// Whoever counts by incident sees one trouble with its end.
	if a, b := w.Thread, up.Copy().words(second(80), "").Thread; a != b || a != down.words(second(15), "").Thread {
		t.Errorf("threads = %q, %q", a, b)
	}
	body, err := c.body(second(15))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ID   string
		Data struct {
			InsteadOf []map[string]any `json:"instead_of"`
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if by := got.Data.InsteadOf; got.ID != c.ID || len(by) != 1 || by[0]["channel_id"] != 1.0 || by[0]["channel_name"] != "ops" || by[0]["message_id"] != down.ID {
		t.Errorf("body = %s", body)
	}
	if body, err = down.body(second(15)); err != nil || strings.Contains(string(body), "instead_of") {
		t.Errorf("the original = %s, %v", body, err)
	}
	n := Message{Type: TypeNoticeRaised, Content: Content{Notice: &ContentNotice{Key: "events/state"}}}
	if body, err = stray(n, 1, "ops").Copy().body(second(15)); err != nil || !strings.Contains(string(body), `"instead_of":[{"channel_id":1`) {
		t.Errorf("a notice = %s, %v", body, err)
	}
}

// A list says how many of its messages are others', and still fits.
func TestFallbackInDigests(t *testing.T) {
	kinds := make([]string, notify.MaxList)
	for i := range kinds {
		kinds[i] = TypeResolved
	}
	d := listOf(strings.Repeat("a long name ", 20), kinds...)
	for i := range d.Content.Digest[:4] {
		name := strings.Repeat("channel ", 12) + string(rune('a'+i))
		d.Content.Digest[i].Content.InsteadOf = []ContentChannel{{ID: uint32(i), Name: string(rune('a'+i)) + name}}
	}
	text := d.words(time.Unix(1060, 0), "").Text
	if n := len(utf16.Encode([]rune(text))); n > 3000 || strings.Count(text, "\n") != notify.MaxList {
		t.Errorf("%d characters in %d lines", n, strings.Count(text, "\n")+1)
	}
	if !strings.HasPrefix(text, `4 of these are sent here because channels "a`) || !strings.Contains(text, `, … did not take it.`) {
		t.Errorf("text = %q", text)
	}
}
