package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/alerts"
)

// watched is a channel that is tried every so many hours.
func watched(t testing.TB, s alerts.Store, hours int) alerts.Channel {
	t.Helper()
	return must(change(t, s, newChannel(t, s, org).ID, func(c *alerts.Channel) { c.CanaryEvery = time.Duration(hours) * time.Hour }))(t)
}

// canaries wants just these channels to be tried.
func canaries(t testing.TB, s alerts.Store, seconds int, want ...uint32) []alerts.CanaryClaim {
	t.Helper()
	claims := must(s.ClaimCanaries(ctx(t), at(seconds), lease, 10))(t)
	var ids []uint32
	for _, c := range claims {
		ids = append(ids, c.Channel.ID)
	}
	same(t, "channels to try", ids, want)
	if t.Failed() {
		t.FailNow()
	}
	return claims
}

func failing(t testing.TB, s alerts.Store, want ...uint32) {
	t.Helper()
	var ids []uint32
	for _, c := range must(s.FailingCanaries(ctx(t)))(t) {
		ids = append(ids, c.ID)
	}
	same(t, "channels that fail", ids, want)
}

var canaryCases = []Case{
	{"canary/at once, then when it was said", func(t testing.TB, s alerts.Store) {
		newChannel(t, s, org)
		ch := watched(t, s, 24)
		same(t, "channel", must(s.Channel(ctx(t), org, ch.ID))(t), ch)
		c := canaries(t, s, 1, ch.ID)[0]
		same(t, "claim", c.Channel, ch)
		canaries(t, s, 60)
		last := alerts.Canary{At: at(2), Error: "the receiver\x00answered 500"}
		check(t, s.SettleCanary(ctx(t), c, last, at(100)))
		got := must(s.Channel(ctx(t), org, ch.ID))(t).Canary
		if !got.At.Equal(at(2)) || got.OK || got.Error == "" {
			t.Errorf("canary = %+v", got)
		}
		failing(t, s, ch.ID)
		canaries(t, s, 99)
		c = canaries(t, s, 100, ch.ID)[0]
		check(t, s.SettleCanary(ctx(t), c, alerts.Canary{At: at(101), OK: true}, at(9000)))
		same(t, "canary", must(s.Channel(ctx(t), org, ch.ID))(t).Canary, alerts.Canary{At: at(101), OK: true})
		failing(t, s)
		canaries(t, s, 8999)
	}},
	{"canary/one that is not settled is sent again, and whoever was too slow is told", func(t testing.TB, s alerts.Store) {
		ch := watched(t, s, 1)
		slow := canaries(t, s, 1, ch.ID)[0]
		c := canaries(t, s, 61, ch.ID)[0]
		wantErr(t, s.SettleCanary(ctx(t), slow, alerts.Canary{At: at(1)}, at(100)), alerts.ErrLeaseLost)
		check(t, s.SettleCanary(ctx(t), c, alerts.Canary{At: at(61), OK: true}, at(100)))
		wantErr(t, s.SettleCanary(ctx(t), c, alerts.Canary{At: at(61)}, at(100)), alerts.ErrLeaseLost)
		same(t, "canary", must(s.Channel(ctx(t), org, ch.ID))(t).Canary, alerts.Canary{At: at(61), OK: true})
	}},
	{"canary/what is changed is tried anew, and keeps what the last one was", func(t testing.TB, s alerts.Store) {
		ch := watched(t, s, 24)
		c := canaries(t, s, 1, ch.ID)[0]
		check(t, s.SettleCanary(ctx(t), c, alerts.Canary{At: at(1), Error: "no"}, at(9000)))
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Name = "other" }))(t)
		canaries(t, s, 2)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Config.Sealed = []byte{7} }))(t)
		c = canaries(t, s, 2, ch.ID)[0]
		changed := must(change(t, s, ch.ID, func(c *alerts.Channel) { c.CanaryEvery = time.Hour; c.Canary = alerts.Canary{} }))(t)
		wantErr(t, s.SettleCanary(ctx(t), c, alerts.Canary{At: at(2), OK: true}, at(9000)), alerts.ErrLeaseLost)
		same(t, "canary", must(s.Channel(ctx(t), org, changed.ID))(t).Canary, alerts.Canary{At: at(1), Error: "no"})
		canaries(t, s, 3, ch.ID)
		failing(t, s, ch.ID)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Enabled = false }))(t)
		failing(t, s)
		canaries(t, s, 9000)
		must(change(t, s, ch.ID, func(c *alerts.Channel) { c.Enabled, c.CanaryEvery = true, 0 }))(t)
		failing(t, s)
		canaries(t, s, 9000)
	}},
	{"canary/no more than asked for", func(t testing.TB, s alerts.Store) {
		a, b := watched(t, s, 1), watched(t, s, 1)
		claims := must(s.ClaimCanaries(ctx(t), at(1), lease, 1))(t)
		same(t, "claims", len(claims), 1)
		same(t, "first", claims[0].Channel.ID, a.ID)
		canaries(t, s, 1, b.ID)
	}},
}

// canaryOverlap is what replicas that look at the same time try.
var canaryOverlap = ReplicaCase{"replicas/one canary, however many look at once", func(t testing.TB, replicas []alerts.Store) {
	const n = 20
	for range n {
		watched(t, replicas[0], 1)
	}
	var mu sync.Mutex
	tried := map[uint32]int{}
	both(t, replicas, n, func(s alerts.Store, _ int) error {
		claims, err := s.ClaimCanaries(ctx(t), at(1), lease, 2)
		mu.Lock()
		defer mu.Unlock()
		for _, c := range claims {
			tried[c.Channel.ID]++
		}
		return err
	})
	same(t, "channels", len(tried), n)
	for id, times := range tried {
		if times != 1 {
			t.Errorf("channel %d is tried %d times", id, times)
		}
	}
}}
