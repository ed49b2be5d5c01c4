package alerts

import (
	"fmt"
	"time"
)

// NoticeKind is what is wrong with this installation.
type NoticeKind string

// The kinds of notices.
const (
	NoticeProberOffline  NoticeKind = "prober_offline"
	NoticeObserverFault  NoticeKind = "observer_fault"
	NoticeStorageStalled NoticeKind = "storage_stalled"
	NoticeHistoryDelayed NoticeKind = "history_delayed"
	NoticeOverload       NoticeKind = "overload"
	NoticeUnplaced       NoticeKind = "unplaced"
	NoticeChannelFailing NoticeKind = "channel_failing"
)

// Notice is one trouble of this installation itself. It begins, ends, and is settled once its end was told; until then it may
// go on, so that a trouble that comes and goes is one notice.
type Notice struct {
	ID        uint64
	Key       string // what it is about; one notice of a key is not settled
	Kind      NoticeKind
	Subject   string
	Message   string
	StartedAt time.Time
	EndedAt   time.Time // zero while it lasts
	Announced bool      // its beginning was told
	Settled   bool      // its end was told
	DueAt     time.Time // when the next thing is to be told; zero when there is none
}

// Open reports whether the trouble lasts.
func (n Notice) Open() bool { return n.EndedAt.IsZero() }

const (
	// noticePause is how long a trouble has to last for its beginning to be told by itself. One that is over by then, such as
	// one that could be reported only afterwards, is told once, with both its times.
	noticePause = 2 * time.Second
	// DefaultNoticeQuiet is how long a trouble has to be gone for its end to be told. One that returns before goes on.
	DefaultNoticeQuiet = time.Minute
	// noticeFold bounds how long a notice may go on that way: of a trouble that comes and goes for ever there is word at least
	// so often.
	noticeFold = time.Hour
)

// NoticeState is what a change of a notice starts from.
type NoticeState struct {
	Current  *Notice   // of the key, the one that is not settled; nil if there is none
	NextID   uint64    // of a notice that begins
	Channels []Channel // the enabled ones of every organization, by id
}

// NoticeChange is what becomes of it. A store writes all of it, or nothing.
type NoticeChange struct {
	Notices  []Notice  // new or changed; those that end come first
	Messages []Message // in the order they are to be sent
}

// raise says that the trouble that n describes lasts.
func (st NoticeState) raise(n Notice, now time.Time) (c NoticeChange) {
	current := st.Current
	switch {
	case current == nil:
	case current.Open():
		next := n.refreshed(*current)
		if next == *current {
			return NoticeChange{}
		}
		return NoticeChange{Notices: []Notice{next}}
	case now.Before(current.DueAt) && now.Sub(current.StartedAt) < noticeFold:
		next := n.refreshed(*current)
		next.EndedAt, next.DueAt = time.Time{}, time.Time{}
		if !next.Announced {
			next.DueAt = now.Add(noticePause)
		}
		return NoticeChange{Notices: []Notice{next}}
	default:
		c = st.settle()
	}
	n.ID, n.DueAt = st.NextID, now.Add(noticePause)
	c.Notices = append(c.Notices, n)
	return c
}

// refreshed is current with what n says newly of it.
func (n Notice) refreshed(current Notice) Notice {
	current.Kind, current.Subject, current.Message = n.Kind, n.Subject, n.Message
	return current
}

// end says that the trouble was over at time at.
func (st NoticeState) end(at, now time.Time, quiet time.Duration) NoticeChange {
	if st.Current == nil || !st.Current.Open() {
		return NoticeChange{}
	}
	n := *st.Current
	n.EndedAt, n.DueAt = at, now.Add(quiet)
	if at.Before(n.StartedAt) { // services have clocks of their own
		n.EndedAt = n.StartedAt
	}
	return NoticeChange{Notices: []Notice{n}}
}

// tell says what is due.
func (st NoticeState) tell(now time.Time) NoticeChange {
	n := st.Current
	if n == nil || n.DueAt.IsZero() || now.Before(n.DueAt) {
		return NoticeChange{}
	}
	if !n.Open() {
		return st.settle()
	}
	next := *n
	next.Announced, next.DueAt = true, time.Time{}
	return NoticeChange{Notices: []Notice{next}, Messages: st.messages(TypeNoticeRaised, next)}
}

// settle tells the end.
func (st NoticeState) settle() NoticeChange {
	n := *st.Current
	n.Settled, n.DueAt = true, time.Time{}
	return NoticeChange{Notices: []Notice{n}, Messages: st.messages(TypeNoticeCleared, n)}
}

// messages are what every channel that asks for notices is told, whatever monitors it is about.
func (st NoticeState) messages(kind string, n Notice) (out []Message) {
	at := n.StartedAt
	if kind == TypeNoticeCleared {
		at = n.EndedAt
	}
	for _, c := range st.Channels {
		if !c.wants(EventOperator) {
			continue
		}
		out = append(out, Message{
			ID:             messageID(kind, c.target(), c.OrganizationID, number(n.ID)),
			OrganizationID: c.OrganizationID, Target: c.target(), Type: kind, Thread: "notice:" + number(n.ID), OccurredAt: at,
			Content: Content{OrganizationID: c.OrganizationID, Notice: n.content()},
		})
	}
	return out
}

// noticeTexts say what is wrong, for people. The verb is that of the subject.
var noticeTexts = map[NoticeKind]string{
	NoticeProberOffline:  "prober %s offline",
	NoticeObserverFault:  "prober %s cannot check",
	NoticeStorageStalled: "storage of %s stalled",
	NoticeHistoryDelayed: "history of %s delayed",
	NoticeOverload:       "%s overloaded",
	NoticeUnplaced:       "monitors without a prober in %s",
	NoticeChannelFailing: "channel %s takes no messages",
}

// noticeText says in a few words what is wrong.
func noticeText(kind NoticeKind, subject, key string) string {
	form, ok := noticeTexts[kind]
	switch {
	case !ok:
		return key
	case subject == "":
		subject = key
	}
	return fmt.Sprintf(form, subject)
}

// Summary says in a line what is, or was, wrong and when.
func (n Notice) Summary() string {
	text := noticeText(n.Kind, n.Subject, n.Key)
	from := n.StartedAt.UTC().Format(time.RFC3339)
	if n.Open() {
		return text + " since " + from
	}
	return text + " from " + from + " to " + n.EndedAt.UTC().Format(time.RFC3339)
}

func (n Notice) content() *ContentNotice {
	return &ContentNotice{
		ID: n.ID, Key: n.Key, Kind: n.Kind, Subject: n.Subject, Summary: n.Summary(), Message: n.Message,
		StartedAt: Stamp(n.StartedAt), EndedAt: stampOf(n.EndedAt),
	}
}
