package alerts

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The types of messages, as receivers see them.
const (
	TypeDown           = "monitor.down"
	TypeRecovered      = "monitor.recovered"
	TypeDegraded       = "monitor.degraded"
	TypeReminder       = "monitor.reminder" // it is still down
	TypeUnstable       = "monitor.unstable" // it goes down and comes up again and again
	TypeStable         = "monitor.stable"   // it no longer does
	TypeTriggered      = "alert.triggered"
	TypeResolved       = "alert.resolved"
	TypeTest           = "test"
	TypeGroupDown      = "group.down"
	TypeGroupRecovered = "group.recovered"
	TypeGroupDegraded  = "group.degraded"
	// TypeDigest tells several messages in one.
	TypeDigest = "digest"

	TypeNoticeRaised  = "notice.raised"
	TypeNoticeCleared = "notice.cleared"
)

// TargetKind is what a message is sent through.
type TargetKind string

// The kinds of targets.
const (
	TargetAlert   TargetKind = "alert"
	TargetChannel TargetKind = "channel"
)

// Target is one rule or channel, as the receiver of messages.
type Target struct {
	Kind TargetKind
	ID   uint32
}

// Message is one thing to tell one target. Its id follows from its cause, so that telling it twice is seen to be a repeat.
type Message struct {
	ID             string
	OrganizationID string
	MonitorID      uint32 // 0 when it is about this installation, or about a group
	Target         Target
	Type           string
	IncidentID     uint32 // 0 when it is not about one
	// Thread is the story that the message belongs to; the message that ends it makes an undelivered one that began it
	// superfluous, because it tells both times.
	Thread     string
	OccurredAt time.Time
	Content    Content
}

// Opens reports whether the message begins its thread.
func (m Message) Opens() bool {
	return m.Type == TypeDown || m.Type == TypeUnstable || m.Type == TypeTriggered || m.Type == TypeNoticeRaised ||
		m.Type == TypeGroupDown
}

// Closes reports whether the message ends its thread, and tells everything that the one that began it told.
func (m Message) Closes() bool {
	return m.Type == TypeRecovered || m.Type == TypeStable || m.Type == TypeResolved || m.Type == TypeNoticeCleared ||
		m.Type == TypeGroupRecovered
}

// Content is the data of a message, as it is sent.
type Content struct {
	OrganizationID string           `json:"organization_id"`
	Monitor        ContentMonitor   `json:"monitor"`
	Incident       *ContentIncident `json:"incident,omitempty"`
	Alert          *ContentAlert    `json:"alert,omitempty"`
	Group          *ContentGroup    `json:"group,omitempty"`  // then no monitor
	Notice         *ContentNotice   `json:"notice,omitempty"` // then nothing else but the last fields
	Status         Status           `json:"status,omitempty"`
	PreviousStatus Status           `json:"previous_status,omitempty"`
	Since          *Stamp           `json:"since,omitempty"` // of the status
	ErrorType      string           `json:"error_type,omitempty"`
	ErrorMessage   string           `json:"error_message,omitempty"`
	Regions        []string         `json:"regions,omitempty"`
	OccurredAt     Stamp            `json:"occurred_at"`
	DelayedMS      int64            `json:"delayed_ms"`           // from occurred_at to this attempt
	DownMS         int64            `json:"down_ms,omitempty"`    // of a reminder, from the beginning to this attempt
	Supersedes     []string         `json:"supersedes,omitempty"` // messages that were not delivered and are told here
	Test           bool             `json:"test,omitempty"`
	Scheduled      bool             `json:"scheduled,omitempty"`  // nobody waits for the test
	Digest         []ContentEntry   `json:"digest,omitempty"`     // then nothing else but the organization
	InsteadOf      []ContentChannel `json:"instead_of,omitempty"` // channels that did not take it, the first one first

	Dependents *ContentDependents `json:"dependents,omitempty"` // of a monitor that is down
	Unstable   *ContentUnstable   `json:"unstable,omitempty"`
}

// ContentEntry is one of the messages that a digest tells.
type ContentEntry struct {
	ID         string  `json:"id"`
	Type       string  `json:"type"`
	MonitorID  uint32  `json:"monitor_id"`
	IncidentID uint32  `json:"incident_id,omitempty"`
	Thread     string  `json:"thread"`
	OccurredAt Stamp   `json:"occurred_at"`
	Content    Content `json:"content"`
}

// ContentChannel is a channel that did not take the message, and the message by its name there.
type ContentChannel struct {
	ID        uint32 `json:"channel_id"`
	Name      string `json:"channel_name"`
	MessageID string `json:"message_id"`
}

// ContentMonitor names the monitor.
type ContentMonitor struct {
	ID   uint32 `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
}

// ContentIncident is the outage that the message is about.
type ContentIncident struct {
	ID              uint32         `json:"id"`
	Status          IncidentStatus `json:"status"`
	StartTime       Stamp          `json:"start_time"`
	EndTime         *Stamp         `json:"end_time"`
	AffectedRegions []string       `json:"affected_regions"`
	FailureCount    uint32         `json:"failure_count"`
	LastErrorType   string         `json:"last_error_type,omitempty"`
	LastError       string         `json:"last_error,omitempty"`
	DownSince       *Stamp         `json:"down_since,omitempty"` // when it went down last, if that is not start_time

	Unstable *ContentIncidentUnstable `json:"unstable,omitempty"` // of a monitor that was, or is, unstable in its course
}

// ContentIncidentUnstable says for how long of an incident its monitor was unstable.
type ContentIncidentUnstable struct {
	Since   Stamp  `json:"since"`
	Until   *Stamp `json:"until"` // null while it is
	Changes int    `json:"changes"`
}

// downSince is when it went down last.
func (i ContentIncident) downSince() time.Time {
	if i.DownSince != nil {
		return time.Time(*i.DownSince)
	}
	return time.Time(i.StartTime)
}

// ContentAlert is the rule that the message is about.
type ContentAlert struct {
	ID          uint32      `json:"id"`
	HistoryID   uint32      `json:"history_id"`
	TriggeredAt Stamp       `json:"triggered_at"`
	ResolvedAt  *Stamp      `json:"resolved_at"`
	Data        TriggerData `json:"data"`
}

// ContentNotice is the trouble of this installation that the message is about.
type ContentNotice struct {
	ID        uint64     `json:"id"`
	Key       string     `json:"key"`
	Kind      NoticeKind `json:"kind"`
	Subject   string     `json:"subject,omitempty"`
	Summary   string     `json:"summary"` // a line for people, with the times
	Message   string     `json:"message,omitempty"`
	StartedAt Stamp      `json:"started_at"`
	EndedAt   *Stamp     `json:"ended_at"`
}

// Stamp is a time that is written as RFC 3339 in UTC with milliseconds.
type Stamp time.Time

const stampLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (s Stamp) MarshalJSON() ([]byte, error) {
	return []byte(`"` + time.Time(s).UTC().Format(stampLayout) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	*s = Stamp(t.UTC())
	return nil
}

// stampOf is nil for the zero time.
func stampOf(t time.Time) *Stamp {
	if t.IsZero() {
		return nil
	}
	s := Stamp(t)
	return &s
}

const messagePrefix = "msg_"

// messageID derives the id from what the message tells and to whom.
func messageID(kind string, to Target, organization string, cause ...string) string {
	h := sha256.New()
	for _, part := range append([]string{kind, string(to.Kind), number(to.ID), organization}, cause...) {
		fmt.Fprintf(h, "%d:%s", len(part), part) // the length keeps two lists from running into the same text
	}
	return messagePrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:20]))
}

// testMessageID is new each time: two tests are two messages.
func testMessageID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("message id: %w", err)
	}
	return messagePrefix + id.String(), nil
}

func number[N ~uint32 | ~uint64 | ~int64](n N) string { return strconv.FormatUint(uint64(n), 10) }

// envelope is the whole body of a message, in the form that Standard Webhooks recommends.
type envelope struct {
	Type      string  `json:"type"`
	ID        string  `json:"id"`
	Timestamp Stamp   `json:"timestamp"` // when it happened, not when it is sent
	Data      Content `json:"data"`
}

// noticeEnvelope is that of a message about this installation: there is no monitor.
type noticeEnvelope struct {
	Type      string     `json:"type"`
	ID        string     `json:"id"`
	Timestamp Stamp      `json:"timestamp"`
	Data      noticeData `json:"data"`
}

type noticeData struct {
	OrganizationID string           `json:"organization_id"`
	Notice         *ContentNotice   `json:"notice"`
	OccurredAt     Stamp            `json:"occurred_at"`
	DelayedMS      int64            `json:"delayed_ms"`
	Supersedes     []string         `json:"supersedes,omitempty"`
	InsteadOf      []ContentChannel `json:"instead_of,omitempty"`
}

// groupEnvelope is that of a message about a group: there is no monitor.
type groupEnvelope struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Timestamp Stamp     `json:"timestamp"`
	Data      groupData `json:"data"`
}

type groupData struct {
	OrganizationID string           `json:"organization_id"`
	Group          *ContentGroup    `json:"group"`
	Status         Status           `json:"status"`
	PreviousStatus Status           `json:"previous_status,omitempty"`
	Since          *Stamp           `json:"since,omitempty"`
	OccurredAt     Stamp            `json:"occurred_at"`
	DelayedMS      int64            `json:"delayed_ms"`
	Supersedes     []string         `json:"supersedes,omitempty"`
	InsteadOf      []ContentChannel `json:"instead_of,omitempty"`
}

// digestEnvelope is that of a message that tells others: each is there as it would have come by itself.
type digestEnvelope struct {
	Type      string     `json:"type"`
	ID        string     `json:"id"`
	Timestamp Stamp      `json:"timestamp"` // of the oldest
	Data      digestData `json:"data"`
}

type digestData struct {
	OrganizationID string     `json:"organization_id"`
	Messages       []envelope `json:"messages"`
	OccurredAt     Stamp      `json:"occurred_at"`
	DelayedMS      int64      `json:"delayed_ms"`
}

// envelope is the message as it is sent at time now.
func (m Message) envelope(now time.Time) envelope {
	data := m.Content
	data.OccurredAt = Stamp(m.OccurredAt)
	data.DelayedMS = max(now.Sub(m.OccurredAt).Milliseconds(), 0)
	if m.Type == TypeReminder && data.Incident != nil {
		data.DownMS = max(now.Sub(data.Incident.downSince()).Milliseconds(), 0)
	}
	return envelope{Type: m.Type, ID: m.ID, Timestamp: Stamp(m.OccurredAt), Data: data}
}

// body is the message as it is sent at time now.
func (m Message) body(now time.Time) ([]byte, error) {
	plain := m.envelope(now)
	data := plain.Data
	var whole any = plain
	if m.Type == TypeDigest {
		d := digestData{OrganizationID: m.OrganizationID, OccurredAt: data.OccurredAt, DelayedMS: data.DelayedMS}
		for _, told := range m.messages() {
			d.Messages = append(d.Messages, told.envelope(now))
		}
		whole = digestEnvelope{m.Type, m.ID, plain.Timestamp, d}
	}
	if data.Notice != nil {
		whole = noticeEnvelope{m.Type, m.ID, Stamp(m.OccurredAt), noticeData{
			data.OrganizationID, data.Notice, data.OccurredAt, data.DelayedMS, data.Supersedes, data.InsteadOf,
		}}
	}
	if data.Group != nil {
		whole = groupEnvelope{m.Type, m.ID, Stamp(m.OccurredAt), groupData{
			data.OrganizationID, data.Group, data.Status, data.PreviousStatus, data.Since, data.OccurredAt, data.DelayedMS, data.Supersedes,
			data.InsteadOf,
		}}
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w", m.ID, err)
	}
	return raw, nil
}
