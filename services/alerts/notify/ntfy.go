package notify

import (
	"regexp"

	"github.com/frogstats/uptime/internal/fault"
)

// The limits of ntfy. A longer message would arrive as an attachment.
const (
	ntfyTitle   = 250  // characters
	ntfyMessage = 4096 // bytes
)

// ntfy is a topic of ntfy.sh or of a server of one's own. Where nothing guards a topic, its name is all there is to know, for
// whoever wants to read or write it.
var ntfy = provider{
	list: 30, // 4096 bytes are not more, if names are not Latin
	form: form{name: "ntfy", fields: []field{
		{name: "topic", required: true, secret: true, check: matches(regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`), "1 to 64 letters, digits, hyphens and underscores")},
		baseURL("https://ntfy.sh"),
		{name: "token", secret: true, check: checkKey},
		{name: "username", check: checkUser},
		{name: "password", secret: true},
	}, check: ntfyCheck},
	request: ntfyRequest,
	judge:   ntfyJudge,
}

// checkUser is the check of a user name that is sent with Basic authentication, where a colon ends it.
var checkUser = matches(regexp.MustCompile(`^[^:]{1,256}$`), "at most 256 bytes without a colon")

func ntfyCheck(v values) (bad []fault.Field) {
	if (v.text("username") == "") != (v.text("password") == "") {
		bad = append(bad, fault.Field{Name: "username", Message: "and password go together"})
	}
	if v.text("username") != "" && v.text("token") != "" {
		bad = append(bad, fault.Field{Name: "token", Message: "cannot be combined with username and password"})
	}
	return bad
}

var ntfyPriorities = map[Severity]int{Critical: 5, High: 4, Medium: 3, Low: 2, Informational: 1}

// ntfyNormal is the priority of what is good to know.
const ntfyNormal = 3

// ntfyTags are the names that ntfy shows as a character in front of the title.
var ntfyTags = map[Severity]string{
	Critical: "red_circle", High: "orange_circle", Medium: "yellow_circle", Low: "large_blue_circle", Informational: "white_circle",
}

type ntfyPublication struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags,omitempty"`
	Click    string   `json:"click,omitempty"`
}

func ntfyRequest(v values, p Parcel) (call, error) {
	w := p.Words
	m := ntfyPublication{
		Topic: v.text("topic"), Title: OneLine(w.Title, ntfyTitle), Message: fit(w.body(), ntfyMessage, inBytes),
		Priority: ntfyPriorities[w.Severity], Click: w.Link,
	}
	if tag := ntfyTags[w.Severity]; tag != "" {
		m.Tags = []string{tag}
	}
	if w.Action == Resolve {
		m.Tags = []string{"green_circle"}
	}
	if m.Priority == 0 || w.Test || w.Action == Resolve {
		m.Priority = ntfyNormal
	}
	c := jsonCall(v.at("/"), m)
	switch {
	case v.text("token") != "":
		c = c.with("Authorization", "Bearer "+v.text("token"))
	case v.text("username") != "":
		c = c.with("Authorization", basic(v.text("username"), v.text("password")))
	}
	return c, nil
}

func ntfyJudge(a answer) Result {
	var said struct{ Error string }
	a.into(&said)
	return judgeStatus(a).because(said.Error)
}
