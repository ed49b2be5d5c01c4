package events

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func answer(i int, extra ...string) map[string]string {
	h := map[string]string{"Content-Type": "text/html", "Date": fmt.Sprint("date ", i), "X-Nonce": fmt.Sprint(i)}
	for _, name := range extra {
		h[name] = "there"
	}
	return h
}

func TestHeadersOfSuccesses(t *testing.T) {
	s := NewHeaderSets()
	k := AnswerKind{1, 1, Success, 200}
	ids := map[uint64]int{}
	for i := range 100 {
		id, kept := s.Keep(k, answer(i))
		ids[id]++
		if kept["Content-Type"] != "text/html" || kept["Date"] != "" {
			t.Fatalf("answer %d keeps %v", i, kept)
		}
		if v, ok := kept["X-Nonce"]; ok && v != fmt.Sprint(i) {
			t.Fatalf("answer %d keeps another's nonce: %v", i, kept)
		}
	}
	if len(ids) > volatileAt+1 {
		t.Errorf("%d sets for answers that differ in what changes always", len(ids))
	}
	id, kept := s.Keep(k, answer(100, "X-New"))
	if _, seen := ids[id]; seen || kept["X-New"] == "" {
		t.Errorf("a new header makes no new set: %v", kept)
	}
}

func TestHeadersThatComeAndGoAreVolatile(t *testing.T) {
	s := NewHeaderSets()
	k := AnswerKind{1, 1, Success, 200}
	ids := map[uint64]bool{}
	for i := range 100 {
		h := map[string]string{"Content-Type": "text/html"}
		if i%2 == 0 {
			h["X-Cache"] = "HIT"
		}
		id, _ := s.Keep(k, h)
		ids[id] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d sets", len(ids))
	}
}

func TestHeadersOfFailures(t *testing.T) {
	s := NewHeaderSets()
	k := AnswerKind{1, 1, Failure, 500}
	for i := range wholeSets {
		if _, kept := s.Keep(k, answer(i)); cmp.Diff(answer(i), kept) != "" {
			t.Fatalf("answer %d keeps %v", i, kept)
		}
	}
	ids := map[uint64]bool{}
	for i := range 100 {
		id, kept := s.Keep(k, answer(1000+i))
		ids[id] = true
		if kept["Content-Type"] == "" {
			t.Fatalf("what is stable is gone: %v", kept)
		}
	}
	if len(ids) != 1 {
		t.Errorf("%d sets for the same failure over and over", len(ids))
	}
	if _, kept := s.Keep(AnswerKind{1, 1, Failure, 502}, answer(1)); cmp.Diff(answer(1), kept) != "" {
		t.Errorf("another failure keeps %v", kept)
	}
}

func TestNoHeaders(t *testing.T) {
	s := NewHeaderSets()
	for _, h := range []map[string]string{nil, {}, {"Date": "now"}} {
		if id, kept := s.Keep(AnswerKind{1, 1, Success, 200}, h); id != 0 || kept != nil {
			t.Errorf("%v: %d, %v", h, id, kept)
		}
	}
}

func TestLearnersAreBounded(t *testing.T) {
	s := NewHeaderSets()
	for i := range maxLearners + 10 {
		s.Keep(AnswerKind{1, uint64(i), Success, 200}, map[string]string{"A": "b"})
	}
	if len(s.learners) > maxLearners {
		t.Errorf("%d learners", len(s.learners))
	}
}
