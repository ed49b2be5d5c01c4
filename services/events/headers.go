package events

import (
	"hash/maphash"
	"strings"
)

// Response headers are kept as sets that results share. What changes with every answer would make a set per result, several
// times as large as the result itself. So it is left out: for successes, the headers that are known to change, and those that
// are seen to; for other results only the latter, and only after the first wholeSets answers of a kind, because when something
// breaks every detail may count, and when it stays broken for a week the same details over again do not.
const (
	wholeSets   = 20     // answers of one configuration, outcome and status code that are kept whole
	volatileAt  = 3      // changes of a header's value from one answer to the next that show it to be volatile
	maxLearners = 50_000 // kinds of answers that are remembered; beyond, learning begins anew
)

// volatile headers differ from answer to answer by their nature. Lower case.
var volatile = map[string]bool{
	"date": true, "age": true, "expires": true, "set-cookie": true, "x-request-id": true, "x-correlation-id": true, "x-trace-id": true,
	"traceparent": true, "cf-ray": true, "x-amz-request-id": true, "x-amz-id-2": true, "x-amz-cf-id": true, "x-amzn-trace-id": true,
	"x-amzn-requestid": true, "x-github-request-id": true, "x-served-by": true, "x-timer": true, "x-cache-hits": true,
	"report-to": true, "nel": true, "server-timing": true, "x-runtime": true, "x-response-time": true,
	"ratelimit-remaining": true, "ratelimit-reset": true, "x-ratelimit-remaining": true, "x-ratelimit-reset": true, "x-ratelimit-used": true,
}

// AnswerKind groups answers that should have the same headers. What numbers a configuration has is the store's business.
type AnswerKind struct {
	MonitorID uint32
	Config    uint64
	Outcome   Outcome
	Code      uint32
}

// learner finds out which headers of one kind of answers are volatile.
type learner struct {
	last    map[string]uint64 // hash of the newest value by name
	changes map[string]uint8
	whole   int
}

// HeaderSets decides what a store keeps of response headers. It is not for concurrent use.
type HeaderSets struct {
	seed     maphash.Seed
	learners map[AnswerKind]*learner
}

// NewHeaderSets makes one that has learned nothing.
func NewHeaderSets() *HeaderSets {
	return &HeaderSets{seed: maphash.MakeSeed(), learners: map[AnswerKind]*learner{}}
}

// Keep returns the headers to store and a number that tells sets apart within this process; 0 and nil for none. It may
// return h itself.
func (s *HeaderSets) Keep(k AnswerKind, h map[string]string) (uint64, map[string]string) {
	if len(h) == 0 {
		return 0, nil
	}
	l := s.learner(k)
	l.learn(s.seed, h)
	drop := l.drops(k.Outcome)
	var id uint64
	dropped := 0
	for name, value := range h {
		if drop(name) {
			dropped++
			continue
		}
		id += s.hash(name, value) // a sum, because maps have no order
	}
	if dropped == 0 {
		return id | 1, h
	}
	if dropped == len(h) {
		return 0, nil
	}
	kept := make(map[string]string, len(h)-dropped)
	for name, value := range h {
		if !drop(name) {
			kept[name] = value
		}
	}
	return id | 1, kept
}

func (s *HeaderSets) hash(name, value string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(value)
	return h.Sum64()
}

func (s *HeaderSets) learner(k AnswerKind) *learner {
	l := s.learners[k]
	if l == nil {
		if len(s.learners) >= maxLearners {
			clear(s.learners)
		}
		l = &learner{}
		s.learners[k] = l
	}
	return l
}

// learn compares an answer with the one before.
func (l *learner) learn(seed maphash.Seed, h map[string]string) {
	first := l.last == nil
	if first {
		l.last = make(map[string]uint64, len(h))
	}
	for name, value := range h {
		now := maphash.String(seed, value)
		if before, ok := l.last[name]; !ok || before != now {
			l.last[name] = now
			if !first {
				l.changed(name)
			}
		}
	}
	if len(l.last) == len(h) {
		return
	}
	for name := range l.last {
		if _, ok := h[name]; !ok {
			delete(l.last, name)
			l.changed(name)
		}
	}
}

func (l *learner) changed(name string) {
	if l.changes == nil {
		l.changes = map[string]uint8{}
	}
	if l.changes[name] < volatileAt {
		l.changes[name]++
	}
}

// drops returns which headers to leave out.
func (l *learner) drops(o Outcome) func(name string) bool {
	if o == Success {
		return func(name string) bool {
			return len(l.changes) > 0 && l.changes[name] >= volatileAt || volatile[name] || volatile[strings.ToLower(name)]
		}
	}
	if l.whole < wholeSets {
		l.whole++
		return func(string) bool { return false }
	}
	return func(name string) bool { return l.changes[name] >= volatileAt }
}
