package clickhouse

import "time"

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func us(d time.Duration) int64 { return d.Round(time.Microsecond).Microseconds() }

func fromUS(us int64) time.Duration { return time.Duration(us) * time.Microsecond }
