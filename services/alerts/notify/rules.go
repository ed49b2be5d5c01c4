package notify

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"golang.org/x/net/http/httpguts"

	"github.com/frogstats/uptime/internal/fault"
)

// The limits of addresses and headers.
const (
	maxURLBytes    = 2048
	maxHeaders     = 20
	maxHeaderValue = 4096
)

// checkURL says what is wrong with the URL of a receiver.
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

// atMost is the check of a text that a provider cuts, or refuses, beyond a number of characters.
func atMost(limit int) func(string) string {
	return func(text string) string {
		if units(text) > limit {
			return "must have at most " + strconv.Itoa(limit) + " characters"
		}
		return ""
	}
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
