package notify

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// The limits of Pushover's Message API: characters, and seconds for what is repeated until somebody acknowledges it.
const (
	pushoverTitle     = 250
	pushoverMessage   = 1024
	pushoverURL       = 512
	pushoverLeastWait = 30
	pushoverLongest   = 10800
)

// pushover is a user or a group, reached by an application of one's own.
var pushover = provider{
	list: 15, // in 1024 characters
	form: form{name: "pushover", fields: []field{
		{name: "token", required: true, secret: true, check: checkKey},
		{name: "user", required: true, secret: true, check: checkKey},
		{name: "device", check: atMost(200)}, // several are separated by commas
		{name: "emergency", kind: boolean},
		{name: "retry", kind: number, fallback: 60, low: pushoverLeastWait, high: pushoverLongest},
		{name: "expire", kind: number, fallback: 3600, low: pushoverLeastWait, high: pushoverLongest},
		baseURL("https://api.pushover.net"),
	}, check: pushoverCheck},
	request: pushoverRequest,
	judge:   pushoverJudge,
}

func pushoverCheck(v values) []fault.Field {
	if v.boolean("emergency") && v.number("expire") < v.number("retry") {
		return []fault.Field{{Name: "expire", Message: "must not be less than retry"}}
	}
	return nil
}

// Pushover's priorities: −1 makes no sound, 1 makes one in quiet hours too, 2 repeats it until somebody acknowledges.
func pushoverPriority(w Words, emergency bool) int {
	switch {
	case w.Test:
		return 0
	case w.Severity == Low || w.Severity == Informational:
		return -1
	case w.Action != Trigger || w.Severity != Critical:
		return 0
	case emergency:
		return 2
	}
	return 1
}

func pushoverRequest(v values, p Parcel) (call, error) {
	w := p.Words
	priority := pushoverPriority(w, v.boolean("emergency"))
	f := url.Values{
		"token": {v.text("token")}, "user": {v.text("user")}, "timestamp": {unixSeconds(p.At)}, "priority": {strconv.Itoa(priority)},
		"title": {OneLine(w.heading(), pushoverTitle)}, "message": {fit(w.body(), pushoverMessage, inUnits)},
	}
	if w.Link != "" && units(w.Link) <= pushoverURL {
		f.Set("url", w.Link)
		f.Set("url_title", openLink)
	}
	if priority == 2 {
		f.Set("retry", strconv.Itoa(v.number("retry")))
		f.Set("expire", strconv.Itoa(v.number("expire")))
	}
	if device := v.text("device"); device != "" {
		f.Set("device", device)
	}
	return formCall(v.at("/1/messages.json"), f), nil
}

func pushoverJudge(a answer) Result {
	var said struct{ Errors []string }
	a.into(&said)
	r := judgeStatus(a).because(strings.Join(said.Errors, "; "))
	if a.status == http.StatusTooManyRequests && r.RetryAfter == 0 { // the messages of the month are used up
		reset, err := strconv.ParseInt(a.header.Get("X-Limit-App-Reset"), 10, 64)
		if err == nil {
			r = r.after(time.Unix(reset, 0).Sub(a.at).Seconds())
		}
	}
	return r
}
