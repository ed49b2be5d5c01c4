package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// docs/checks.md names every type of rule and every operator there is, and its examples can be read.
func TestChecksDocument(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	for names, prefix := range map[*map[int32]string]string{
		&checkv1.RuleType_name: "RULE_TYPE_", &checkv1.RuleOperator_name: "RULE_OPERATOR_", &checkv1.AuthType_name: "AUTH_TYPE_",
		&checkv1.StartTls_name: "START_TLS_", &checkv1.HttpVersion_name: "HTTP_VERSION_", &checkv1.Revocation_name: "REVOCATION_",
	} {
		for number, name := range *names {
			word := "`" + strings.ToLower(strings.TrimPrefix(name, prefix)) + "`"
			if number != 0 && word != "`none`" && !strings.Contains(doc, word) {
				t.Errorf("%s is not in the document", word)
			}
		}
	}
	examples := regexp.MustCompile("(?m)\\| `([^`|]+)` \\|$").FindAllStringSubmatch(doc[strings.Index(doc, "## Rules"):], -1)
	for _, m := range examples[1:] { // the first is the head of the table
		for example := range strings.SplitSeq(m[1], "`, `") {
			if _, err := parseRules([]string{example}, "http", true); err != nil {
				t.Error(err)
			}
		}
	}
	if len(examples) < 12 {
		t.Errorf("%d examples of --rule were found", len(examples))
	}
}

func TestExamplesOfResourcesAreValid(t *testing.T) {
	got := runVerb(t, t.Context(), nil, "", "validate", "-f", "../../../docs/examples/resources")
	if got.code != 0 || !strings.Contains(got.stdout, "4 resources: valid") {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
}
