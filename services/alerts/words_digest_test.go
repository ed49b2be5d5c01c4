package alerts

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// listOf is a digest of messages of these types, each about a monitor of its own.
func listOf(name string, types ...string) Message {
	var members []Delivery
	for i, kind := range types {
		m := Message{
			ID: fmt.Sprint("msg_", i), OrganizationID: "org-a", MonitorID: uint32(i + 1), Target: Target{TargetChannel, 3}, Type: kind,
			OccurredAt: time.Unix(int64(1000-i), 0),
			Content:    Content{OrganizationID: "org-a", Monitor: ContentMonitor{ID: uint32(i + 1), Name: fmt.Sprint(name, i)}, Status: StatusUp},
		}
		members = append(members, Delivery{Message: m})
	}
	return NewDigest(members)
}

func TestDigestWords(t *testing.T) {
	at := time.Unix(1060, 0)
	d := listOf("api", TypeDown, TypeDown, TypeRecovered)
	w := d.words(at, "https://uptime.example.com")
	if w.Title != "Monitors: 2 down, 1 up again" || w.Text != "down: api0\ndown: api1\nup again: api2" {
		t.Errorf("words = %q, %q", w.Title, w.Text)
	}
	if w.Severity != notify.Critical || w.Action != notify.Trigger || w.Type != "digest" || w.Link != "https://uptime.example.com/uptime" {
		t.Errorf("words = %+v", w)
	}
	if !d.OccurredAt.Equal(time.Unix(998, 0)) || d.Opens() || d.Closes() {
		t.Errorf("digest = %+v", d)
	}
	if w := listOf("api", TypeRecovered, TypeRecovered).words(at, ""); w.Action != notify.Resolve || w.Title != "Monitors: 2 up again" {
		t.Errorf("recoveries: %+v", w)
	}
	if w := listOf("api", "monitor.unheard_of", TypeDegraded).words(at, ""); w.Title != "Monitors: 1 degraded, 1 more" || w.Action != notify.Trigger {
		t.Errorf("others: %+v", w)
	}
	if a, b := listOf("api", TypeDown, TypeDown), listOf("api", TypeDown, TypeDown, TypeDown); a.ID == b.ID || a.dedupKey() == b.dedupKey() {
		t.Error("two lists have one identifier")
	}
}

// Fifty lines fit where the narrowest type that takes fifty cuts, whatever monitors are called.
func TestDigestFits(t *testing.T) {
	kinds := make([]string, notify.MaxList)
	for i := range kinds {
		kinds[i] = TypeResolved
	}
	text := listOf(strings.Repeat("a long name ", 20), kinds...).words(time.Unix(1060, 0), "").Text
	if n := len(utf16.Encode([]rune(text))); n > 3000 || strings.Count(text, "\n") != notify.MaxList-1 {
		t.Errorf("%d characters in %d lines", n, strings.Count(text, "\n")+1)
	}
}
