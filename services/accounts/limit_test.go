package accounts

import (
	"fmt"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
)

func TestTenAttemptsAMinute(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := newLimiter(100)
		frog := attempterOf("192.0.2.1", "frog@example.com")
		for i := range attempts {
			if wait := l.take(frog); wait != 0 {
				t.Fatalf("attempt %d has to wait %v", i+1, wait)
			}
		}
		for range 3 { // asking again and again must not push the end away
			if wait := l.take(frog); wait != 6*time.Second {
				t.Fatalf("attempt 11 has to wait %v, want 6s", wait)
			}
		}
		for _, other := range []attempter{attempterOf("192.0.2.2", "frog@example.com"), attempterOf("192.0.2.1", "toad@example.com")} {
			if wait := l.take(other); wait != 0 {
				t.Errorf("another address or account has to wait %v", wait)
			}
		}
		<-time.After(6 * time.Second)
		if wait := l.take(frog); wait != 0 {
			t.Errorf("after the wait it has to wait %v", wait)
		}
		if wait := l.take(frog); wait == 0 {
			t.Error("the wait earned more than one attempt")
		}
		l.forgive(frog)
		for i := range attempts {
			if wait := l.take(frog); wait != 0 {
				t.Fatalf("forgiven, attempt %d has to wait %v", i+1, wait)
			}
		}
	})
}

func TestAttemptersAreBounded(t *testing.T) {
	l := newLimiter(8)
	frog := attempterOf("192.0.2.1", "frog@example.com")
	for range attempts {
		l.take(frog)
	}
	for i := range 7 {
		l.take(attempterOf("192.0.2.1", fmt.Sprint(i)))
	}
	if wait := l.take(frog); wait == 0 {
		t.Error("forgotten although there was room")
	}
	for i := range 1000 {
		l.take(attempterOf("192.0.2.1", fmt.Sprint("other", i)))
		if i%3 == 0 {
			l.take(frog) // who keeps trying is not forgotten
		}
	}
	if wait := l.take(frog); wait == 0 {
		t.Error("who keeps trying was forgotten")
	}
	if len(l.byKey) != 8 || l.recent.Len() != 8 {
		t.Errorf("%d and %d remembered, want 8", len(l.byKey), l.recent.Len())
	}
}

func TestOneNetworkIsOneAttempter(t *testing.T) {
	a := attempterOf("2001:db8:1:2::1", "frog")
	if a != attempterOf("2001:db8:1:2:ffff::9", "frog") {
		t.Error("two addresses of one /64 count apart")
	}
	if a == attempterOf("2001:db8:1:3::1", "frog") {
		t.Error("two networks count together")
	}
	if attempterOf("192.0.2.1", "frog") == attempterOf("192.0.2.2", "frog") {
		t.Error("two IPv4 addresses count together")
	}
	if attempterOf("192.0.2.1", "frog") != attempterOf("::ffff:192.0.2.1", "frog") {
		t.Error("one IPv4 address has two names")
	}
	if attempterOf("192.0.2.1", "1frog") == attempterOf("192.0.2.11", "frog") {
		t.Error("address and account run into each other")
	}
}
