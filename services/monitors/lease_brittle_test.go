package monitors_test

import (
	"context"
	"errors"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

// brittle is a store whose statements come late, fail, or succeed without an answer.
type brittle struct {
	monitors.Store
	world   *world
	replica *replica
}

// fragile runs do, or does not, or does and says that it failed.
func fragile[T any](ctx context.Context, b *brittle, do func() (T, error)) (out T, err error) {
	w := b.world
	if err := w.ready(ctx, b.replica); err != nil {
		return out, err
	}
	if w.trouble(15) {
		if err := sleep(ctx, w.upTo(w.ttl)); err != nil {
			return out, err
		}
	}
	if w.trouble(10) {
		return out, errLost
	}
	out, err = do()
	if w.trouble(10) {
		var none T
		return none, errLost
	}
	if readyErr := w.ready(ctx, b.replica); readyErr != nil { // paused with the answer in hand
		return out, readyErr
	}
	return out, err
}

func (b *brittle) OpenSession(ctx context.Context, o monitors.Opening) (monitors.Session, error) {
	return fragile(ctx, b, func() (monitors.Session, error) {
		s, err := b.Store.OpenSession(ctx, o)
		b.world.granted(s, o.ProberID, o.Name, o.ValidUntil, err)
		if err == nil {
			b.world.mu.Lock()
			b.world.newest[o.ProberID] = o.Name
			b.world.mu.Unlock()
		}
		b.world.trace("open %s/%s: %+v %v", o.ProberID, o.Name, s, err)
		return s, err
	})
}

func (b *brittle) RenewSession(ctx context.Context, r monitors.Renewal) (monitors.Session, error) {
	return fragile(ctx, b, func() (monitors.Session, error) {
		s, err := b.Store.RenewSession(ctx, r)
		b.world.granted(s, r.ProberID, r.Name, r.ValidUntil, err)
		b.world.trace("renew %s/%s: %s beat %d sole %v %v", r.ProberID, r.Name, s.State, s.Beat, s.Sole, err)
		return s, err
	})
}

func (b *brittle) EndSession(ctx context.Context, e monitors.Ending) (bool, error) {
	return fragile(ctx, b, func() (bool, error) {
		ended, err := b.Store.EndSession(ctx, e)
		b.world.hasLeft(e, ended, err)
		b.world.trace("end %+v: %v %v", e, ended, err)
		return ended, err
	})
}

func (b *brittle) Sessions(ctx context.Context) ([]monitors.Session, error) {
	return fragile(ctx, b, func() ([]monitors.Session, error) { return b.Store.Sessions(ctx) })
}

func (b *brittle) Probe(ctx context.Context) error {
	_, err := fragile(ctx, b, func() (bool, error) { return true, b.Store.Probe(ctx) })
	return err
}

func (b *brittle) Assignments(ctx context.Context, region, holder string, rev int64, limit int) ([]monitors.Assigned, error) {
	return fragile(ctx, b, func() ([]monitors.Assigned, error) { return b.Store.Assignments(ctx, region, holder, rev, limit) })
}

func (b *brittle) TellLosses(ctx context.Context, region, prober, session string, epoch int64, at, forget time.Time) error {
	_, err := fragile(ctx, b, func() (bool, error) {
		losses, err := b.Store.Losses(ctx, region, prober, session)
		for _, l := range losses {
			if w := b.world; l.Epoch <= epoch {
				w.mu.Lock()
				heard := w.heard[heardKey{lossKey{prober, l.MonitorID, l.Epoch}, session}]
				w.mu.Unlock()
				if !heard {
					w.breach("%s/%s has not heard of %+v", prober, session, l)
				}
			}
		}
		return true, errors.Join(err, b.Store.TellLosses(ctx, region, prober, session, epoch, at, forget))
	})
	return err
}

func (b *brittle) Placements(ctx context.Context) ([]monitors.Placement, error) {
	return fragile(ctx, b, func() ([]monitors.Placement, error) { return b.Store.Placements(ctx) })
}

func (b *brittle) Place(ctx context.Context, region string, fn func(tx monitors.PlaceTx) error) error {
	_, err := fragile(ctx, b, func() (bool, error) {
		var tx *observed
		called, shown := b.world.now(), b.replica.service.GrantNow()
		err := b.Store.Place(ctx, region, func(inner monitors.PlaceTx) error {
			tx = newObserved(ctx, inner)
			return fn(tx)
		})
		if tx == nil {
			return true, err
		}
		tx.between = [2]time.Time{shown, b.replica.service.GrantNow()}
		if err == nil {
			b.world.committed(tx, called)
		} else {
			b.world.perhapsCommitted(tx)
		}
		return true, err
	})
	return err
}
