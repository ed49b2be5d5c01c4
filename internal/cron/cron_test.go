package cron

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What may be written, and what may not.
func TestLanguage(t *testing.T) {
	list, err := os.ReadFile("testdata/cron.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(list), "\n"), "\n") {
		verdict, expr := line[0], strings.TrimPrefix(line[1:], " ")
		if verdict == '#' {
			continue
		}
		_, err := Parse(expr, "")
		var syntax *SyntaxError
		switch {
		case verdict == '+' && err != nil:
			t.Errorf("Parse(%q): %v", expr, err)
		case verdict == '-' && !errors.As(err, &syntax):
			t.Errorf("Parse(%q) = %v, want a syntax error", expr, err)
		case verdict == '0' && !errors.Is(err, ErrNeverDue):
			t.Errorf("Parse(%q) = %v, want ErrNeverDue", expr, err)
		}
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
			a := rapid.IntRange(k.min, k.top()-1).Draw(t, "from")
			b := rapid.IntRange(a+1, k.top()).Draw(t, "to")
			return fmt.Sprintf("%d-%d/%d", a, b, rapid.IntRange(1, k.max).Draw(t, "step"))
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
		from := s.Next(time.Unix(rapid.Int64Range(946684800, 2524607999).Draw(t, "at"), 0).UTC())
		for range 20 {
			to := s.Next(from)
			if gap := to.Sub(from); gap > s.LongestGap() {
				t.Fatalf("%q: %s from %s to %s, longest is said to be %s", fields, gap, from, to, s.LongestGap())
			}
			from = to
		}
	})
}

// The same for all that days may be called, in a zone whose clocks change.
func TestNoGapOfOddDays(t *testing.T) {
	parts := strings.Fields("* * * */2 */15 0 1 5 7 12 23 31 59 60 1-5 5-1 22-2 1,2 FRI FRI-MON FEB L l 20-L L5 5#5 1#1 ? 7/2 1/3 5-5 H @daily 31 30 2 x 1-6/2 *,1 L,1")
	random := rand.New(rand.NewPCG(1, 2))
	start, accepted := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 0
	for n := range 20_000 {
		fields := make([]string, 5+random.IntN(2))
		for i := range fields {
			fields[i] = parts[random.IntN(len(parts))]
		}
		expr := strings.Join(fields, " ")
		s, err := Parse(expr, []string{"", "Europe/Berlin"}[n%2])
		if err != nil {
			continue
		}
		accepted++
		for at, n := s.Next(start), 0; n < 5; n++ {
			next := s.Next(at)
			if gap := next.Sub(at); gap > s.LongestGap() {
				t.Fatalf("%q: %v between %v and %v, the longest is said to be %v", expr, gap, at, next, s.LongestGap())
			}
			at = next
		}
	}
	if accepted < 200 {
		t.Errorf("only %d expressions were right", accepted)
	}
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
	})
}
