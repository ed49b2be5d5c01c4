package events

import "time"

// Summary is what a set of results adds up to. Summaries merge: that of a whole is the merged summaries of its parts.
type Summary struct {
	Successes, Failures, Timeouts, ObserverFaults int64

	MissedSlots int64 // due slots that did not run
	MissedRows  int64 // the results that say so

	// Of successes only.
	Response                      Spread
	DNS, TCP, TLS, TTFB, Transfer Mean
	Histogram                     Histogram // of response times

	// ErrorTypes counts results that are no successes by outcome and error type; nil is none.
	ErrorTypes map[ErrorKey]int64
}

// ErrorKey is an outcome with an error type.
type ErrorKey struct {
	Outcome Outcome
	Type    string
}

// Mean is a sum of durations and their number.
type Mean struct {
	Sum   time.Duration
	Count int64
}

// Spread is a Mean that also knows the extremes; they count only if Count is not 0.
type Spread struct {
	Mean
	Min, Max time.Duration
}

// Value is the mean; false when there is none.
func (m Mean) Value() (time.Duration, bool) {
	if m.Count == 0 {
		return 0, false
	}
	return time.Duration(float64(m.Sum) / float64(m.Count)), true
}

func (m *Mean) add(d time.Duration) {
	if d != Absent {
		m.Sum += d
		m.Count++
	}
}

// Merge adds another mean.
func (m *Mean) Merge(o Mean) {
	m.Sum += o.Sum
	m.Count += o.Count
}

// Merge adds another spread.
func (s *Spread) Merge(o Spread) {
	switch {
	case o.Count == 0:
		return
	case s.Count == 0:
		s.Min, s.Max = o.Min, o.Max
	default:
		s.Min, s.Max = min(s.Min, o.Min), max(s.Max, o.Max)
	}
	s.Mean.Merge(o.Mean)
}

// Add counts one result.
func (s *Summary) Add(r *Result) {
	switch r.Outcome {
	case Success:
		s.Successes++
		s.addTimes(r)
		return
	case Failure:
		s.Failures++
	case Timeout:
		s.Timeouts++
	case ObserverFault:
		s.ObserverFaults++
	case Missed:
		s.MissedRows++
		s.MissedSlots += int64(r.MissedCount)
	}
	s.blame(ErrorKey{r.Outcome, r.ErrorType}, 1)
}

func (s *Summary) blame(k ErrorKey, n int64) {
	if s.ErrorTypes == nil {
		s.ErrorTypes = map[ErrorKey]int64{}
	}
	s.ErrorTypes[k] += n
}

func (s *Summary) addTimes(r *Result) {
	d := r.ResponseTime
	s.Response.Merge(Spread{Mean: Mean{Sum: d, Count: 1}, Min: d, Max: d})
	s.DNS.add(r.DNS)
	s.TCP.add(r.TCP)
	s.TLS.add(r.TLS)
	s.TTFB.add(r.TTFB)
	s.Transfer.add(r.Transfer)
	s.Histogram.Add(d)
}

// Merge adds another summary, and leaves it alone.
func (s *Summary) Merge(o *Summary) {
	s.Successes += o.Successes
	s.Failures += o.Failures
	s.Timeouts += o.Timeouts
	s.ObserverFaults += o.ObserverFaults
	s.MissedSlots += o.MissedSlots
	s.MissedRows += o.MissedRows
	s.Response.Merge(o.Response)
	s.DNS.Merge(o.DNS)
	s.TCP.Merge(o.TCP)
	s.TLS.Merge(o.TLS)
	s.TTFB.Merge(o.TTFB)
	s.Transfer.Merge(o.Transfer)
	s.Histogram.Merge(&o.Histogram)
	for k, n := range o.ErrorTypes {
		s.blame(k, n)
	}
}

// Checks is the number of checks that ran.
func (s *Summary) Checks() int64 { return s.Successes + s.Failures + s.Timeouts + s.ObserverFaults }

// Rows is the number of results, of one outcome or, for 0, of all.
func (s *Summary) Rows(o Outcome) int64 {
	switch o {
	case 0:
		return s.Checks() + s.MissedRows
	case Success:
		return s.Successes
	case Failure:
		return s.Failures
	case Timeout:
		return s.Timeouts
	case ObserverFault:
		return s.ObserverFaults
	case Missed:
		return s.MissedRows
	}
	return 0
}

// Quantile of the response times, within Accuracy and never beyond the extremes; false without successes.
func (s *Summary) Quantile(q float64) (time.Duration, bool) {
	d, ok := s.Histogram.Quantile(q)
	if !ok || s.Response.Count == 0 {
		return 0, false
	}
	return min(max(d, s.Response.Min), s.Response.Max), true
}
