package nettest

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultDNSCacheTTL is how long an answer is kept at most.
const DefaultDNSCacheTTL = time.Minute

const (
	// negativeTTL is how long it is believed at most that a name has no address at
	// all, whatever its zone says. It is short, so that neither a recovery nor the
	// repetition of a failed check waits for it.
	negativeTTL = time.Second
	// joinWindow is how old a question may be for another check to wait for its
	// answer. An older one may have been lost, and whoever joined it would wait for
	// its repetition.
	joinWindow = 200 * time.Millisecond
	// refreshLead is how long before its end an answer in use is asked for anew:
	// a quarter of its time, at most this.
	refreshLead = 10 * time.Second
	// idleRefreshes is how many times a name is asked for ahead after its last use.
	// With two, checks that are up to twice as rare as the answers never wait, and
	// no name costs more than three questions a use.
	idleRefreshes = 2
	// maxRefreshes bounds how many questions are asked ahead at the same time.
	maxRefreshes = 128
	// clockSlack is how far the wall clock may run away from the monotonic one before
	// the machine is taken to have slept, of which the latter knows nothing.
	clockSlack = time.Second

	cacheShards = 64
	// maxCachedNames and maxCachedBytes bound the memory of a network's cache.
	maxCachedNames = 100_000
	maxCachedBytes = 64 << 20
	// nameBytes is about what a name takes without its text and addresses.
	nameBytes = 768
)

// cachedAddrs returns the addresses of host that are known and still valid, in
// the order in which they are tried, and false if a lookup is needed. For IPAny
// (or "") that takes a valid answer for both families, of which one may be that
// there is none; of names without any address it says false. host is a name as
// parseHost gives it. It sends nothing, does not allocate, and does not wait,
// except that one call a second looks whether /etc/hosts or /etc/resolv.conf has
// changed, and reads it if so. It counts as a use of the name, for which it is
// kept fresh. The slice is shared: it must not be changed.
func (n *names) cachedAddrs(host string, v IPVersion) (addrs []netip.Addr, ok bool) {
	if n.longest == 0 || n.source == nil {
		return nil, false
	}
	return n.cache.addrs(n, host, v)
}

// addressSource is a resolver that says how long an answer may be kept.
type addressSource interface {
	Resolver
	resolve(ctx context.Context, host string, family IPVersion) resolution
	generation(now int64) uint64
}

// dnsCache keeps the answers of all resolvers of a network, each for as long as
// it allows, and asks for names in use again before that. What is no longer valid
// is never used: not when asking again fails, nor after the machine has slept.
type dnsCache struct {
	limit int // names per shard
	room  int // bytes per shard
	seed  maphash.Seed
	// offset is the wall clock's from the monotonic one, and era counts how often it
	// has leapt ahead.
	offset atomic.Int64
	era    atomic.Uint64

	refreshes atomic.Int32
	shards    [cacheShards]cacheShard
}

func newDNSCache() *dnsCache {
	c := &dnsCache{limit: maxCachedNames / cacheShards, room: maxCachedBytes / cacheShards, seed: maphash.MakeSeed()}
	now := time.Now()
	c.offset.Store(now.UnixNano() - monotonicAt(now))
	return c
}

// now is monotonic. It also notices that the machine has slept: answers are older
// then than this clock knows.
func (c *dnsCache) now() int64 {
	wall := time.Now()
	now := monotonicAt(wall)
	offset, known := wall.UnixNano()-now, c.offset.Load()
	if ahead := offset - known; ahead > int64(clockSlack) || ahead < -int64(clockSlack) {
		if c.offset.CompareAndSwap(known, offset) && ahead > 0 {
			c.era.Add(1)
		}
	}
	return now
}

// cacheKey is a name as one resolver knows it.
type cacheKey struct {
	names *names
	host  string
}

type cacheShard struct {
	mu    sync.RWMutex
	names map[cacheKey]*cachedName
	ring  []*cachedName // all of names
	hand  int           // where the search for one to forget goes on
	bytes int
	_     [64]byte // shards do not share cache lines
}

// Families, as indices.
const (
	index4 = iota
	index6
	families
)

func familyIndex(family IPVersion) int {
	if family == IPv6 {
		return index6
	}
	return index4
}

func familyOf(index int) IPVersion { return [families]IPVersion{IPv4, IPv6}[index] }

// cachedName is what is known of one name.
type cachedName struct {
	cacheKey
	known atomic.Pointer[knownAddrs] // nil: nothing
	// recent says that what is known was used since the hand passed the name. Names
	// that are looked up once never are.
	recent atomic.Bool
	// wanted is how many times a family is still to be asked for ahead if no check
	// wants it any more.
	wanted [families]atomic.Int32

	// The rest is guarded by the shard.
	inquiries [families]*inquiry
	timer     *time.Timer // set while anything is known
	slot      int         // in the ring
	bytes     int
}

// knownAddrs never changes.
type knownAddrs struct {
	generation uint64
	era        uint64
	of         [families]keptAnswer
	both       []netip.Addr // in the order in which they are tried
}

// keptAnswer is an answer for one family; its times are monotonic.
type keptAnswer struct {
	addrs   []netip.Addr
	err     error // that there are none
	until   int64
	brief   int64 // the end for who needs addresses of this family and gets none
	refresh int64 // when to ask anew
}

func (k *keptAnswer) positive(now int64) bool { return now < k.until && k.err == nil }

// addrs is names.cachedAddrs.
func (c *dnsCache) addrs(n *names, host string, v IPVersion) ([]netip.Addr, bool) {
	now := c.now()
	name, known := c.find(n, host, now)
	if known == nil {
		return nil, false
	}
	if !name.recent.Load() { // as in use
		name.recent.Store(true)
	}
	four, six := &known.of[index4], &known.of[index6]
	switch v {
	case IPv4:
		name.use(index4)
		return four.addrs, four.positive(now)
	case IPv6:
		name.use(index6)
		return six.addrs, six.positive(now)
	}
	name.use(index4)
	name.use(index6)
	return known.both, now < four.until && now < six.until && len(known.both) > 0
}

func (n *cachedName) use(family int) {
	if n.wanted[family].Load() != idleRefreshes { // a write would take the line from the other readers
		n.wanted[family].Store(idleRefreshes)
	}
}

// find returns what is known of a name under the current settings.
func (c *dnsCache) find(n *names, host string, now int64) (*cachedName, *knownAddrs) {
	shard := c.shard(host)
	shard.mu.RLock()
	name := shard.names[cacheKey{n, host}]
	shard.mu.RUnlock()
	if name == nil {
		return nil, nil
	}
	known := name.known.Load()
	if known == nil || known.generation != n.source.generation(now) || known.era != c.era.Load() {
		return name, nil
	}
	return name, known
}

func (c *dnsCache) shard(host string) *cacheShard {
	return &c.shards[maphash.String(c.seed, host)%cacheShards]
}

// lookup returns what is known of one family, which kept says, or asks and waits
// until ctx ends. That there are no addresses is believed for longer if the other
// family may be used instead and has some.
func (c *dnsCache) lookup(ctx context.Context, n *names, host string, family IPVersion, alone bool) (found resolution, kept bool) {
	if ctx.Err() != nil {
		return resolution{err: endedDNSError(ctx, host)}, false
	}
	index, now := familyIndex(family), c.now()
	if name, known := c.find(n, host, now); known != nil {
		answer, other := &known.of[index], &known.of[1-index]
		name.use(index)
		if answer.positive(now) || now < answer.brief || !alone && now < answer.until && other.positive(now) {
			return resolution{addrs: answer.addrs, err: answer.err}, true
		}
	}
	shard := c.shard(host)
	shard.mu.Lock()
	name := shard.names[cacheKey{n, host}]
	if name == nil {
		name = c.insert(shard, n, host)
	}
	name.use(index)
	f := c.join(shard, name, index)
	shard.mu.Unlock()
	return c.await(ctx, shard, name, f), false
}

// inquiry is one question under way and who waits for its answer.
type inquiry struct {
	index   int
	begun   int64
	era     uint64
	waiters int // guarded by the shard
	cancel  context.CancelFunc
	done    chan struct{}
	found   resolution // valid when done is closed
}

// join returns a question that is young enough, or asks a new one; the caller
// holds the shard.
func (c *dnsCache) join(shard *cacheShard, name *cachedName, index int) *inquiry {
	now := c.now()
	if f := name.inquiries[index]; f != nil && now-f.begun < int64(joinWindow) {
		f.waiters++
		return f
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &inquiry{index: index, begun: now, era: c.era.Load(), waiters: 1, cancel: cancel, done: make(chan struct{})}
	name.inquiries[index] = f
	go func() {
		defer cancel()
		f.found = name.names.source.resolve(ctx, name.host, familyOf(index))
		shard.mu.Lock()
		c.land(shard, name, f)
		shard.mu.Unlock()
		close(f.done)
	}()
	return f
}

// await waits for an answer as long as ctx lasts. A question that nobody waits
// for any more ends.
func (c *dnsCache) await(ctx context.Context, shard *cacheShard, name *cachedName, f *inquiry) resolution {
	select {
	case <-f.done:
		return f.found
	case <-ctx.Done():
	}
	shard.mu.Lock()
	f.waiters--
	if f.waiters == 0 {
		f.cancel()
		if name.inquiries[f.index] == f {
			name.inquiries[f.index] = nil
			c.tidy(shard, name)
		}
	}
	shard.mu.Unlock()
	select { // both may be ready
	case <-f.done:
		return f.found
	default:
		return resolution{err: endedDNSError(ctx, name.host)}
	}
}

// land keeps what a question brought; the caller holds the shard.
func (c *dnsCache) land(shard *cacheShard, name *cachedName, f *inquiry) {
	if name.inquiries[f.index] == f {
		name.inquiries[f.index] = nil
	}
	defer c.tidy(shard, name)
	if shard.names[name.cacheKey] != name || f.found.err != nil && !notFound(f.found.err) {
		return // nothing was learnt; what is known stays valid until its end
	}
	next := &knownAddrs{generation: f.found.generation, era: f.era}
	if old := name.known.Load(); old != nil && old.generation == next.generation && old.era == next.era {
		*next = *old
	}
	next.of[f.index] = c.keep(f.found, name.names.longest)
	next.both = name.names.network.order([]answer{
		{family: IPv4, addrs: next.of[index4].addrs}, {family: IPv6, addrs: next.of[index6].addrs},
	})
	name.known.Store(next)
	c.weigh(shard, name)
}

// keep is an answer for as long as it allows, longest at most, from when it was
// asked for: it may be no younger.
func (c *dnsCache) keep(found resolution, longest time.Duration) keptAnswer {
	now := c.now()
	born := now
	if found.asked != 0 {
		born = min(found.asked, now)
	}
	ttl := min(found.keep, longest)
	if ttl <= 0 || born+int64(ttl) <= now {
		return keptAnswer{}
	}
	k := keptAnswer{addrs: found.addrs, err: found.err, until: born + int64(ttl)}
	if k.err != nil {
		k.brief = born + int64(min(ttl, negativeTTL))
	}
	// Names that were learnt together are not asked for together.
	lead := min(ttl/4, refreshLead)
	k.refresh = k.until - int64(lead) + rand.Int64N(int64(lead)/4+1)
	return k
}
