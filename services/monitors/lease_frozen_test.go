package monitors_test

import (
	"context"
	"sync"
	"testing"

	"github.com/frogstats/uptime/services/monitors"
)

// TestFrozenStore lets nothing be read or written for long: nobody is over because of it, then or afterwards.
func TestFrozenStore(t *testing.T) {
	for name, freezes := range map[string]func(*freezer){
		"nothing can be read or written": func(f *freezer) { f.reads, f.writes = true, true },
		"nothing can be written":         func(f *freezer) { f.writes = true },
	} {
		t.Run(name, func(t *testing.T) {
			frozen := &freezer{thaw: nil}
			inBubble(t, func(t *testing.T, c *centre) {
				c.open("a", "s")
				c.open("b", "s")
				c.keep(testTTL, "a", "b")
				pass(testTTL / 3) // they were about to renew
				frozen.mu.Lock()
				freezes(frozen)
				frozen.thaw = make(chan struct{})
				frozen.mu.Unlock()
				pass(30 * testTTL)
				frozen.mu.Lock()
				frozen.reads, frozen.writes = false, false
				close(frozen.thaw)
				frozen.mu.Unlock()
				pass(testTTL / 2) // they had given up, and try again
				c.keep(2*testTTL, "a", "b")
				all, err := c.store.Sessions(t.Context())
				if err != nil || len(all) != 2 || !all[0].Live() || !all[1].Live() {
					t.Errorf("sessions %+v, %v", all, err)
				}
				if n := frozen.ended; n > 0 {
					t.Errorf("%d sessions were ended", n)
				}
			}, func(d *monitors.Deps) {
				frozen.Store = d.Store
				d.Store = frozen
			})
		})
	}
}

// freezer is a store that stands still at times.
type freezer struct {
	monitors.Store
	mu            sync.Mutex
	reads, writes bool
	thaw          chan struct{}
	ended         int
}

func (f *freezer) wait(ctx context.Context, write bool) error {
	f.mu.Lock()
	frozen, thaw := f.reads && !write || f.writes && write, f.thaw
	f.mu.Unlock()
	if !frozen {
		return nil
	}
	select {
	case <-thaw:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *freezer) Sessions(ctx context.Context) ([]monitors.Session, error) {
	if err := f.wait(ctx, false); err != nil {
		return nil, err
	}
	return f.Store.Sessions(ctx)
}

func (f *freezer) Probe(ctx context.Context) error {
	if err := f.wait(ctx, true); err != nil {
		return err
	}
	return f.Store.Probe(ctx)
}

func (f *freezer) EndSession(ctx context.Context, e monitors.Ending) (bool, error) {
	if err := f.wait(ctx, true); err != nil {
		return false, err
	}
	ended, err := f.Store.EndSession(ctx, e)
	f.mu.Lock()
	defer f.mu.Unlock()
	if ended {
		f.ended++
	}
	return ended, err
}
