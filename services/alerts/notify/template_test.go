package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/bubbletest"
)

func TestTemplate(t *testing.T) {
	p := sampleParcel()
	s, err := p.story()
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		`{{.title}}`:             p.Words.Title,
		`{{json .title}}`:        `"api <!channel> & *co* is down"`,
		`{{html .monitor.name}}`: `api &lt;!channel&gt; &amp; *co*`,
		`{{urlquery .status}} {{upper .status}} {{lower "ÄB"}}`:             `down DOWN äb`,
		`{{.monitor.id}} {{.incident.failure_count}} {{.delayed_ms}}`:       `7 2 5`,
		`{{join "+" .regions}} {{len .regions}} {{index .regions 1}}`:       `eu+us 2 us`,
		`{{range .facts}}{{.name}};{{end}}`:                                 `Monitor;Since;Reason;`,
		`{{range $i, $f := .facts}}{{if $i}}, {{end}}{{$f.name}}{{end}}`:    `Monitor, Since, Reason`,
		`{{if .incident.end_time}}over{{else}}open{{end}}`:                  `open`,
		`{{default "-" .incident.end_time}} {{.alert.id}}`:                  `- 0`,
		`{{with .incident}}{{.last_error}}{{end}}`:                          `refused`,
		`{{cut 4 .title}} {{oneline "a\nb"}}`:                               `api… a b`,
		`{{if and (eq .action "trigger") (not .test)}}{{.severity}}{{end}}`: `critical`,
		`{{range .supersedes}}x{{else}}none{{end}}{{/* a word */}}`:         `none`,
		`{{range .regions}}{{if eq . "us"}}{{continue}}{{end}}{{.}}{{end}}`: `eu`,
		``: ``,
	} {
		bubbletest.Test(t, func(t *testing.T) { // whose clock a slow machine does not move
			if got, err := render(source, s.data(p.Words)); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", source, got, err, want)
			}
		})
	}
}

func TestTemplateRefuses(t *testing.T) {
	for source, want := range map[string]string{
		`{{.titel}}`:                           `map has no entry for key "titel"`,
		`{{.monitor.nmae}}`:                    `map has no entry for key "nmae"`,
		"\n\n{{if}}":                           "line 3",
		`{{.title`:                             "unclosed action",
		`{{define "x"}}y{{end}}`:               errNested.Error(),
		`{{block "x" .}}y{{end}}`:              errNested.Error(),
		`{{template "x"}}`:                     errNested.Error(),
		`{{printf "%999999999d" 1}}`:           "function printf",
		`{{range .facts}}{{print 1}}{{end}}`:   "function print",
		`{{if (call .title)}}{{end}}`:          "function call",
		`{{(js .title)}}`:                      "function js",
		`{{with $x := slice .title 1}}{{end}}`: "function slice",
		`{{turn}}`:                             "function turn",
		`{{nonsense}}`:                         `function "nonsense" not defined`,
		`{{.title.Foo}}`:                       "does not work",
		`{{json 1i}}`:                          "cannot be written as JSON",
		strings.Repeat("x", maxTemplate+1):     "at most 16384 bytes",
		`{"text": "{{.title}}"}`:               errNoJSON.Error(),
		`{{json .title}`:                       "does not work",
		`hello`:                                errNoJSON.Error(),
		`{{index .regions 0 | json}}`:          "out of range", // of a message without regions
	} {
		bubbletest.Test(t, func(t *testing.T) {
			if got := checkTemplate(source, jsonMedia); !strings.Contains(got, want) {
				t.Errorf("%.60s: %q, want %q", source, got, want)
			}
		})
	}
	if got := checkTemplate(`hello {{.title}}`, "text/plain; charset=utf-8"); got != "" {
		t.Error(got)
	}
	if got := checkTemplate(`{"text": {{json .title}}, "open": {{.test}}, "list": {{json .regions}}}`, "application/vnd.x+json"); got != "" {
		t.Error(got)
	}
}

// No template takes the process with it.
func TestTemplateBombs(t *testing.T) {
	s, err := sampleParcel().story()
	if err != nil {
		t.Fatal(err)
	}
	nest := func(n int, inside string) string {
		return strings.Repeat(`{{range 1000}}`, n) + inside + strings.Repeat(`{{end}}`, n)
	}
	for name, tt := range map[string]struct {
		source string
		want   string
	}{
		"empty loops":     {nest(6, ""), errTurns.Error()},
		"one loop":        {`{{range 1000000000000}}{{end}}`, errTurns.Error()},
		"output":          {nest(3, strings.Repeat("x", 100)), errTooLong.Error()},
		"doubling":        {`{{$x := "\\\""}}{{range 60}}{{$x = json $x}}{{end}}{{len $x}}`, errTooLong.Error()},
		"a long pipe":     {`{{"\\"` + strings.Repeat(`|json`, 2500) + `}}`, errTooLong.Error()},
		"parentheses":     {strings.Repeat("{{(", 1000) + strings.Repeat("(", 2000), "does not work"},
		"nested elements": {strings.Repeat(`{{if 1}}`, 900) + strings.Repeat(`{{end}}`, 900) + nest(4, ""), errTurns.Error()},
	} {
		bubbletest.Test(t, func(t *testing.T) { // whose clock stands still, so that the other caps are what holds
			got, err := render(tt.source, s.data(sampleParcel().Words))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: made %d bytes, %v; want %s", name, len(got), err, tt.want)
			}
		})
	}
}

// What the other caps let through for too long is ended by the clock.
func TestTemplateTakesTooLong(t *testing.T) {
	s, err := sampleParcel().story()
	if err != nil {
		t.Fatal(err)
	}
	k := &kitchen{end: time.Now().Add(-time.Second)}
	if _, err := k.turn(); !errors.Is(err, errTooSlow) {
		t.Errorf("a turn after the end: %v", err)
	}
	began := time.Now()
	_, err = render(`{{range 10000}}`+strings.Repeat(`{{if eq $.text $.title}}{{end}}`, 500)+`{{end}}`, s.data(sampleParcel().Words))
	if !errors.Is(err, errTooSlow) {
		t.Errorf("five million comparisons: %v after %s", err, time.Since(began))
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{{json .title}}`)
	f.Add(`{{range $i, $e := .facts}}{{$e.name}}{{break}}{{end}}{{with .monitor}}{{.url}}{{end}}`)
	f.Add(`{{$x := 1}}{{range 3}}{{$x = join "," $.regions}}{{end}}`)
	s, err := sampleParcel().story()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if got, err := render(source, s.data(sampleParcel().Words)); len(got) > maxRendered || err != nil && got != "" {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

func TestWebhookFormats(t *testing.T) {
	type seen struct {
		media, body string
		signed      bool
	}
	got := make(chan seen, 1)
	key, err := secretKey(goodSecret)
	if err != nil {
		t.Fatal(err)
	}
	base := stand(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{r.Header.Get("Content-Type"), string(body), r.Header.Get("Webhook-Signature") == sign(key, "msg_mzxw6ytboi", someTime, body)}
	})
	for given, want := range map[string]seen{
		`{"format": "standard"}`: {jsonMedia, string(sampleParcel().Body), true},
		`{"format": null}`:       {jsonMedia, string(sampleParcel().Body), true},
		`{"format": "template", "template": "{\"t\": {{json .monitor.id}}}"}`:             {jsonMedia, `{"t": 7}`, true},
		`{"format": "template", "template": "{{.status}}", "content_type": "text/plain"}`: {"text/plain", "down", true},
		`{"format": "webstatuspi"}`: {jsonMedia, `{"event":"url_down","url":{"name":"api <!channel> & *co*","url":"https://api.example.com/?a=1&b=<2>"},` +
			`"status":{"code":null,"success":false,"response_time_ms":null,"error":"refused","timestamp":"2031-05-06T07:08:09.000Z"},"previous_status":"up"}`, true},
	} {
		settings := object(t, given)
		settings["url"], settings["secret"] = base, goodSecret
		if r := All["webhook"].Send(t.Context(), guarded(t), merged(t, "webhook", settings), sampleParcel()); !r.OK {
			t.Errorf("%s: %+v", given, r)
			continue
		}
		if diff := cmp.Diff(want, <-got, cmp.AllowUnexported(seen{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", given, diff)
		}
	}
}

func TestWebhookFormatSettings(t *testing.T) {
	for given, field := range map[string]string{
		`{"format": "xml"}`:                            "format",
		`{"format": 7}`:                                "format",
		`{"format": "template"}`:                       "template",
		`{"format": "template", "template": "{{.x}}"}`: "template",
		`{"format": "template", "template": "1", "content_type": "a/b\r\nX: y"}`: "content_type",
		`{"format": "template", "template": "1", "content_type": "; ="}`:         "content_type",
		`{"template": "1"}`: "template",
		`{"format": "webstatuspi", "content_type": "text/plain"}`: "content_type",
	} {
		settings := object(t, given)
		settings["url"] = "https://e/"
		if _, _, bad := mergeWebhook(Settings{}, settings); len(bad) != 1 || bad[0].Name != field || bad[0].Message == "" {
			t.Errorf("%s: %v, want a problem with %s", given, bad, field)
		}
	}
	first := merged(t, "webhook", map[string]any{"url": "https://e/", "format": "template", "template": "{{json .title}}", "content_type": "application/x+json"})
	if shown := showWebhook(first.Public); shown["template"] != "{{json .title}}" || shown["format"] != "template" || shown["content_type"] != "application/x+json" {
		t.Error(shown)
	}
	plain, _, bad := mergeWebhook(first, map[string]any{"format": "standard"})
	if len(bad) > 0 || string(plain.Public) != `{"url":"https://e/","headers":null}` {
		t.Errorf("%s, %v", plain.Public, bad)
	}
	// A template that was taken once and no longer works is a refusal, not a crash.
	broken := first
	broken.Public = json.RawMessage(`{"url":"https://e/","format":"template","template":"{{.nothing}}"}`)
	if r := All["webhook"].Send(t.Context(), guarded(t), broken, sampleParcel()); r.OK || !r.Refused || !strings.Contains(r.Error, "nothing") {
		t.Error(r)
	}
}

func TestWebstatuspi(t *testing.T) {
	body := func(kind, rest string) []byte {
		return []byte(`{"type":"` + kind + `","timestamp":"T","data":{"monitor":{"id":7,"name":"A","url":"https://a/"}` + rest + `}}`)
	}
	const url = `"url":{"name":"A","url":"https://a/"}`
	for name, tt := range map[string]struct {
		p    Parcel
		want string
	}{
		"up": {Parcel{Body: body("monitor.recovered", ""), Words: Words{Action: Resolve}},
			`{"event":"url_up",` + url + `,"status":{"code":null,"success":true,"response_time_ms":null,"error":null,"timestamp":"T"},"previous_status":"down"}`},
		"rule": {Parcel{Body: body("alert.triggered", `,"error_message":"bad gateway","alert":{"data":{"condition":"consecutive_failures","value":2,"status_code":502,"response_time_ms":12.5}}`), Words: Words{Action: Trigger}},
			`{"event":"url_down",` + url + `,"status":{"code":502,"success":false,"response_time_ms":12.5,"error":"bad gateway","timestamp":"T"},"previous_status":"up"}`},
		"slow": {Parcel{Body: body("alert.triggered", `,"alert":{"data":{"condition":"response_time_threshold_ms","value":1500,"threshold":1000}}`), Words: Words{Action: Trigger}},
			`{"event":"latency_high",` + url + `,"latency":{"current_ms":1500,"threshold_ms":1000,"consecutive_checks":1},"timestamp":"T"}`},
		"no longer slow": {Parcel{Body: body("alert.resolved", `,"alert":{"data":{"condition":"response_time_threshold_ms","value":1500,"threshold":1000}}`), Words: Words{Action: Resolve}},
			`{"event":"latency_normal",` + url + `,"latency":{"current_ms":1500,"threshold_ms":1000,"consecutive_checks":1},"timestamp":"T"}`},
		"degraded": {Parcel{Body: body("monitor.degraded", ""), Words: Words{Action: Trigger}},
			`{"event":"url_degraded",` + url + `,"status":{"code":null,"success":true,"response_time_ms":null,"error":null,"timestamp":"T"},"previous_status":"up"}`},
		"test": {Parcel{Body: body("test", ""), Words: Words{Action: Info, Test: true}},
			`{"event":"test",` + url + `,"status":{"code":null,"success":true,"response_time_ms":null,"error":null,"timestamp":"T"},"previous_status":"up"}`},
		"notice": {Parcel{Body: []byte(`{"type":"notice.raised","timestamp":"T","data":{"notice":{"key":"events/state"}}}`), Words: Words{Action: Trigger, Title: "stalled"}},
			`{"event":"notice.raised","url":{"name":"events/state","url":""},"status":{"code":null,"success":false,"response_time_ms":null,"error":"stalled","timestamp":"T"},"previous_status":null}`},
	} {
		if got, err := webstatuspi(tt.p); err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\n%s", name, err, got, tt.want)
		}
	}
}
