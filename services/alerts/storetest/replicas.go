package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/alerts"
)

// ReplicaCase is one promise of alerts.Store that has to hold between replicas, which work on the same data at the same time.
type ReplicaCase struct {
	Name string
	Run  func(t testing.TB, replicas []alerts.Store)
}

// RunReplicas tests the engine whose replicas open opens: stores over the same data, empty, closed when the test ends.
func RunReplicas(t *testing.T, open func(t *testing.T) []alerts.Store) {
	for _, c := range append(slices.Clone(overlapCases), fallbackOverlap, canaryOverlap, crowdCase(40)) {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, open(t)) })
	}
}

// overlapping are the promises between replicas for one store whose calls overlap.
func overlapping() (cases []Case) {
	for _, c := range append(slices.Clone(overlapCases), fallbackOverlap, canaryOverlap, crowdCase(2)) {
		cases = append(cases, c.alone())
	}
	return cases
}

// alone is a case for one store that plays two replicas.
func (c ReplicaCase) alone() Case {
	return Case{c.Name, func(t testing.TB, s alerts.Store) { c.Run(t, []alerts.Store{s, s}) }}
}

// both runs n calls on each replica at the same time, in a row on each.
func both(t testing.TB, replicas []alerts.Store, n int, call func(s alerts.Store, i int) error) {
	t.Helper()
	var g errgroup.Group
	for _, s := range replicas {
		g.Go(func() error {
			for i := range n {
				if err := call(s, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	check(t, g.Wait())
}

var overlapCases = []ReplicaCase{
	{"replicas/at most so many, however many ask at once", func(t testing.TB, replicas []alerts.Store) {
		rules, channels := make(chan error, 1000), make(chan error, 1000)
		both(t, replicas, alerts.MaxRulesPerMonitor, func(s alerts.Store, _ int) error {
			_, err := s.CreateRule(ctx(t), alerts.Rule{OrganizationID: org, MonitorID: monitor}, func(r *alerts.Rule) (audit.Row, error) {
				r.Config = alerts.Config{Public: []byte("{}"), Sealed: []byte{1}}
				return row(t, "alert.create"), nil
			})
			rules <- err
			return nil
		})
		both(t, replicas, alerts.MaxChannels, func(s alerts.Store, _ int) error {
			_, err := s.CreateChannel(ctx(t), alerts.Channel{OrganizationID: org}, func(c *alerts.Channel) (audit.Row, error) {
				c.Config = alerts.Config{Public: []byte("{}"), Sealed: []byte{1}}
				return row(t, "channel.create"), nil
			})
			channels <- err
			return nil
		})
		same(t, "rules", made(t, rules, alerts.ErrTooManyRules), alerts.MaxRulesPerMonitor)
		same(t, "channels", made(t, channels, alerts.ErrTooManyChannels), alerts.MaxChannels)
	}},
	{"replicas/people and evaluation do not undo each other's changes", func(t testing.TB, replicas []alerts.Store) {
		const n = 20
		refs := []alerts.MonitorRef{{ID: monitor, OrganizationID: org}}
		put(t, replicas[0], at(1), alerts.Batch{Incidents: []alerts.Incident{incident(1, org, monitor, 1)}})
		var g errgroup.Group
		for _, s := range replicas {
			g.Go(func() error { return repeat(n, func(int) error { return countFailure(ctx(t), s, refs) }) })
			g.Go(func() error {
				return repeat(n, func(int) error {
					_, err := s.ChangeIncident(ctx(t), org, 1, func(i *alerts.Incident) (alerts.Handling, error) {
						i.Streak++
						r := row(t, "incident.acknowledge")
						return alerts.Handling{Audit: &r}, nil
					})
					return err
				})
			})
		}
		check(t, g.Wait())
		got := must(replicas[0].Incident(ctx(t), org, 1))(t)
		before := incident(1, org, monitor, 1)
		calls := uint32(n * len(replicas))
		same(t, "counts", []uint32{got.FailureCount, got.Streak}, []uint32{before.FailureCount + calls, before.Streak + calls})
	}},
	{"replicas/what is switched off or deleted meanwhile gets no message", func(t testing.TB, replicas []alerts.Store) {
		const n = 15
		for i := range n {
			ch := newChannel(t, replicas[0], org)
			rule := newRule(t, replicas[0], org, monitor, alerts.Conditions{Failures: 1})
			var g errgroup.Group
			g.Go(func() error { return tellEverybody(ctx(t), replicas[0], uint32(i+1)) })
			g.Go(func() error { return switchOff(t, replicas[1], ch.ID, rule.ID, i%2 == 0) })
			check(t, g.Wait())
		}
		for id, d := range deliveries(t, replicas[0]) {
			if d.State == alerts.DeliveryPending {
				t.Errorf("%s waits for %v, which is gone", id, d.Target)
			}
		}
		claim(t, replicas[0], 9999)
		rows, _ := history(t, replicas[0], alerts.TriggerFilter{Organization: org, Window: alerts.Window{Limit: 100}})
		for _, tr := range rows {
			if tr.ResolvedAt.IsZero() {
				t.Errorf("alert %d, which was switched off, is still triggered", tr.RuleID)
			}
		}
	}},
	{"replicas/a message that is written while another is settled is not forgotten", func(t testing.TB, replicas []alerts.Store) {
		const n = 40
		ch := newChannel(t, replicas[0], org)
		id := func(i int) string { return fmt.Sprint("m", i) }
		put(t, replicas[0], at(0), alerts.Batch{Messages: []alerts.Message{channelMessage(id(0), ch.ID, monitor)}})
		for i := range n {
			c := claim(t, replicas[0], i, id(i))[0]
			var g errgroup.Group
			g.Go(func() error {
				return replicas[0].Settle(ctx(t), c, alerts.Attempt{At: at(i)}, alerts.Verdict{State: alerts.DeliveryDelivered})
			})
			g.Go(func() error {
				return replicas[1].Advance(ctx(t), nil, at(i), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
					return alerts.Batch{Progress: p, Messages: []alerts.Message{channelMessage(id(i+1), ch.ID, monitor)}}
				})
			})
			check(t, g.Wait())
		}
		claim(t, replicas[1], n, id(n))
	}},
	{"replicas/a message is settled or dropped with its target, not both", func(t testing.TB, replicas []alerts.Store) {
		const n = 30
		for i := range n {
			ch, id := newChannel(t, replicas[0], org), fmt.Sprint("m", i)
			put(t, replicas[0], at(1), alerts.Batch{Messages: []alerts.Message{channelMessage(id, ch.ID, monitor)}})
			c := claim(t, replicas[0], 1, id)[0]
			var settled error
			var dropped int
			var g errgroup.Group
			g.Go(func() error {
				settled = replicas[0].Settle(ctx(t), c, alerts.Attempt{At: at(2)}, alerts.Verdict{State: alerts.DeliveryDelivered})
				return nil
			})
			g.Go(func() (err error) {
				dropped, err = replicas[1].DeleteChannel(ctx(t), org, ch.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "x"), nil })
				return err
			})
			check(t, g.Wait())
			want := alerts.DeliveryDelivered
			if dropped > 0 {
				want = alerts.DeliveryDead
				wantErr(t, settled, alerts.ErrLeaseLost)
			} else {
				check(t, settled)
			}
			same(t, "state of "+id, states(t, replicas[0])[id], want)
		}
	}},
	{"replicas/a message that is being sent is not replaced", func(t testing.TB, replicas []alerts.Store) {
		const n = 30
		for i := range n {
			ch, down, up, thread := newChannel(t, replicas[0], org), fmt.Sprint("down", i), fmt.Sprint("up", i), fmt.Sprint("incident:", i)
			put(t, replicas[0], at(1), alerts.Batch{Messages: []alerts.Message{story(down, alerts.TypeDown, thread, ch.ID)}})
			failed(t, replicas[0], claim(t, replicas[0], 1, down)[0], 1, 9)
			told := false
			var g errgroup.Group
			g.Go(func() error {
				claims, _, err := replicas[0].Claim(ctx(t), at(10), lease, 1)
				if err != nil || len(claims) == 0 {
					return err
				}
				told = claims[0].ID == down
				return replicas[0].Settle(ctx(t), claims[0], alerts.Attempt{At: at(10)}, alerts.Verdict{State: alerts.DeliveryDelivered})
			})
			g.Go(func() error {
				return replicas[1].Advance(ctx(t), nil, at(10), func(p alerts.Progress, _ map[uint32]alerts.State) alerts.Batch {
					return alerts.Batch{Progress: p, Messages: []alerts.Message{story(up, alerts.TypeRecovered, thread, ch.ID)}}
				})
			})
			check(t, g.Wait())
			all := deliveries(t, replicas[0])
			want, supersedes := alerts.DeliverySuperseded, []string{down}
			if told {
				want, supersedes = alerts.DeliveryDelivered, nil
			}
			same(t, "state of "+down, all[down].State, want)
			same(t, "told by "+up, all[up].Content.Supersedes, supersedes)
			must(replicas[0].DeleteChannel(ctx(t), org, ch.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "x"), nil }))(t)
		}
	}},
	{"replicas/a notice begins once and ends once, whoever says so", func(t testing.TB, replicas []alerts.Store) {
		const n = 20
		ch := operatorChannel(t, replicas[0], org, true)
		said := func(id uint64, kind string) []alerts.Message {
			m := channelMessage(fmt.Sprint(kind, id), ch.ID, 0)
			m.Type, m.Thread = kind, fmt.Sprint("notice:", id)
			return []alerts.Message{m}
		}
		for range n {
			both(t, replicas, 2, func(s alerts.Store, _ int) error {
				return s.ChangeNotice(ctx(t), "k", at(1), func(st alerts.NoticeState) alerts.NoticeChange {
					if st.Current != nil {
						return alerts.NoticeChange{}
					}
					return alerts.NoticeChange{
						Notices: []alerts.Notice{notice(st.NextID, "k", 1)}, Messages: said(st.NextID, alerts.TypeNoticeRaised),
					}
				})
			})
			both(t, replicas, 2, func(s alerts.Store, _ int) error {
				return s.ChangeNotice(ctx(t), "k", at(2), func(st alerts.NoticeState) alerts.NoticeChange {
					if st.Current == nil {
						return alerts.NoticeChange{}
					}
					return alerts.NoticeChange{
						Notices: []alerts.Notice{settled(*st.Current, 2)}, Messages: said(st.Current.ID, alerts.TypeNoticeCleared),
					}
				})
			})
		}
		same(t, "notices", len(notices(t, replicas[1], nil, 1000)), n)
		same(t, "messages", len(deliveries(t, replicas[1])), 2*n)
	}},
	{"replicas/pruning at the same time removes everything once", func(t testing.TB, replicas []alerts.Store) {
		const n = 60
		ch := newChannel(t, replicas[0], org)
		var b alerts.Batch
		for i := range n {
			b.Messages = append(b.Messages, channelMessage(fmt.Sprint("m", i), ch.ID, monitor))
		}
		put(t, replicas[0], at(1), b)
		must(replicas[0].DeleteChannel(ctx(t), org, ch.ID, func(alerts.Channel) (audit.Row, error) { return row(t, "x"), nil }))(t)
		counts := make(chan int, 2*n)
		both(t, replicas, n, func(s alerts.Store, _ int) error {
			pruned, err := s.Prune(ctx(t), at(2), at(2), 7)
			counts <- pruned
			return err
		})
		close(counts)
		total := 0
		for c := range counts {
			total += c
		}
		same(t, "pruned", total, n)
		same(t, "left", len(deliveries(t, replicas[0])), 0)
	}},
}

// made counts the calls that succeeded; the others must have failed for want of room.
func made(t testing.TB, results chan error, refusal error) int {
	t.Helper()
	close(results)
	n := 0
	for err := range results {
		if err == nil {
			n++
		} else if !errors.Is(err, refusal) {
			t.Errorf("error = %v, want %v", err, refusal)
		}
	}
	return n
}

func repeat(n int, call func(i int) error) error {
	for i := range n {
		if err := call(i); err != nil {
			return err
		}
	}
	return nil
}

// countFailure adds a failing check to the incident of the monitors, as evaluation does.
func countFailure(ctx context.Context, s alerts.Store, refs []alerts.MonitorRef) error {
	return s.Advance(ctx, refs, at(2), func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		i := *states[refs[0].ID].Incident
		i.FailureCount++
		return alerts.Batch{Progress: p, Incidents: []alerts.Incident{i}}
	})
}

// tellEverybody triggers the rules and writes a message to every rule and channel of the state.
func tellEverybody(ctx context.Context, s alerts.Store, round uint32) error {
	refs := []alerts.MonitorRef{{ID: monitor, OrganizationID: org}}
	return s.Advance(ctx, refs, at(3), func(p alerts.Progress, states map[uint32]alerts.State) alerts.Batch {
		b := alerts.Batch{Progress: p}
		for _, c := range states[monitor].Channels {
			b.Messages = append(b.Messages, channelMessage(fmt.Sprint("c", c.ID), c.ID, monitor))
		}
		for _, r := range states[monitor].Rules {
			if r.Open == nil {
				b.Triggers = append(b.Triggers, trigger(1000*round+r.Rule.ID, r.Rule, 3))
			}
			b.Messages = append(b.Messages, ruleMessage(fmt.Sprint("r", r.Rule.ID), r.Rule.ID))
		}
		return b
	})
}

// switchOff disables the channel and the rule, or deletes them.
func switchOff(t testing.TB, s alerts.Store, channel, rule uint32, remove bool) error {
	if remove {
		_, err := s.DeleteChannel(ctx(t), org, channel, func(alerts.Channel) (audit.Row, error) { return row(t, "x"), nil })
		_, rerr := s.DeleteRule(ctx(t), org, monitor, rule, func(alerts.Rule) (audit.Row, error) { return row(t, "x"), nil })
		return errors.Join(err, rerr)
	}
	_, err := s.UpdateChannel(ctx(t), org, channel, func(c *alerts.Channel) (audit.Row, error) {
		c.Enabled = false
		return row(t, "x"), nil
	})
	_, rerr := s.UpdateRule(ctx(t), org, monitor, rule, at(4), func(r *alerts.Rule) (audit.Row, error) {
		r.Enabled = false
		return row(t, "x"), nil
	})
	return errors.Join(err, rerr)
}
