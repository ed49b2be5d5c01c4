package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/frogstats/uptime/internal/fault"
)

// The limits of a webhook.
const (
	maxURLBytes       = 2048
	maxHeaders        = 20
	maxHeaderValue    = 4096
	maxResponseBytes  = 4 << 10 // read so that the connection can be used again, and thrown away
	hiddenValue       = "***"   // what reads show in place of a header's value; given back it keeps the value
	webhookUserAgent  = "frogup-webhook/1"
	webhookMediaType  = "application/json"
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

// encode writes a struct of texts, which cannot fail.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func checkURL(text string) string {
	if text == "" {
		return "is required"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURLBytes:
		return "must be a URL of at most 2048 bytes"
	case u.Scheme != "http" && u.Scheme != "https":
		return "must begin with http:// or https://"
	case u.Hostname() == "" || u.Opaque != "":
		return "must name a host"
	case u.User != nil:
		return "must not hold a user name or password; use headers"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "must have a port between 1 and 65535"
		}
	}
	return ""
}

// reservedHeaders are set by the sender or belong to the connection.
var reservedHeaders = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", headerWebhookID, headerWebhookTime, headerWebhookSign,
}

func mergeHeaders(old map[string]string, given any) (map[string]string, []fault.Field) {
	if given == nil {
		return nil, nil
	}
	headers, ok := given.(map[string]any)
	if !ok || len(headers) > maxHeaders {
		return nil, []fault.Field{{Name: "headers", Message: "must be an object of at most 20 names and values"}}
	}
	var bad []fault.Field
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		problem := ""
		value, isText := headers[name].(string)
		canonical := http.CanonicalHeaderKey(name)
		_, twice := out[canonical]
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			problem = "is not the name of a header"
		case slices.Contains(reservedHeaders, canonical):
			problem = "is set by the sender"
		case twice:
			problem = "is there twice"
		case !isText || !httpguts.ValidHeaderFieldValue(value) || len(value) > maxHeaderValue:
			problem = "must be a text of at most 4096 bytes without control characters"
		case value == hiddenValue:
			if value, isText = old[canonical]; !isText {
				problem = "has no value yet that could be kept"
			}
		}
		if problem != "" {
			bad = append(bad, fault.Field{Name: "headers." + name, Message: problem})
		}
		out[canonical] = value
	}
	return out, bad
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
	req.Header.Set("Content-Type", webhookMediaType)
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

// judgeResponse reads an answer the way receivers mean it: 2xx is accepted; 408, 425, 429 and 5xx may pass; whatever else is
// a refusal, redirects included, because following one would send the message where nobody configured it to go.
func judgeResponse(status int, retryAfter string, now time.Time) Result {
	r := Result{StatusCode: status}
	if status >= 200 && status <= 299 {
		r.OK = true
		return r
	}
	r.Error = "the receiver answered " + strings.TrimSpace(strconv.Itoa(status)+" "+http.StatusText(status))
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		r.RetryAfter = parseRetryAfter(retryAfter, now)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
	default:
		r.Refused = true
		if status >= 300 && status <= 399 {
			r.Error += "; redirects are not followed"
		}
	}
	return r
}

// parseRetryAfter reads seconds or an HTTP date; 0 means that there is no usable one.
func parseRetryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
