package nettest

import (
	"context"
	"time"
)

// tidy forgets a name of which nothing is known and that nobody asks for, and
// else sets its timer to the next moment at which there is something to do. The
// caller holds the shard.
func (c *dnsCache) tidy(shard *cacheShard, name *cachedName) {
	if shard.names[name.cacheKey] != name {
		return
	}
	now := c.now()
	next := name.next(now)
	switch {
	case next > now && name.timer == nil:
		name.timer = time.AfterFunc(time.Duration(next-now), func() { c.tend(shard, name) })
	case next > now:
		name.timer.Reset(time.Duration(next - now))
	case name.inquiries == [families]*inquiry{}:
		c.remove(shard, name)
	}
}

// next is when an answer is to be refreshed or ends; 0 if none is valid.
func (n *cachedName) next(now int64) int64 {
	known := n.known.Load()
	if known == nil {
		return 0
	}
	var next int64
	for i := range known.of {
		k := &known.of[i]
		for _, at := range [...]int64{k.refresh, k.until} {
			if at > now && (next == 0 || at < next) {
				next = at
			}
		}
	}
	return next
}

// tend asks anew for what ends soon and is in use.
func (c *dnsCache) tend(shard *cacheShard, name *cachedName) {
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.names[name.cacheKey] != name {
		return
	}
	defer c.tidy(shard, name)
	known, now := name.known.Load(), c.now()
	if known == nil || known.generation != name.names.source.generation(now) || known.era != c.era.Load() {
		return
	}
	for i := range known.of {
		k, other := &known.of[i], &known.of[1-i]
		due := now >= k.refresh && now < k.until && (k.err == nil || other.positive(now))
		wanted := name.wanted[i].Load()
		if !due || wanted == 0 || name.inquiries[i] != nil || c.refreshes.Load() >= maxRefreshes {
			continue
		}
		name.wanted[i].CompareAndSwap(wanted, wanted-1)
		c.refreshes.Add(1)
		f := c.join(shard, name, i)
		go c.refresh(shard, name, f, time.Duration(k.until-now))
	}
}

// refresh waits for a question that was asked ahead, no longer than the old
// answer is valid: after that the checks ask themselves, and judge what comes of
// it.
func (c *dnsCache) refresh(shard *cacheShard, name *cachedName, f *inquiry, patience time.Duration) {
	defer c.refreshes.Add(-1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.await(ctx, shard, name, f)
}
