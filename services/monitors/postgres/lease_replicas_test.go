package postgres_test

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

func (r *replicas) OpenSession(ctx context.Context, o monitors.Opening) (monitors.Session, error) {
	return r.next().OpenSession(ctx, o)
}

func (r *replicas) RenewSession(ctx context.Context, x monitors.Renewal) (monitors.Session, error) {
	return r.next().RenewSession(ctx, x)
}

func (r *replicas) EndSession(ctx context.Context, e monitors.Ending) (bool, error) {
	return r.next().EndSession(ctx, e)
}

func (r *replicas) Sessions(ctx context.Context) ([]monitors.Session, error) {
	return r.next().Sessions(ctx)
}

func (r *replicas) Probe(ctx context.Context) error { return r.next().Probe(ctx) }

func (r *replicas) Placements(ctx context.Context) ([]monitors.Placement, error) {
	return r.next().Placements(ctx)
}

func (r *replicas) Place(ctx context.Context, region string, fn func(tx monitors.PlaceTx) error) error {
	return r.next().Place(ctx, region, fn)
}

func (r *replicas) Assignments(ctx context.Context, region, holder string, rev int64, limit int) ([]monitors.Assigned, error) {
	return r.next().Assignments(ctx, region, holder, rev, limit)
}

func (r *replicas) MonitorsByID(ctx context.Context, ids []uint32) ([]monitors.Monitor, error) {
	return r.next().MonitorsByID(ctx, ids)
}

func (r *replicas) Losses(ctx context.Context, region, proberID, session string) ([]monitors.Loss, error) {
	return r.next().Losses(ctx, region, proberID, session)
}

func (r *replicas) TellLosses(ctx context.Context, region, proberID, session string, epoch int64, at, forget time.Time) error {
	return r.next().TellLosses(ctx, region, proberID, session, epoch, at, forget)
}

func (r *replicas) Holdings(ctx context.Context) ([]monitors.Holding, error) {
	return r.next().Holdings(ctx)
}
