package notify

import (
	"fmt"
	"strconv"
)

// The limits of a Mattermost post, in characters; a post may have 16383 in all.
const (
	mattermostText  = 8000
	mattermostShort = 500
	mattermostTitle = 300
	mattermostName  = 64 // of channels, users and facts
	mattermostFacts = 10
)

// mattermost is an incoming webhook. The whole URL is the credential.
var mattermost = provider{
	list: MaxList,
	form: form{name: "mattermost", fields: []field{
		webhookAddress,
		{name: "channel", check: atMost(mattermostName)},  // in place of the webhook's own, where that is allowed
		{name: "username", check: atMost(mattermostName)}, // likewise
	}},
	request: mattermostRequest,
	judge:   mattermostJudge,
}

// mattermostMarkup is Mattermost's Markdown. Names of people and channels are broken up by a character without width, since
// they become mentions wherever they stand, and so do Slack's, which begin with <.
var mattermostMarkup = func() map[rune]string {
	out := marked("\\*~`|[]#")
	out['@'], out['<'] = "@\u200B", "<\u200B"
	return out
}()

type mattermostField struct {
	Short bool   `json:"short"`
	Title string `json:"title"`
	Value string `json:"value"`
}

func mattermostRequest(v values, p Parcel) (call, error) {
	w := p.Words
	attachment := map[string]any{
		"fallback": fitEscaped(w.heading(), mattermostTitle, mattermostMarkup), "color": fmt.Sprintf("#%06X", w.look().colour),
		"title": fitEscaped(w.heading(), mattermostTitle, mattermostMarkup), "text": fitEscaped(w.Text, mattermostText, mattermostMarkup),
	}
	if w.Link != "" {
		attachment["title_link"] = w.Link
	}
	var fields []mattermostField
	for _, f := range w.Facts[:min(len(w.Facts), mattermostFacts)] {
		fields = append(fields, mattermostField{
			true, fitEscaped(f.Name, mattermostName, mattermostMarkup), fitEscaped(f.Value, mattermostShort, mattermostMarkup),
		})
	}
	if len(fields) > 0 {
		attachment["fields"] = fields
	}
	body := map[string]any{"attachments": []any{attachment}}
	for _, name := range []string{"channel", "username"} {
		if value := v.text(name); value != "" {
			body[name] = value
		}
	}
	return jsonCall(v.text("url"), body), nil
}

func mattermostJudge(a answer) Result {
	var said struct {
		Message string `json:"message"`
	}
	a.into(&said)
	r := judgeStatus(a).because(said.Message)
	if a.status == 429 && r.RetryAfter == 0 {
		seconds, _ := strconv.ParseFloat(a.header.Get("X-Ratelimit-Reset"), 64)
		r = r.after(seconds)
	}
	return r
}
