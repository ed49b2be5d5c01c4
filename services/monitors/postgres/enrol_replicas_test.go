package postgres_test

import (
	"context"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

func (r *replicas) ChangeEnrolments(ctx context.Context, fn func(tx monitors.EnrolmentTx) error) error {
	return r.next().ChangeEnrolments(ctx, fn)
}

func (r *replicas) Enrolled(ctx context.Context) ([]monitors.Enrolled, error) {
	return r.next().Enrolled(ctx)
}

func (r *replicas) Certificate(ctx context.Context, fingerprint []byte) (monitors.Certificate, error) {
	return r.next().Certificate(ctx, fingerprint)
}

func (r *replicas) UseCertificate(ctx context.Context, fingerprint []byte, at time.Time) error {
	return r.next().UseCertificate(ctx, fingerprint, at)
}

func (r *replicas) Authority(ctx context.Context) (monitors.Authority, bool, error) {
	return r.next().Authority(ctx)
}

func (r *replicas) KeepAuthority(ctx context.Context, a monitors.Authority) (monitors.Authority, error) {
	return r.next().KeepAuthority(ctx, a)
}
