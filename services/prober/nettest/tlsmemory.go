package nettest

import (
	"sync"
)

// maxOtherCurves bounds how many addresses are remembered to need other curves.
const maxOtherCurves = 4096

// tlsMemory is what a Network has learned about TLS. The zero value is empty.
type tlsMemory struct {
	chains  chainMemory
	answers ocspMemory
	curves  curveMemory
}

// curveMemory remembers who knows none of FastCurves, so that only the first
// check takes two connections. The zero value is empty.
type curveMemory struct {
	mu    sync.Mutex
	other map[string]struct{}
}

func (m *curveMemory) needsOther(at string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.other[at]
	return ok
}

func (m *curveMemory) remember(at string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.other == nil {
		m.other = map[string]struct{}{}
	}
	if _, again := m.other[at]; !again && len(m.other) >= maxOtherCurves {
		for forgotten := range m.other {
			delete(m.other, forgotten)
			break
		}
	}
	m.other[at] = struct{}{}
}
