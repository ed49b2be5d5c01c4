package maintenance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"
)

func utc(y int, m time.Month, d, h, min int) time.Time {
	return time.Date(y, m, d, h, min, 0, 0, time.UTC)
}

func TestOnce(t *testing.T) {
	s, err := Read(Spec{Start: utc(2026, 5, 1, 10, 0), End: utc(2026, 5, 1, 12, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]bool{
		utc(2026, 5, 1, 9, 59): false, utc(2026, 5, 1, 10, 0): true, utc(2026, 5, 1, 11, 59): true, utc(2026, 5, 1, 12, 0): false,
	} {
		if _, got := s.At(at); got != want {
			t.Errorf("At(%v) = %t", at, got)
		}
		if over := s.Over(at); over != !at.Before(utc(2026, 5, 1, 12, 0)) {
			t.Errorf("Over(%v) = %t", at, over)
		}
	}
}

func TestRefused(t *testing.T) {
	start := utc(2026, 5, 1, 10, 0)
	tests := []struct {
		spec  Spec
		field string
	}{
		{Spec{}, "starts_at"},
		{Spec{Start: start}, "ends_at"},
		{Spec{Start: start, End: start}, "ends_at"},
		{Spec{Start: start, End: start.Add(59 * time.Second)}, "ends_at"},
		{Spec{Start: start, End: start.AddDate(2, 0, 0)}, "ends_at"},
		{Spec{Start: start, End: start.Add(time.Hour), Length: 60}, "duration_seconds"},
		{Spec{Start: start, End: start.Add(time.Hour), Timezone: "Mars/Olympus"}, "timezone"},
		{Spec{Start: start, End: start.Add(time.Hour), Timezone: "Local"}, "timezone"},
		{Spec{Start: start, End: start.Add(time.Hour), Cron: "0 0 * * *", Length: 60}, "ends_at"},
		{Spec{Start: start, Cron: "0 0 * * *", RRule: "FREQ=DAILY", Length: 60}, "cron"},
		{Spec{Start: start, Cron: "0 0 * * *"}, "duration_seconds"},
		{Spec{Start: start, Cron: "0 0 * * *", Length: 59}, "duration_seconds"},
		{Spec{Start: start, Cron: "0 0 * * *", Length: MaxLength + 1}, "duration_seconds"},
		{Spec{Start: start, Cron: "* * * * *", Length: 60}, "cron"},
		{Spec{Start: start, Cron: "0 0 31 2 *", Length: 60}, "cron"},
		{Spec{Start: start, Cron: "@daily", Length: 60}, "cron"},
	}
	for _, rule := range []string{
		"DAILY", "FREQ=SECONDLY", "FREQ=HOURLY", "INTERVAL=2", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;COUNT=3;UNTIL=20270101",
		"FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=-1", "FREQ=DAILY;COUNT=99999", "FREQ=DAILY;UNTIL=2027-01-01", "FREQ=DAILY;BYSECOND=1",
		"FREQ=DAILY;BYDAY=1MO", "FREQ=MONTHLY;BYDAY=6MO", "FREQ=YEARLY;BYDAY=54MO", "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=DAILY;BYMONTHDAY=32",
		"FREQ=DAILY;BYMONTHDAY=--1", "FREQ=DAILY;BYMONTHDAY=+1", "FREQ=DAILY;BYMONTHDAY=0", "FREQ=DAILY;BYMONTH=-1", "FREQ=DAILY;BYSETPOS=1",
		"FREQ=DAILY;BYDAY=XX", "FREQ=DAILY;BYDAY=M", "FREQ=DAILY;WKST=1", "FREQ=DAILY;BYHOUR=24", "FREQ=DAILY;BYYEARDAY=1",
		"FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12",
		// Nothing ever fulfils these; to find that out takes no time to speak of.
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=2MO", "FREQ=YEARLY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=29",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "FREQ=DAILY;COUNT=10000;BYMONTH=4;BYMONTHDAY=31", "FREQ=DAILY;UNTIL=20260430",
		strings.Repeat("FREQ=DAILY;", 60),
	} {
		tests = append(tests, struct {
			spec  Spec
			field string
		}{Spec{Start: start, RRule: rule, Length: 60}, "rrule"})
	}
	for _, tt := range tests {
		_, err := Read(tt.spec)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Field != tt.field || wrong.Rule == "" {
			t.Errorf("Read(%+v) = %v, want an error about %s", tt.spec, err, tt.field)
		}
	}
}

func TestUntilIsOnTheZonesClock(t *testing.T) {
	for rule, want := range map[string]int{
		"FREQ=DAILY;UNTIL=20260503T220000Z": 3, "FREQ=DAILY;UNTIL=20260503T215959Z": 2,
		"FREQ=DAILY;UNTIL=20260504T000000": 3, "FREQ=DAILY;UNTIL=20260503T235959": 2, "FREQ=DAILY;UNTIL=20260503": 2,
		"RRULE:FREQ=DAILY;COUNT=4": 4, "freq=daily;count=1": 1,
	} {
		// Midnight in Berlin, from the 2nd of May on.
		s, err := Read(Spec{Start: utc(2026, 5, 1, 22, 0), RRule: rule, Timezone: "Europe/Berlin", Length: 60})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(s.Next(utc(2026, 5, 1, 0, 0), 10)); got != want {
			t.Errorf("%s: %d occurrences, want %d", rule, got, want)
		}
		if !s.Over(utc(2026, 6, 1, 0, 0)) {
			t.Errorf("%s is not over", rule)
		}
	}
}

func someNumbers(t *rapid.T, name string, lo, hi int) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(rapid.SliceOfNDistinct(rapid.IntRange(lo, hi), 1, 4, rapid.ID).Draw(t, name))), ","), "[]")
}

// anyRule draws a rule that this package accepts by its syntax, without corners in which libraries differ.
func anyRule(t *rapid.T) string {
	freq := rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
	parts := []string{"FREQ=" + freq}
	may := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
	if may("interval") {
		parts = append(parts, fmt.Sprintf("INTERVAL=%d", rapid.IntRange(1, 5).Draw(t, "n")))
	}
	switch {
	case may("count"):
		parts = append(parts, fmt.Sprintf("COUNT=%d", rapid.IntRange(1, 30).Draw(t, "n")))
	case may("until"):
		parts = append(parts, rapid.Custom(func(t *rapid.T) time.Time {
			return utc(2024, 2, 1, 0, 0).Add(time.Duration(rapid.IntRange(0, 1e6).Draw(t, "minutes")) * time.Minute)
		}).Draw(t, "until").Format("UNTIL=20060102T150405Z"))
	}
	by := 0
	add := func(name, value string) { parts, by = append(parts, name+"="+value), by+1 }
	if may("wkst") {
		parts = append(parts, "WKST="+rapid.SampledFrom([]string{"MO", "SU", "WE"}).Draw(t, "day"))
	}
	if may("months") {
		add("BYMONTH", someNumbers(t, "month", 1, 12))
	}
	if freq != "WEEKLY" && may("monthdays") {
		sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
		add("BYMONTHDAY", sign+strings.ReplaceAll(someNumbers(t, "monthday", 1, 31), ",", ","+sign))
	}
	if may("days") {
		days := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}), 1, 3, rapid.ID).Draw(t, "days")
		if nth := rapid.SampledFrom([]string{"", "1", "2", "-1", "5"}).Draw(t, "nth"); freq == "MONTHLY" || freq == "YEARLY" {
			for i := range days {
				days[i] = nth + days[i]
			}
		}
		add("BYDAY", strings.Join(days, ","))
	}
	if may("hours") {
		add("BYHOUR", someNumbers(t, "hour", 0, 23))
	}
	if may("minutes") {
		add("BYMINUTE", someNumbers(t, "minute", 0, 59))
	}
	if by > 0 && may("positions") {
		add("BYSETPOS", rapid.SampledFrom([]string{"1", "-1", "2", "1,-1", "3"}).Draw(t, "position"))
	}
	return strings.Join(parts, ";")
}

// Beside the library, on UTC's clock.
func TestRulesBesideRRuleGo(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		text := anyRule(t)
		start := utc(2024, 1, 1, 0, 0).Add(time.Duration(rapid.IntRange(0, 800_000).Draw(t, "start")) * time.Minute)
		option, err := rrule.StrToROption(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if option.Freq == rrule.WEEKLY && len(option.Bysetpos) > 0 {
			// The library counts the positions of the first week from the start on. They are those of the whole week (RFC 5545,
			// 3.3.10), so here the start is a week's.
			day := (int(start.Weekday()) + 6) % 7 // of weeks that begin with Monday, as the library counts them
			start = start.Truncate(24*time.Hour).AddDate(0, 0, -((day - option.Wkst.Day() + 7) % 7))
		}
		option.Dtstart = start
		theirs, err := rrule.NewRRule(*option)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		next := theirs.Iterator()
		s, err := Read(Spec{Start: start, RRule: text, Length: 60})
		if err != nil && option.Freq > rrule.MONTHLY {
			return // the library would look for it day by day until the year 9999
		}
		want, ok := next()
		if err != nil {
			if ok && want.Before(start.AddDate(horizonYears, 0, -8)) {
				t.Fatalf("%s from %v: %v, want %v", text, start, err, want)
			}
			return
		}
		for i, o := range s.Next(start.Add(-time.Hour), 40) {
			if o.Start.After(start.AddDate(horizonYears, 0, -8)) {
				break
			}
			if !ok || !o.Start.Equal(want) {
				t.Fatalf("%s from %v, %d: %v, want %v, %t", text, start, i, o.Start, want, ok)
			}
			compared++
			want, ok = next()
		}
		// From the middle it is the same as from the beginning.
		if all := s.Next(start.Add(-time.Hour), 12); len(all) > 0 {
			k := rapid.IntRange(0, len(all)-1).Draw(t, "k")
			if again := s.Next(all[k].Start, 1); len(again) != 1 || !again[0].Start.Equal(all[k].Start) {
				t.Fatalf("%s from %v: from the middle %v, want %v", text, start, again, all[k])
			}
		}
	})
	t.Logf("%d starts compared", compared)
}

func anySpec(t *rapid.T) Spec {
	spec := Spec{
		Start:    utc(2025, 1, 1, 0, 0).Add(time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "start")) * time.Minute),
		Timezone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia"}).Draw(t, "zone"),
		Length:   Seconds(rapid.SampledFrom([]int{60, 3600, 7200, 86_400, 7 * 86_400}).Draw(t, "length")),
	}
	if rapid.Bool().Draw(t, "cron") {
		spec.Cron = rapid.SampledFrom([]string{"30 2 * * *", "0 0 * * 0", "15,45 1-3 * * *", "0 3 L * *", "0 0 29 2 *", "*/30 * * * 1-5", "0 4 * * 1#2"}).Draw(t, "cron")
	} else {
		spec.RRule = anyRule(t)
	}
	return spec
}

// Occurrences rise, begin no earlier than the window, last their time, and a moment is active exactly within one of them.
func TestActiveIsWithinAnOccurrence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := anySpec(t)
		s, err := Read(spec)
		if err != nil {
			t.Skip(err)
		}
		from := spec.Start.Add(time.Duration(rapid.IntRange(-3000, 500_000).Draw(t, "from")) * time.Minute)
		all := s.Next(from, 30)
		for i, o := range all {
			if o.Start.Before(spec.Start) || o.End.Sub(o.Start) != spec.Length.Duration() || !o.End.After(from) || i > 0 && !o.Start.After(all[i-1].Start) {
				t.Fatalf("%d of %v", i, all)
			}
		}
		if len(all) == 0 {
			return
		}
		last := all[len(all)-1].Start
		if ahead := int(last.Sub(from) / time.Second); ahead > 0 {
			to := from.Add(time.Duration(rapid.IntRange(1, ahead).Draw(t, "to")) * time.Second)
			want := slices.DeleteFunc(slices.Clone(all), func(o Occurrence) bool { return !o.Start.Before(to) })
			if got := s.Between(from, to); !slices.Equal(got, want) {
				t.Fatalf("between %v and %v: %v, want %v", from, to, got, want)
			}
		}
		for range 30 {
			o := all[rapid.IntRange(0, len(all)-1).Draw(t, "near")]
			near := rapid.SampledFrom([]time.Time{o.Start, o.End}).Draw(t, "edge").Add(time.Duration(rapid.SampledFrom([]int{-1, 0, 1, -3000, 3000, 1e6}).Draw(t, "ms")) * time.Millisecond)
			if near.Before(from) || near.After(last) {
				continue
			}
			var want time.Time
			for _, o := range all {
				if !near.Before(o.Start) && near.Before(o.End) {
					want = o.End
				}
			}
			if until, active := s.At(near); active == want.IsZero() || active && !until.Equal(want) {
				t.Fatalf("At(%v) = %v, %t, want %v", near, until, active, want)
			}
		}
	})
}

func FuzzRRule(f *testing.F) {
	for _, seed := range []string{
		"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=2", "FREQ=MONTHLY;BYDAY=-1SU;BYSETPOS=1", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1;INTERVAL=4",
		"RRULE:FREQ=DAILY;COUNT=10000;INTERVAL=1000", "FREQ=YEARLY;BYDAY=53MO;UNTIL=21990101T000000Z", ";;=", "FREQ=DAILY;BYMONTHDAY=-31",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := utc(2026, 1, 31, 2, 30)
		s, err := Read(Spec{Start: start, RRule: text, Timezone: "America/New_York", Length: 3600})
		var wrong *Error
		if err != nil {
			if !errors.As(err, &wrong) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if text == "" {
			return
		}
		all := s.Next(start, 5)
		if len(all) == 0 {
			t.Fatalf("%q was accepted and never begins", text)
		}
		if until, active := s.At(all[0].Start); !active || until.Before(all[0].End) {
			t.Fatalf("%q: At(%v) = %v, %t", text, all[0].Start, until, active)
		}
	})
}

func TestTarget(t *testing.T) {
	labels := map[string]string{"team": "db", "tier": "1", "url": "a=b"}
	tests := []struct {
		target Target
		want   bool
	}{
		{Target{}, false}, {Target{MonitorIDs: []uint32{7}}, true}, {Target{MonitorIDs: []uint32{8}}, false},
		{Target{Labels: []string{"team"}}, true}, {Target{Labels: []string{"team=db", "tier=1"}}, true}, {Target{Labels: []string{"team=db", "tier=2"}}, false},
		{Target{Labels: []string{"owner"}}, false}, {Target{Labels: []string{"team="}}, false}, {Target{Labels: []string{"url=a=b"}}, true},
		{Target{MonitorIDs: []uint32{7}, Labels: []string{"owner"}}, true}, {Target{MonitorIDs: []uint32{8}, Labels: []string{"team=db"}}, true},
	}
	for _, tt := range tests {
		if got := tt.target.Covers(7, labels); got != tt.want {
			t.Errorf("%+v covers: %t", tt.target, got)
		}
	}
}

// BenchmarkAt asks at every second, as evaluation does, of a rule whose next start is far away.
func BenchmarkAt(b *testing.B) {
	s, err := Read(Spec{Start: utc(2001, 2, 28, 0, 0), RRule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", Timezone: "Europe/Berlin", Length: 3600})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("remembered", func(b *testing.B) {
		for i := range b.N {
			s.At(utc(2026, 3, 1, 0, 0).Add(time.Duration(i%1e6) * time.Second))
		}
	})
	b.Run("anew", func(b *testing.B) {
		for range b.N {
			s.last.Store(nil)
			s.At(utc(2026, 3, 1, 0, 0))
		}
	})
}
