package cron

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"pgregory.net/rapid"
)

func TestNextPutsSecondsLast(t *testing.T) {
	start := time.Date(2026, time.March, 3, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		expr, zone, want string
	}{
		{"*/5 * * * *", "", "2026-03-03T10:05:00Z"},
		{"*/5 * * * * 30", "", "2026-03-03T10:00:30Z"},
		{"0 12 * * * 15", "", "2026-03-03T12:00:15Z"},
		{"0 12 * * * */20", "", "2026-03-03T12:00:00Z"},
		{"30 9 * * MON-FRI", "Europe/Berlin", "2026-03-04T08:30:00Z"},
		{"0 0 29 FEB *", "", "2028-02-29T00:00:00Z"},
		{"0 0 1 * 7", "", "2026-03-08T00:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			s, err := Parse(tt.expr, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Next(start)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format(time.RFC3339) != tt.want {
				t.Errorf("Next = %s, want %s", got.Format(time.RFC3339), tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, expr := range []string{
		"", "*", "* * * *", "* * * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 * ",
		"* * * * 8", "* * * * * 60", "*/0 * * * *", "*/60 * * * *", "5-1 * * * *", "a * * * *", "* * L * *", "* * 15W * *",
		"* * * * 5#2", "? * * * *", "1,,2 * * * *", "1, * * * *", "-1 * * * *", "+1 * * * *", "001 * * * *", "1- * * * *",
		"1-2-3 * * * *", "1/2/3 * * * *", "*,1 * * * *", "* * * * 7/2", "* * * * 2024", "0 0 1 1 * 2024", "MON * * * *",
		"* * * * * x", "*5 * * * *", "5* * * * *", "*/5/5 * * * *", "1/ * * * *", "/5 * * * *", "* * * JANUARY *", "١ * * * *",
	} {
		var syntax *SyntaxError
		if _, err := Parse(expr, ""); !errors.As(err, &syntax) {
			t.Errorf("Parse(%q) = %v, want a syntax error", expr, err)
		}
	}
}

func TestParseRefusesWhatIsNeverDue(t *testing.T) {
	for _, expr := range []string{"0 0 31 2 *", "0 0 30 2 *", "0 0 30,31 FEB *", "* * 31 4,6,9,11 * *", "0 0 31 2 */2"} {
		if _, err := Parse(expr, ""); !errors.Is(err, ErrNeverDue) {
			t.Errorf("Parse(%q) = %v, want ErrNeverDue", expr, err)
		}
	}
	if _, err := Parse("0 0 31 2 1", ""); err != nil { // either day will do, and there are Mondays in February
		t.Error(err)
	}
}

func TestLoadZone(t *testing.T) {
	for _, name := range []string{"", "UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Asia/Kathmandu"} {
		if _, err := LoadZone(name); err != nil {
			t.Errorf("LoadZone(%q): %v", name, err)
		}
	}
	for _, name := range []string{"Local", "Mars/Olympus", "../etc/passwd", "Europe/Berlin\x00", "europe berlin", " UTC"} {
		var zone *ZoneError
		if _, err := LoadZone(name); !errors.As(err, &zone) {
			t.Errorf("LoadZone(%q) = %v, want a zone error", name, err)
		}
	}
}

func TestLongestGap(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		expr, zone string
		want       time.Duration
	}{
		{"* * * * * *", "", time.Second},
		{"* * * * *", "", time.Minute},
		{"*/5 * * * *", "Europe/Berlin", 5 * time.Minute},
		{"*/25 * * * *", "", 25 * time.Minute},
		{"* * * * * 10,15", "", 55 * time.Second},
		{"0 * * * *", "", time.Hour},
		{"0 3 * * *", "", day},
		{"0 3 * * *", "Europe/Berlin", day + time.Hour},
		{"*/5 9-16 * * 1-5", "", 3*day - 7*time.Hour - 55*time.Minute},
		{"0 0 * * 1", "", 7 * day},
		{"0 0 31 * *", "", 61 * day}, // May to July
		{"0 0 1 1 *", "", 366 * day},
		{"0 0 29 2 *", "", (4*365 + 1) * day},
	}
	for _, tt := range tests {
		t.Run(tt.expr+tt.zone, func(t *testing.T) {
			s, err := Parse(tt.expr, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.LongestGap(); got != tt.want {
				t.Errorf("LongestGap = %s, want %s", got, tt.want)
			}
		})
	}
}

// field draws one field of the grammar.
func field(k kind) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		hi := k.max
		value := rapid.IntRange(k.min, hi)
		switch rapid.IntRange(0, 5).Draw(t, "shape") {
		case 0, 1:
			return "*"
		case 2:
			return fmt.Sprintf("*/%d", rapid.IntRange(1, k.max).Draw(t, "step"))
		case 3:
			a, b := value.Draw(t, "from"), value.Draw(t, "to")
			return fmt.Sprintf("%d-%d/%d", min(a, b), max(a, b), rapid.IntRange(1, k.max).Draw(t, "step"))
		case 4:
			from := value.Draw(t, "from")
			if k.isWeekday() {
				from = min(from, 6)
			}
			return fmt.Sprintf("%d/%d", from, rapid.IntRange(1, k.max).Draw(t, "step"))
		}
		var list []string
		for _, v := range rapid.SliceOfN(value, 1, 4).Draw(t, "list") {
			list = append(list, fmt.Sprint(v))
		}
		return strings.Join(list, ",")
	})
}

// What we think is due must be what gronx thinks is due, because the prober asks gronx.
func TestAgreesWithGronx(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fields []string
		for _, k := range kinds {
			fields = append(fields, field(k).Draw(t, k.name))
		}
		s, err := Parse(strings.Join(fields, " "), "")
		if errors.Is(err, ErrNeverDue) {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", fields, err)
		}
		at := time.Unix(rapid.Int64Range(946684800, 4102444799).Draw(t, "at"), 0).UTC()
		got := s.second.has(at.Second()) && s.minute.has(at.Minute()) && s.hour.has(at.Hour()) && s.days.due(at)
		want, err := gronx.New().IsDue(s.expr, at)
		if err != nil || got != want {
			t.Fatalf("%q at %s: due %v, gronx says %v, %v", fields, at, got, want, err)
		}
	})
}

func TestNoGapIsLongerThanTheLongest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fields []string
		for _, k := range kinds {
			fields = append(fields, field(k).Draw(t, k.name))
		}
		s, err := Parse(strings.Join(fields, " "), "")
		if err != nil {
			return
		}
		from, err := s.Next(time.Unix(rapid.Int64Range(946684800, 2524607999).Draw(t, "at"), 0))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			to, err := s.Next(from)
			if err != nil {
				t.Fatal(err)
			}
			if gap := to.Sub(from); gap > s.LongestGap() {
				t.Fatalf("%q: %s from %s to %s, longest is said to be %s", fields, gap, from, to, s.LongestGap())
			}
			from = to
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "*/5 1-3 1,2 JAN SUN 30", "0 0 31 2 *", "@daily", "1-7/2 * * * 0-7/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := Parse(expr, "")
		if err != nil {
			return
		}
		if s.LongestGap() <= 0 {
			t.Errorf("%q: longest gap %s", expr, s.LongestGap())
		}
		if !gronx.IsValid(s.expr) {
			t.Errorf("%q: gronx refuses %q", expr, s.expr)
		}
	})
}
