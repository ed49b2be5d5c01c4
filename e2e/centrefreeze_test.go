package e2e

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// crowd are monitors of one target that is well.
func (s *server) crowd(n int) (ids []int) {
	s.t.Helper()
	target := newSite(s.t, nil)
	for i := range n {
		ids = append(ids, s.create(tcpMonitor("127.0.0.1", target.port(), obj{"name": fmt.Sprint("steady ", i), "confirm_down": 1})))
	}
	s.statusIs(ids[len(ids)-1], "up", 20*time.Second)
	return ids
}

// A prober that has no company need not renew. One that stands still while another comes, and is given what it holds, must not
// account for what happened meanwhile when it goes on.
func TestSuiteSoleProberStandsStill(t *testing.T) {
	t.Parallel()
	s, _ := rigged(t, nil, "a", "b")
	k := newSink(t)
	s.channel(k, "ops")
	ids := s.crowd(map[bool]int{true: 300, false: 40}[long])
	signal := func(name string, sig syscall.Signal) {
		if err := syscall.Kill(s.process("prober "+name).pid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"a", "b"}
	for round := range map[bool]int{true: 8, false: 1}[long] {
		one, other := names[round%2], names[1-round%2]
		signal(one, syscall.SIGSTOP)
		<-time.After(7 * time.Second) // its lease is over, and the other has heard that it is alone
		signal(other, syscall.SIGSTOP)
		signal(one, syscall.SIGCONT)
		<-time.After(8 * time.Second)
		signal(other, syscall.SIGCONT)
		<-time.After(5 * time.Second)
	}
	s.wellThroughout(ids, k)
	s.inOrder(ids)
}

// Probers whose service stands still for longer than their leases, and then its database, hand each slot over once: whoever comes
// back accounts for what it held, and for nothing that another was given meanwhile.
func TestSuiteCentreStandsStill(t *testing.T) {
	t.Parallel()
	s, r := rigged(t, nil, "a", "b")
	seed := uint64(tortureSetting(t, "SEED", int(time.Now().UnixNano()&0x7fffffff)))
	t.Logf("FROGUP_E2E_TORTURE_SEED=%d", seed)
	m := &tormentor{s: s, r: r, rng: rand.New(rand.NewPCG(seed, 1))}
	k := newSink(t)
	s.channel(k, "ops")
	ids := s.crowd(map[bool]int{true: 300, false: 40}[long])
	for round := range map[bool]int{true: 14, false: 1}[long] {
		centre := m.stopped("monitors")
		centre.for_ = m.between(3500*time.Millisecond, 9*time.Second)
		history := fault{"clickhouse stands still", m.between(0, 3*time.Second), r.clickhouse.Pause, r.clickhouse.Resume}
		database := fault{"postgres stands still", m.between(time.Second, 11*time.Second), r.postgres.Pause, r.postgres.Resume}
		t.Logf("round %d: monitors for %v, clickhouse for %v longer, then postgres for %v", round, centre.for_, history.for_, database.for_)
		centre.on()
		history.on()
		<-time.After(centre.for_)
		centre.off()
		<-time.After(history.for_)
		history.off()
		s.ready()
		<-time.After(m.between(0, 3*time.Second))
		database.on()
		<-time.After(database.for_)
		database.off()
		s.ready()
		<-time.After(m.between(0, 6*time.Second))
	}
	s.wellThroughout(ids, k)
	s.inOrder(ids)
}
