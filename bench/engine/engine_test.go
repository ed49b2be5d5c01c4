package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/target"
)

func TestVerdict(t *testing.T) {
	cost, rate := atMost("cost", "", 1, 2, 1), atLeast("rate", "", 0, 10, 20)
	for _, c := range []struct {
		f    figure
		v    float64
		want string
	}{
		{cost, 1, "goal"}, {cost, 1.1, "gate"}, {cost, 2, "gate"}, {cost, 2.01, "FAILED"},
		{rate, 20, "goal"}, {rate, 10, "gate"}, {rate, 9.9, "FAILED"},
		{told("size", "", 0), 5, ""}, {atLeast("rate", "", 0, none, 20), 5, "short"}, {atLeast("rate", "", 0, none, 20), 21, "goal"},
		{atMost("cost", "", 0, 3, none), 2, "gate"}, {atMost("cost", "", 0, 3, none), 4, "FAILED"},
		{cost, math.NaN(), "FAILED"}, // what could not be computed is not kept
	} {
		if got := c.f.verdict(c.v); got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.f.Key, c.v, got, c.want)
		}
	}
}

func TestGroup(t *testing.T) {
	for in, want := range map[string]string{"1": "1", "999": "999", "1000": "1,000", "1234567.25": "1,234,567.25", "-1000": "-1,000", "-100.5": "-100.5"} {
		if got := group(in); got != want {
			t.Errorf("group(%s) = %s, want %s", in, got, want)
		}
	}
}

// A gate is judged by the median, and a figure that nobody measured is not in the table.
func TestReport(t *testing.T) {
	r := newReport()
	figures := []figure{atMost("cost", "× floor", 1, 2, 1), told("rate", "/s", 0), told("absent", "", 0)}
	r.Outcomes = append(r.Outcomes, summarize("one", "a case", figures, []sample{
		{"cost": 9, "rate": 1000}, {"cost": 1.5, "rate": 3000}, {"cost": 1.6, "rate": 2000},
	}))
	if r.failed() != 0 {
		t.Error("the worst of three failed the gate")
	}
	var plain, colour bytes.Buffer
	r.print(&plain, false)
	r.print(&colour, true)
	for _, want := range []string{"one: a case", "1.6  [1.5–9.0]", "× floor", "≤ 2.0", "2,000  [1,000–3,000]", "gate"} {
		if !strings.Contains(plain.String(), want) {
			t.Errorf("no %q in\n%s", want, plain.String())
		}
	}
	if strings.Contains(plain.String(), "absent") || strings.Contains(plain.String(), "\x1b") {
		t.Errorf("too much in\n%s", plain.String())
	}
	if !strings.Contains(colour.String(), "\x1b[33mgate\x1b[0m") {
		t.Errorf("no colour in\n%q", colour.String())
	}
	r.Outcomes = append(r.Outcomes, summarize("two", "", figures, []sample{{"cost": 3}}))
	if r.failed() != 1 {
		t.Errorf("%d gates failed, want 1", r.failed())
	}
	if _, err := json.Marshal(r); err != nil { // NaN cannot be written
		t.Error(err)
	}
}

// Repetitions are compared one by one, since the machine moves between them.
func TestComparePeers(t *testing.T) {
	r := newReport()
	x, rate := told("× floor", "", 2), told("checks", "", 0)
	r.Outcomes = []outcome{
		summarize("tcp-10k", "", []figure{x}, []sample{{"× floor": 1}, {"× floor": 2}, {"× floor": 3}}),
		summarize(cloudprober10k, "", []figure{x}, []sample{{"× floor": 2}, {"× floor": 8}, {"× floor": 4}}),
		summarize("tcp-saturated", "", []figure{told("finished", "", 0)}, []sample{{"finished": 40}, {"finished": 40}, {"finished": 40}}),
		summarize(cloudproberSaturated, "", []figure{rate}, []sample{{"checks": 10}, {"checks": 10}, {"checks": 16}}),
		summarize(gatusSaturated, "", []figure{rate}, []sample{{"checks": 20}, {"checks": 8}, {"checks": 8}}),
	}
	comparePeers(r)
	if got := r.values("peers", "CPU ÷ Cloudprober's"); len(got) != 3 || got[0] != .5 || got[1] != .25 || got[2] != .75 {
		t.Errorf("cost: %v", got)
	}
	if got := r.values("peers", "rate ÷ best peer's"); len(got) != 3 || got[0] != 2 || got[1] != 4 || got[2] != 2.5 {
		t.Errorf("rate: %v", got)
	}
	alone := newReport()
	alone.Outcomes = r.Outcomes[:1]
	if comparePeers(alone); len(alone.Outcomes) != 1 {
		t.Error("a run without peers is compared")
	}
}

func TestDoubt(t *testing.T) {
	r := newReport()
	r.Outcomes = []outcome{
		summarize("calm", "", []figure{foreign}, []sample{{"foreign load": 80}, {"foreign load": 3}, {"foreign load": 4}}),
		summarize("busy", "", []figure{foreign}, []sample{{"foreign load": 16}}),
	}
	if r.doubt(); len(r.Notes) != 1 || !strings.HasSuffix(r.Notes[0], ": busy") {
		t.Errorf("notes %q", r.Notes)
	}
}

func TestChoose(t *testing.T) {
	all := cases(options{peers: peerBinaries{gatus: "g", blackbox: "b", cloudprober: "c"}})
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.name] || c.run == nil || len(c.figures) == 0 {
			t.Errorf("case %q is there twice, or empty", c.name)
		}
		seen[c.name] = true
	}
	got, err := choose(all, "heap,tcp-10k")
	if err != nil || len(got) != 2 || got[0].name != "heap" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := choose(all, "tcp-10k,nothing"); err == nil {
		t.Error("an unknown case is chosen")
	}
	if everything, err := choose(all, ""); err != nil || len(everything) != len(all) {
		t.Errorf("%d cases, %v", len(everything), err)
	}
}

func TestWindow(t *testing.T) {
	w := window{cpu: 40 * time.Millisecond, wall: 2 * time.Second, arrivals: measure.Arrivals{Count: 2200, Missed: 3, ErrorP99: 1_500_000, Recorded: 2_200_000_000}}
	s := w.sample(10 * time.Microsecond)
	for key, want := range map[string]float64{"checks": 1000, "CPU": 20, "× floor": 2, "missed": 3, "gap error p99": 1.5, "not success": 0} {
		if s[key] != want {
			t.Errorf("%s = %v, want %v", key, s[key], want)
		}
	}
}

func TestPeerConfigurations(t *testing.T) {
	p := peer{kind: "tcp", targets: 2, interval: 400 * time.Millisecond}
	at := target.For(100)
	cloudprober := cloudproberConfig(p, at)
	for _, want := range []string{"interval_msec: 400", "timeout_msec: 400", "tcp_probe", "interval_between_targets_msec: 1", `ip: "127.0.1.2" port: 20000`} {
		if !strings.Contains(cloudprober, want) {
			t.Errorf("no %q in\n%s", want, cloudprober)
		}
	}
	if gatus := gatusConfig(p, at); !strings.Contains(gatus, `url: "tcp://127.0.1.2:20000", interval: 400ms`) || strings.Count(gatus, "name: t") != 2 {
		t.Errorf("gatus:\n%s", gatus)
	}
}

func TestParseArguments(t *testing.T) {
	o, err := parse([]string{"-cases", "heap", "-repeat", "2", "-gatus", "/x"})
	if err != nil || o.cases != "heap" || o.repeat != 2 || o.peers.gatus != "/x" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := parse([]string{"-repeat", "0"}); err == nil {
		t.Error("no repetitions are accepted")
	}
	if _, err := parse([]string{"-duration", "1ms"}); err == nil {
		t.Error("a millisecond is accepted")
	}
}
