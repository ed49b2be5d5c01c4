package prober

import "time"

// observer knows how well this prober itself is.
type observer struct {
	engine *engine
	clock  slotClock
}

func newObserver(g *engine) *observer { return &observer{engine: g} }

// now is the present on the axis of slots.
func (g *engine) now() time.Time { return g.observer.clock.now() }

// start watches until stop is called.
func (o *observer) start() (stop func()) { return func() {} }

// settle decides everything that waits for a decision.
func (o *observer) settle() {}
