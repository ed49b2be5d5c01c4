package notify

import "regexp"

// The limits of Slack's Block Kit, in characters.
const (
	slackHeader    = 150
	slackText      = 3000
	slackFieldText = 2000
	slackFields    = 10
)

// slack is an incoming webhook. The whole URL is the credential.
var slack = provider{
	list:    MaxList,
	form:    form{name: "slack", fields: []field{webhookAddress}},
	request: slackRequest,
	judge:   slackJudge,
}

// webhookAddress is the setting of providers whose URL is all there is to know, for whoever wants to write there.
var webhookAddress = field{name: "url", required: true, secret: true, check: checkURL}

type slackObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
	// Verbatim keeps names of channels and people in a text from becoming mentions. Plain text has no such field.
	Verbatim bool `json:"verbatim,omitempty"`
}

type slackBlock struct {
	Type     string        `json:"type"`
	Text     *slackObject  `json:"text,omitempty"`
	Fields   []slackObject `json:"fields,omitempty"`
	Elements []slackObject `json:"elements,omitempty"`
}

// slackMarkup is text in Slack's markup, whose only characters that can and must be escaped are those of HTML.
func slackMarkup(text string) slackObject {
	return slackObject{Type: "mrkdwn", Text: text, Verbatim: true}
}

func slackRequest(v values, p Parcel) (call, error) {
	w := p.Words
	body := slackMarkup(fitEscaped(w.Text, slackText, angles))
	blocks := []slackBlock{{Type: "header", Text: &slackObject{Type: "plain_text", Text: fit(w.heading(), slackHeader, inUnits)}}}
	if body.Text != "" {
		blocks = append(blocks, slackBlock{Type: "section", Text: &body})
	}
	var fields []slackObject
	for _, f := range w.Facts[:min(len(w.Facts), slackFields)] {
		name := "*" + fitEscaped(f.Name, slackFieldText/4, angles) + "*\n"
		fields = append(fields, slackMarkup(name+fitEscaped(f.Value, slackFieldText-units(name), angles)))
	}
	if len(fields) > 0 {
		blocks = append(blocks, slackBlock{Type: "section", Fields: fields})
	}
	if w.Link != "" {
		link := slackMarkup("<" + escape(w.Link, angles) + "|" + openLink + ">")
		blocks = append(blocks, slackBlock{Type: "context", Elements: []slackObject{link}})
	}
	return jsonCall(v.text("url"), map[string]any{
		"text": fitEscaped(w.heading()+"\n"+w.Text, slackText, angles), "blocks": blocks, // text is what notifications show
		"unfurl_links": false, "unfurl_media": false,
	}), nil
}

// slackReason is what Slack answers beside the status: a word such as no_service.
var slackReason = regexp.MustCompile(`^[a-z_]{1,60}$`)

func slackJudge(a answer) Result {
	r := judgeStatus(a)
	if word := OneLine(string(a.body), maxReason); slackReason.MatchString(word) {
		r = r.because(word)
	}
	return r
}
