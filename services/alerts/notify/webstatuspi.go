package notify

// The payload of webstatuspi's webhooks, for receivers that were written for it. It knows a URL that goes down and up, and
// one that is slow and no longer is; what else is told here comes under names of its own.

type piURL struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

type piStatus struct {
	Event    string       `json:"event"`
	URL      piURL        `json:"url"`
	Status   piStatusBody `json:"status"`
	Previous *string      `json:"previous_status"`
}

type piStatusBody struct {
	Code         *int64   `json:"code"`
	Success      bool     `json:"success"`
	ResponseTime *float64 `json:"response_time_ms"`
	Error        *string  `json:"error"`
	Timestamp    string   `json:"timestamp"`
}

type piLatency struct {
	Event     string        `json:"event"`
	URL       piURL         `json:"url"`
	Latency   piLatencyBody `json:"latency"`
	Timestamp string        `json:"timestamp"`
}

type piLatencyBody struct {
	Current     float64 `json:"current_ms"`
	Threshold   float64 `json:"threshold_ms"`
	Consecutive int64   `json:"consecutive_checks"` // not counted here
}

// conditionLatency is the condition of a rule about response times, as alerts calls it.
const conditionLatency = "response_time_threshold_ms"

// webstatuspi is the message in that form.
func webstatuspi(p Parcel) ([]byte, error) {
	s, err := p.story()
	if err != nil {
		return nil, err
	}
	d := s.Data
	about := piURL{d.Monitor.Name, d.Monitor.URL}
	if condition := d.Alert.Data; condition.Condition == conditionLatency {
		event := "latency_high"
		if p.Words.Action == Resolve {
			event = "latency_normal"
		}
		return encode(piLatency{event, about, piLatencyBody{condition.Value, condition.Threshold, 1}, s.Timestamp}), nil
	}
	out := piStatus{URL: about, Status: piStatusBody{
		Code: d.Alert.Data.StatusCode, Success: true, ResponseTime: d.Alert.Data.ResponseTimeMS, Timestamp: s.Timestamp,
	}}
	up, down := "up", "down"
	out.Previous = &up
	switch {
	case p.Words.Test:
		out.Event = "test"
	case d.Notice.Key != "":
		out.Event, out.URL.Name, out.Previous = s.Type, d.Notice.Key, nil
		out.Status.Success, out.Status.Error = p.Words.Action == Resolve, some(p.Words.Title)
	case d.Group.ID != 0: // names that the format does not have: a group has no URL
		out.Event, out.URL.Name, out.Previous = s.Type, d.Group.Name, some(d.PreviousStatus)
		out.Status.Success = d.Status != "down"
		if !out.Status.Success || d.Status == "degraded" {
			out.Status.Error = some(p.Words.Title)
		}
	case s.Type == "monitor.degraded": // it works, so neither name of the format would be true
		out.Event, out.Status.Error = "url_degraded", some(d.ErrorMessage)
	case s.Type == "monitor.unstable", s.Type == "monitor.stable": // names that the format does not have, as of the one above
		out.Event, out.Previous = map[string]string{"monitor.unstable": "url_unstable", "monitor.stable": "url_stable"}[s.Type], nil
		out.Status.Success, out.Status.Error = p.Words.Action == Resolve && d.Status != "down", some(p.Words.Title)
	case p.Words.Action == Resolve:
		out.Event, out.Previous = "url_up", &down
	default:
		out.Event, out.Status.Success = "url_down", false
		if out.Status.Error = some(d.ErrorMessage); out.Status.Error == nil {
			out.Status.Error = some(p.Words.Title)
		}
	}
	return encode(out), nil
}

// some is nil for no text.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
