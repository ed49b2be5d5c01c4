package maintenance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What the clocks do is written here by hand, from the zones' own announcements, not asked of the code under test.
func TestClockChanges(t *testing.T) {
	const skipped, twice = "skipped", "twice"
	tests := []struct {
		zone, wall, what, want string // wall is the window's start on the day of the change
	}{
		{"Europe/Berlin", "2026-03-29 02:30", skipped, "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-10-25 02:30", twice, "2026-10-25T00:30:00Z"},
		{"Europe/London", "2026-03-29 01:30", skipped, "2026-03-29T01:00:00Z"},
		{"Europe/London", "2026-10-25 01:30", twice, "2026-10-25T00:30:00Z"},
		{"Atlantic/Azores", "2026-03-29 00:30", skipped, "2026-03-29T01:00:00Z"},
		{"Atlantic/Azores", "2026-10-25 00:30", twice, "2026-10-25T00:30:00Z"},
		{"America/New_York", "2026-03-08 02:30", skipped, "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-11-01 01:30", twice, "2026-11-01T05:30:00Z"},
		{"America/Los_Angeles", "2026-03-08 02:30", skipped, "2026-03-08T10:00:00Z"},
		{"America/Los_Angeles", "2026-11-01 01:30", twice, "2026-11-01T08:30:00Z"},
		{"America/St_Johns", "2026-03-08 02:30", skipped, "2026-03-08T05:30:00Z"},
		{"America/St_Johns", "2026-11-01 01:30", twice, "2026-11-01T04:00:00Z"},
		{"America/Havana", "2026-03-08 00:30", skipped, "2026-03-08T05:00:00Z"},
		{"America/Havana", "2026-11-01 00:30", twice, "2026-11-01T04:30:00Z"},
		{"America/Santiago", "2026-09-06 00:30", skipped, "2026-09-06T04:00:00Z"},
		{"America/Santiago", "2026-04-04 23:30", twice, "2026-04-05T02:30:00Z"},
		{"Australia/Sydney", "2026-10-04 02:30", skipped, "2026-10-03T16:00:00Z"},
		{"Australia/Sydney", "2026-04-05 02:30", twice, "2026-04-04T15:30:00Z"},
		{"Australia/Lord_Howe", "2026-10-04 02:15", skipped, "2026-10-03T15:30:00Z"}, // by half an hour
		{"Australia/Lord_Howe", "2026-04-05 01:45", twice, "2026-04-04T14:45:00Z"},
		{"Pacific/Auckland", "2026-09-27 02:30", skipped, "2026-09-26T14:00:00Z"},
		{"Pacific/Auckland", "2026-04-05 02:30", twice, "2026-04-04T13:30:00Z"},
		{"Pacific/Chatham", "2026-09-27 03:00", skipped, "2026-09-26T14:00:00Z"},
		{"Pacific/Chatham", "2026-04-05 03:00", twice, "2026-04-04T13:15:00Z"},
		{"Asia/Jerusalem", "2026-03-27 02:30", skipped, "2026-03-27T00:00:00Z"},
		{"Asia/Jerusalem", "2026-10-25 01:30", twice, "2026-10-24T22:30:00Z"},
		{"Asia/Beirut", "2026-03-29 00:30", skipped, "2026-03-28T22:00:00Z"},
		{"Asia/Beirut", "2026-10-24 23:30", twice, "2026-10-24T20:30:00Z"},
	}
	zones := map[string]bool{}
	for _, tt := range tests {
		zones[tt.zone] = true
		t.Run(tt.zone+" "+tt.what, func(t *testing.T) { testClockChange(t, tt.zone, tt.wall, tt.what == skipped, tt.want) })
	}
	if len(zones) < 12 {
		t.Errorf("%d zones only", len(zones))
	}
}

func testClockChange(t *testing.T, zoneName, wallText string, skipped bool, wantText string) {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		t.Fatal(err)
	}
	wall, err := time.Parse("2006-01-02 15:04", wallText)
	if err != nil {
		t.Fatal(err)
	}
	want, err := time.Parse(time.RFC3339, wantText)
	if err != nil {
		t.Fatal(err)
	}
	first := wall.AddDate(0, 0, -10)
	start := time.Date(first.Year(), first.Month(), first.Day(), first.Hour(), first.Minute(), 0, 0, zone)
	for field, spec := range map[string]Spec{
		"rrule": {Start: start, RRule: "FREQ=DAILY", Timezone: zoneName, Length: 90 * 60},
		"cron":  {Start: start, Cron: fmt.Sprintf("%d %d * * *", wall.Minute(), wall.Hour()), Timezone: zoneName, Length: 90 * 60},
	} {
		s, err := Read(spec)
		if err != nil {
			t.Fatal(err)
		}
		days := s.Next(start, 21)
		if len(days) != 21 || !days[0].Start.Equal(start) {
			t.Fatalf("%s: %d occurrences from %v", field, len(days), days[0])
		}
		for i, o := range days {
			if length := o.End.Sub(o.Start); length != 90*time.Minute {
				t.Errorf("%s: %v lasts %v, want 90 minutes of elapsed time", field, o, length)
			}
			shown := o.Start.In(zone).Format("15:04")
			switch {
			case i == 10 && !o.Start.Equal(want):
				t.Errorf("%s: on the day of the change %v, want %v", field, o.Start, want)
			case i == 10 && skipped == strings.HasSuffix(wallText, shown):
				t.Errorf("%s: the clock shows %s", field, shown)
			case i != 10 && !strings.HasSuffix(wallText, shown):
				t.Errorf("%s: on day %d the clock shows %s, want the time of %s", field, i, shown, wallText)
			}
			for at, active := range map[time.Time]bool{o.Start.Add(-time.Second): false, o.Start: true, o.End.Add(-time.Nanosecond): true, o.End: false} {
				if until, got := s.At(at); got != active || active && !until.Equal(o.End) {
					t.Errorf("%s: At(%v) = %v, %t, want %t", field, at, until, got, active)
				}
			}
		}
	}
}

// Two starts of a rule that the clock skips are one, and nothing is lost behind them.
func TestSkippedStartsAreOne(t *testing.T) {
	s, err := Read(Spec{
		Start: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), RRule: "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=15,45", Timezone: "Europe/Berlin", Length: 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range s.Next(time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), 5) {
		got = append(got, o.Start.Format("15:04"))
	}
	if want := "00:15 00:45 01:00 01:15 01:45"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
