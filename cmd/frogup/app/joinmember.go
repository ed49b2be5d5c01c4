package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

const (
	rotateLook    = time.Hour        // how often is looked, whatever the time: machines sleep
	rotateRetry   = time.Minute      // after a failure
	removedTwice  = 5 * time.Second  // between two refusals that end the process
	membershipAsk = 20 * time.Second // for one answer
)

// membership keeps a remote prober's certificate fresh, and ends the process when the server does not know it any more.
type membership struct {
	conn    *joinConn
	server  string
	log     *slog.Logger
	client  monitorsv1.EnrolmentServiceClient
	doubted chan struct{} // capacity 1: a call was refused
	look    time.Duration
}

func newMembership(c *joinConn, server string, log *slog.Logger) *membership {
	m := &membership{
		conn: c, server: server, log: log, client: monitorsv1.NewEnrolmentServiceClient(c), doubted: make(chan struct{}, 1), look: rotateLook,
	}
	c.removed = func() {
		select {
		case m.doubted <- struct{}{}:
		default:
		}
	}
	c.skewed = func(offset time.Duration) {
		log.Warn("this machine's clock is wrong, and so are the times of results; set it, best with NTP", "server_is_ahead_by", offset.Round(time.Second).String())
	}
	return m
}

// run returns nil when ctx ends, and an error when the prober was removed.
func (m *membership) run(ctx context.Context) error {
	timer := time.NewTimer(m.wait(time.Now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.doubted:
			if err := m.confirm(ctx); err != nil {
				return err
			}
		case <-timer.C:
			pause := rotateRetry
			if m.wait(time.Now()) > 0 {
				pause = m.wait(time.Now())
			} else if err := m.rotate(ctx); err == nil {
				pause = m.wait(time.Now())
			} else if ctx.Err() == nil {
				m.log.Warn("certificate is not renewed yet", "until", m.conn.identity.Load().ExpiresAt,
					"error", sentence(explain(m.server, err, m.conn.lastFailure())))
			}
			timer.Reset(max(pause, time.Second))
		}
	}
}

// wait is how long there is nothing to do: until half of the certificate's time is over, and no longer than an hour.
func (m *membership) wait(now time.Time) time.Duration {
	i := m.conn.identity.Load()
	half := i.IssuedAt.Add(i.ExpiresAt.Sub(i.IssuedAt) / 2)
	return min(max(half.Sub(now), 0), m.look)
}

// rotate gets a certificate for a new key. The key is kept first: if the answer is lost, the next attempt asks with the same
// one, and the certificate in use stays good.
func (m *membership) rotate(ctx context.Context) error {
	i := m.conn.identity.Load()
	if i.next == nil {
		key, der, err := newJoinKey()
		if err != nil {
			return err
		}
		with := *i
		with.next, with.NextKey = key, der
		if err := with.save(); err != nil {
			return err
		}
		m.conn.identity.Store(&with)
		i = &with
	}
	csr, err := certificateRequest(i.next)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, membershipAsk)
	defer cancel()
	got, err := m.client.RotateCertificate(ctx, &monitorsv1.RotateCertificateRequest{CertificateRequest: csr})
	if err != nil {
		return err
	}
	next, err := i.with(i.next, i.NextKey, got, time.Now())
	if err != nil {
		return err
	}
	m.conn.identity.Store(next)
	m.log.Info("certificate renewed", "prober_id", next.ProberID, "until", next.ExpiresAt)
	return nil
}

// confirm asks, with the certificate in use, whether the prober is known: a stream of the certificate before ends with the
// same words. It asks twice before it believes that it is not.
func (m *membership) confirm(ctx context.Context) error {
	for tries := 2; ; tries-- {
		i := m.conn.identity.Load()
		csr, err := certificateRequest(i.key)
		if err != nil {
			return err
		}
		err = m.ask(ctx, csr)
		if reasonOf(err) != "PROBER_REMOVED" {
			return nil
		}
		if tries == 1 {
			return fmt.Errorf("%w: %s does not know the prober %s any more: it was removed, or was away for longer than its certificate was valid. "+
				"To let it in again, make a new token (POST /api/uptime/probers) and start it with --token", errRemoved, m.server, i.ProberID)
		}
		select {
		case <-time.After(removedTwice):
		case <-ctx.Done():
			return nil
		}
	}
}

var errRemoved = errors.New("this prober stops")

// ask is a call that changes nothing: a certificate for the key in use is answered with the one that there is.
func (m *membership) ask(ctx context.Context, csr []byte) error {
	ctx, cancel := context.WithTimeout(ctx, membershipAsk)
	defer cancel()
	_, err := m.client.RotateCertificate(ctx, &monitorsv1.RotateCertificateRequest{CertificateRequest: csr})
	return err
}
