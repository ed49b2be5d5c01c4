package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/alerts/notify"
)

const (
	// DefaultFallbackAfter is for a channel that does not say.
	DefaultFallbackAfter = 5 * time.Minute
	// QueueAlive is how long after a receiver has accepted something what waits for it is thought to wait for its turn: the least that
	// a channel may be sent is a message in a minute.
	QueueAlive = time.Minute

	maxNamedChannels = 3

	fallbackEvery = 2 * time.Second
	fallbackChunk = 200 // copies in one transaction
)

// CheckFallback refuses a channel whose fallback is none that it may have. channels are all of its organization.
func CheckFallback(c Channel, channels []Channel) error {
	if c.FallbackID == 0 {
		return nil
	}
	next := map[uint32]uint32{}
	for _, o := range channels {
		next[o.ID] = o.FallbackID
	}
	next[c.ID] = c.FallbackID
	path := []string{number(c.ID)}
	for id := c.FallbackID; id != 0 && len(path) <= len(next); id = next[id] {
		if path = append(path, number(id)); id == c.ID {
			break
		}
	}
	problem := ""
	switch _, known := next[c.FallbackID]; {
	case c.FallbackID == c.ID:
		problem = "is the channel itself; must be another"
	case !known:
		problem = "is not a channel of this organization"
	case path[len(path)-1] == number(c.ID):
		problem = "falls back to this channel; must not lead around in a circle: " + strings.Join(path, " → ")
	default:
		return nil
	}
	return fault.Invalid("", fault.Field{Name: "fallback_channel_id", Message: number(c.FallbackID) + " " + problem})
}

// CheckUnused refuses to let go of a channel that others fall back to. channels are all of its organization.
func CheckUnused(c Channel, channels []Channel) error {
	var users []string
	for _, o := range channels {
		if o.FallbackID == c.ID {
			users = append(users, fmt.Sprintf("%d (%s)", o.ID, o.Name))
		}
	}
	if len(users) == 0 {
		return nil
	}
	return fault.Conflict(fmt.Sprintf("channel %d is the fallback of %s; give them another or none first", c.ID, strings.Join(users, ", "))).
		Because("CHANNEL_IN_USE")
}

// Stranded is a message that its channel has not taken, and where its copy goes.
type Stranded struct {
	Delivery
	Channel string // name of the channel
	To      uint32
}

// Copy is the message to the fallback channel. Its id follows from that of the original.
func (s Stranded) Copy() Message {
	m := s.Message
	m.Target = Target{TargetChannel, s.To}
	m.ID = messageID("fallback", m.Target, m.OrganizationID, s.ID)
	// A story of its own: the fallback may be told the same on its own account, and one must not end the other.
	m.Thread += viaMark + number(s.Target.ID)
	m.Content.InsteadOf = append(slices.Clone(m.Content.InsteadOf), ContentChannel{s.Target.ID, s.Channel, s.ID})
	return m
}

// viaMark parts a thread from the channel that it came by.
const viaMark = "@"

// storyOf is the thread as it is called on the channel where it began.
func storyOf(thread string) string {
	story, _, _ := strings.Cut(thread, viaMark)
	return story
}

// insteadOf says that the message was meant for others.
func (w *sheet) insteadOf() {
	var names []string
	about, all := 0, []Message{w.m}
	if w.m.Type == TypeDigest {
		all = w.m.messages()
	}
	for _, m := range all {
		for _, c := range m.Content.InsteadOf {
			if name := `"` + notify.OneLine(c.Name, maxListedName) + `"`; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(m.Content.InsteadOf) > 0 {
			about++
		}
	}
	if about == 0 {
		return
	}
	what := "Sent"
	if about < len(all) {
		what = fmt.Sprintf("%d of these are sent", about)
	}
	noun := "channel "
	if len(names) > 1 {
		noun = "channels "
	}
	if len(names) > maxNamedChannels {
		names = append(names[:maxNamedChannels], "…")
	}
	told := noun + strings.Join(names, ", ")
	// First, because long texts are cut at their end.
	w.lines = slices.Insert(w.lines, 0, what+" here because "+told+" did not take it.")
	w.fact("Instead of", told)
}

// fallbackWatch copies to fallback channels what others did not take. Each replica looks; the store lets one of them copy.
type fallbackWatch struct {
	store     FallbackStore
	log       *slog.Logger
	committed func()
}

func (w *fallbackWatch) run(ctx context.Context) {
	for wait(ctx, fallbackEvery) {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "messages were not copied to fallback channels", "error", err.Error())
			wait(ctx, askAgain)
		}
	}
}

func (w *fallbackWatch) look(ctx context.Context) error {
	for {
		n, err := w.store.FallBack(ctx, now(), fallbackChunk)
		if err != nil || n == 0 {
			return err
		}
		w.log.WarnContext(ctx, "notifications go to fallback channels", "messages", n)
		w.committed()
	}
}
