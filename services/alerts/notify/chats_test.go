package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

var mattermostTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"url": base + "/hooks/" + canary, "channel": "town-square"}
	},
	check:  checkMattermost,
	accept: reply{status: 200, body: "ok"},
	limits: []limit{
		{reply{429, map[string]string{"Retry-After": "2", "X-Ratelimit-Reset": "9"}, "limit exceeded"}, 2 * time.Second},
		{reply{429, map[string]string{"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1"}, "limit exceeded"}, time.Second},
	},
	refuse: []reply{{status: 400, body: `{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook.","detailed_error":"","request_id":"x","status_code":400}`}},
	words:  "Invalid webhook.",
}

// checkMattermost is the reference of incoming webhooks and message attachments.
func checkMattermost(r *http.Request, body []byte) error {
	if err := posts(r, "/hooks/"+canary, "application/json"); err != nil {
		return err
	}
	var m struct {
		Text        string
		Channel     string
		Attachments []struct {
			Fallback, Color, Title, Text string
			TitleLink                    string `json:"title_link"`
			Fields                       []mattermostField
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.Channel != "town-square" || len(m.Attachments) != 1 {
		return fmt.Errorf("body %.200s", body)
	}
	a := m.Attachments[0]
	if a.Fallback == "" || a.Title == "" || len(a.Color) != 7 || a.Color[0] != '#' {
		return fmt.Errorf("attachment %.200s", body)
	}
	total := units(a.Title) + units(a.Text) + units(a.Fallback)
	for _, f := range a.Fields {
		total += units(f.Title) + units(f.Value)
	}
	if total > 16383 {
		return fmt.Errorf("%d characters", total)
	}
	if strings.Contains(a.Text, "@everyone") || strings.Contains(a.Title, "<!channel") {
		return fmt.Errorf("mentions somebody: %.200s", body)
	}
	return nil
}

var googleChatTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"url": base + "/v1/spaces/AAAA/messages?key=" + canary + "&token=" + canary + "%3D"}
	},
	check:  checkGoogleChat,
	accept: reply{status: 200, body: `{"name":"spaces/AAAA/messages/1"}`},
	limits: []limit{{reply{429, nil, `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED",` +
		`"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"32.5s"}]}}`}, 32500 * time.Millisecond}},
	refuse: []reply{{status: 400, body: `{"error":{"code":400,"message":"Message cannot be empty.","status":"INVALID_ARGUMENT"}}`}},
	words:  "INVALID_ARGUMENT Message cannot be empty.",
}

// checkGoogleChat is the reference of spaces.messages.create and of cards.
func checkGoogleChat(r *http.Request, body []byte) error {
	if err := posts(r, "/v1/spaces/AAAA/messages", "application/json"); err != nil {
		return err
	}
	q := r.URL.Query()
	if q.Get("key") != canary || q.Get("token") != canary+"=" || q.Get("requestId") != sampleParcel().ID || q.Get("messageReplyOption") != "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD" {
		return fmt.Errorf("query %s", r.URL.RawQuery)
	}
	if len(body) > 32000 {
		return fmt.Errorf("%d bytes", len(body))
	}
	var m struct {
		Thread  struct{ ThreadKey string }
		CardsV2 []struct {
			CardID string
			Card   struct {
				Header   struct{ Title string }
				Sections []struct{ Widgets []map[string]any }
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.Thread.ThreadKey == "" || len(m.CardsV2) != 1 || m.CardsV2[0].CardID == "" || m.CardsV2[0].Card.Header.Title == "" {
		return fmt.Errorf("body %.200s", body)
	}
	for _, s := range m.CardsV2[0].Card.Sections {
		if len(s.Widgets) == 0 || len(s.Widgets) > 100 {
			return fmt.Errorf("%d widgets", len(s.Widgets))
		}
		for _, w := range s.Widgets {
			if len(w) != 1 {
				return fmt.Errorf("widget %v", w)
			}
			text, _ := w["textParagraph"].(map[string]any)
			if text != nil && strings.ContainsAny(strings.ReplaceAll(fmt.Sprint(text["text"]), "<br>", ""), "<>") {
				return fmt.Errorf("not escaped: %.200v", w)
			}
		}
	}
	return nil
}

var teamsTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"url": base + "/workflows/1234/triggers/manual/paths/invoke?api-version=2016-06-01&sig=" + canary}
	},
	check:  checkTeams,
	accept: reply{status: 202},
	limits: []limit{{reply{429, map[string]string{"Retry-After": "15"}, `{"error":{"code":"TooManyRequests","message":"Rate limit is exceeded."}}`}, 15 * time.Second}},
	refuse: []reply{{status: 401, body: `{"error":{"code":"DirectApiAuthorizationRequired","message":"The request must be authenticated."}}`}},
	words:  "The request must be authenticated.",
}

// checkTeams is what "When a Teams webhook request is received" takes, and the schema of Adaptive Cards 1.4.
func checkTeams(r *http.Request, body []byte) error {
	if err := posts(r, "/workflows/1234/triggers/manual/paths/invoke", "application/json"); err != nil {
		return err
	}
	if r.URL.Query().Get("sig") != canary || len(body) > 28<<10 {
		return fmt.Errorf("query %s, %d bytes", r.URL.RawQuery, len(body))
	}
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Schema  string `json:"$schema"`
				Type    string
				Version string
				Body    []struct {
					Type    string
					Inlines []struct{ Type, Text string }
				}
				Actions []struct{ Type, Title, URL string }
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		return fmt.Errorf("body %.200s", body)
	}
	card := m.Attachments[0].Content
	if card.Schema == "" || card.Type != "AdaptiveCard" || card.Version != "1.4" || len(card.Body) == 0 {
		return fmt.Errorf("card %.200s", body)
	}
	for _, b := range card.Body {
		if b.Type != "RichTextBlock" || len(b.Inlines) == 0 || b.Inlines[0].Type != "TextRun" || b.Inlines[0].Text == "" {
			return fmt.Errorf("element %+v", b)
		}
	}
	for _, a := range card.Actions {
		if a.Type != "Action.OpenUrl" || a.Title == "" || a.URL == "" {
			return fmt.Errorf("action %+v", a)
		}
	}
	return nil
}

// JSON needs more bytes than the texts have: for quotation marks, and for every line, which is an element of its own.
func TestTeamsCountsWhatIsSent(t *testing.T) {
	for _, text := range []string{strings.Repeat(`"\`, 20000), strings.Repeat("a\n", 20000), strings.Repeat("\n", 20000)} {
		p := sampleParcel()
		p.Words.Title, p.Words.Text, p.Words.Facts = text, text, nil
		for range 20 {
			p.Words.Facts = append(p.Words.Facts, Fact{text, text})
		}
		base := stand(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = checkTeams(r, body)
			}
			if err != nil {
				t.Error(err)
			}
			teamsTrial.accept.write(w)
		})
		if r := All["msteams"].Send(t.Context(), guarded(t), merged(t, "msteams", teamsTrial.settings(base)), p); !r.OK {
			t.Error(r)
		}
	}
}

// A provider that says when to come back does not refuse for good, whatever its status is, and cannot say nonsense.
func TestAfter(t *testing.T) {
	for seconds, want := range map[float64]Result{
		2.5: {StatusCode: 400, RetryAfter: 2500 * time.Millisecond}, 0: {StatusCode: 400, Refused: true}, -1: {StatusCode: 400, Refused: true},
		1e300: {StatusCode: 400, RetryAfter: 7 * 24 * time.Hour}, math.Inf(1): {StatusCode: 400, RetryAfter: 7 * 24 * time.Hour},
	} {
		if got := (Result{StatusCode: 400, Refused: true}).after(seconds); got != want {
			t.Errorf("%v: %+v, want %+v", seconds, got, want)
		}
	}
	if got := (Result{Refused: true}).after(math.NaN()); got.RetryAfter != 0 || !got.Refused {
		t.Error(got)
	}
	if got := (Result{OK: true}).after(5); got.RetryAfter != 0 {
		t.Error(got)
	}
}
