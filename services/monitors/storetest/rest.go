package storetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/monitors"
)

func testAnswers(t testing.TB, s monitors.Store) {
	key := monitors.AnswerKey{OrganizationID: "org", Key: "k"}
	first := monitors.Answer{Fingerprint: []byte{1}, Body: []byte("body\x00"), ETag: `"v1"`, At: at}
	keep := func(k monitors.AnswerKey, a monitors.Answer, forget time.Time) {
		t.Helper()
		write(t, s, func(tx monitors.Tx) error { return tx.KeepAnswer(t.Context(), k, a, forget) })
	}
	find := func(k monitors.AnswerKey, since time.Time) (got monitors.Answer, found bool) {
		t.Helper()
		got, found, err := s.Answer(t.Context(), k, since)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, func(tx monitors.Tx) error {
			inside, foundInside, err := tx.Answer(t.Context(), k, since)
			if foundInside != found || !reflect.DeepEqual(inside, got) {
				t.Errorf("inside a transaction %+v, %v; outside %+v, %v", inside, foundInside, got, found)
			}
			return err
		})
		return got, found
	}
	if _, found := find(key, time.Time{}.Add(time.Hour)); found {
		t.Error("an answer in an empty store")
	}
	keep(key, first, at.Add(-time.Hour))
	if got, found := find(key, at); !found || !reflect.DeepEqual(got, first) {
		t.Errorf("answer = %+v, %v, want %+v", got, found, first)
	}
	if _, found := find(key, at.Add(time.Millisecond)); found {
		t.Error("an answer that is too old is found")
	}
	for _, other := range []monitors.AnswerKey{{OrganizationID: "other", Key: "k"}, {OrganizationID: "org", Key: "K"}} {
		if _, found := find(other, at); found {
			t.Errorf("found under %+v", other)
		}
	}
	second := monitors.Answer{Fingerprint: []byte{2}, Body: []byte("new"), ETag: `"v2"`, At: at.Add(time.Hour)}
	keep(key, second, at)
	if got, _ := find(key, at); !reflect.DeepEqual(got, second) {
		t.Errorf("answer = %+v, want the newer %+v", got, second)
	}
	keep(monitors.AnswerKey{OrganizationID: "org", Key: "other"}, second, second.At.Add(time.Millisecond))
	if _, found := find(key, at); found {
		t.Error("an answer from before the limit was not forgotten")
	}
}

func testAudit(t testing.TB, s monitors.Store) {
	row := func(id, org string, when time.Time) audit.Row {
		return audit.Row{
			ID: id, At: when, OrganizationID: org, ActorKind: "user", ActorID: "u", ActorName: "u@example.com", IP: "192.0.2.1",
			Action: "monitor.update", ObjectKind: "monitor", ObjectID: "7",
			Before: json.RawMessage(`{"a":1}`), After: json.RawMessage(`{"a":2}`), RequestID: "r",
		}
	}
	old, other, created := row("1", "org", at), row("2", "other", at), row("3", "org", at.Add(time.Second))
	created.Before = nil
	for _, r := range []audit.Row{old, other, created} {
		write(t, s, func(tx monitors.Tx) error { return tx.Audit(t.Context(), r) })
	}
	got, err := s.AuditRows(t.Context(), audit.Filter{OrganizationID: "org", Limit: 10})
	if err != nil || !reflect.DeepEqual(got, []audit.Row{created, old}) {
		t.Errorf("rows = %+v, %v", got, err)
	}
	got, err = s.AuditRows(t.Context(), audit.Filter{OrganizationID: "org", Until: created.At, Limit: 10})
	if err != nil || !reflect.DeepEqual(got, []audit.Row{old}) {
		t.Errorf("rows until the newest = %+v, %v", got, err)
	}
}

func testFleet(t testing.TB, s monitors.Store) {
	regions, err := s.Regions(t.Context())
	if err != nil || !reflect.DeepEqual(regions, []monitors.Region{{Code: "local", Name: "Local"}}) {
		t.Fatalf("regions of an empty store = %+v, %v", regions, err)
	}
	p := func(id, region string) monitors.Prober {
		return monitors.Prober{ID: id, Region: region, Version: "1", Connected: true, LastSeenAt: at}
	}
	for _, x := range []monitors.Prober{p("z", "local"), p("a", "us"), p("b", "local"), p("c", "us")} {
		if err := s.ProberArrived(t.Context(), x, "s-"+x.ID); err != nil {
			t.Fatal(err)
		}
	}
	regions, err = s.Regions(t.Context())
	if err != nil || len(regions) != 2 || regions[0].Name != "Local" || regions[1].Code != "us" {
		t.Errorf("regions = %+v, %v", regions, err)
	}
	probers, err := s.Probers(t.Context())
	if want := []monitors.Prober{p("b", "local"), p("z", "local"), p("a", "us"), p("c", "us")}; err != nil || !reflect.DeepEqual(probers, want) {
		t.Errorf("probers = %+v, %v, want %+v", probers, err, want)
	}
	moved := p("a", "eu")
	moved.Version = "2"
	if err := s.ProberArrived(t.Context(), moved, "s2"); err != nil {
		t.Fatal(err)
	}
	if probers, err = s.Probers(t.Context()); err != nil || len(probers) != 4 || probers[0] != moved {
		t.Errorf("probers = %+v, %v, want %+v first", probers, err, moved)
	}
}

func testSessions(t testing.TB, s monitors.Store) {
	state := func() monitors.Prober {
		t.Helper()
		ps, err := s.Probers(t.Context())
		if err != nil || len(ps) != 1 {
			t.Fatalf("probers = %+v, %v", ps, err)
		}
		return ps[0]
	}
	p := monitors.Prober{ID: "p", Region: "local", Connected: true, LastSeenAt: at}
	later := at.Add(time.Minute)
	if err := errors.Join(s.ProberArrived(t.Context(), p, "old"), s.ProberArrived(t.Context(), p, "new")); err != nil {
		t.Fatal(err)
	}
	// The old stream ends late; it speaks for nobody any more.
	if err := errors.Join(s.ProberSeen(t.Context(), "p", "old", later), s.ProberLeft(t.Context(), "p", "old", later)); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != p {
		t.Errorf("after the old stream's end: %+v, want %+v", got, p)
	}
	if err := s.ProberSeen(t.Context(), "p", "new", later); err != nil {
		t.Fatal(err)
	}
	if got := state(); !got.Connected || !got.LastSeenAt.Equal(later) {
		t.Errorf("after a sign of life: %+v", got)
	}
	if err := s.ProberLeft(t.Context(), "p", "new", later.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := state(); got.Connected || !got.LastSeenAt.Equal(later.Add(time.Second)) {
		t.Errorf("after it left: %+v", got)
	}
}
