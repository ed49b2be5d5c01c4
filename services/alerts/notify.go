package alerts

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// Notifier is one way to tell somebody. A new one is an entry in notifiers and a file beside webhook.go.
type Notifier struct {
	// Merge lays what a caller gave over the old settings, which are empty for a new target. A key that is absent keeps its
	// value and null takes it away. made holds what had to be generated, under the keys that the caller could have used; it
	// is shown once. Problems name keys without a prefix.
	Merge func(old Settings, given map[string]any) (next Settings, made map[string]any, problems []fault.Field)
	// Show is what everybody in the organization may read.
	Show func(public json.RawMessage) map[string]any
	// Send makes one attempt; ctx bounds it. The texts of its result must not hold secrets.
	Send func(ctx context.Context, client *http.Client, s Settings, p Parcel) Result
}

// Settings are how one target is reached, in the form that its notifier chose. Secret never leaves the process unsealed.
type Settings struct {
	Public json.RawMessage
	Secret json.RawMessage
}

// Parcel is one message, ready to be sent.
type Parcel struct {
	ID   string // the same for every attempt
	At   time.Time
	Body []byte
}

// notifiers are the kinds of targets there are, by the name that alerts and channels give in their type.
var notifiers = map[string]Notifier{
	"webhook": {Merge: mergeWebhook, Show: showWebhook, Send: sendWebhook},
}

// notifierFor returns the notifier called name; field is where the caller named it.
func notifierFor(name, field string) (Notifier, []fault.Field) {
	n, ok := notifiers[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(notifiers)), ", ")
		return Notifier{}, []fault.Field{{Name: field, Message: "is not a known type; known are: " + known}}
	}
	return n, nil
}
