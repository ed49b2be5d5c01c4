package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

// paced is a new channel that is told at this pace.
func paced(t testing.TB, s alerts.Store, window time.Duration, perMinute int) alerts.Channel {
	t.Helper()
	c := newChannel(t, s, org)
	return must(s.UpdateChannel(ctx(t), org, c.ID, func(c *alerts.Channel) (audit.Row, error) {
		c.DigestWindow, c.PerMinute = window, perMinute
		return row(t, "channel.update"), nil
	}))(t)
}

// numbered are n messages of the channel, each about another monitor.
func numbered(prefix string, channel uint32, n int) (out []alerts.Message) {
	for i := range n {
		out = append(out, channelMessage(fmt.Sprintf("%s%03d", prefix, i), channel, uint32(i+1)))
	}
	return out
}

// digest claims one message, which has to be a digest, and returns it with the ids of what it tells.
func digest(t testing.TB, s alerts.Store, seconds int) (alerts.Claim, []string) {
	t.Helper()
	claims, _, err := s.Claim(ctx(t), at(seconds), lease, 16)
	check(t, err)
	if len(claims) != 1 || claims[0].Type != alerts.TypeDigest {
		t.Fatalf("claims at %d s = %+v, want a digest", seconds, claims)
	}
	var told []string
	for _, e := range claims[0].Content.Digest {
		told = append(told, e.ID)
	}
	return claims[0], told
}

func names(prefix string, from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s%03d", prefix, i))
	}
	return out
}

// members wants every message to be in a state, carried by the digest.
func members(t testing.TB, s alerts.Store, digest string, state alerts.DeliveryState, want []string) {
	t.Helper()
	all := deliveries(t, s)
	for _, id := range want {
		if d := all[id]; d.State != state || d.DigestID != digest || (state == alerts.DeliveryDelivered) == d.DeliveredAt.IsZero() {
			t.Errorf("%s = %+v, want %s in %s", id, d, state, digest)
		}
	}
}

var stormCases = []Case{
	{"storm/the pace of a channel is kept", func(t testing.TB, s alerts.Store) {
		c := paced(t, s, 90*time.Second, 7)
		same(t, "channel", must(s.Channel(ctx(t), org, c.ID))(t), c)
		same(t, "window", c.DigestWindow, 90*time.Second)
		same(t, "per minute", c.PerMinute, 7)
	}},
	{"storm/a few come by themselves, the others at the end of the window", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		for i := range 3 {
			put(t, s, at(1+i), alerts.Batch{Messages: []alerts.Message{channelMessage(fmt.Sprint("calm", i), ch.ID, uint32(100+i))}})
			delivered(t, s, claim(t, s, 1+i, fmt.Sprint("calm", i))[0], 1+i)
		}
		put(t, s, at(5), alerts.Batch{Messages: numbered("m", ch.ID, 60)})
		claims, next, err := s.Claim(ctx(t), at(5), lease, 16)
		check(t, err)
		same(t, "claims in the window", len(claims), 0)
		same(t, "next", next, at(31))
		c, told := digest(t, s, 31)
		same(t, "told", told, names("m", 0, 50))
		members(t, s, c.ID, alerts.DeliveryPending, told)
		claim(t, s, 32) // one at a time
		delivered(t, s, c, 32)
		members(t, s, c.ID, alerts.DeliveryDelivered, told)
		c, told = digest(t, s, 33)
		same(t, "told next", told, names("m", 50, 60))
		delivered(t, s, c, 33)
		claim(t, s, 1000)
		put(t, s, at(1000), alerts.Batch{Messages: []alerts.Message{channelMessage("calm again", ch.ID, 1)}})
		claim(t, s, 1000, "calm again")
	}},
	{"storm/many at once come as one from the beginning", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 52)})
		c, told := digest(t, s, 1)
		same(t, "told", told, names("m", 0, 50))
		delivered(t, s, c, 2)
		claim(t, s, 30)
		_, told = digest(t, s, 31)
		same(t, "told at the end of the window", told, names("m", 50, 52))
	}},
	{"storm/a digest keeps its id and what it tells until it is final", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 4)})
		c, told := digest(t, s, 1)
		failed(t, s, c, 1, 6)
		// What happens to the same monitors meanwhile waits behind it.
		put(t, s, at(3), alerts.Batch{Messages: numbered("n", ch.ID, 4)})
		again, same4 := digest(t, s, 6)
		same(t, "id", again.ID, c.ID)
		same(t, "told", same4, told)
		dead(t, s, again, 6)
		members(t, s, c.ID, alerts.DeliveryDead, told)
		_, told = digest(t, s, 31)
		same(t, "then", told, names("n", 0, 4))
	}},
	{"storm/a digest whose lease ended is sent again as it was", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 4)})
		c, told := digest(t, s, 1)
		put(t, s, at(2), alerts.Batch{Messages: []alerts.Message{channelMessage("late", ch.ID, 9)}})
		again, repeated := digest(t, s, 100)
		same(t, "id", again.ID, c.ID)
		same(t, "told", repeated, told)
	}},
	{"storm/what was tried is not merged", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		put(t, s, at(1), alerts.Batch{Messages: []alerts.Message{channelMessage("solo", ch.ID, 77)}})
		failed(t, s, claim(t, s, 1, "solo")[0], 1, 6)
		put(t, s, at(2), alerts.Batch{Messages: numbered("m", ch.ID, 10)})
		claim(t, s, 2)
		delivered(t, s, claim(t, s, 6, "solo")[0], 6)
		_, told := digest(t, s, 31)
		same(t, "told", told, names("m", 0, 10))
	}},
	{"storm/a replayed digest takes along what it tells, and a replayed message goes by itself", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 5)})
		c, told := digest(t, s, 1)
		dead(t, s, c, 1)
		replay(t, s, "m000", 100)
		same(t, "digest of the replayed", deliveries(t, s)["m000"].DigestID, "")
		delivered(t, s, claim(t, s, 100, "m000")[0], 100)
		replay(t, s, c.ID, 200)
		members(t, s, c.ID, alerts.DeliveryPending, told[1:])
		again, _ := digest(t, s, 200)
		same(t, "id", again.ID, c.ID)
		delivered(t, s, again, 200)
		members(t, s, c.ID, alerts.DeliveryDelivered, told[1:])
		members(t, s, "", alerts.DeliveryDelivered, told[:1])
	}},
	{"storm/rules and channels without a window are told one by one", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 0, 0)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 6)})
		for i, id := range names("m", 0, 6) {
			delivered(t, s, claim(t, s, 1+i, id)[0], 1+i)
		}
	}},
	{"storm/a channel that is switched off takes its digests along", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 30*time.Second, 0)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 5)})
		c, told := digest(t, s, 1)
		check(t, discard(s.DeleteChannel(ctx(t), org, ch.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "channel.delete"), nil })))
		members(t, s, c.ID, alerts.DeliveryDead, told)
		wantErr(t, s.Settle(ctx(t), c, alerts.Attempt{At: at(2)}, alerts.Verdict{State: alerts.DeliveryDelivered}), alerts.ErrLeaseLost)
	}},
	{"pace/so many in any minute", func(t testing.TB, s alerts.Store) {
		ch, free := paced(t, s, 0, 2), newChannel(t, s, org)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 5)})
		delivered(t, s, claim(t, s, 1, "m000")[0], 1)
		delivered(t, s, claim(t, s, 11, "m001")[0], 11)
		claims, next, err := s.Claim(ctx(t), at(12), lease, 16)
		check(t, err)
		same(t, "claims over the limit", len(claims), 0)
		same(t, "next", next, at(61))
		put(t, s, at(13), alerts.Batch{Messages: []alerts.Message{channelMessage("free", free.ID, 1)}})
		delivered(t, s, claim(t, s, 13, "free")[0], 13)
		claim(t, s, 60)
		failed(t, s, claim(t, s, 61, "m002")[0], 61, 65) // an attempt counts, whatever comes of it
		claim(t, s, 70)
		delivered(t, s, claim(t, s, 71, "m002")[0], 71)
		claim(t, s, 120)
		delivered(t, s, claim(t, s, 121, "m003")[0], 121)
	}},
	{"pace/the time of waiting for one's turn is not the time of trying", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 0, 1)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 2)})
		c := claim(t, s, 1, "m000")[0]
		same(t, "first", c.BegunAt, at(1))
		delivered(t, s, c, 2)
		same(t, "after its turn", claim(t, s, 90000, "m001")[0].BegunAt, at(90000))
	}},
	{"pace/a receiver that accepts nothing is no reason to try for longer", func(t testing.TB, s alerts.Store) {
		ch := paced(t, s, 0, 1)
		put(t, s, at(1), alerts.Batch{Messages: numbered("m", ch.ID, 2)})
		dead(t, s, claim(t, s, 1, "m000")[0], 1)
		same(t, "begun", claim(t, s, 90000, "m001")[0].BegunAt, at(1))
	}},
}
