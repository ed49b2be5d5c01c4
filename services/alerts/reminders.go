package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	reminderEvery = 10 * time.Second // a thirtieth of the shortest interval
	reminderChunk = 200              // reminders in one transaction
)

// Reminder is due: a channel is to be told again that a monitor is down.
type Reminder struct {
	Monitor  MonitorRef
	Channel  uint32
	Incident uint32 // as the channel knows it
	After    string // the message to the channel that it follows
	Position uint64 // of that in the outbox
}

// reminder is the message, if what was found a moment ago still holds. Its id follows from the message before it: however many
// replicas find it due, and however often, it is the same.
func (s State) reminder(r Reminder, now time.Time) (Message, bool) {
	inc := s.Incident
	if inc == nil || inc.Status != IncidentActive || s.Known != StatusDown || !s.Blind.IsZero() || s.Monitor.Deleted || s.muted() {
		return Message{}, false
	}
	if _, _, maintained := s.maintained(now); maintained {
		return Message{}, false
	}
	v := evaluation{state: s, entry: Entry{OrganizationID: r.Monitor.OrganizationID, MonitorID: r.Monitor.ID, At: now}, now: now}
	for _, c := range v.channels(EventDown) {
		if c.ID != r.Channel || c.Reminder <= 0 {
			continue
		}
		if inc = v.known(inc); inc.ID != r.Incident {
			return Message{}, false
		}
		m := v.message(TypeReminder, c.target())
		m.Content.Status, m.Content.Since = StatusDown, stampOf(inc.downSince())
		m.Content.Regions, m.Content.ErrorType, m.Content.ErrorMessage = inc.AffectedRegions, inc.LastErrorType, inc.LastError
		m.IncidentID, m.Thread, m.Content.Incident = inc.ID, "incident:"+number(inc.ID), inc.content()
		m.ID = messageID(TypeReminder, m.Target, m.OrganizationID, number(inc.ID), number(inc.StartTime.UnixMilli()), r.After)
		return m, true
	}
	return Message{}, false
}

// reminderWatch writes reminders when they are due. Each replica looks; that they find the same is one message.
type reminderWatch struct {
	store     Store
	log       *slog.Logger
	committed func()
}

func (w *reminderWatch) run(ctx context.Context) {
	for wait(ctx, reminderEvery) {
		if err := w.look(ctx, now()); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "reminders were not written", "error", err.Error())
			wait(ctx, askAgain)
		}
	}
}

// look writes what is due.
func (w *reminderWatch) look(ctx context.Context, at time.Time) error {
	for after := uint64(0); ; {
		due, err := w.store.DueReminders(ctx, at, after, reminderChunk)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := w.write(ctx, due, at); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if len(due) < reminderChunk {
			return nil
		}
		after = due[len(due)-1].Position
	}
}

// write writes those that still hold.
func (w *reminderWatch) write(ctx context.Context, due []Reminder, at time.Time) error {
	seen := map[uint32]bool{}
	var monitors []MonitorRef
	for _, r := range due {
		if !seen[r.Monitor.ID] {
			seen[r.Monitor.ID] = true
			monitors = append(monitors, r.Monitor)
		}
	}
	written := 0
	err := w.store.Advance(ctx, monitors, at, func(p Progress, states map[uint32]State) Batch {
		b := Batch{Progress: p}
		for _, r := range due {
			if m, holds := states[r.Monitor.ID].reminder(r, at); holds {
				b.Messages = append(b.Messages, m)
			}
		}
		written = len(b.Messages)
		return b
	})
	if err == nil && written > 0 {
		w.committed()
	}
	return err
}
