package notify

import (
	"regexp"
	"strconv"
)

// The limit of a Telegram message, in UTF-16 units after its markup is read.
const telegramText = 4096

// telegram is a bot that writes to a chat. The token is part of the URL.
var telegram = provider{
	list: MaxList,
	form: form{name: "telegram", fields: []field{
		{name: "token", required: true, secret: true, check: matches(telegramToken, "the token that BotFather gave, such as 123456:ABC-DEF")},
		{name: "chat_id", required: true, numeric: true, check: matches(telegramChat, "the number of a chat, or @ and the name of a channel")},
		{name: "message_thread_id", kind: number, low: 1, high: 1<<31 - 1}, // a topic of a forum
		{name: "silent", kind: boolean},     // arrives without a sound
		baseURL("https://api.telegram.org"), // there are servers of the bot API that one runs oneself
	}},
	request: telegramRequest,
	judge:   telegramJudge,
}

var (
	telegramToken = regexp.MustCompile(`^[0-9]{1,20}:[A-Za-z0-9_-]{10,100}$`)
	telegramChat  = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31})$`)
)

func telegramRequest(v values, p Parcel) (call, error) {
	w := p.Words
	room := telegramText
	take := func(text string) string { // what counts is what is left when the escapes are read
		text = fit(text, max(room, 0), inUnits)
		room -= units(text)
		return escape(text, angles)
	}
	link := ""
	if w.Link != "" {
		room -= 1 + units(openLink)
		link = "\n" + `<a href="` + escape(w.Link, attribute) + `">` + openLink + "</a>"
	}
	text := "<b>" + take(w.heading()) + "</b>"
	if w.Text != "" {
		room--
		if body := take(w.Text); body != "" {
			text += "\n" + body
		}
	}
	body := map[string]any{
		"chat_id": v.text("chat_id"), "text": text + link, "parse_mode": "HTML",
		"link_preview_options": map[string]any{"is_disabled": true},
	}
	if v.boolean("silent") {
		body["disable_notification"] = true
	}
	if id := v.number("message_thread_id"); id != 0 {
		body["message_thread_id"] = id
	}
	return jsonCall(v.at("/bot"+v.text("token")+"/sendMessage"), body), nil
}

func telegramJudge(a answer) Result {
	var said struct {
		OK          *bool  `json:"ok"`
		Description string `json:"description"`
		Parameters  struct {
			RetryAfter float64 `json:"retry_after"` // seconds
			MigratedTo int64   `json:"migrate_to_chat_id"`
		} `json:"parameters"`
	}
	a.into(&said)
	r := judgeStatus(a)
	if r.OK && said.OK != nil && !*said.OK {
		r = Result{StatusCode: a.status, Error: "the receiver did not take the message", Refused: true}
	}
	r = r.because(said.Description)
	if said.Parameters.MigratedTo != 0 && !r.OK {
		r.Error += "; the group has a new chat_id: " + strconv.FormatInt(said.Parameters.MigratedTo, 10)
	}
	return r.after(said.Parameters.RetryAfter)
}
