package notify

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The limits of Opsgenie's Alert API, in characters.
const (
	opsgenieMessage     = 130
	opsgenieDescription = 15000
	opsgenieNote        = 25000
	opsgenieDetails     = 250 // each; all of them together may have 8000
)

// opsgenie is an API integration of Opsgenie, or of Jira Service Management, which took its interface over.
var opsgenie = provider{
	form: form{name: "opsgenie", fields: []field{
		{name: "api_key", required: true, secret: true, check: checkKey},
		baseURL("https://api.opsgenie.com"),
	}},
	open:    true,
	request: opsgenieRequest,
	judge:   opsgenieJudge,
}

var opsgeniePriorities = map[Severity]string{Critical: "P1", High: "P2", Medium: "P3", Low: "P4", Informational: "P5"}

type opsgenieAlert struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description"`
	Details     map[string]string `json:"details"`
	Source      string            `json:"source"`
	Priority    string            `json:"priority"`
}

type opsgenieClosing struct {
	Source string `json:"source"`
	Note   string `json:"note"`
}

func opsgenieRequest(v values, p Parcel) (call, error) {
	w := p.Words
	authorized := func(address string, body any) call {
		return jsonCall(address, body).with("Authorization", "GenieKey "+v.text("api_key"))
	}
	if w.Action == Resolve {
		address := v.at("/v2/alerts/" + url.PathEscape(w.Thread) + "/close?identifierType=alias")
		return authorized(address, opsgenieClosing{productName, fit(w.plain(), opsgenieNote, inUnits)}), nil
	}
	a := opsgenieAlert{
		Message: OneLine(w.Title, opsgenieMessage), Alias: w.Thread, Details: w.details(opsgenieDetails), Source: productName,
		Description: fit(w.plain(), opsgenieDescription, inUnits), Priority: opsgeniePriorities[w.Severity],
	}
	if a.Priority == "" {
		a.Priority = opsgeniePriorities[Informational]
	}
	return authorized(v.at("/v2/alerts"), a), nil
}

func opsgenieJudge(a answer) Result {
	var said struct {
		Message string
		Errors  map[string]string
	}
	a.into(&said)
	words := []string{said.Message}
	for _, name := range slices.Sorted(maps.Keys(said.Errors)) {
		words = append(words, name+": "+said.Errors[name])
	}
	r := judgeStatus(a).because(strings.Join(words, " "))
	if a.status == http.StatusTooManyRequests && r.RetryAfter == 0 {
		seconds, _ := strconv.ParseFloat(a.header.Get("X-RateLimit-Period-In-Sec"), 64) // 0, and no effect, if it is no number
		r = r.after(seconds)
	}
	return r
}
