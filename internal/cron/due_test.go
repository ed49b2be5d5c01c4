package cron

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"pgregory.net/rapid"
)

func mustParse(t interface{ Fatal(...any) }, expr, zone string) *Schedule {
	s, err := Parse(expr, zone)
	if err != nil {
		t.Fatal(expr, zone, err)
	}
	return s
}

func TestNext(t *testing.T) {
	start := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC) // a Tuesday
	for _, tt := range []struct{ expr, zone, want string }{
		{"30 4 * * *", "", "2026-03-04T04:30:00Z"},
		{"* * * * * 15", "", "2026-03-03T10:00:15Z"}, // the sixth field is seconds
		{"*/5 * * * * 30", "", "2026-03-03T10:00:30Z"},
		{"0 * * * *", "", "2026-03-03T11:00:00Z"}, // strictly after
		{"0 9 * * *", "Europe/Berlin", "2026-03-04T08:00:00Z"},
		{"30 9 * * MON-FRI", "Europe/Berlin", "2026-03-04T08:30:00Z"},
		{"0 0 29 FEB *", "", "2028-02-29T00:00:00Z"},
		{"0 0 1 * 7", "", "2026-03-08T00:00:00Z"}, // either day
		{"0 0 */2 * 3", "", "2026-03-04T00:00:00Z"},
		{"0 0 13 * 5", "", "2026-03-06T00:00:00Z"},
		{"0 0 13 * *", "", "2026-03-13T00:00:00Z"},
		{"0 0 1-31 * */2", "", "2026-03-05T00:00:00Z"}, // written out beside a star: the weekday alone
		{"0 0 1-31 * 0", "", "2026-03-04T00:00:00Z"},   // beside none: either, so every day
		{"0 0 L * *", "", "2026-03-31T00:00:00Z"},
		{"0 0 L 2 *", "", "2027-02-28T00:00:00Z"},
		{"0 0 30-L * *", "", "2026-03-30T00:00:00Z"},
		{"0 0 * * 5#2", "", "2026-03-13T00:00:00Z"},
		{"0 0 * * 1#1", "", "2026-04-06T00:00:00Z"},
		{"0 0 * * L5", "", "2026-03-27T00:00:00Z"},
		{"0 0 * 2 5#5", "", "2036-02-29T00:00:00Z"},
		{"0 23-1 * * *", "", "2026-03-03T23:00:00Z"},
		{"0 0 * NOV-FEB *", "", "2026-11-01T00:00:00Z"},
		{"0 0 * * SAT-MON", "", "2026-03-07T00:00:00Z"},
	} {
		c := mustParse(t, tt.expr, tt.zone)
		if got := c.Next(start).Format(time.RFC3339); got != tt.want {
			t.Errorf("%q in %q: Next = %s, want %s", tt.expr, tt.zone, got, tt.want)
		}
	}
}

// clockChanges are times of day that clocks jump over, or show twice, with what a daily expression makes of them on the
// day before, on the day, and on the day after. The figures come from another program: a local time taken to UTC with the
// offset before the change, which is what croniter's arithmetic amounts to.
var clockChanges = []struct{ zone, kind, expr, want string }{
	{"Europe/Berlin", "gap", "15 2 * * *", "2026-03-28T01:15Z 2026-03-29T01:15Z 2026-03-30T00:15Z"},
	{"Europe/Berlin", "twice", "15 2 * * *", "2026-10-24T00:15Z 2026-10-25T00:15Z 2026-10-26T01:15Z"},
	{"Europe/London", "gap", "15 1 * * *", "2026-03-28T01:15Z 2026-03-29T01:15Z 2026-03-30T00:15Z"},
	{"Europe/London", "twice", "15 1 * * *", "2026-10-24T00:15Z 2026-10-25T00:15Z 2026-10-26T01:15Z"},
	{"America/New_York", "gap", "15 2 * * *", "2026-03-07T07:15Z 2026-03-08T07:15Z 2026-03-09T06:15Z"},
	{"America/New_York", "twice", "15 1 * * *", "2026-10-31T05:15Z 2026-11-01T05:15Z 2026-11-02T06:15Z"},
	{"America/St_Johns", "gap", "15 2 * * *", "2026-03-07T05:45Z 2026-03-08T05:45Z 2026-03-09T04:45Z"},
	{"America/St_Johns", "twice", "15 1 * * *", "2026-10-31T03:45Z 2026-11-01T03:45Z 2026-11-02T04:45Z"},
	{"America/Santiago", "twice", "15 23 * * *", "2026-04-04T02:15Z 2026-04-05T02:15Z 2026-04-06T03:15Z"},
	{"America/Santiago", "gap", "15 0 * * *", "2026-09-05T04:15Z 2026-09-06T04:15Z 2026-09-07T03:15Z"},
	{"America/Sao_Paulo", "twice", "15 23 * * *", "2018-02-17T01:15Z 2018-02-18T01:15Z 2018-02-19T02:15Z"},
	{"America/Sao_Paulo", "gap", "15 0 * * *", "2018-11-03T03:15Z 2018-11-04T03:15Z 2018-11-05T02:15Z"},
	{"Africa/Cairo", "gap", "15 0 * * *", "2026-04-22T22:15Z 2026-04-23T22:15Z 2026-04-24T21:15Z"},
	{"Africa/Cairo", "twice", "15 23 * * *", "2026-10-28T20:15Z 2026-10-29T20:15Z 2026-10-30T21:15Z"},
	{"Asia/Beirut", "gap", "15 0 * * *", "2026-03-27T22:15Z 2026-03-28T22:15Z 2026-03-29T21:15Z"},
	{"Asia/Beirut", "twice", "15 23 * * *", "2026-10-23T20:15Z 2026-10-24T20:15Z 2026-10-25T21:15Z"},
	{"Asia/Tehran", "gap", "15 0 * * *", "2021-03-20T20:45Z 2021-03-21T20:45Z 2021-03-22T19:45Z"},
	{"Asia/Tehran", "twice", "15 23 * * *", "2021-09-20T18:45Z 2021-09-21T18:45Z 2021-09-22T19:45Z"},
	{"Australia/Lord_Howe", "twice", "45 1 * * *", "2026-04-03T14:45Z 2026-04-04T14:45Z 2026-04-05T15:15Z"},
	{"Australia/Lord_Howe", "gap", "15 2 * * *", "2026-10-02T15:45Z 2026-10-03T15:45Z 2026-10-04T15:15Z"},
	{"Pacific/Auckland", "twice", "15 2 * * *", "2026-04-03T13:15Z 2026-04-04T13:15Z 2026-04-05T14:15Z"},
	{"Pacific/Auckland", "gap", "15 2 * * *", "2026-09-25T14:15Z 2026-09-26T14:15Z 2026-09-27T13:15Z"},
	{"Antarctica/Troll", "gap", "15 1 * * *", "2026-03-28T01:15Z 2026-03-29T01:15Z 2026-03-29T23:15Z"},
	{"Antarctica/Troll", "twice", "15 1 * * *", "2026-10-23T23:15Z 2026-10-24T23:15Z 2026-10-26T01:15Z"},
}

func TestDueWhenClocksChange(t *testing.T) {
	for _, tt := range clockChanges {
		t.Run(tt.zone+" "+tt.kind, func(t *testing.T) {
			c := mustParse(t, tt.expr, tt.zone)
			wants := strings.Fields(tt.want)
			first, err := time.Parse("2006-01-02T15:04Z", wants[0])
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			at := first.Add(-time.Minute)
			for range wants {
				at = c.Next(at)
				got = append(got, at.Format("2006-01-02T15:04Z"))
			}
			if !slices.Equal(got, wants) {
				t.Errorf("%s is due %v, want %v", tt.expr, got, wants)
			}
			if last := c.Last(first.Add(-time.Minute), at); !last.Equal(at) {
				t.Errorf("Last = %v, want %v", last, at)
			}
			if n := c.Count(first.Add(-time.Minute), at.Add(1)); n != len(wants) {
				t.Errorf("Count = %d, want %d", n, len(wants))
			}

			// What goes by the clock goes on through it.
			every := mustParse(t, "*/5 * * * *", tt.zone)
			for at, n := every.Next(first.Add(-time.Nanosecond)), 0; at.Before(first.Add(48 * time.Hour)); n++ {
				next := every.Next(at)
				if next.Sub(at) != 5*time.Minute {
					t.Fatalf("*/5 is due at %v, then at %v", at, next)
				}
				at = next
			}
			if n := every.Count(first, first.Add(48*time.Hour)); n != 48*12-1 {
				t.Errorf("*/5 is due %d times within 48 hours, want %d", n, 48*12-1)
			}
		})
	}
}

// Where clocks skipped a whole day, its daily checks fall on those of the next.
func TestDueWhenADayIsSkipped(t *testing.T) {
	c := mustParse(t, "0 12 * * *", "Pacific/Apia")
	from := time.Date(2011, 12, 29, 0, 0, 0, 0, time.UTC)
	var got []string
	for at := c.Next(from); len(got) < 3; at = c.Next(at) {
		got = append(got, at.Format(time.RFC3339))
	}
	if want := []string{"2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"}; !slices.Equal(got, want) {
		t.Errorf("due %v, want %v", got, want)
	}
}

// dueByHand is what an expression of whole minutes is due from on and before until, found the long way.
func dueByHand(c *Schedule, from, until time.Time) []time.Time {
	matches := func(wall time.Time) bool {
		return c.minute.has(wall.Minute()) && c.hour.has(wall.Hour()) && c.days.in(wall.Year(), wall.Month()).has(wall.Day())
	}
	wallOf := func(at time.Time) time.Time {
		l := at.In(c.zone)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	due := map[time.Time]bool{}
	shown := map[time.Time]time.Time{} // by wall: when it was first shown
	const around = 26 * time.Hour
	for at := from.Add(-around); at.Before(until.Add(around)); at = at.Add(time.Minute) {
		wall := wallOf(at)
		if _, again := shown[wall]; !again {
			shown[wall] = at
		} else if !c.through() {
			continue
		}
		if matches(wall) {
			due[at] = true
		}
	}
	if !c.through() {
		offset := wallOf(from.Add(-around)).Sub(from.Add(-around))
		for wall := wallOf(from.Add(-around)); wall.Before(wallOf(until.Add(around))); wall = wall.Add(time.Minute) {
			if at, was := shown[wall]; was {
				offset = wall.Sub(at)
			} else if matches(wall) {
				due[wall.Add(-offset)] = true
			}
		}
	}
	var list []time.Time
	for at := range due {
		if !at.Before(from) && at.Before(until) {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}

func TestDueAgreesWithTheLongWay(t *testing.T) {
	exprs := []string{
		"* * * * *", "*/7 * * * *", "30 * * * *", "15 2 * * *", "0,30 0-3 * * *", "*/20 1,23 * * *", "0 */2 * * *", "10 0,2,3 * * 0",
		"0 3 L * *", "59 23 * * *", "0 0 * * *",
	}
	rapid.Check(t, func(t *rapid.T) {
		change := rapid.SampledFrom(clockChanges).Draw(t, "change")
		c := mustParse(t, rapid.SampledFrom(exprs).Draw(t, "expr"), change.zone)
		on, err := time.Parse("2006-01-02T15:04Z", strings.Fields(change.want)[1])
		if err != nil {
			t.Fatal(err)
		}
		from := on.Add(time.Duration(rapid.IntRange(-40*60, 0).Draw(t, "from")) * time.Minute)
		until := from.Add(time.Duration(rapid.IntRange(1, 60*60).Draw(t, "span")) * time.Minute)
		want := dueByHand(c, from, until)
		var got []time.Time
		for at := c.Next(from.Add(-1)); at.Before(until); at = c.Next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%v to %v: due %v, want %v", from, until, got, want)
		}
		if n := c.Count(from.Add(-1), until); n != len(want) {
			t.Fatalf("%v to %v: Count = %d, want %d: %v", from, until, n, len(want), want)
		}
		last := c.Last(from.Add(-1), until.Add(-1))
		if len(want) == 0 && !last.IsZero() || len(want) > 0 && !last.Equal(want[len(want)-1]) {
			t.Fatalf("%v to %v: Last = %v, want the end of %v", from, until, last, want)
		}
	})
}

// gronxField draws one field of the grammar that gronx has too.
func gronxField(k kind) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		value := rapid.IntRange(k.min, k.top())
		switch rapid.IntRange(0, 5).Draw(t, "shape") {
		case 0, 1:
			return "*"
		case 2:
			return fmt.Sprintf("*/%d", rapid.IntRange(1, k.top()).Draw(t, "step"))
		case 3:
			a := rapid.IntRange(k.min, k.top()-1).Draw(t, "from")
			return fmt.Sprintf("%d-%d/%d", a, rapid.IntRange(a+1, k.top()).Draw(t, "to"), rapid.IntRange(1, k.top()).Draw(t, "step"))
		case 4:
			return fmt.Sprintf("%d/%d", value.Draw(t, "from"), rapid.IntRange(1, k.top()).Draw(t, "step"))
		}
		var list []string
		for _, v := range rapid.SliceOfN(value, 1, 4).Draw(t, "list") {
			list = append(list, fmt.Sprint(v))
		}
		return strings.Join(list, ",")
	})
}

// In UTC another library must say the same, but for two days that are both restricted, where it has another rule.
func TestDueAgreesWithGronx(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fields []string
		for _, k := range kinds {
			fields = append(fields, gronxField(k).Draw(t, k.name))
		}
		if fields[2] != "*" {
			fields[4] = "*"
		}
		s, err := Parse(strings.Join(fields, " "), "")
		if errors.Is(err, ErrNeverDue) {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", fields, err)
		}
		at := time.Unix(rapid.Int64Range(946684800, 4102444799).Draw(t, "at"), 0).UTC()
		got := s.Next(at.Add(-1)).Equal(at)
		want, err := gronx.New().IsDue(strings.Join(append(fields[5:6:6], fields[:5]...), " "), at)
		if err != nil || got != want {
			t.Fatalf("%q at %s: due %v, gronx says %v, %v", fields, at, got, want, err)
		}
	})
}

// A process that was away for years counts at once, and exactly.
func TestDueAfterALongAbsence(t *testing.T) {
	from := time.Date(1996, 1, 1, 0, 0, 0, 0, time.UTC)
	until := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seconds := int(until.Sub(from) / time.Second)
	for _, tt := range []struct {
		expr, zone string
		want       int
	}{
		{"* * * * * *", "", seconds - 1},
		{"* * * * * *", "Europe/Berlin", seconds - 1},
		{"*/5 * * * *", "Europe/Berlin", seconds/300 - 1},
		{"30 2 * * *", "Europe/Berlin", 10958}, // once a day, 30 years with 8 leap days
		{"30 2 * * *", "", 10958},
		{"0 0 29 2 *", "", 8},
		{"0 0 * 2 5#5", "", 1}, // in 2008
	} {
		c := mustParse(t, tt.expr, tt.zone)
		if got := c.Count(from, until); got != tt.want {
			t.Errorf("%q in %q: Count = %d, want %d", tt.expr, tt.zone, got, tt.want)
		}
	}
	if got, want := mustParse(t, "* * * * * *", "").Last(from, until), until; !got.Equal(want) {
		t.Errorf("Last = %v, want %v", got, want)
	}
	if got := mustParse(t, "0 0 * 2 5#5", "").Last(time.Time{}, until); !got.Equal(time.Date(2008, 2, 29, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("Last = %v, want 29 February 2008", got)
	}
	if got := mustParse(t, "0 0 29 2 *", "").Last(until.Add(-time.Hour), until); !got.IsZero() {
		t.Errorf("Last = %v, want none", got)
	}
	if got := mustParse(t, "0 0 * * *", "Europe/Berlin").Count(time.Time{}, until); got < 700_000 {
		t.Errorf("Count since the year 1 = %d", got)
	}
}

// Far in the future a zone's rules are all there is.
func TestDueInFarYears(t *testing.T) {
	c := mustParse(t, "30 2 * * *", "Europe/Berlin")
	from, until := time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2236, 1, 1, 0, 0, 0, 0, time.UTC)
	n, days := 0, int(until.Sub(from)/(24*time.Hour))
	for at := c.Next(from); at.Before(until); at = c.Next(at) {
		n++
		if l := at.In(c.zone); l.Minute() != 30 || l.Hour() != 2 && (l.Hour() != 3 || l.Month() != time.March) {
			t.Fatalf("due at %v", l)
		}
	}
	if count := c.Count(from, until); n != days || count != days {
		t.Errorf("Next is due %d times, Count says %d, want %d", n, count, days)
	}
}

func FuzzDue(f *testing.F) {
	for _, s := range []string{"* * * * *", "*/5 1-3 1,2 JAN SUN 30", "0 0 31 2 *", "@daily", "1-6/2 * * * 0-7/3", "0 0 L * L5", "0 0 ? * 5#2"} {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, expr, zone string) {
		s, err := Parse(expr, zone)
		if err != nil {
			return
		}
		at := time.Date(2026, 3, 28, 23, 59, 59, 5e8, time.UTC)
		before := at
		for range 5 {
			next := s.Next(at)
			if !next.After(at) || next.Nanosecond() != 0 {
				t.Fatalf("%q: Next(%v) = %v", expr, at, next)
			}
			if n := s.Count(at, next.Add(1)); n != 1 {
				t.Fatalf("%q: %d due times from %v to %v", expr, n, at, next)
			}
			if last := s.Last(before, next); !last.Equal(next) {
				t.Fatalf("%q: Last(%v) = %v", expr, next, last)
			}
			at = next
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, zone := range []string{"UTC", "Europe/Berlin"} {
		b.Run(zone, func(b *testing.B) {
			c := mustParse(b, "*/5 9-17 * * MON-FRI", zone)
			start := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
			at := start
			for b.Loop() {
				if at = c.Next(at); at.Year() > 2030 {
					at = start
				}
			}
		})
	}
}
