package notify

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// KindShoutrrr is the type of targets that the library shoutrrr knows and we do not. An installation has it only if its operator
// wants it: see Shoutrrr.
const KindShoutrrr = "shoutrrr"

// ShoutrrrSchemes are the services of the library by the scheme of their URLs: "" for one that may be used, else why it may not.
// It may be used if all that it sends goes through the process's default transport, which is guarded in the process that sends. A
// test compares the list with the library, so that a new service is refused until somebody has read how it connects.
var ShoutrrrSchemes = map[string]string{
	"bark":       "",
	"discord":    "",
	"generic":    "",
	"googlechat": "",
	"hangouts":   "", // an older name of googlechat
	"ifttt":      "",
	"join":       "",
	"lark":       "",
	"matrix":     "",
	"notifiarr":  "",
	"opsgenie":   "",
	"pagerduty":  "",
	"pushbullet": "",
	"pushover":   "",
	"rocketchat": "",
	"signal":     "",
	"slack":      "",
	"teams":      "",
	"telegram":   "",
	"wecom":      "",
	"zulip":      "",

	"gotify":     pastTheGuard + "; use the type gotify",
	"mattermost": pastTheGuard + "; use the type mattermost",
	"ntfy":       pastTheGuard + "; use the type ntfy",
	"smtp":       pastTheGuard + "; use the type email",
	"logger":     "it sends nothing",
}

// pastTheGuard is why services with a dialer or a transport of their own are refused.
const pastTheGuard = "it connects by itself, past the egress policy"

// ShoutrrrJob is one message and whom it is for.
type ShoutrrrJob struct {
	URL     string `json:"url"` // a secret
	Message string `json:"message"`
}

// ShoutrrrOutcome is what came of a job, as far as the one who sent it could tell. Its texts may hold secrets.
type ShoutrrrOutcome struct {
	// Taken says that the library found nothing wrong. It is believed only if the last answer says the same.
	Taken bool `json:"taken,omitempty"`
	// Status, RetryAfter and Body are of the last answer that came: its code, 0 for none, its header Retry-After, and its beginning.
	Status     int    `json:"status,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"`
	Body       []byte `json:"body,omitempty"`
	More       bool   `json:"more,omitempty"` // than Body
	// Fault is in our own words why the last request had no answer; ForGood says that asking again will not help.
	Fault   string `json:"fault,omitempty"`
	ForGood bool   `json:"for_good,omitempty"`
	Said    string `json:"said,omitempty"` // the library's words
}

// ShoutrrrSender sends one message and comes back when ctx ends. An error is for people, holds no secret, and means that nobody
// knows what became of the message.
type ShoutrrrSender func(ctx context.Context, job ShoutrrrJob) (ShoutrrrOutcome, error)

// shoutrrrText is how long a message is at most, in UTF-16 units, its link aside: what the strictest receivers take.
const shoutrrrText = 1000

// shoutrrrList is how many messages that has room for.
const shoutrrrList = 15

var shoutrrrForm = form{name: KindShoutrrr, fields: []field{
	{name: "url", required: true, secret: true, check: checkShoutrrr},
}}

// Shoutrrr is the notifier that sends through the library. Without a sender it refuses to send: a channel may be older than the
// operator's decision to do without.
func Shoutrrr(send ShoutrrrSender) Notifier {
	return Notifier{
		Merge: shoutrrrForm.merge, Show: shoutrrrForm.show,
		List: func(json.RawMessage) int { return shoutrrrList },
		Send: func(ctx context.Context, _ *http.Client, s Settings, p Parcel) Result {
			v, ok := shoutrrrForm.usable(s)
			switch {
			case send == nil:
				return Result{Error: "this installation does not send through shoutrrr: the setting shoutrrr is off", Refused: true}
			case !ok:
				return Result{Error: "the stored configuration cannot be read", Refused: true}
			}
			address := v.text("url")
			if problem := checkShoutrrr(address); problem != "" { // it may have been stored by a version that allowed it
				return Result{Error: "the URL " + problem, Refused: true}
			}
			o, err := send(ctx, ShoutrrrJob{URL: address, Message: shoutrrrMessage(p.Words)})
			if err != nil {
				return Result{Error: OneLine(err.Error(), maxError)}
			}
			return o.result(address, time.Now())
		},
	}
}

// checkShoutrrr says what is wrong with a URL of the library. It quotes the scheme only, and that only where it is one.
func checkShoutrrr(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || !strings.Contains(text, "://") {
		return "must be a URL of shoutrrr, such as bark://:key@api.day.app"
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+") // generic+https://… is the service generic
	why, known := ShoutrrrSchemes[scheme]
	switch {
	case !known:
		return `must not begin with "` + OneLine(scheme, maxScheme) + `": no service is called so; those that may be used are ` + usableSchemes
	case why != "":
		return `must not begin with "` + scheme + `": ` + why + "; those that may be used are " + usableSchemes
	}
	return ""
}

// maxScheme is how much of a scheme is repeated.
const maxScheme = 32

var usableSchemes = func() string {
	var out []string
	for _, scheme := range slices.Sorted(maps.Keys(ShoutrrrSchemes)) {
		if ShoutrrrSchemes[scheme] == "" {
			out = append(out, scheme)
		}
	}
	return strings.Join(out, ", ")
}()

// shoutrrrMarkup breaks up what mentions people in most chats: nobody knows which of them it is for.
var shoutrrrMarkup = map[rune]string{'@': "@\u200B", '<': "<\u200B"}

// shoutrrrMessage is the message as plain text; its link is whole.
func shoutrrrMessage(w Words) string {
	text := w.Title
	if w.Text != "" {
		text += "\n" + w.Text
	}
	text = fitEscaped(text, shoutrrrText, shoutrrrMarkup)
	if w.Link != "" {
		text += "\n" + w.Link
	}
	return text
}

// result reads an outcome the way the answers of other providers are read; what cannot be known may pass.
func (o ShoutrrrOutcome) result(address string, at time.Time) Result {
	parts := shoutrrrSecrets(address)
	redact := func(text string) string { return without(text, parts) }
	said := strings.TrimSpace(redact(o.Said))
	var r Result
	switch {
	case o.Fault != "":
		r = Result{StatusCode: o.Status, Error: o.Fault, Refused: o.ForGood}
	case o.Status == 0:
		r = Result{Error: "nothing was sent", Refused: o.ForGood}.because(said)
	default:
		if r = judgeResponse(o.Status, o.RetryAfter, at); r.OK && !o.Taken {
			r = Result{StatusCode: o.Status, Error: "the receiver answered " + http.StatusText(o.Status) + ", but did not take the message"}
		}
		r = r.because(said)
	}
	r.Error = OneLine(r.Error, maxError)
	r.Response = excerpt(o.Body, o.More, redact)
	return r
}
