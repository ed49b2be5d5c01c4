package notify

import "strings"

// teamsMessage is the limit of a whole message to Teams, in bytes.
const teamsMessage = 28 << 10

// The limits of the parts, in bytes before JSON escapes them; teamsRequest takes half of them until the whole is small enough.
const (
	teamsTitle = 500
	teamsText  = 8 << 10
	teamsFact  = 1 << 10
	teamsFacts = 10
)

// msteams is a workflow of Teams that posts a card when its webhook is called. The URL holds the signature.
var msteams = provider{
	list:    MaxList,
	form:    form{name: "msteams", fields: []field{webhookAddress}},
	request: teamsRequest,
	judge:   teamsJudge,
}

func teamsRequest(v values, p Parcel) (call, error) {
	for share := 1; ; share *= 2 {
		c := jsonCall(v.text("url"), teamsMessageOf(p.Words, share))
		if len(c.body) <= teamsMessage || share > teamsText {
			return c, nil
		}
	}
}

// teamsMessageOf is the card, with its texts cut to a part of their limits.
func teamsMessageOf(w Words, share int) map[string]any {
	body := []any{teamsRun(fit(w.heading(), teamsTitle/share, inBytes), map[string]any{"size": "Large", "weight": "Bolder", "color": w.teamsColour()})}
	if w.Text != "" {
		for line := range strings.SplitSeq(fit(w.Text, teamsText/share, inBytes), "\n") {
			if line != "" {
				body = append(body, teamsRun(line, nil))
			}
		}
	}
	for _, f := range w.Facts[:min(len(w.Facts), teamsFacts)] {
		body = append(body, map[string]any{"type": "RichTextBlock", "inlines": []any{
			map[string]any{"type": "TextRun", "text": fit(f.Name, teamsFact/4/share, inBytes) + ": ", "weight": "Bolder"},
			map[string]any{"type": "TextRun", "text": fit(f.Value, teamsFact/share, inBytes)},
		}})
	}
	card := map[string]any{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"fallbackText": fit(w.heading(), teamsTitle/share, inBytes), "msteams": map[string]any{"width": "Full"}, "body": body,
	}
	if w.Link != "" {
		card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": openLink, "url": w.Link}}
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card,
	}}}
}

// teamsRun is a line of a card. Runs are the only texts of cards that are not read as Markdown.
func teamsRun(text string, style map[string]any) map[string]any {
	run := map[string]any{"type": "TextRun", "text": text}
	for name, value := range style {
		run[name] = value
	}
	return map[string]any{"type": "RichTextBlock", "inlines": []any{run}}
}

// teamsColour is the nearest that cards have.
func (w Words) teamsColour() string {
	switch {
	case w.Action == Resolve:
		return "Good"
	case w.Severity == Critical:
		return "Attention"
	case w.Severity == High, w.Severity == Medium:
		return "Warning"
	}
	return "Default"
}

func teamsJudge(a answer) Result {
	var said googleError // Microsoft's form is the same: error.message
	a.into(&said)
	return judgeStatus(a).because(said.Error.Message)
}
