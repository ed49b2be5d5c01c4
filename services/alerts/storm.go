package alerts

import (
	"encoding/json"
	"time"

	"github.com/frogstats/uptime/services/alerts/notify"
)

// The pace of a channel that does not say.
const (
	DefaultDigestWindow = 30 * time.Second
	// DefaultPerMinute is what chats take without complaint.
	DefaultPerMinute = 30
)

// fewMessages is how many messages come one by one before those that follow in the same window are merged.
const fewMessages = 3

// Pace is how fast a target may be told.
type Pace struct {
	Window    time.Duration // in which more than a few messages are merged; 0 means never
	List      int           // how many messages one of this type can tell; less than 2 means that none are merged
	PerMinute int           // messages in any minute; 0 means any number
}

// PaceOf is the pace of a channel of the type, with that configuration.
func PaceOf(via string, public json.RawMessage, window time.Duration, perMinute int) Pace {
	p := Pace{Window: window, PerMinute: perMinute}
	if n, ok := notify.All[via]; ok && n.List != nil {
		p.List = n.List(public)
	}
	return p
}

// Burst is how a target was told lately: the window that runs, or was the last to.
type Burst struct {
	From     time.Time // its beginning; zero if there was none yet
	Told     int       // messages that came by themselves; fewMessages once the others have to wait
	Flushing bool      // whether it began with what the window before had kept back, which goes out at once
}

// Queue is what waits for a target and is due, the first of each line only.
type Queue struct {
	Solo  uint64    // position of the oldest that comes by itself in any case: it was tried before, or is a notice; 0 if none
	First uint64    // position of the oldest of the others; 0 if there are none
	Fresh int       // how many others there are
	Since time.Time // when the oldest of them was written
}

// Plan is what to send a target now.
type Plan struct {
	Send  uint64    // position of a message that goes by itself; 0 for none
	Merge int       // how many of the oldest others go as one digest; 0 for none
	Hold  time.Time // until when the others wait; zero if they need not
}

// Next decides what a target is sent at now. In calm the first messages of a window go out at once, one by one; if there are
// more than a few from the beginning, as one digest. Whatever else is made in the window waits for its end, and then goes out
// in digests while the next window runs.
func (p Pace) Next(b Burst, q Queue, now time.Time) (Burst, Plan) {
	switch {
	case q.Fresh == 0:
		return b, Plan{Send: q.Solo}
	case q.Solo != 0 && q.Solo < q.First:
		return b, Plan{Send: q.Solo}
	case p.Window <= 0 || p.List < 2:
		return b, Plan{Send: q.First}
	}
	end := b.From.Add(p.Window)
	// A window from the future is of a clock that was put back.
	running := now.Before(end) && !b.From.After(now.Add(p.Window))
	switch {
	case running && b.Flushing && q.Since.Before(b.From):
		return b, p.tell(q)
	case running && q.Fresh <= fewMessages-b.Told:
		b.Told++
		return b, Plan{Send: q.First}
	case running:
		b.Told = fewMessages
		return b, Plan{Send: q.Solo, Hold: end}
	case b.Told >= fewMessages && q.Since.Before(end):
		return Burst{From: now, Told: fewMessages, Flushing: true}, p.tell(q)
	case q.Fresh > fewMessages:
		return Burst{From: now, Told: fewMessages}, p.tell(q)
	}
	return Burst{From: now, Told: 1}, Plan{Send: q.First}
}

// tell sends as many as one message can tell; a list of one would be none.
func (p Pace) tell(q Queue) Plan {
	if q.Fresh == 1 {
		return Plan{Send: q.First}
	}
	return Plan{Merge: min(q.Fresh, p.List)}
}

// NewDigest is the message that tells others of the same target, in their order. Its id follows from theirs.
func NewDigest(members []Delivery) Message {
	first := members[0]
	d := Message{
		OrganizationID: first.OrganizationID, Target: first.Target, Type: TypeDigest, OccurredAt: first.OccurredAt,
		Content: Content{OrganizationID: first.OrganizationID},
	}
	ids := make([]string, 0, len(members))
	for _, m := range members {
		ids = append(ids, m.ID)
		if m.OccurredAt.Before(d.OccurredAt) {
			d.OccurredAt = m.OccurredAt
		}
		d.Content.Digest = append(d.Content.Digest, ContentEntry{
			ID: m.ID, Type: m.Type, MonitorID: m.MonitorID, IncidentID: m.IncidentID, Thread: m.Thread,
			OccurredAt: Stamp(m.OccurredAt), Content: m.Content,
		})
	}
	d.ID = messageID(TypeDigest, d.Target, d.OrganizationID, ids...)
	d.Thread = "digest:" + d.ID
	return d
}

// messages are what a digest tells.
func (m Message) messages() []Message {
	out := make([]Message, 0, len(m.Content.Digest))
	for _, e := range m.Content.Digest {
		out = append(out, Message{
			ID: e.ID, OrganizationID: m.OrganizationID, MonitorID: e.MonitorID, Target: m.Target, Type: e.Type,
			IncidentID: e.IncidentID, Thread: e.Thread, OccurredAt: time.Time(e.OccurredAt), Content: e.Content,
		})
	}
	return out
}

// PacedUntil is when a target may be sent the next message, given when it was sent the last ones, the newest first; zero
// means at once.
func (p Pace) PacedUntil(sent []time.Time) time.Time {
	if p.PerMinute <= 0 || len(sent) < p.PerMinute {
		return time.Time{}
	}
	return sent[p.PerMinute-1].Add(time.Minute)
}
