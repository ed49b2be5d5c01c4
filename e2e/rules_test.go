package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Each of the seven rules passes where it should and fails where it should, with words.
func TestRules(t *testing.T) {
	t.Parallel()
	target := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(30 * time.Millisecond)
		w.Header().Set("X-Mood", "calm and dry")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("Frogs are fine\n")) // 15 bytes
	})
	s := start(t)
	for _, tt := range []struct {
		name       string
		pass, fail obj
	}{
		{"status_code equals", obj{"operator": "equals", "value": 202}, obj{"operator": "equals", "value": 200}},
		{"status_code not_equals", obj{"operator": "not_equals", "value": 200}, obj{"operator": "not_equals", "value": 202}},
		{"status_code in", obj{"operator": "in", "value": []int{200, 202}}, obj{"operator": "in", "value": []int{200, 204}}},
		{"status_code not_in", obj{"operator": "not_in", "value": []int{500, 503}}, obj{"operator": "not_in", "value": []int{202, 503}}},
		{"response_time less_than", obj{"operator": "less_than", "value": 5000}, obj{"operator": "less_than", "value": 10}},
		{"response_time greater_than", obj{"operator": "greater_than", "value": 10}, obj{"operator": "greater_than", "value": 5000}},
		{"response_body_contains", obj{"value": "Frogs"}, obj{"value": "frogs"}},
		{"response_body_contains", obj{"value": "FROGS", "case_sensitive": false}, obj{"value": "toads", "case_sensitive": false}},
		{"response_body_not_contains", obj{"value": "FROGS", "case_sensitive": true}, obj{"value": "FROGS", "case_sensitive": false}},
		{"header_exists", obj{"header": "x-mood"}, obj{"header": "X-Weather"}},
		{"header_value equals", obj{"header": "X-Mood", "operator": "equals", "value": "calm and dry"}, obj{"header": "X-Mood", "operator": "equals", "value": "calm"}},
		{"header_value contains", obj{"header": "X-Mood", "operator": "contains", "value": "dry"}, obj{"header": "X-Mood", "operator": "contains", "value": "wet"}},
		{"response_size less_than", obj{"operator": "less_than", "value": 16}, obj{"operator": "less_than", "value": 15}},
		{"response_size greater_than", obj{"operator": "greater_than", "value": 14}, obj{"operator": "greater_than", "value": 15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := s.of(t)
			kind, _, _ := strings.Cut(tt.name, " ")
			tt.pass["type"], tt.fail["type"] = kind, kind
			good := s.create(httpMonitor(target.url(), obj{"interval_seconds": daily, "validation_rules": []obj{tt.pass}}))
			bad := s.create(httpMonitor(target.url(), obj{"interval_seconds": daily, "validation_rules": []obj{tt.fail}}))
			if e := s.firstEvent(good, 10*time.Second); e.Status != "success" || len(e.ValidationErrors) != 0 {
				t.Errorf("%v: %s %q", tt.pass, e.Status, e.ValidationErrors)
			}
			e := s.firstEvent(bad, 10*time.Second)
			if e.Status != "failure" || e.errorType() != "validation_failed" || e.phase() != "validation" {
				t.Errorf("%v: %s %s in %q", tt.fail, e.Status, e.errorType(), e.phase())
			}
			if len(e.ValidationErrors) != 1 || e.ValidationErrors[0] == "" {
				t.Errorf("%v: validation errors %q, want one", tt.fail, e.ValidationErrors)
			}
		})
	}

	// All rules are judged, not only the first that fails.
	both := s.create(httpMonitor(target.url(), obj{"interval_seconds": daily, "validation_rules": []obj{
		{"type": "status_code", "operator": "equals", "value": 200}, {"type": "header_exists", "header": "X-Mood"}, {"type": "response_body_contains", "value": "toads"},
	}}))
	if e := s.firstEvent(both, 10*time.Second); len(e.ValidationErrors) != 2 {
		t.Errorf("two of three rules fail, and the errors are %q", e.ValidationErrors)
	}
}

func TestMalformedRulesAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	for field, rules := range map[string][]obj{
		"type":     {{}, {"type": "moon_phase"}, {"type": "STATUS_CODE", "operator": "equals", "value": 200}},
		"operator": {{"type": "status_code", "value": 200}, {"type": "status_code", "operator": "less_than", "value": 200}, {"type": "response_time", "operator": "equals", "value": 1}, {"type": "header_value", "header": "A", "operator": "in", "value": "x"}, {"type": "header_exists", "header": "A", "operator": "equals"}},
		"value": {
			{"type": "status_code", "operator": "equals", "value": "200"}, {"type": "status_code", "operator": "in", "value": 200},
			{"type": "status_code", "operator": "in", "value": []int{}}, {"type": "status_code", "operator": "equals", "value": 99},
			{"type": "status_code", "operator": "equals", "value": []int{200}}, {"type": "response_time", "operator": "less_than", "value": "fast"},
			{"type": "response_time", "operator": "less_than", "value": -1}, {"type": "response_body_contains"},
			{"type": "response_body_contains", "value": ""}, {"type": "response_body_contains", "value": 5},
			{"type": "header_value", "header": "A", "operator": "equals"}, {"type": "response_size", "operator": "less_than", "value": 1.5},
		},
		"header":         {{"type": "header_exists"}, {"type": "header_exists", "header": "no such header"}, {"type": "header_value", "operator": "equals", "value": "x"}, {"type": "status_code", "operator": "equals", "value": 200, "header": "A"}},
		"case_sensitive": {{"type": "status_code", "operator": "equals", "value": 200, "case_sensitive": true}},
		"strictness":     {{"type": "status_code", "operator": "equals", "value": 200, "strictness": 1}},
	} {
		for _, rule := range rules {
			monitor := httpMonitor("http://127.0.0.1/", obj{"validation_rules": []obj{{"type": "status_code", "operator": "equals", "value": 200}, rule}})
			s.refused(monitor, "validation_rules[1]."+field, fmt.Sprint(rule))
		}
	}
	s.holdsNothing()
}
