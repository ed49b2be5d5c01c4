package maintenance

import "sync"

// maxCompiled bounds how many schedules are kept; beyond it, all are read anew.
const maxCompiled = 4096

var compiled struct {
	sync.Mutex
	schedules map[Spec]*Schedule
}

// Compiled is Read of a spec that was read before, by anybody: the schedule is shared, and what it remembers with it. Specs whose
// times differ in their zones alone are the same.
func Compiled(spec Spec) (*Schedule, error) {
	spec.Start, spec.End = spec.Start.UTC().Round(0), spec.End.UTC().Round(0)
	compiled.Lock()
	s := compiled.schedules[spec]
	compiled.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := Read(spec)
	if err != nil {
		return nil, err
	}
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.schedules == nil || len(compiled.schedules) >= maxCompiled {
		compiled.schedules = map[Spec]*Schedule{}
	}
	compiled.schedules[spec] = s
	return s, nil
}
