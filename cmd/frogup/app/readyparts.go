package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"
)

// checker is a room that can tell whether it does its work, and otherwise why not. It is cheap, and may be asked from any
// goroutine.
type checker interface {
	Check(ctx context.Context) error
}

// duties are what the rooms are there for, in the words of operators.
var duties = map[string]string{"prober": "scheduling", "events": "storing", "alerts": "delivering", "monitors": "assigning"}

// component is a room that is asked now and then.
type component struct {
	ask    func(context.Context) error
	asked  bool
	last   error // of the last time it was asked
	misses int   // in a row
}

func (p *component) state() string {
	switch {
	case !p.asked:
		return errStarting.Error()
	case p.last != nil:
		return notReadyText
	}
	return readyText
}

// part makes the readiness of the process depend on a room, if the room can tell.
func (r *readiness) part(name string, room any) {
	c, ok := room.(checker)
	if !ok {
		return
	}
	if duty := duties[name]; duty != "" {
		name = duty
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[name] = &component{ask: c.Check}
}

// partsNow asks all rooms, all at once.
func (r *readiness) partsNow(ctx context.Context) map[string]error {
	r.mu.Lock()
	parts := maps.Clone(r.parts)
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found := gather[error]{}
	for name, p := range parts {
		found.Go(name, func() error { return p.ask(ctx) })
	}
	return found.wait()
}

// followParts asks the rooms now and then until ctx ends, and says once what is wrong, and once that it is over.
func (r *readiness) followParts(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		found := r.partsNow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for name, err := range found {
			switch before, now := r.note(name, err); {
			case now == missesToBad:
				log.Error("a part of this process does not do its work", "part", name, "error", err.Error())
			case now == 0 && before >= missesToBad:
				log.Info("a part of this process does its work again", "part", name)
			}
		}
	}
}

// note remembers what a room said, and returns how often in a row it has been unwell, before and now.
func (r *readiness) note(name string, err error) (before, now int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.parts[name]
	before = p.misses
	p.asked, p.last = true, err
	if p.misses++; err == nil {
		p.misses = 0
	}
	return before, p.misses
}

// ailment is why this process should not be believed to do all of its work; nil means that it does. Other processes do not
// count: they have pulses of their own.
func (r *readiness) ailment(ctx context.Context) error {
	r.mu.Lock()
	phase := r.phase
	r.mu.Unlock()
	if phase != nil {
		return phase
	}
	var bad error
	for _, found := range []map[string]error{r.partsNow(ctx), r.storesOf(ctx, "")} {
		for what, err := range found {
			if err != nil {
				bad = errors.Join(bad, fmt.Errorf("%s: %w", what, err))
			}
		}
	}
	return bad
}
