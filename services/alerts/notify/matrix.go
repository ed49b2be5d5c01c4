package notify

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// matrixText is the limit of each of the two texts of an event, in bytes; the whole event may have 65536.
const matrixText = 16 << 10

// matrix is a user who writes to a room. The id of the message is that of the transaction, so that a repeat is none.
var matrix = provider{
	list: MaxList,
	form: form{name: "matrix", fields: []field{
		{name: "homeserver", required: true, destination: true, check: checkBase},
		{name: "access_token", required: true, secret: true},
		{name: "room_id", required: true, check: matches(matrixRoom, "the internal id of a room, which begins with !")},
	}},
	request: matrixRequest,
	judge:   matrixJudge,
}

var matrixRoom = regexp.MustCompile(`^![^\s/?#]{1,254}$`)

func matrixRequest(v values, p Parcel) (call, error) {
	w := p.Words
	rich := "<strong>" + fitMarkup(w.heading(), 1<<10) + "</strong>"
	if w.Text != "" {
		rich += "<br>" + strings.ReplaceAll(fitMarkup(w.Text, matrixText-2<<10), "\n", "<br>")
	}
	if w.Link != "" {
		rich += `<br><a href="` + escape(w.Link, attribute) + `">` + openLink + "</a>"
	}
	c := jsonCall(v.server("homeserver")+"/_matrix/client/v3/rooms/"+url.PathEscape(v.text("room_id"))+
		"/send/m.room.message/"+url.PathEscape(p.ID), map[string]any{
		"msgtype": "m.text", "body": fit(w.look().mark+" "+w.plain(), matrixText, inBytes),
		"format": "org.matrix.custom.html", "formatted_body": rich,
		"m.mentions": map[string]any{}, // nobody, whatever the text says
	})
	c.method = http.MethodPut
	return c.with("Authorization", "Bearer "+v.text("access_token")), nil
}

// fitMarkup escapes and cuts text to limit bytes; a line break may grow to a tag.
func fitMarkup(text string, limit int) string {
	return escape(fit(text, limit, func(r rune) int {
		if r == '\n' {
			return len("<br>")
		}
		if s, ok := angles[r]; ok {
			return len(s)
		}
		return inBytes(r)
	}), angles)
}

func matrixJudge(a answer) Result {
	var said struct {
		Code         string  `json:"errcode"`
		Error        string  `json:"error"`
		RetryAfterMS float64 `json:"retry_after_ms"`
	}
	a.into(&said)
	r := judgeStatus(a)
	if r.OK {
		return r
	}
	if said.Code != "" {
		r = r.because(strings.TrimSpace(said.Code + " " + said.Error))
	}
	return r.after(said.RetryAfterMS / 1000)
}
