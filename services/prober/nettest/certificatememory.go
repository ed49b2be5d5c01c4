package nettest

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

const (
	// maxChains bounds how many chains are remembered, and maxChainBytes how long
	// one may be: together some 30 MB at the very worst, a tenth of that in practice.
	maxChains     = 2048
	maxChainBytes = 12 << 10
)

// chainMemory remembers chains that were found right, because nearly every check
// sees the chain of the check before. What is found depends on nothing but the
// bytes of the certificates, the roots and the time: an entry holds while all of
// its verified chain is within its time. Proof that the peer has the key is not
// part of it; crypto/tls asks for that in every handshake. The zero value is empty.
type chainMemory struct {
	mu    sync.Mutex
	known map[chainKey]*knownChain
}

type chainKey struct {
	sum   [sha256.Size]byte
	roots *x509.CertPool // a pool only ever grows, which makes nothing wrong
}

type knownChain struct {
	inspection
	begin, end time.Time
	// sent keeps the certificates above the leaf in crypto/tls's own cache, which
	// shares and does not parse again what is in use.
	sent []*x509.Certificate
}

func chainKeyOf(chain []*x509.Certificate, roots *x509.CertPool) chainKey {
	if len(chain) == 1 {
		return chainKey{sha256.Sum256(chain[0].Raw), roots}
	}
	sum := sha256.New()
	var length [8]byte
	for _, c := range chain {
		binary.BigEndian.PutUint64(length[:], uint64(len(c.Raw)))
		sum.Write(length[:])
		sum.Write(c.Raw)
	}
	key := chainKey{roots: roots}
	sum.Sum(key.sum[:0])
	return key
}

// recall returns a copy of what was found, or nil.
func (m *chainMemory) recall(key chainKey, now time.Time) *inspection {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.known[key]
	if k == nil || now.Before(k.begin) || now.After(k.end) {
		return nil
	}
	found := k.inspection
	found.shown.Problems = slices.Clone(found.shown.Problems)
	found.shown.Names = slices.Clone(found.shown.Names)
	return &found
}

// keep remembers a chain that is right. A full memory forgets any other.
func (m *chainMemory) keep(key chainKey, i *inspection, chain []*x509.Certificate) {
	size := 0
	for _, c := range chain {
		size += len(c.Raw)
	}
	if i.refused != nil || !i.shown.Trusted || size > maxChainBytes {
		return
	}
	k := &knownChain{inspection: *i, begin: beginOf(i.best), end: endOf(i.best), sent: chain[1:]}
	k.shown.Problems = slices.Clone(k.shown.Problems)
	k.shown.Names = slices.Clone(k.shown.Names)
	k.best = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[chainKey]*knownChain{}
	}
	if _, again := m.known[key]; !again && len(m.known) >= maxChains {
		for other := range m.known {
			delete(m.known, other)
			break
		}
	}
	m.known[key] = k
}
