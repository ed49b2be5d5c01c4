package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

var slackTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"url": base + "/services/T00000000/B00000000/" + canary}
	},
	check:  checkSlack,
	accept: reply{status: 200, body: "ok"},
	limits: []limit{{reply{429, map[string]string{"Retry-After": "30"}, "rate_limited"}, 30 * time.Second}},
	refuse: []reply{{status: 403, body: "action_prohibited"}, {status: 404, body: "no_service"}, {status: 410, body: "channel_is_archived"}, {status: 400, body: "invalid_payload"}},
	words:  "action_prohibited",
}

// checkSlack is the reference of incoming webhooks and of Block Kit.
func checkSlack(r *http.Request, body []byte) error {
	if err := posts(r, "/services/T00000000/B00000000/"+canary, "application/json"); err != nil {
		return err
	}
	var m struct {
		Text   string
		Blocks []struct {
			Type           string
			Text           *slackObject
			Fields         []slackObject
			Elements       []slackObject
			Unknown, Color any
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.Text == "" || units(m.Text) > 40000 || len(m.Blocks) == 0 || len(m.Blocks) > 50 {
		return fmt.Errorf("text %.40q, %d blocks", m.Text, len(m.Blocks))
	}
	for _, b := range m.Blocks {
		objects := append(append([]slackObject{}, b.Fields...), b.Elements...)
		limit := slackFieldText
		switch b.Type {
		case "header":
			if b.Text == nil || b.Text.Type != "plain_text" || b.Text.Text == "" || units(b.Text.Text) > 150 {
				return fmt.Errorf("header %+v", b.Text)
			}
			continue
		case "section":
			if b.Text == nil == (b.Fields == nil) || len(b.Fields) > 10 {
				return fmt.Errorf("section %+v", b)
			}
			if b.Text != nil {
				objects, limit = append(objects, *b.Text), slackText
			}
		case "context":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				return fmt.Errorf("context %+v", b)
			}
		default:
			return fmt.Errorf("block of type %q", b.Type)
		}
		for _, o := range objects {
			if o.Type != "mrkdwn" || o.Text == "" || units(o.Text) > limit {
				return fmt.Errorf("%d characters of %s", units(o.Text), o.Type)
			}
			bare := strings.NewReplacer("<https://uptime.example.com/incidents/3|"+openLink+">", "", "&amp;", "", "&lt;", "", "&gt;", "").Replace(o.Text)
			if strings.ContainsAny(bare, "<>&") {
				return fmt.Errorf("not escaped: %.80q", o.Text)
			}
		}
	}
	return nil
}

// posts checks what all providers that are posted to ask for.
func posts(r *http.Request, path, media string) error {
	if r.Method != http.MethodPost || r.URL.EscapedPath() != path || r.Header.Get("Content-Type") != media || r.Header.Get("User-Agent") != userAgent {
		return fmt.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	return nil
}

// The link is data too.
func TestSlackLink(t *testing.T) {
	p := sampleParcel()
	p.Words.Link = "https://e.example/?a=1&b=<x>"
	c, err := slackRequest(values{"url": "https://e/"}, p)
	if err != nil || !strings.Contains(string(c.body), `"<https://e.example/?a=1&amp;b=&lt;x&gt;|`+openLink+`>"`) {
		t.Errorf("%v\n%s", err, c.body)
	}
}

// What Slack reads after undoing its three escapes is what was written, cut, and no bracket of ours is the user's.
func FuzzSlackEscape(f *testing.F) {
	f.Add("<!channel> & <https://e|x>", 20)
	f.Add("&amp;&lt;", 3)
	f.Add("\xff𝄞…", 2)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(limit%5000, 0)
		got := fitEscaped(text, limit, angles)
		if units(got) > limit {
			t.Fatalf("%d units of %d", units(got), limit)
		}
		if strings.ContainsAny(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got), "<>&") {
			t.Fatalf("not escaped: %q", got)
		}
		back := strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(got)
		valid := strings.ToValidUTF8(text, "\uFFFD")
		if back != valid && (len(got) > 0 && !strings.HasSuffix(back, ellipsis) || !strings.HasPrefix(valid, strings.TrimSuffix(back, ellipsis))) {
			t.Fatalf("%q came out as %q", text, back)
		}
	})
}
