package alerts

import (
	"strings"
	"testing"
)

func TestUnknownNotifier(t *testing.T) {
	_, bad := newWays(nil).find("pigeon", "alert_type")
	if len(bad) != 1 || bad[0].Name != "alert_type" || !strings.Contains(bad[0].Message, "webhook") || strings.Contains(bad[0].Message, "shoutrrr") {
		t.Errorf("problems = %v", bad)
	}
}
