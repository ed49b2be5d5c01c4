// Package notify is the ways to tell somebody: webhooks, chats and the like, one file each.
//
// It knows nothing of monitors or incidents. A message comes as a Parcel, which holds it twice: as the JSON that programs
// read, and as Words for people. All that goes out goes through the *http.Client that is passed in, which is guarded, or, where
// it is not HTTP, through the dialer of that client; nothing here dials by itself or follows a redirect.
package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// Notifier is one way to tell somebody. A new one is an entry in All and a file beside slack.go.
type Notifier struct {
	// Merge lays what a caller gave over the old settings, which are empty for a new target. A key that is absent keeps its
	// value and null takes it away. made holds what had to be generated, under the keys that the caller could have used; it
	// is shown once. Problems name keys without a prefix.
	Merge func(old Settings, given map[string]any) (next Settings, made map[string]any, problems []fault.Field)
	// Show is what everybody in the organization may read.
	Show func(public json.RawMessage) map[string]any
	// List is how many messages one message of this type can tell, at most MaxList; nil and less than 2 mean that it cannot.
	List func(public json.RawMessage) int
	// Open reports whether the receiver keeps a trouble open until a message of the same thread ends it; nil means that it does not.
	Open func(public json.RawMessage) bool
	// Send makes one attempt; ctx bounds it. The texts of its result do not hold secrets.
	Send func(ctx context.Context, client *http.Client, s Settings, p Parcel) Result
}

// MaxList is how many messages one message tells at most, on any type.
const MaxList = 50

// Settings are how one target is reached, in the form that its notifier chose. Secret never leaves the process unsealed.
type Settings struct {
	Public json.RawMessage
	Secret json.RawMessage
}

// Parcel is one message, ready to be sent.
type Parcel struct {
	ID    string    // the same for every attempt
	At    time.Time // of this attempt
	Body  []byte    // JSON, as services/alerts/WEBHOOKS.md describes it
	Words Words     // the same for people
}

// Result is what came of one attempt.
type Result struct {
	OK         bool
	StatusCode int           // 0 when the receiver did not answer
	Error      string        // for people of the organization; when OK, who did not get it all the same, and "" otherwise
	Refused    bool          // trying again will not help
	RetryAfter time.Duration // how long the receiver asks to be left alone; 0 means that it does not
	Response   string        // the beginning of what the receiver answered, without secrets; MaxExcerpt bytes at most
}

// All are the kinds of targets there are, by the name that alerts and channels give in their type.
var All = map[string]Notifier{
	"discord":     discord.notifier(),
	"email":       email,
	"google_chat": googleChat.notifier(),
	"gotify":      gotify.notifier(),
	"matrix":      matrix.notifier(),
	"mattermost":  mattermost.notifier(),
	"msteams":     msteams.notifier(),
	"ntfy":        ntfy.notifier(),
	"opsgenie":    opsgenie.notifier(),
	"pagerduty":   pagerduty.notifier(),
	"pushover":    pushover.notifier(),
	KindShoutrrr:  Shoutrrr(nil),
	"slack":       slack.notifier(),
	"telegram":    telegram.notifier(),
	"twilio_sms":  twilioSMS.notifier(),
	"webhook":     {Merge: mergeWebhook, Show: showWebhook, List: listWebhook, Open: openWebhook, Send: sendWebhook},
}
