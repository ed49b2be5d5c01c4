package postgres_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/postgres"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) monitors.Store { return openAt(t, postgrestest.DSN(t)) })
}

// Two stores that share a database are one: whatever goes through the one is there in the other.
func TestTwoReplicas(t *testing.T) {
	storetest.Run(t, func(t *testing.T) monitors.Store {
		dsn := postgrestest.DSN(t)
		return &replicas{stores: [2]monitors.Store{openAt(t, dsn), openAt(t, dsn)}}
	})
}

// replicas sends every call to another store than the one before.
type replicas struct {
	stores [2]monitors.Store
	calls  atomic.Uint32
}

func (r *replicas) next() monitors.Store { return r.stores[r.calls.Add(1)%2] }

func (r *replicas) Write(ctx context.Context, fn func(tx monitors.Tx) error) error {
	return r.next().Write(ctx, fn)
}

func (r *replicas) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	return r.next().Monitor(ctx, organizationID, id)
}

func (r *replicas) Monitors(ctx context.Context, f monitors.Filter) ([]monitors.Monitor, error) {
	return r.next().Monitors(ctx, f)
}

func (r *replicas) Changes(ctx context.Context, rev int64, limit int) ([]monitors.Monitor, error) {
	return r.next().Changes(ctx, rev, limit)
}

func (r *replicas) Answer(ctx context.Context, k monitors.AnswerKey, since time.Time) (monitors.Answer, bool, error) {
	return r.next().Answer(ctx, k, since)
}

func (r *replicas) AuditRows(ctx context.Context, f audit.Filter) ([]audit.Row, error) {
	return r.next().AuditRows(ctx, f)
}

func (r *replicas) Regions(ctx context.Context) ([]monitors.Region, error) {
	return r.next().Regions(ctx)
}

func (r *replicas) Probers(ctx context.Context) ([]monitors.Prober, error) {
	return r.next().Probers(ctx)
}

func (r *replicas) ProberArrived(ctx context.Context, p monitors.Prober, session string) error {
	return r.next().ProberArrived(ctx, p, session)
}

func (r *replicas) ProberSeen(ctx context.Context, id, session string, at time.Time) error {
	return r.next().ProberSeen(ctx, id, session, at)
}

func (r *replicas) ProberLeft(ctx context.Context, id, session string, at time.Time) error {
	return r.next().ProberLeft(ctx, id, session, at)
}

func (r *replicas) Window(ctx context.Context, organizationID string, id uint32) (monitors.Window, error) {
	return r.next().Window(ctx, organizationID, id)
}

func (r *replicas) Windows(ctx context.Context, organizationID string) ([]monitors.Window, error) {
	return r.next().Windows(ctx, organizationID)
}

func (r *replicas) WindowVersions(ctx context.Context, rev int64, since time.Time, limit int) ([]monitors.Window, error) {
	return r.next().WindowVersions(ctx, rev, since, limit)
}

func (r *replicas) Recheck(ctx context.Context, monitorID uint32, regions []string, at, forget time.Time) ([]string, error) {
	return r.next().Recheck(ctx, monitorID, regions, at, forget)
}

func (r *replicas) Rechecks(ctx context.Context, region string, after int64, limit int) ([]monitors.Recheck, error) {
	return r.next().Rechecks(ctx, region, after, limit)
}

// tcp is a small monitor.
func tcp(organizationID, name string) monitors.Monitor {
	at := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	return monitors.Monitor{
		OrganizationID: organizationID,
		Config: monitors.Config{
			Name: name, Type: monitors.TypeTCP, Interval: 30, Enabled: true,
			TCP:   &monitors.TCPConfig{Host: "db.internal", Port: 5432, Timeout: 1000, IPVersion: "any"},
			Rules: []monitors.Rule{}, Regions: []string{"local"}, Retries: monitors.Retries{Attempts: 1},
			ConfirmDown: 2, ConfirmUp: 1, Overlap: monitors.OverlapSkip, Quorum: "majority", Labels: map[string]string{},
		},
		Version: 1, CreatedAt: at, UpdatedAt: at, ActiveSince: at, CreatedBy: "user-1",
	}
}

// insert stores m and returns it with its id.
func insert(t testing.TB, s monitors.Store, m monitors.Monitor) monitors.Monitor {
	t.Helper()
	err := s.Write(t.Context(), func(tx monitors.Tx) (err error) {
		m.ID, err = tx.Insert(t.Context(), m)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOpenAgain(t *testing.T) {
	dsn := postgrestest.DSN(t)
	for range 2 {
		s, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		insert(t, s, tcp("org", "x"))
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	ms, err := openAt(t, dsn).Changes(t.Context(), 0, 10)
	if err != nil || len(ms) != 2 || ms[0].ID != 1 || ms[1].Rev != 2 {
		t.Errorf("%+v after opening again, %v, want two", ms, err)
	}
}

// Replicas start together, on a database that none of them has seen before.
func TestOpenTogether(t *testing.T) {
	dsn := postgrestest.DSN(t)
	stores := make(chan *postgres.Store, 4)
	for range cap(stores) {
		go func() {
			s, err := postgres.Open(t.Context(), dsn)
			if err != nil {
				t.Error(err)
			}
			stores <- s
		}()
	}
	for range cap(stores) {
		if s := <-stores; s != nil {
			insert(t, s, tcp("org", "x"))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	for _, dsn := range []string{"", "postgres://", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"} {
		if s, err := postgres.Open(t.Context(), dsn); err == nil {
			t.Errorf("%q opened; close says %v", dsn, s.Close())
		}
	}
}

func TestOpenAndCloseLeaveNothing(t *testing.T) {
	dsn := postgrestest.DSN(t)
	before := goleak.IgnoreCurrent()
	s, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, tcp("org", "x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

func (r *replicas) Badge(ctx context.Context, organizationID string, monitorID uint32) (monitors.Badge, error) {
	return r.next().Badge(ctx, organizationID, monitorID)
}

func (r *replicas) BadgeOf(ctx context.Context, token string) (monitors.Badge, error) {
	return r.next().BadgeOf(ctx, token)
}
