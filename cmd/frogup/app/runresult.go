package app

import (
	"encoding/json"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/monitors/resource"
)

// Outcomes of a check that was run.
const (
	outcomePass = "pass"
	outcomeFail = "fail"
)

// runResult is what came of one check, as JSON has it.
type runResult struct {
	Key        string            `json:"key"`
	Outcome    string            `json:"outcome"`
	Attempts   uint32            `json:"attempts"`
	ErrorType  *string           `json:"error_type"`
	Assertions []assertionResult `json:"assertions"`
	Timings    timings           `json:"timings_ms"`

	check    *resource.Check
	observer bool // not the target failed, but we
	message  string
	warnings []string
	at       time.Time
}

// assertionResult is how one assertion turned out; actual is null if it could not be told.
type assertionResult struct {
	Type     string `json:"type"`
	Operator string `json:"operator"`
	Value    any    `json:"value"`
	Actual   any    `json:"actual"`
	Passed   bool   `json:"passed"`

	name, problem string
}

// timings are in milliseconds; what did not happen is null. Response is what the result counts as its response time, total
// is all attempts together.
type timings struct {
	DNS      *float64 `json:"dns"`
	Connect  *float64 `json:"connect"`
	TLS      *float64 `json:"tls"`
	TTFB     *float64 `json:"ttfb"`
	Transfer *float64 `json:"transfer"`
	Response *float64 `json:"response"`
	Total    *float64 `json:"total"`
}

func newRunResult(c *resource.Check, r *checkv1.CheckResult) runResult {
	out := runResult{
		Key: c.Key, Outcome: outcomeFail, Attempts: r.GetAttempt(), ErrorType: r.ErrorType, Assertions: []assertionResult{},
		check: c, message: r.GetErrorMessage(), warnings: r.GetDetails().GetWarnings(), at: r.GetStartedAt().AsTime(),
	}
	switch r.GetStatus() {
	case checkv1.ResultStatus_RESULT_STATUS_SUCCESS:
		out.Outcome = outcomePass
	case checkv1.ResultStatus_RESULT_STATUS_FAILURE, checkv1.ResultStatus_RESULT_STATUS_TIMEOUT:
	default:
		out.observer = true
	}
	for _, a := range r.GetDetails().GetAssertions() {
		out.Assertions = append(out.Assertions, assertionResult{
			Type: a.GetType(), Operator: a.GetOperator(), Value: valueOf(a.GetValue()), Actual: valueOf(a.GetActual()), Passed: a.GetPassed(),
			name: a.GetName(), problem: a.GetProblem(),
		})
	}
	out.Timings = timings{
		DNS: inMillis(r.DnsNs), Connect: inMillis(r.TcpNs), TLS: inMillis(r.TlsNs), TTFB: inMillis(r.TtfbNs),
		Transfer: inMillis(r.TransferNs), Response: inMillis(&r.ResponseTimeNs),
	}
	if total := uint64(r.GetDetails().GetTotalUs() * 1000); total > 0 {
		out.Timings.Total = inMillis(&total)
	}
	return out
}

func valueOf(v *structpb.Value) any {
	if v == nil {
		return nil
	}
	return v.AsInterface()
}

// inMillis is exact to the microsecond.
func inMillis(ns *uint64) *float64 {
	if ns == nil {
		return nil
	}
	ms := float64(time.Duration(*ns).Round(time.Microsecond)) / float64(time.Millisecond)
	return &ms
}

// text is an assertion in words: "latency lessThan 100ms".
func (a assertionResult) text() string {
	s := a.Type
	if a.name != "" {
		s += " " + a.name
	}
	return s + " " + a.Operator + " " + literally(a.Value)
}

// literally is a value as JSON writes it, durations and other plain words without quotes.
func literally(v any) string {
	if s, ok := v.(string); ok && s != "" && plainWord(s) {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "?"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func plainWord(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '-' {
			return false
		}
	}
	return true
}

// reasons say why a check did not pass, one sentence each.
func (r *runResult) reasons() []string {
	var out []string
	if r.message != "" {
		out = append(out, r.message)
	}
	for _, a := range r.Assertions {
		if a.Passed {
			continue
		}
		why := a.text()
		if a.Actual != nil {
			why += ": got " + literally(a.Actual)
		} else if a.problem != "" {
			why += ": " + a.problem
		}
		out = append(out, why)
	}
	return out
}

// errorType is "" for what passed.
func (r *runResult) errorType() string {
	if r.ErrorType == nil {
		return ""
	}
	return *r.ErrorType
}
