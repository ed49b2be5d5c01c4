package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/postgres"
)

func step(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
	return alerts.Batch{Progress: p}
}

// uses are the methods, each at least by its kind: reading rows, one row, a page, a statement, and a transaction.
func uses(t *testing.T, s *postgres.Store) map[string]func() error {
	ctx, window := t.Context(), alerts.Window{Limit: 1}
	refs := []alerts.MonitorRef{{ID: 1, OrganizationID: "o"}}
	return map[string]func() error{
		"rules":    func() error { _, err := s.Rules(ctx, "o", 1); return err },
		"rule":     func() error { _, err := s.Rule(ctx, "o", 1, 1); return err },
		"channels": func() error { _, err := s.Channels(ctx, "o"); return err },
		"channel":  func() error { _, err := s.Channel(ctx, "o", 1); return err },
		"incident": func() error { _, err := s.Incident(ctx, "o", 1); return err },
		"monitor":  func() error { _, err := s.Monitor(ctx, 1); return err },
		"monitors": func() error { _, err := s.Monitors(ctx, 0, 1); return err },
		"unknown monitors": func() error {
			_, err := s.UnknownMonitors(ctx, "o", []uint32{1})
			return err
		},
		"monitors except": func() error { _, err := s.MonitorsExcept(ctx, nil); return err },
		"uptime rules":    func() error { _, err := s.UptimeRules(ctx, []uint32{1}); return err },
		"progress":        func() error { _, err := s.Progress(ctx); return err },
		"audit log":       func() error { _, err := s.AuditRows(ctx, audit.Filter{OrganizationID: "o", Limit: 1}); return err },
		"triggers": func() error {
			_, _, err := s.Triggers(ctx, alerts.TriggerFilter{Organization: "o", Window: window})
			return err
		},
		"incidents": func() error {
			_, _, err := s.Incidents(ctx, alerts.IncidentFilter{Organization: "o", Window: window})
			return err
		},
		"deliveries": func() error {
			_, _, err := s.Deliveries(ctx, alerts.DeliveryFilter{Organization: "o", Window: window})
			return err
		},
		"prune": func() error { _, err := s.Prune(ctx, start, start, 1); return err },
		"release": func() error {
			return s.Release(ctx, alerts.Claim{Lease: "none"})
		},
		"settle": func() error {
			return s.Settle(ctx, alerts.Claim{Lease: "none"}, alerts.Attempt{At: start}, alerts.Verdict{State: alerts.DeliveryDelivered})
		},
		"claim":   func() error { _, _, err := s.Claim(ctx, start, time.Minute, 1); return err },
		"advance": func() error { return s.Advance(ctx, refs, start, step) },
		"remove":  func() error { return s.RemoveMonitors(ctx, refs, start, step) },
		"put":     func() error { return s.PutMonitors(ctx, []alerts.Monitor{{ID: 7, OrganizationID: "o", Name: "m"}}) },
		"create": func() error {
			_, err := s.CreateRule(ctx, alerts.Rule{OrganizationID: "o", MonitorID: 1}, func(*alerts.Rule) (audit.Row, error) {
				return audit.Row{}, errRefused
			})
			return err
		},
	}
}

var errRefused = errors.New("fn's own")

// What the store says of what it was asked stays what it is.
var answers = []error{
	alerts.ErrRuleNotFound, alerts.ErrChannelNotFound, alerts.ErrIncidentNotFound, alerts.ErrMonitorNotFound, alerts.ErrLeaseLost, errRefused,
}

func answered(err error) bool {
	for _, known := range answers {
		if errors.Is(err, known) {
			return true
		}
	}
	return err == nil
}

// While the server is away everything is answered as unavailable, to be tried again; afterwards all goes on.
func TestServerAway(t *testing.T) {
	server := postgrestest.Start(t)
	s := openAt(t, server.DSN())
	all := uses(t, s)
	for name, end := range map[string]func(){"killed": server.Kill, "stopped": server.Stop} {
		for use, do := range all {
			if err := do(); !answered(err) {
				t.Errorf("%s, before it was %s: %v", use, name, err)
			}
		}
		end()
		for use, do := range all {
			err := do()
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.KindUnavailable || f.Public != "" {
				t.Errorf("%s, %s: %v, want unavailable", name, use, err)
			}
		}
		server.Start()
		for use, do := range all {
			var err error
			for range 20 { // more than there are connections that have not noticed yet
				if err = do(); !fault.Is(err, fault.KindUnavailable) {
					break
				}
			}
			if !answered(err) {
				t.Errorf("%s, after it was %s: %v", use, name, err)
			}
		}
	}
}

// A step whose commit was lost may have been stored, so it is not called unavailable. Whoever reads the progress again goes
// on from there.
func TestLostCommit(t *testing.T) {
	road := postgrestest.NewRoad(t, postgrestest.DSN(t))
	s := openAt(t, road.DSN())
	road.LoseCommits()
	err := s.Advance(t.Context(), nil, start, func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
		p.Seq++
		return alerts.Batch{Progress: p}
	})
	if !fault.Is(err, fault.KindInternal) {
		t.Errorf("got %v, want internal", err)
	}
	if p, err := s.Progress(t.Context()); err != nil || p.Seq != 1 {
		t.Errorf("progress %+v, %v; the test wants a commit that happened", p, err)
	}
}
