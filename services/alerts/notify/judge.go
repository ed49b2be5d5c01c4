package notify

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

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
