package notify

// The limits of messages to Gotify, in characters. It has none of its own; the phones that show them have.
const (
	gotifyTitle   = 250
	gotifyMessage = 10000
)

// gotify is an application on a Gotify server.
var gotify = provider{
	list: MaxList,
	form: form{name: "gotify", fields: []field{
		baseURL(""),
		{name: "token", required: true, secret: true, check: checkKey},
	}},
	request: gotifyRequest,
	judge:   gotifyJudge,
}

// Gotify's own clients wake people from 8, make a sound from 4, and show less than 1 only when they are opened.
var gotifyPriorities = map[Severity]int{Critical: 10, High: 8, Medium: 5, Low: 3, Informational: 1}

// gotifyNormal is the priority of what is good to know.
const gotifyNormal = 5

func gotifyRequest(v values, p Parcel) (call, error) {
	w := p.Words
	priority, ok := gotifyPriorities[w.Severity]
	if !ok || w.Test || w.Action == Resolve {
		priority = gotifyNormal
	}
	extras := map[string]any{"client::display": map[string]any{"contentType": "text/plain"}}
	if w.Link != "" {
		extras["client::notification"] = map[string]any{"click": map[string]any{"url": w.Link}}
	}
	return jsonCall(v.at("/message"), map[string]any{
		"title": OneLine(w.heading(), gotifyTitle), "message": fit(w.body(), gotifyMessage, inUnits), "priority": priority, "extras": extras,
	}).with("X-Gotify-Key", v.text("token")), nil
}

func gotifyJudge(a answer) Result {
	var said struct{ ErrorDescription string }
	a.into(&said)
	return judgeStatus(a).because(said.ErrorDescription)
}
