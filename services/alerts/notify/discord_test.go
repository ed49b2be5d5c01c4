package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

var discordTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"url": base + "/api/webhooks/1234/" + canary + "?thread_id=9", "username": "Frogstats"}
	},
	check:  checkDiscord,
	accept: reply{status: 200, body: `{"id":"1"}`},
	limits: []limit{
		{reply{429, map[string]string{"Retry-After": "1", "Content-Type": "application/json"}, `{"message":"You are being rate limited.","retry_after":0.653,"global":false}`}, 653 * time.Millisecond},
		{reply{429, map[string]string{"Retry-After": "60"}, `<html>error code: 1015</html>`}, time.Minute}, // from the network in front of it
	},
	refuse: []reply{{status: 404, body: `{"message":"Unknown Webhook","code":10015}`}, {status: 401, body: `{"message":"Invalid Webhook Token","code":50027}`}},
	words:  "Unknown Webhook",
}

// checkDiscord is the reference of Execute Webhook and the limits of embeds.
func checkDiscord(r *http.Request, body []byte) error {
	if err := posts(r, "/api/webhooks/1234/"+canary, "application/json"); err != nil {
		return err
	}
	if q := r.URL.Query(); q.Get("wait") != "true" || q.Get("thread_id") != "9" {
		return fmt.Errorf("query %s", r.URL.RawQuery)
	}
	var m struct {
		Content         string
		Username        string
		Embeds          []discordEmbed
		AllowedMentions struct{ Parse []string } `json:"allowed_mentions"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if units(m.Content) > 2000 || m.Username != "Frogstats" || len(m.Embeds) != 1 || m.AllowedMentions.Parse == nil || len(m.AllowedMentions.Parse) > 0 {
		return fmt.Errorf("body %.200s", body)
	}
	e := m.Embeds[0]
	total := units(e.Title) + units(e.Description)
	if e.Title == "" || units(e.Title) > 256 || units(e.Description) > 4096 || len(e.Fields) > 25 || e.Color <= 0 || e.Color > 0xFFFFFF {
		return fmt.Errorf("embed %.200s", body)
	}
	if _, err := time.Parse(time.RFC3339, e.Timestamp); err != nil {
		return err
	}
	for _, f := range e.Fields {
		if f.Name == "" || f.Value == "" || units(f.Name) > 256 || units(f.Value) > 1024 {
			return fmt.Errorf("field %.80q %.80q", f.Name, f.Value)
		}
		total += units(f.Name) + units(f.Value)
	}
	if total > 6000 {
		return fmt.Errorf("%d characters in all", total)
	}
	return nil
}
