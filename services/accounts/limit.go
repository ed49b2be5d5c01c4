package accounts

import (
	"container/list"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	attempts       = 10          // password attempts that one address may make at one account
	attemptsWindow = time.Minute // in this time

	// maxAttempters bounds the memory to a few MiB. Whoever wants to be forgotten before the window is over must first make
	// this many attempts elsewhere, each of which costs a password hash.
	maxAttempters = 1 << 16
)

// limiter counts password attempts by address and account, and forgets those seen longest ago when there are too many. It is
// safe for concurrent use.
type limiter struct {
	most int

	mu     sync.Mutex
	byKey  map[attempter]*list.Element
	recent *list.List // of *attempting, the last seen in front
}

// attempter is a hash, because people type passwords where the e-mail belongs.
type attempter [sha256.Size]byte

type attempting struct {
	who    attempter
	bucket *rate.Limiter
}

func newLimiter(most int) *limiter {
	return &limiter{most: most, byKey: map[attempter]*list.Element{}, recent: list.New()}
}

// attempterOf names who tries. Addresses of one IPv6 network are one: a single host commands all of them.
func attempterOf(ip, account string) attempter {
	if a, err := netip.ParseAddr(ip); err == nil {
		bits := 32
		if a = a.Unmap().WithZone(""); a.Is6() {
			bits = 64
		}
		ip = netip.PrefixFrom(a, bits).Masked().String()
	}
	return sha256.Sum256([]byte(ip + "\x00" + account))
}

// take counts an attempt. It returns 0 if the attempt may go on, else how long to wait for the next.
func (l *limiter) take(who attempter) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	r := l.bucket(who).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // a refused attempt must not push the next one further away
	}
	return wait
}

// forgive forgets the attempts: they ended in the right password, so nobody was guessing.
func (l *limiter) forgive(who attempter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[who]; ok {
		l.recent.Remove(e)
		delete(l.byKey, who)
	}
}

func (l *limiter) bucket(who attempter) *rate.Limiter {
	if e, ok := l.byKey[who]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*attempting).bucket
	}
	if l.recent.Len() >= l.most {
		oldest := l.recent.Back()
		delete(l.byKey, l.recent.Remove(oldest).(*attempting).who)
	}
	a := &attempting{who: who, bucket: rate.NewLimiter(rate.Every(attemptsWindow/attempts), attempts)}
	l.byKey[who] = l.recent.PushFront(a)
	return a.bucket
}
