package notify

import (
	"net/url"
	"time"
)

// The limits of Discord's embeds, in characters.
const (
	discordTitle       = 256
	discordDescription = 4096
	discordFieldName   = 256
	discordFieldValue  = 1024
	discordFields      = 25
	discordTotal       = 6000
	discordName        = 80 // of the author
)

// discord is a webhook of a channel. The whole URL is the credential.
var discord = provider{
	list: MaxList,
	form: form{name: "discord", fields: []field{
		webhookAddress,
		{name: "username", check: atMost(discordName)}, // in place of the webhook's own name
	}},
	request: discordRequest,
	judge:   discordJudge,
}

// discordMarkup is Discord's Markdown. The underscore is left out: within a word it means nothing, and addresses are full of it.
var discordMarkup = marked("\\*~`|[]<>#")

type discordEmbed struct {
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	URL         string         `json:"url,omitempty"`
	Color       int            `json:"color"`
	Timestamp   string         `json:"timestamp"`
	Fields      []discordField `json:"fields,omitempty"`
}

type discordField struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline"`
}

func discordRequest(v values, p Parcel) (call, error) {
	w := p.Words
	room := discordTotal
	take := func(text string, limit int) string {
		text = fitEscaped(text, min(limit, room), discordMarkup)
		room -= units(text)
		return text
	}
	e := discordEmbed{
		Title: take(w.heading(), discordTitle), Description: take(w.Text, discordDescription), URL: w.Link,
		Color: w.look().colour, Timestamp: p.At.UTC().Format(time.RFC3339),
	}
	for _, f := range w.Facts[:min(len(w.Facts), discordFields)] {
		field := discordField{take(f.Name, discordFieldName), take(f.Value, discordFieldValue), true}
		if field.Name == "" || field.Value == "" {
			break // there is no room for more
		}
		e.Fields = append(e.Fields, field)
	}
	body := map[string]any{
		"embeds": []discordEmbed{e}, "allowed_mentions": map[string]any{"parse": []string{}},
	}
	if name := v.text("username"); name != "" {
		body["username"] = name
	}
	address, err := withQuery(v.text("url"), map[string]string{"wait": "true"}) // so that the answer says whether it was posted
	return jsonCall(address, body), err
}

// withQuery adds parameters to a URL.
func withQuery(address string, parameters map[string]string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errCall // the library's text would quote the URL
	}
	q := u.Query()
	for name, value := range parameters {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func discordJudge(a answer) Result {
	var said struct {
		Message    string  `json:"message"`
		RetryAfter float64 `json:"retry_after"` // seconds
	}
	a.into(&said)
	r := judgeStatus(a).because(said.Message)
	if a.status == 429 {
		r = r.after(said.RetryAfter)
	}
	return r
}
