package notify

import "strings"

// The limits of a Google Chat message, in bytes; the whole may have 32000.
const (
	googleChatTitle = 500
	googleChatText  = 10_000
	googleChatFact  = 1000
	googleChatFacts = 10
)

// googleChat is an incoming webhook of a space. The URL holds the key and the token.
var googleChat = provider{
	list:    MaxList,
	form:    form{name: "google_chat", fields: []field{webhookAddress}},
	request: googleChatRequest,
	judge:   googleChatJudge,
}

func googleChatRequest(v values, p Parcel) (call, error) {
	w := p.Words
	widgets := []any{}
	if w.Text != "" {
		text := strings.ReplaceAll(fitMarkup(w.Text, googleChatText), "\n", "<br>")
		widgets = append(widgets, map[string]any{"textParagraph": map[string]any{"text": text}})
	}
	for _, f := range w.Facts[:min(len(w.Facts), googleChatFacts)] {
		widgets = append(widgets, map[string]any{"decoratedText": map[string]any{
			"topLabel": fit(f.Name, googleChatFact/4, inBytes), "text": fitMarkup(f.Value, googleChatFact), "wrapText": true,
		}})
	}
	if w.Link != "" {
		widgets = append(widgets, map[string]any{"buttonList": map[string]any{"buttons": []any{map[string]any{
			"text": openLink, "onClick": map[string]any{"openLink": map[string]any{"url": w.Link}},
		}}}})
	}
	if len(widgets) == 0 { // a section must have one
		widgets = append(widgets, map[string]any{"textParagraph": map[string]any{"text": fitMarkup(w.Title, googleChatTitle)}})
	}
	address, err := withQuery(v.text("url"), map[string]string{
		"requestId":          p.ID, // a repeat is not posted again
		"messageReplyOption": "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD",
	})
	title := fit(w.heading(), googleChatTitle, inBytes)
	return jsonCall(address, map[string]any{
		"thread": map[string]any{"threadKey": w.Thread}, "fallbackText": title,
		"cardsV2": []any{map[string]any{"cardId": "message", "card": map[string]any{
			"header": map[string]any{"title": title}, "sections": []any{map[string]any{"widgets": widgets}},
		}}},
	}), err
}

// googleError is how Google's services word a refusal.
type googleError struct {
	Error struct {
		Message string `json:"message"`
		Status  string `json:"status"`
		Details []struct {
			Type       string `json:"@type"`
			RetryDelay string `json:"retryDelay"` // such as "30s"
		} `json:"details"`
	} `json:"error"`
}

func googleChatJudge(a answer) Result {
	var said googleError
	a.into(&said)
	r := judgeStatus(a).because(strings.TrimSpace(said.Error.Status + " " + said.Error.Message))
	for _, d := range said.Error.Details {
		if strings.HasSuffix(d.Type, "google.rpc.RetryInfo") {
			r = r.after(secondsOf(d.RetryDelay))
		}
	}
	return r
}
