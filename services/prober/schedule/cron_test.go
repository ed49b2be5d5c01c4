package schedule

import (
	"testing"
	"time"
)

func TestCron(t *testing.T) {
	berlin, _ := time.LoadLocation("Europe/Berlin")
	tests := []struct {
		name, expr, zone string
		after, want      time.Time
	}{
		{"five fields", "30 4 * * *", "", time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC), time.Date(2026, 1, 2, 4, 30, 0, 0, time.UTC)},
		{"the sixth field is seconds", "* * * * * 15", "", time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 5, 0, 15, 0, time.UTC)},
		{"zone", "0 9 * * *", "Europe/Berlin", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 9, 0, 0, 0, berlin)},
		{"strictly after", "0 * * * *", "", time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseCron(tt.expr, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Next(tt.after); !got.Equal(tt.want) {
				t.Errorf("next(%v) = %v, want %v", tt.after, got, tt.want)
			}
		})
	}
	for _, bad := range []string{"", "* * * *", "61 * * * *", "* * * * * * *"} {
		if _, err := ParseCron(bad, ""); err == nil {
			t.Errorf("cron %q was accepted", bad)
		}
	}
	if _, err := ParseCron("* * * * *", "Mars/Olympus"); err == nil {
		t.Error("an unknown zone was accepted")
	}
}
