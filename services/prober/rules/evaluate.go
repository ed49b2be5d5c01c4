package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// Facts are what rules look at.
type Facts struct {
	StatusCode    int // 0 without a response
	ResponseTime  time.Duration
	Headers       []nettest.HeaderField // names in any case
	Body          []byte                // decoded; as much as was kept
	BodyTruncated bool                  // whether that is not all
	Size          int64                 // of the whole decoded body in bytes
}

// FactsOf takes the facts from a result. Within Expect of a nettest test the
// headers are still whole.
func FactsOf(r *nettest.TestResult) Facts {
	return Facts{
		StatusCode: r.StatusCode, ResponseTime: r.Latency, Headers: r.Headers,
		Body: r.Body, BodyTruncated: r.BodyTruncated, Size: r.ResponseSize,
	}
}

// Expect makes rules the Expect of a nettest.HTTPConfig or TCPConfig. No rules
// make nil, with which an HTTP test expects status 200 to 399.
func Expect(list []Rule) func(*nettest.TestResult) []string {
	if len(list) == 0 {
		return nil
	}
	return func(r *nettest.TestResult) []string { return Evaluate(list, FactsOf(r)) }
}

// NeedBody reports whether any rule looks at the body's text, so that a check
// without such rules need not keep it.
func NeedBody(list []Rule) bool {
	return slices.ContainsFunc(list, func(r Rule) bool { return r.Type == BodyContains || r.Type == BodyNotContains })
}

// Evaluate returns a sentence for each rule that does not hold, such as
// "status_code equals 200: got 503".
func Evaluate(list []Rule, f Facts) []string {
	var out []string
	for _, r := range list {
		if got := r.breach(f); got != "" {
			out = append(out, r.String()+": "+got)
		}
	}
	return out
}

// breach says what was found instead of what the rule wants; "" if it holds.
func (r Rule) breach(f Facts) string {
	switch r.Type {
	case StatusCode:
		switch {
		case f.StatusCode == 0:
			return "there is no status code"
		case r.compare(float64(f.StatusCode)):
			return ""
		}
		return "got " + strconv.Itoa(f.StatusCode)
	case ResponseTime:
		ms := float64(f.ResponseTime) / float64(time.Millisecond)
		if r.compare(ms) {
			return ""
		}
		return "got " + number(ms)
	case ResponseSize:
		if r.compare(float64(f.Size)) {
			return ""
		}
		return "got " + strconv.FormatInt(f.Size, 10)
	case BodyContains, BodyNotContains:
		return r.breachBody(f)
	case HeaderExists, HeaderValue:
		return r.breachHeader(f.Headers)
	}
	return "the rule is not known"
}

func (r Rule) compare(v float64) bool {
	switch r.Operator {
	case Equals, In:
		return slices.Contains(r.Numbers, v)
	case NotEquals, NotIn:
		return !slices.Contains(r.Numbers, v)
	case LessThan:
		return len(r.Numbers) == 1 && v < r.Numbers[0]
	case GreaterThan:
		return len(r.Numbers) == 1 && v > r.Numbers[0]
	}
	return false
}

func (r Rule) breachBody(f Facts) string {
	body, text := f.Body, []byte(r.Text)
	if !r.CaseSensitive {
		body, text = bytes.ToLower(body), bytes.ToLower(text)
	}
	found := bytes.Contains(body, text)
	switch {
	case found == (r.Type == BodyContains):
		return ""
	case found:
		return "it is there"
	case f.BodyTruncated:
		return fmt.Sprintf("it is not in the first %d of %d bytes", len(f.Body), f.Size)
	default:
		return "it is not there"
	}
}

// breachHeader looks at every line of the name: a header may be repeated, and
// one of them is enough.
func (r Rule) breachHeader(headers []nettest.HeaderField) string {
	first, count := "", 0
	for _, h := range headers {
		if !strings.EqualFold(h.Name, r.Header) {
			continue
		}
		if r.Type == HeaderExists || r.Operator == Contains && strings.Contains(h.Value, r.Text) ||
			r.Operator == Equals && h.Value == r.Text {
			return ""
		}
		if count == 0 {
			first = h.Value
		}
		count++
	}
	switch count {
	case 0:
		return "there is no such header"
	case 1:
		return fmt.Sprintf("got %q", clip(first))
	default:
		return fmt.Sprintf("got %q and %d more", clip(first), count-1)
	}
}

// String is the rule as its messages write it.
func (r Rule) String() string {
	switch r.Type {
	case BodyContains, BodyNotContains:
		return fmt.Sprintf("%s %q", r.Type, clip(r.Text))
	case HeaderExists:
		return fmt.Sprintf("%s %s", r.Type, clip(r.Header))
	case HeaderValue:
		return fmt.Sprintf("%s %s %s %q", r.Type, clip(r.Header), clip(string(r.Operator)), clip(r.Text))
	}
	list := make([]string, 0, len(r.Numbers))
	for _, n := range r.Numbers {
		list = append(list, number(n))
	}
	value := strings.Join(list, ", ")
	if r.Operator == In || r.Operator == NotIn {
		value = "[" + value + "]"
	}
	return clip(fmt.Sprintf("%s %s %s", r.Type, r.Operator, value))
}

// number shows at most three decimals, and none that are zero.
func number(n float64) string {
	text := strconv.FormatFloat(n, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// clip keeps messages short, whatever a target sends.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
