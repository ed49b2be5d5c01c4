package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/frogstats/uptime/internal/fault"
)

const (
	maxResponseBytes  = 16 << 10 // read so that the connection can be used again
	webhookUserAgent  = "frogup-webhook/1"
	headerWebhookID   = "Webhook-Id"
	headerWebhookTime = "Webhook-Timestamp"
	headerWebhookSign = "Webhook-Signature"
)

type webhookPublic struct {
	URL     string   `json:"url"`
	Headers []string `json:"headers"` // names; their values may be credentials
	// Format is "" for the standard one; Template and ContentType are those of formatTemplate.
	Format      string `json:"format,omitempty"`
	Template    string `json:"template,omitempty"`
	ContentType string `json:"content_type,omitempty"`
}

// The formats of the body.
const (
	formatStandard    = "standard"
	formatWebstatuspi = "webstatuspi"
	formatTemplate    = "template"
)

type webhookSecret struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers,omitempty"`
}

func mergeWebhook(old Settings, given map[string]any) (Settings, map[string]any, []fault.Field) {
	var pub webhookPublic
	var sec webhookSecret
	if old.Public != nil {
		if err := errors.Join(json.Unmarshal(old.Public, &pub), json.Unmarshal(old.Secret, &sec)); err != nil {
			pub, sec = webhookPublic{}, webhookSecret{} // then everything has to be given anew
		}
	}
	var bad []fault.Field
	note := func(name, message string) { bad = append(bad, fault.Field{Name: name, Message: message}) }
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		switch name {
		case "url":
			text, _ := value.(string)
			pub.URL = text
		case "secret":
			text, isText := value.(string)
			if _, err := secretKey(text); value != nil && (!isText || err != nil) {
				note(name, errSecretForm.Error())
			}
			sec.Secret = text
		case "headers":
			var found []fault.Field
			sec.Headers, found = mergeHeaders(sec.Headers, value)
			bad = append(bad, found...)
		case "format", "template", "content_type":
			if problem := pub.setFormat(name, value); problem != "" {
				note(name, problem)
			}
		case "has_secret": // what a read showed, given back
		default:
			note(name, "is not a field of a webhook; known are: url, secret, headers, format, template, content_type")
		}
	}
	if len(bad) == 0 {
		bad = pub.checkFormat(given)
	}
	if problem := checkURL(pub.URL); problem != "" {
		note("url", problem)
	}
	if len(bad) > 0 {
		return Settings{}, nil, bad
	}
	var made map[string]any
	if sec.Secret == "" {
		sec.Secret = newSecret()
		made = map[string]any{"secret": sec.Secret}
	}
	pub.Headers = slices.Sorted(maps.Keys(sec.Headers))
	return Settings{Public: encode(pub), Secret: encode(sec)}, made, nil
}

// listWebhook allows lists in the standard format. That of webstatuspi knows one URL, and a template was written for one monitor.
func listWebhook(public json.RawMessage) int {
	var pub webhookPublic
	if err := json.Unmarshal(public, &pub); err != nil || pub.Format != "" {
		return 0
	}
	return MaxList
}

// openWebhook is for templates: they have the thread, and were written for receivers that are like PagerDuty as much as for chats.
func openWebhook(public json.RawMessage) bool {
	var pub webhookPublic
	return json.Unmarshal(public, &pub) == nil && pub.Format == formatTemplate
}

func showWebhook(public json.RawMessage) map[string]any {
	var pub webhookPublic
	if err := json.Unmarshal(public, &pub); err != nil {
		return map[string]any{}
	}
	headers := map[string]any{}
	for _, name := range pub.Headers {
		headers[name] = hiddenValue
	}
	out := map[string]any{"url": pub.URL, "has_secret": true, "headers": headers}
	for name, value := range map[string]string{"format": pub.Format, "template": pub.Template, "content_type": pub.ContentType} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// setFormat takes one of the settings of the body as a caller gave it; null takes it away.
func (pub *webhookPublic) setFormat(name string, value any) (problem string) {
	text, isText := value.(string)
	if value != nil && !isText {
		return "must be a text"
	}
	switch name {
	case "format":
		if text == formatStandard {
			text = ""
		}
		pub.Format = text
		if text != "" && text != formatWebstatuspi && text != formatTemplate {
			return "must be one of " + formatStandard + ", " + formatWebstatuspi + ", " + formatTemplate
		}
	case "template":
		pub.Template = text
	case "content_type":
		pub.ContentType = text
		if _, _, err := mime.ParseMediaType(text); text != "" && (err != nil || !httpguts.ValidHeaderFieldValue(text)) {
			return "must be a media type such as text/plain"
		}
	}
	return ""
}

// checkFormat judges the settings of the body together, and drops those that mean nothing any more.
func (pub *webhookPublic) checkFormat(given map[string]any) (bad []fault.Field) {
	if pub.Format == formatTemplate {
		if pub.Template == "" {
			return []fault.Field{{Name: "template", Message: "is required with format " + formatTemplate}}
		}
		if problem := checkTemplate(pub.Template, pub.media()); problem != "" {
			return []fault.Field{{Name: "template", Message: problem}}
		}
		return nil
	}
	for _, name := range []string{"template", "content_type"} {
		if text, _ := given[name].(string); text != "" {
			bad = append(bad, fault.Field{Name: name, Message: "needs format " + formatTemplate})
		}
	}
	pub.Template, pub.ContentType = "", ""
	return bad
}

func (pub *webhookPublic) media() string {
	if pub.ContentType == "" {
		return jsonMedia
	}
	return pub.ContentType
}

// redact takes the secret, the values of the headers and the signature out of a text.
func (s webhookSecret) redact(text string, req *http.Request) string {
	parts := append(secretParts(s.Secret), secretParts(req.Header.Get(headerWebhookSign))...)
	if _, key, ok := strings.Cut(s.Secret, secretPrefix); ok {
		parts = append(parts, secretParts(key)...)
	}
	for _, value := range s.Headers {
		parts = append(parts, secretParts(value)...)
		if _, credentials, ok := strings.Cut(value, " "); ok && len(credentials) >= leastSecret {
			parts = append(parts, secretParts(credentials)...)
		}
	}
	return without(text, parts)
}

// body is the message in the format of the webhook.
func (pub *webhookPublic) body(p Parcel) ([]byte, error) {
	switch pub.Format {
	case "":
		return p.Body, nil
	case formatWebstatuspi:
		return webstatuspi(p)
	case formatTemplate:
		return rendered(pub.Template, pub.media(), p)
	}
	return nil, errors.New("has a format that this version does not know")
}

func sendWebhook(ctx context.Context, client *http.Client, s Settings, p Parcel) Result {
	var pub webhookPublic
	var sec webhookSecret
	if err := errors.Join(json.Unmarshal(s.Public, &pub), json.Unmarshal(s.Secret, &sec)); err != nil {
		return Result{Error: "the stored configuration cannot be read", Refused: true}
	}
	key, err := secretKey(sec.Secret)
	if err != nil {
		return Result{Error: "the stored secret cannot be used; set a new one", Refused: true}
	}
	body, err := pub.body(p)
	if err != nil {
		return Result{Error: "the " + pub.Format + " of the webhook " + err.Error(), Refused: !errors.Is(err, errTooSlow)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, pub.URL, bytes.NewReader(body))
	if err != nil {
		return Result{Error: "the stored URL cannot be used", Refused: true}
	}
	req.Header.Set("User-Agent", webhookUserAgent)
	for name, value := range sec.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", pub.media())
	req.Header.Set(headerWebhookID, p.ID)
	req.Header.Set(headerWebhookTime, unixSeconds(p.At))
	req.Header.Set(headerWebhookSign, sign(key, p.ID, p.At, body))
	resp, err := client.Do(req)
	if err != nil {
		return Unreached(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponseBytes)) // the status has decided already
	r := judgeResponse(resp.StatusCode, resp.Header.Get("Retry-After"), time.Now())
	r.Response = excerpt(answer, len(answer) == maxResponseBytes, func(text string) string { return sec.redact(text, req) })
	return r
}
