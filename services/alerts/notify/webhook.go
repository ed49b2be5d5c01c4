package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

const (
	maxResponseBytes  = 4 << 10 // read so that the connection can be used again, and thrown away
	webhookUserAgent  = "frogup-webhook/1"
	headerWebhookID   = "Webhook-Id"
	headerWebhookTime = "Webhook-Timestamp"
	headerWebhookSign = "Webhook-Signature"
)

type webhookPublic struct {
	URL     string   `json:"url"`
	Headers []string `json:"headers"` // names; their values may be credentials
}

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
		case "has_secret": // what a read showed, given back
		default:
			note(name, "is not a field of a webhook; known are: url, secret, headers")
		}
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

func showWebhook(public json.RawMessage) map[string]any {
	var pub webhookPublic
	if err := json.Unmarshal(public, &pub); err != nil {
		return map[string]any{}
	}
	headers := map[string]any{}
	for _, name := range pub.Headers {
		headers[name] = hiddenValue
	}
	return map[string]any{"url": pub.URL, "has_secret": true, "headers": headers}
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, pub.URL, bytes.NewReader(p.Body))
	if err != nil {
		return Result{Error: "the stored URL cannot be used", Refused: true}
	}
	req.Header.Set("User-Agent", webhookUserAgent)
	for name, value := range sec.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", jsonMedia)
	req.Header.Set(headerWebhookID, p.ID)
	req.Header.Set(headerWebhookTime, unixSeconds(p.At))
	req.Header.Set(headerWebhookSign, sign(key, p.ID, p.At, p.Body))
	resp, err := client.Do(req)
	if err != nil {
		return transportFault(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponseBytes) // the status has decided already
	return judgeResponse(resp.StatusCode, resp.Header.Get("Retry-After"), time.Now())
}
