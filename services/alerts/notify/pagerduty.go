package notify

import (
	"strings"
	"time"
)

// The limits of PagerDuty's Events API v2, in characters. The whole event must stay below 512 KB.
const (
	pagerdutySummary = 1024
	pagerdutyText    = 10000
	pagerdutyDetail  = 1024
)

// pagerduty is an integration of a service, by the Events API v2.
var pagerduty = provider{
	form: form{name: "pagerduty", fields: []field{
		{name: "routing_key", required: true, secret: true, check: checkKey},
		baseURL("https://events.pagerduty.com"),
	}},
	open:    true,
	request: pagerdutyRequest,
	judge:   pagerdutyJudge,
}

// PagerDuty knows four severities.
var pagerdutySeverities = map[Severity]string{Critical: "critical", High: "error", Medium: "warning", Low: "info", Informational: "info"}

type pagerdutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action,omitempty"`
	DedupKey   string            `json:"dedup_key,omitempty"`
	Payload    *pagerdutyPayload `json:"payload,omitempty"`
	Links      []pagerdutyLink   `json:"links,omitempty"`
	Client     string            `json:"client,omitempty"`
	ClientURL  string            `json:"client_url,omitempty"`
}

type pagerdutyPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity,omitempty"`
	Timestamp string            `json:"timestamp"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

type pagerdutyLink struct {
	HREF string `json:"href"`
	Text string `json:"text"`
}

func pagerdutyRequest(v values, p Parcel) (call, error) {
	w := p.Words
	details := w.details(pagerdutyDetail)
	details["text"] = fit(w.Text, pagerdutyText, inUnits)
	e := pagerdutyEvent{
		RoutingKey: v.text("routing_key"),
		Payload: &pagerdutyPayload{
			Summary: OneLine(w.Title, pagerdutySummary), Source: productName, Timestamp: p.At.UTC().Format(time.RFC3339), Details: details,
		},
	}
	if w.Link != "" {
		e.Links = []pagerdutyLink{{w.Link, openLink}}
	}
	if w.Action == Info && (!w.Test || w.Scheduled) { // what nobody has to do anything about is an event that notifies nobody
		return jsonCall(v.at("/v2/change/enqueue"), e), nil
	}
	e.Action, e.DedupKey, e.Client, e.ClientURL = "trigger", w.Thread, productName, w.Link
	e.Payload.Severity, e.Payload.Class = pagerdutySeverities[w.Severity], w.Type
	if e.Payload.Severity == "" {
		e.Payload.Severity = "info"
	}
	if w.Action == Resolve {
		e.Action = "resolve"
	}
	return jsonCall(v.at("/v2/enqueue"), e), nil
}

// productName is how we call ourselves where a provider asks who sends.
const productName = "Frogstats Uptime"

func pagerdutyJudge(a answer) Result {
	var said struct {
		Message string
		Errors  []string
	}
	a.into(&said)
	return judgeStatus(a).because(strings.Join(append([]string{said.Message}, said.Errors...), " "))
}
