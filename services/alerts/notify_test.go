package alerts

import (
	"strings"
	"testing"
)

func TestUnknownNotifier(t *testing.T) {
	_, bad := notifierFor("pigeon", "alert_type")
	if len(bad) != 1 || bad[0].Name != "alert_type" || !strings.Contains(bad[0].Message, "webhook") {
		t.Errorf("problems = %v", bad)
	}
}
