package telemetry

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/frogstats/uptime/internal/secret"
)

var hidden = secret.String{}.String()

// redact is the ReplaceAttr of every logger.
func redact(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindBool, slog.KindGroup:
		return a // has_password=true tells nothing; the members of a group are redacted one by one
	case slog.KindString:
		if isURLKey(a.Key) {
			a.Value = slog.StringValue(secret.ScrubURL(a.Value.String()))
		}
	case slog.KindAny:
		a.Value = redactAny(a.Value)
	}
	if secret.Sensitive(a.Key) {
		a.Value = slog.StringValue(hidden)
	}
	return a
}

func isURLKey(key string) bool {
	return key == "url" || strings.HasSuffix(key, "_url") || strings.HasSuffix(key, ".url") || key == "url.full"
}

func redactAny(v slog.Value) slog.Value {
	switch x := v.Any().(type) {
	case http.Header:
		return slog.AnyValue(redactHeader(x))
	case map[string][]string:
		return slog.AnyValue(redactHeader(x))
	case map[string]string:
		out := make(map[string]string, len(x))
		for k, s := range x {
			if secret.Sensitive(k) {
				s = hidden
			}
			out[k] = s
		}
		return slog.AnyValue(out)
	case *url.URL:
		if x != nil {
			return slog.StringValue(secret.ScrubbedURL(*x))
		}
	case url.URL:
		return slog.StringValue(secret.ScrubbedURL(x))
	}
	return v
}

func redactHeader(h map[string][]string) map[string][]string {
	out := make(map[string][]string, len(h))
	for k, values := range h {
		if secret.Sensitive(k) {
			values = []string{hidden}
		}
		out[k] = values
	}
	return out
}
