package nettest

import "strings"

// insert adds a name, in the place of others if there are too many.
func (c *dnsCache) insert(shard *cacheShard, n *names, host string) *cachedName {
	if shard.names == nil {
		shard.names = make(map[cacheKey]*cachedName)
	}
	for len(shard.ring) >= c.limit && c.forgetOne(shard, nil) {
	}
	name := &cachedName{cacheKey: cacheKey{n, strings.Clone(host)}, slot: len(shard.ring)}
	shard.names[name.cacheKey] = name
	shard.ring = append(shard.ring, name)
	c.weigh(shard, name)
	return name
}

// weigh accounts for what a name takes, and forgets others if that is too much.
// The caller holds the shard.
func (c *dnsCache) weigh(shard *cacheShard, name *cachedName) {
	bytes := nameBytes + len(name.host)
	if known := name.known.Load(); known != nil {
		const addrBytes = 24
		bytes += addrBytes * (cap(known.of[index4].addrs) + cap(known.of[index6].addrs) + cap(known.both))
	}
	shard.bytes += bytes - name.bytes
	name.bytes = bytes
	for shard.bytes > c.room && c.forgetOne(shard, name) {
	}
}

// forgetOne forgets a name that was not used since the hand passed it last, or
// else the next one. It is false if all are being asked for, but for spare.
func (c *dnsCache) forgetOne(shard *cacheShard, spare *cachedName) bool {
	for range 2 * len(shard.ring) {
		if shard.hand >= len(shard.ring) {
			shard.hand = 0
		}
		name := shard.ring[shard.hand]
		switch {
		case name == spare || name.inquiries != [families]*inquiry{}:
		case name.recent.Load():
			name.recent.Store(false)
		default:
			c.remove(shard, name)
			return true
		}
		shard.hand++
	}
	return false
}

// remove forgets a name; the caller holds the shard.
func (c *dnsCache) remove(shard *cacheShard, name *cachedName) {
	if name.timer != nil {
		name.timer.Stop()
	}
	delete(shard.names, name.cacheKey)
	last := shard.ring[len(shard.ring)-1]
	shard.ring[name.slot], last.slot = last, name.slot
	shard.ring[len(shard.ring)-1] = nil
	shard.ring = shard.ring[:len(shard.ring)-1]
	shard.bytes -= name.bytes
}
