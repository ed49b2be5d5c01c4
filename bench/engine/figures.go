package main

import (
	"fmt"
	"math"

	"github.com/frogstats/uptime/bench/measure"
)

// figure is one number that a case yields, and what is asked of it.
type figure struct {
	Key    string
	Unit   string
	Digits int
	Gate   float64 // that must be kept; NaN for none
	Goal   float64 // that is aimed at; NaN for none
	Least  bool    // gate and goal are lower bounds
}

// none says that a figure is for information.
var none = math.NaN()

func atMost(key, unit string, digits int, gate, goal float64) figure {
	return figure{key, unit, digits, gate, goal, false}
}

func atLeast(key, unit string, digits int, gate, goal float64) figure {
	return figure{key, unit, digits, gate, goal, true}
}

func told(key, unit string, digits int) figure { return figure{key, unit, digits, none, none, false} }

// verdict is how a figure stands: "goal" reached, "gate" kept, gate "FAILED", "short" of a goal without a gate, or nothing if
// nothing is asked.
func (f figure) verdict(value float64) string {
	switch {
	case math.IsNaN(f.Gate) && math.IsNaN(f.Goal):
		return ""
	case f.holds(value, f.Goal):
		return "goal"
	case math.IsNaN(f.Gate):
		return "short"
	case f.holds(value, f.Gate):
		return "gate"
	}
	return "FAILED"
}

func (f figure) holds(value, bound float64) bool {
	if f.Least {
		return value >= bound
	}
	return value <= bound
}

func (f figure) bound(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	sign := "≤"
	if f.Least {
		sign = "≥"
	}
	return sign + " " + f.format(v)
}

func (f figure) format(v float64) string { return group(fmt.Sprintf("%.*f", f.Digits, v)) }

// group puts commas between the thousands of a decimal number.
func group(s string) string {
	sign := ""
	if len(s) > 0 && s[0] == '-' {
		sign, s = "-", s[1:]
	}
	whole := len(s)
	for i, c := range s {
		if c == '.' {
			whole = i
			break
		}
	}
	for i := whole - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// sample is what one repetition of a case yielded, by the keys of its figures.
type sample map[string]float64

// outcome is a case after all repetitions.
type outcome struct {
	Case    string         `json:"case"`
	About   string         `json:"about"`
	Figures []outcomeEntry `json:"figures"`
}

type outcomeEntry struct {
	Key     string         `json:"key"`
	Unit    string         `json:"unit"`
	Spread  measure.Spread `json:"spread"`
	Values  []float64      `json:"values"`
	Gate    *float64       `json:"gate,omitempty"`
	Goal    *float64       `json:"goal,omitempty"`
	Verdict string         `json:"verdict,omitempty"`

	figure figure
}

// summarize judges each figure by its median. A figure that no repetition has is left out.
func summarize(name, about string, figures []figure, samples []sample) outcome {
	out := outcome{Case: name, About: about}
	for _, f := range figures {
		e := outcomeEntry{Key: f.Key, Unit: f.Unit, figure: f}
		for _, s := range samples {
			if v, ok := s[f.Key]; ok {
				e.Values = append(e.Values, v)
			}
		}
		if len(e.Values) == 0 {
			continue
		}
		e.Spread = measure.SpreadOf(e.Values)
		e.Gate, e.Goal, e.Verdict = number(f.Gate), number(f.Goal), f.verdict(e.Spread.Median)
		out.Figures = append(out.Figures, e)
	}
	return out
}

func number(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}
