package prober

import runtimemetrics "runtime/metrics"

// memoryWatch tells when the memory limit is so near that the garbage collector has the processors.
type memoryWatch struct {
	samples []runtimemetrics.Sample
	near    bool
}

// nearLimit is the part of the limit that what is needed may take.
const nearLimit = 0.95

// look reads the figures, and says whether memory is short.
func (m *memoryWatch) look() bool {
	if m.samples == nil {
		m.samples = []runtimemetrics.Sample{
			{Name: "/gc/gomemlimit:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"},
			{Name: "/memory/classes/heap/released:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
			{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		}
	}
	runtimemetrics.Read(m.samples)
	at := func(i int) float64 { return float64(m.samples[i].Value.Uint64()) }
	m.near = tight(at(0), at(1), at(2)-at(3)-at(4)-at(5)-at(6))
	return m.near
}

func tight(limit, live, rest float64) bool { return live+max(rest, 0) > nearLimit*limit }
