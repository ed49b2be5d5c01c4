package alerts

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// send makes one attempt at a message.
func (s *Service) send(ctx context.Context, c Claim, at time.Time) Result {
	m := c.Message
	s.name(ctx, &m.Content.Monitor, m.MonitorID)
	m.Content.Digest = slices.Clone(m.Content.Digest)
	for i := range m.Content.Digest {
		e := &m.Content.Digest[i]
		s.name(ctx, &e.Content.Monitor, e.MonitorID)
	}
	return s.sendMessage(ctx, m, c.Via, c.Config, at)
}

// name fills in what a monitor is called, if nobody knew when the message was written: the catalog may have brought it since.
func (s *Service) name(ctx context.Context, to *ContentMonitor, id uint32) {
	if to.Name != "" || id == 0 {
		return
	}
	if mon, err := s.store.Monitor(ctx, id); err == nil {
		to.Name, to.URL = mon.Name, mon.URL
	}
}

func (s *Service) sendMessage(ctx context.Context, m Message, via string, c Config, at time.Time) Result {
	n, ok := s.ways.sender(via)
	if !ok {
		return Result{Error: "this version cannot send through " + via, Refused: true}
	}
	set, err := s.open(m.OrganizationID, m.Target, c)
	if err != nil {
		s.log.ErrorContext(ctx, "stored configuration does not open",
			"target_kind", string(m.Target.Kind), "target_id", m.Target.ID, "error", err.Error())
		return Result{Error: "the stored configuration does not open with this key; enter it again"}
	}
	body, err := m.body(at)
	if err != nil {
		s.log.ErrorContext(ctx, "message cannot be written", "message_id", m.ID, "error", err.Error())
		return Result{Error: "the message could not be written"}
	}
	return n.Send(ctx, s.client, set, notify.Parcel{ID: m.ID, At: at, Body: body, Words: m.words(at, s.publicURL)})
}

// sendTest sends a test message at once, past the outbox: whoever asked is waiting to hear how it goes.
func (s *Service) sendTest(ctx context.Context, to Target, via string, c Config, about Monitor) (*alertsv1.TestDelivery, error) {
	organization := caller(ctx).OrganizationID
	if err := s.tests.take(organization); err != nil {
		return nil, err
	}
	id, err := testMessageID()
	if err != nil {
		return nil, fmt.Errorf("test: %w", err)
	}
	began := now()
	m := Message{
		ID: id, OrganizationID: organization, MonitorID: about.ID, Target: to, Type: TypeTest, OccurredAt: began,
		Content: Content{
			OrganizationID: organization, Monitor: ContentMonitor{ID: about.ID, Name: about.Name, URL: about.URL}, Test: true,
		},
	}
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	r := s.sendMessage(ctx, m, via, c, began)
	return &alertsv1.TestDelivery{
		Success: r.OK, StatusCode: some(uint32(r.StatusCode)), Error: some(r.Error),
		DurationMs: uint32(min(time.Since(began).Milliseconds(), math.MaxUint32)),
	}, nil
}

// An organization may send testBurst tests at once, and then one every testEvery: enough to find a mistake in a
// configuration, too few to bother somebody who never asked for them.
const (
	testBurst = 5
	testEvery = 5 * time.Second
)

// testLimits counts the tests of each organization.
type testLimits struct {
	mu    sync.Mutex
	of    map[string]*rate.Limiter
	sweep time.Time // when those that are full again were last forgotten
}

func newTestLimits() *testLimits { return &testLimits{of: map[string]*rate.Limiter{}} }

// take returns a fault.Exhausted, which says when to come back, if the organization has had its tests.
func (l *testLimits) take(organization string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Now()
	if at.Sub(l.sweep) >= testBurst*testEvery {
		for name, limit := range l.of {
			if limit.TokensAt(at) >= testBurst {
				delete(l.of, name)
			}
		}
		l.sweep = at
	}
	limit, ok := l.of[organization]
	if !ok {
		limit = rate.NewLimiter(rate.Every(testEvery), testBurst)
		l.of[organization] = limit
	}
	r := limit.ReserveN(at, 1)
	if pause := r.DelayFrom(at); pause > 0 {
		r.CancelAt(at)
		return fault.Exhausted("too many test messages").After(pause)
	}
	return nil
}
