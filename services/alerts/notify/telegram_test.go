package notify

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var telegramTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"token": "110201543:" + canary, "chat_id": -1001234567890, "message_thread_id": 5, "silent": true, "base_url": base}
	},
	check:  checkTelegram,
	accept: reply{status: 200, body: `{"ok":true,"result":{"message_id":1}}`},
	limits: []limit{{reply{429, nil, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 17","parameters":{"retry_after":17}}`}, 17 * time.Second}},
	refuse: []reply{
		{status: 400, body: `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`},
		{status: 401, body: `{"ok":false,"error_code":401,"description":"Unauthorized"}`},
		{status: 403, body: `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the supergroup chat"}`},
		{status: 200, body: `{"ok":false,"description":"no"}`},
	},
	words: "Bad Request: chat not found",
}

// checkTelegram is the reference of sendMessage and of its HTML.
func checkTelegram(r *http.Request, body []byte) error {
	if err := posts(r, "/bot110201543:"+canary+"/sendMessage", "application/json"); err != nil {
		return err
	}
	var m struct {
		ChatID   string `json:"chat_id"`
		Text     string `json:"text"`
		Mode     string `json:"parse_mode"`
		Thread   int    `json:"message_thread_id"`
		Silent   bool   `json:"disable_notification"`
		Previews struct {
			Off bool `json:"is_disabled"`
		} `json:"link_preview_options"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.ChatID != "-1001234567890" || m.Mode != "HTML" || m.Thread != 5 || !m.Silent || !m.Previews.Off || m.Text == "" {
		return fmt.Errorf("body %.200s", body)
	}
	if n := units(parsed(m.Text)); n > 4096 {
		return fmt.Errorf("%d characters", n)
	}
	return tagsAre(m.Text, "b", "a")
}

var tag = regexp.MustCompile(`</?([a-z]+)( href="[^"<>]*")?>`)

// parsed is what is left of HTML when its tags and references are read.
func parsed(text string) string { return html.UnescapeString(tag.ReplaceAllString(text, "")) }

// tagsAre finds fault with HTML that has other tags than these, or that is not closed, or characters that are not escaped.
func tagsAre(text string, known ...string) error {
	var open []string
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		switch {
		case !slices.Contains(known, m[1]):
			return fmt.Errorf("tag %s", m[0])
		case m[1] == "br":
		case strings.HasPrefix(m[0], "</"):
			if len(open) == 0 || open[len(open)-1] != m[1] {
				return fmt.Errorf("%s closes nothing", m[0])
			}
			open = open[:len(open)-1]
		default:
			open = append(open, m[1])
		}
	}
	rest := regexp.MustCompile(`&(amp|lt|gt|quot);`).ReplaceAllString(tag.ReplaceAllString(text, ""), "")
	if len(open) > 0 || strings.ContainsAny(rest, "<>&") {
		return fmt.Errorf("open %v, not escaped: %.100q", open, rest)
	}
	return nil
}

// Whatever a message holds, Telegram reads exactly that, cut to what it takes.
func FuzzTelegram(f *testing.F) {
	f.Add("api <b>", "&amp; <a href=\"x\">", `https://e/?a="b"&c=<d>`)
	f.Add("", "\xff𝄞\x00", "")
	f.Add(strings.Repeat("𝄞<", 3000), strings.Repeat("&", 5000), "https://e/")
	f.Fuzz(func(t *testing.T, title, text, link string) {
		p := Parcel{ID: "m", Words: Words{Title: title, Text: text, Link: link, Severity: Critical}}
		c, err := telegramRequest(values{"token": "1:a", "chat_id": "1", "base_url": "https://e"}, p)
		if err != nil {
			t.Fatal(err)
		}
		var m struct{ Text string }
		if err := json.Unmarshal(c.body, &m); err != nil {
			t.Fatal(err)
		}
		if err := tagsAre(m.Text, "b", "a"); err != nil {
			t.Fatal(err)
		}
		got := html.UnescapeString(regexp.MustCompile(`^<b>|</b>|<a href="[^"]*">`+openLink+`</a>$`).ReplaceAllString(m.Text, ""))
		if units(got) > telegramText {
			t.Fatalf("%d units", units(got))
		}
		want := strings.ToValidUTF8(p.Words.heading(), "\uFFFD")
		if line, _, _ := strings.Cut(got, "\n"); !strings.Contains(want, "\n") && !strings.ContainsRune(want, '\r') && line != want && !strings.HasSuffix(line, ellipsis) {
			t.Fatalf("title %q came out as %q", want, line)
		}
	})
}

func TestTelegramSaysWhereTheGroupWent(t *testing.T) {
	got := telegramTrial.against(t, "telegram", reply{status: 400, body: `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001111}}`})
	if !got.Refused || !strings.HasSuffix(got.Error, "the group has a new chat_id: -1001111") {
		t.Error(got)
	}
}

func TestTelegramSettings(t *testing.T) {
	const token = `"token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"`
	for given, want := range map[string]string{
		`{` + token + `, "chat_id": "@frogs_status"}`:                 "",
		`{` + token + `, "chat_id": 5}`:                               "",
		`{` + token + `, "chat_id": "frogs"}`:                         "chat_id",
		`{` + token + `, "chat_id": "1/../x"}`:                        "chat_id",
		`{` + token + `, "chat_id": 5, "message_thread_id": 0}`:       "message_thread_id",
		`{` + token + `, "chat_id": 5, "base_url": "https://e/?x=1"}`: "base_url",
		`{"token": "1:x/../../y", "chat_id": 5}`:                      "token",
		`{"token": "110201543", "chat_id": 5}`:                        "token",
	} {
		_, _, bad := All["telegram"].Merge(Settings{}, object(t, given))
		if want == "" && len(bad) > 0 || want != "" && (len(bad) != 1 || bad[0].Name != want) {
			t.Errorf("%s: %v, want %q", given, bad, want)
		}
	}
	set := merged(t, "telegram", telegramTrial.settings("https://e"))
	if _, _, bad := All["telegram"].Merge(set, map[string]any{"base_url": "https://evil.example"}); len(bad) != 1 || bad[0].Name != "token" {
		t.Errorf("the token goes wherever somebody says: %v", bad)
	}
}
