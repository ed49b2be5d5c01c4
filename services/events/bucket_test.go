package events

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/fault"
)

func zone(t testing.TB, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestCut(t *testing.T) {
	tests := []struct {
		name     string
		from, to string
		width    Width
		zone     string
		starts   []string
	}{
		{"five minutes", "2026-03-01T12:03:00Z", "2026-03-01T12:12:00Z", FiveMinutes, "UTC",
			[]string{"2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z", "2026-03-01T12:10:00Z"}},
		{"an hour of a zone that is off by half", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z", Hour, "Asia/Kolkata",
			[]string{"2026-03-01T11:30:00Z", "2026-03-01T12:30:00Z"}},
		{"the day of 23 hours", "2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z", Day, "Europe/Berlin",
			[]string{"2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"}},
		{"the day of 25 hours", "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z", Day, "Europe/Berlin",
			[]string{"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}},
		{"the hour that comes twice", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", Hour, "Europe/Berlin",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"a day that has no midnight", "2018-11-03T03:00:00Z", "2018-11-06T02:00:00Z", Day, "America/Sao_Paulo",
			[]string{"2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		{"clocks that move by half an hour", "2026-04-04T14:00:00Z", "2026-04-04T17:00:00Z", Hour, "Australia/Lord_Howe",
			[]string{"2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"}},
		{"weeks start on Monday", "2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z", Week, "UTC",
			[]string{"2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"}},
		{"months", "2026-01-31T00:00:00Z", "2026-03-02T00:00:00Z", Month, "UTC",
			[]string{"2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, ok := Cut(utc(tt.from), utc(tt.to), tt.width, zone(t, tt.zone), 100)
			if !ok {
				t.Fatal("too many")
			}
			var got []string
			for _, s := range b.Starts {
				got = append(got, s.Format(time.RFC3339))
			}
			if d := cmp.Diff(tt.starts, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCutCoversTheRange(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Beirut"}
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		w := Width(rapid.IntRange(int(Minute), int(Month)).Draw(rt, "width"))
		from := time.UnixMilli(rapid.Int64Range(1_500_000_000_000, 1_800_000_000_000).Draw(rt, "from")).UTC()
		to := from.Add(time.Duration(rapid.Int64Range(1, int64(w.least()/time.Millisecond)*40).Draw(rt, "length")) * time.Millisecond)
		b, ok := Cut(from, to, w, loc, 5000)
		if !ok {
			rt.Fatal("too many")
		}
		if len(b.Edges) != len(b.Starts)+1 || !b.Edges[0].Equal(from) || !b.Edges[len(b.Edges)-1].Equal(to) {
			rt.Fatalf("edges %v for %v to %v", b.Edges, from, to)
		}
		for i, s := range b.Starts {
			if !b.Edges[i].Before(b.Edges[i+1]) {
				rt.Fatalf("bucket %d is empty: %v", i, b.Edges[i])
			}
			if i > 0 && !s.Equal(b.Edges[i]) {
				rt.Fatalf("bucket %d starts at %v and covers from %v", i, s, b.Edges[i])
			}
			if !w.Floor(s, loc).Equal(s) || !w.Floor(b.Edges[i+1].Add(-time.Millisecond), loc).Equal(s) {
				rt.Fatalf("bucket %d does not floor to its start %v", i, s)
			}
		}
	})
}

func TestCutTooMany(t *testing.T) {
	if _, ok := Cut(at(0), at(60*101), Minute, time.UTC, 100); ok {
		t.Error("101 buckets of at most 100")
	}
	if b, ok := Cut(at(0), at(60*100), Minute, time.UTC, 100); !ok || len(b.Starts) != 100 {
		t.Error("100 buckets refused")
	}
}

func TestParseSpan(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	tests := []struct {
		name       string
		start, end string
		want       span
		field      string
	}{
		{"open", "", "", span{}, ""},
		{"moments", "2026-03-01T12:00:00+01:00", "2026-03-01T12:00:00.123456Z", span{utc("2026-03-01T11:00:00Z"), utc("2026-03-01T12:00:00.123Z")}, ""},
		{"dates are midnight of the zone", "2026-03-01", "2026-07-01", span{utc("2026-02-28T23:00:00Z"), utc("2026-06-30T22:00:00Z")}, ""},
		{"no date", "yesterday", "", span{}, "start_date"},
		{"a day that is none", "", "2026-02-30", span{}, "end_date"},
		{"backwards", "2026-03-02", "2026-03-01", span{}, "start_date"},
		{"empty", "2026-03-02", "2026-03-02", span{}, "start_date"},
		{"five years", "2021-03-01", "2026-03-01", span{utc("2021-02-28T23:00:00Z"), utc("2026-02-28T23:00:00Z")}, ""},
		{"more", "2021-03-01", "2026-03-01T00:00:01Z", span{}, "start_date"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSpan(&tt.start, &tt.end, berlin)
			if err == nil {
				err = got.check()
			}
			if tt.field != "" {
				checkField(t, err, tt.field)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !got.from.Equal(tt.want.from) || !got.to.Equal(tt.want.to) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func checkField(t *testing.T, err error, field string) {
	t.Helper()
	st := fault.FromStatus(fault.ToStatus(err))
	if st == nil || st.Kind != fault.KindInvalid || len(st.Fields) != 1 || st.Fields[0].Name != field {
		t.Errorf("got %v (%+v), want an invalid %s", err, st, field)
	}
}

func TestLoadZone(t *testing.T) {
	for _, bad := range []string{"Mars/Olympus", "Local", "../../etc/passwd"} {
		_, err := loadZone(&bad)
		checkField(t, err, "tz")
	}
	if loc, err := loadZone(nil); err != nil || loc != time.UTC {
		t.Errorf("got %v, %v", loc, err)
	}
}
