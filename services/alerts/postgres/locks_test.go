package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/postgres"
)

// channel makes a target.
func channel(t *testing.T, s alerts.Store) alerts.Target {
	t.Helper()
	c := alerts.Channel{OrganizationID: "org", Type: "webhook", Name: "ops", Events: []alerts.Event{alerts.EventDown}, Enabled: true}
	c, err := s.CreateChannel(t.Context(), c, func(c *alerts.Channel) (audit.Row, error) {
		c.Config = alerts.Config{Public: json.RawMessage(`{}`), Sealed: []byte{1}}
		return audit.New(t.Context(), "channel.create", "channel", "1"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return alerts.Target{Kind: alerts.TargetChannel, ID: c.ID}
}

func story(id, kind string, to alerts.Target) alerts.Message {
	return alerts.Message{ID: id, OrganizationID: "org", MonitorID: 7, Target: to, Type: kind, Thread: "incident:1", OccurredAt: start}
}

// put writes messages that are due at a time.
func put(ctx context.Context, s alerts.Store, at time.Time, messages ...alerts.Message) error {
	return s.Advance(ctx, nil, at, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
		return alerts.Batch{Progress: p, Messages: messages}
	})
}

func states(t *testing.T, s alerts.Store) map[string]alerts.DeliveryState {
	t.Helper()
	rows, _, err := s.Deliveries(t.Context(), alerts.DeliveryFilter{Organization: "org", Window: alerts.Window{Limit: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]alerts.DeliveryState{}
	for _, d := range rows {
		out[d.ID] = d.State
	}
	return out
}

// session is a connection that plays another replica in the middle of something.
func session(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	run(t, conn, `SET search_path = alerts`)
	return conn
}

func run(t *testing.T, conn *pgx.Conn, statements string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// blocked waits until somebody in the database waits for a lock.
func blocked(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		var n int
		err := conn.QueryRow(t.Context(), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		select {
		case <-poll.C:
		case <-t.Context().Done():
			t.Fatal("nobody waits for a lock")
		}
	}
}

// A message that another replica claims in this very moment is not replaced by the one that closes its thread.
func TestClaimInProgressIsNotReplaced(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s, other, observer := openAt(t, dsn), session(t, dsn), session(t, dsn)
	to := channel(t, s)
	if err := put(t.Context(), s, start, story("down", alerts.TypeDown, to)); err != nil {
		t.Fatal(err)
	}
	claims, _, err := s.Claim(t.Context(), start, time.Minute, 1)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	v := alerts.Verdict{State: alerts.DeliveryPending, NextAttemptAt: start.Add(time.Second)}
	if err := s.Settle(t.Context(), claims[0], alerts.Attempt{At: start}, v); err != nil {
		t.Fatal(err)
	}
	run(t, other, `BEGIN; SELECT 1 FROM delivery_target FOR UPDATE`)
	done := make(chan error)
	go func() { done <- put(t.Context(), s, start.Add(time.Second), story("up", alerts.TypeRecovered, to)) }()
	blocked(t, observer)
	run(t, other, `
UPDATE delivery_target SET claimed_until = '2031-01-01T00:01:00Z', lease = 'x',
    claimed_position = (SELECT position FROM outbox WHERE id = 'down');
COMMIT`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := states(t, s)["down"]; got != alerts.DeliveryPending {
		t.Errorf("the message is %s while it is being sent", got)
	}
}

// Who claims does not wait for targets that another replica is at work on.
func TestClaimPassesOverWhatIsLocked(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s, other := openAt(t, dsn), session(t, dsn)
	a, b := channel(t, s), channel(t, s)
	if err := put(t.Context(), s, start, story("a", alerts.TypeDown, a), story("b", alerts.TypeDown, b)); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `BEGIN`); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `SELECT 1 FROM delivery_target WHERE target_id = $1 FOR UPDATE`, a.ID); err != nil {
		t.Fatal(err)
	}
	claims, _, err := s.Claim(t.Context(), start, time.Minute, 16)
	if err != nil || len(claims) != 1 || claims[0].ID != "b" {
		t.Errorf("claims = %v, %v, want b alone", claims, err)
	}
	claims, next, err := s.Claim(t.Context(), start, time.Minute, 16)
	if err != nil || len(claims) != 0 || !next.Equal(start) {
		t.Errorf("claims = %v, next = %s, %v, want to come again at once", claims, next, err)
	}
}

// A replica that hangs in the middle of an evaluation is cut off, and the others go on.
func TestHungEvaluation(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s, hung := openAt(t, dsn), openAt(t, dsn)
	entered, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- hung.Advance(t.Context(), nil, start, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			close(entered)
			<-leave
			p.Seq = 99
			return alerts.Batch{Progress: p}
		})
	}()
	<-entered
	advance := func() error {
		return s.Advance(t.Context(), nil, start, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
			p.Seq++
			return alerts.Batch{Progress: p}
		})
	}
	err := advance()
	for tries := 0; err != nil && tries < 2; tries++ { // one may give up waiting just before the other is cut off
		err = advance()
	}
	if err != nil {
		t.Error(err)
	}
	close(leave)
	if err := <-done; err == nil {
		t.Error("who was cut off did not notice")
	}
	if p, err := s.Progress(t.Context()); err != nil || p.Seq != 1 {
		t.Errorf("progress = %+v, %v", p, err)
	}
}

// A pair of replicas that start at the same time on an empty database both come up.
func TestOpenTogether(t *testing.T) {
	dsn := postgrestest.DSN(t)
	const n = 4
	errs := make(chan error, n)
	for range n {
		go func() {
			s, err := postgres.Open(context.Background(), dsn)
			if err == nil {
				_, err = s.Progress(t.Context())
				err = errors.Join(err, s.Close())
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// What a target answered may hold any character; none of them stops evaluation.
func TestTextsThatPostgresCannotKeep(t *testing.T) {
	s := openAt(t, postgrestest.DSN(t))
	to := channel(t, s)
	const nasty = "a\x00b\xff \\u0000 \\\x00"
	want := "a\uFFFDb\uFFFD \\u0000 \\\uFFFD"
	m := story("m", alerts.TypeDown, to)
	m.Content.ErrorMessage, m.Content.Monitor.Name = nasty, nasty
	i := alerts.Incident{
		ID: 1, OrganizationID: "org", MonitorID: 7, MonitorName: nasty, Status: alerts.IncidentActive, StartTime: start,
		LastError: nasty, AffectedRegions: []string{nasty}, CreatedAt: start, UpdatedAt: start, CountedAt: start,
	}
	err := s.Advance(t.Context(), nil, start, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
		return alerts.Batch{Progress: p, Incidents: []alerts.Incident{i}, Messages: []alerts.Message{m}}
	})
	if err != nil {
		t.Fatal(err)
	}
	claims, _, err := s.Claim(t.Context(), start, time.Minute, 1)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if c := claims[0].Content; c.ErrorMessage != want || c.Monitor.Name != want {
		t.Errorf("content = %q, %q, want %q", c.ErrorMessage, c.Monitor.Name, want)
	}
	got, err := s.Incident(t.Context(), "org", 1)
	if err != nil || got.MonitorName != want || got.LastError != want || got.AffectedRegions[0] != want {
		t.Errorf("incident = %+v, %v", got, err)
	}
	if err := s.Settle(t.Context(), claims[0], alerts.Attempt{At: start, Error: nasty}, alerts.Verdict{State: alerts.DeliveryDead}); err != nil {
		t.Error(err)
	}
	if err := s.PutMonitors(t.Context(), []alerts.Monitor{{ID: 7, OrganizationID: "org", Name: nasty, URL: nasty}}); err != nil {
		t.Error(err)
	}
}
